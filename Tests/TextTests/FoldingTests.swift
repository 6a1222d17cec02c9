import Foundation
@_spi(_Unicode) import Swift
import TestData
import Testing

@testable import Text

@Suite("Compatibility folding")
struct FoldingTests {
  static let removed: Set<UInt32> = [0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF]

  static func folded(_ bytes: [UInt8]) -> [UInt8] {
    var out: [UInt8] = [1, 2, 3]
    Folding.fold(bytes.span, into: &out)
    return out
  }

  /// NFKC in two steps: Foundation's, of each scalar alone, then the standard library's NFC of all.
  ///
  /// Not Foundation's of the whole: it does not sort the marks that a starter decomposes into (U+0F72 U+0F75),
  /// leaves half-width Hangul apart (U+FFBE U+FFCE), and takes U+10053 U+0301 for S and an accent. Unicode's own
  /// test and other implementations agree with ours.
  static func expected(_ text: String) -> [UInt8] {
    let mapped = text.unicodeScalars.map { String($0).precomposedStringWithCompatibilityMapping }.joined()
    var result = String.UnicodeScalarView()
    for scalar in mapped._nfc where !removed.contains(scalar.value) { result.append(scalar) }
    return Array(String(result).utf8)
  }

  @Test("of every scalar is Foundation's NFKC")
  func everyScalar() {
    var different: [UInt32] = []
    for value in 0...UInt32(0x10FFFF) {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let text = String(Character(scalar))
      let expected = text.precomposedStringWithCompatibilityMapping.unicodeScalars
        .filter { !Self.removed.contains($0.value) }
      if Self.folded(Array(text.utf8)) != Array(String(String.UnicodeScalarView(expected)).utf8) {
        different.append(value)
      }
    }
    #expect(different == [])
  }

  @Test("of every scalar between a letter and an accent is NFKC")
  func neighbours() {
    var different: [UInt32] = []
    for value in 0...UInt32(0x2FFFF) {
      // What the standard library's newer Unicode knows more of, Foundation does not.
      guard let scalar = Unicode.Scalar(value), scalar.isKnown else { continue }
      let text = "a\(Character(scalar))\u{301}b"
      if Self.folded(Array(text.utf8)) != Self.expected(text) { different.append(value) }
    }
    #expect(different == [])
  }

  @Test("sorts the marks that a starter decomposes into")
  func missorted() {
    #expect(Self.folded(Array("\u{F72}\u{F75}".utf8)) == Array("\u{F71}\u{F72}\u{F74}".utf8))
    #expect(Self.folded(Array("/\u{33F}\u{FF9E}".utf8)) == Array("/\u{3099}\u{33F}".utf8))
    #expect(Self.folded(Array("\u{FF76}\u{FF9E}".utf8)) == Array("\u{30AC}".utf8))
  }

  @Test("of random sequences is NFKC")
  func randomSequences() {
    let pools: [[UInt32]] = [
      Array(0x20...0x7E), Array(0x300...0x36F), Array(0x1100...0x11FF), Array(0xAC00...0xAC40),
      Array(0x1E00...0x1FFF),
      Array(0x900...0x9FF),
      [0x958, 0x2ADC, 0xFB1D, 0x1D15E, 0x2126, 0x212A, 0x212B, 0x340, 0x343, 0x344, 0x37E],
      Array(0xFB00...0xFB4F), Array(0xFF00...0xFFEF), [0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF],
      Array(0x3040...0x30FF),
      Array(0xF71...0xF84),
      [0x9BE, 0x9D7, 0xDCF, 0x11127, 0x114BA, 0x1102E, 0xFDFA, 0x1D400, 0x1F100, 0x2026, 0xA0],
      Array(0x590...0x6FF), Array(0xE00...0xEFF), Array(0x1AB0...0x1ACE), Array(0x1DC0...0x1DFF),
    ]
    var random = SeededGenerator(seed: 3)
    for _ in 0..<20_000 {
      var text = String.UnicodeScalarView()
      for _ in 0..<Int.random(in: 1...10, using: &random) {
        let pool = pools.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 1...3, using: &random) {
          if let value = pool.randomElement(using: &random),
            let scalar = Unicode.Scalar(value), scalar.isKnown
          {
            text.append(scalar)
          }
        }
      }
      let string = String(text)
      #expect(
        Self.folded(Array(string.utf8)) == Self.expected(string),
        "\(text.map { String($0.value, radix: 16) })")
    }
  }

  @Test("passes Unicode's own test, where it is installed")
  func normalizationTest() throws {
    let file = "/usr/share/unicode/NormalizationTest.txt.bz2"
    guard FileManager.default.fileExists(atPath: file), let text = unpack(file) else {
      print("SKIPPED: NormalizationTest.txt.bz2 is not installed (Debian package unicode-data)")
      return
    }
    var count = 0
    for line in text.split(separator: "\n") where line.first?.isHexDigit == true {
      let columns = line.split(separator: ";").prefix(5).map { column in
        String(
          String.UnicodeScalarView(
            column.split(separator: " ").compactMap { UInt32($0, radix: 16).flatMap(Unicode.Scalar.init) }))
      }
      let want = columns[3].unicodeScalars.filter { !Self.removed.contains($0.value) }
      for column in columns {
        #expect(
          Self.folded(Array(column.utf8)) == Array(String(String.UnicodeScalarView(want)).utf8), "\(line)")
      }
      count += 1
    }
    #expect(count > 19_000)
  }

  private func unpack(_ file: String) -> String? {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["bzip2", "-dc", file]
    let pipe = Pipe()
    process.standardOutput = pipe
    guard (try? process.run()) != nil else { return nil }
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return process.terminationStatus == 0 ? String(decoding: data, as: UTF8.self) : nil
  }

  @Test("takes ill-formed bytes for replacement characters, as String does")
  func illFormed() {
    var random = SeededGenerator(seed: 9)
    let bytes: [UInt8] = [
      0x61, 0x7F, 0x80, 0xBF, 0xC0, 0xC2, 0xCC, 0x81, 0xE0, 0xE2, 0xED, 0x9F, 0xA0, 0xEF, 0xF0, 0x90, 0x8F,
      0xF4, 0xF5, 0xFF,
    ]
    for _ in 0..<20_000 {
      let text = (0..<Int.random(in: 0...9, using: &random)).map { _ in
        bytes.randomElement(using: &random) ?? 0
      }
      #expect(Self.folded(text) == Self.expected(String(decoding: text, as: UTF8.self)), "\(text)")
    }
  }

  @Test("sorts a run of marks in time that grows with it", arguments: [1000, 200_000])
  func longRuns(count: Int) {
    let marks: [Unicode.Scalar] = ["\u{301}", "\u{323}", "\u{5B0}", "\u{345}", "\u{302}"]
    var random = SeededGenerator(seed: 4)
    var text = String.UnicodeScalarView("e".unicodeScalars)
    for _ in 0..<count { text.append(marks.randomElement(using: &random) ?? "\u{301}") }
    let bytes = Array(String(text).utf8)
    let took = ContinuousClock().measure { _ = Self.folded(bytes) }
    #expect(took < .seconds(10))
    // Foundation takes too long for the longer one.
    if count <= 1000 { #expect(Self.folded(bytes) == Self.expected(String(text))) }
  }

  @Test("knows ASCII wherever the other byte stands", arguments: 0..<70)
  func ascii(length: Int) {
    var bytes = [UInt8](repeating: 0x7F, count: length)
    let plain = Folding.isASCII(bytes.span)
    #expect(plain)
    #expect(Self.folded(bytes) == bytes)
    for place in bytes.indices {
      bytes[place] = 0x80
      let found = (Folding.isASCII(bytes.span), Folding.firstNonASCII(bytes.span, from: 0))
      #expect(found == (false, place))
      bytes[place] = 0x7F
    }
  }
}

@Suite("Character tables")
struct FoldingTableTests {
  /// The properties of the standard library, wherever its newer Unicode knows nothing new.
  @Test("hold the classes, cases and white space of the standard library")
  func properties() {
    var different: [UInt32] = []
    for value in 0...UInt32(0x10FFFF) {
      guard let scalar = Unicode.Scalar(value), scalar.isKnown else { continue }
      let (traits, properties) = (ScalarTraits(of: value), scalar.properties)
      let kind: ScalarTraits.Kind
      switch properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
        kind = scalar.isASCII ? .asciiLetter : .letter
      case .decimalNumber: kind = .digit
      default: kind = .other
      }
      let isLetter = kind == .letter || kind == .asciiLetter
      let same =
        traits.kind == kind && traits.has(.lower) == (isLetter && properties.isLowercase)
        && traits.has(.upper) == (isLetter && properties.isUppercase)
        && traits.has(.whiteSpace) == properties.isWhitespace
        && traits.combiningClass == properties.canonicalCombiningClass.rawValue
        && traits.has(.removed) == FoldingTests.removed.contains(value)
        && traits.has(.cased) == (ScalarTraits.simpleFolding(of: value) != value)
      if !same { different.append(value) }
    }
    // A letter without case until Unicode 16 made it a small one.
    #expect(different == [0x295])
  }

  @Test(
    "know the scripts without spaces",
    arguments: [
      ("々", true), ("漢", true), ("ひ", true), ("カ", true), ("ｶ", true), ("ก", true), ("๓", true), ("ກ", true),
      ("ក", true), ("က", true),
      ("ー", false), ("한", false), ("a", false), ("。", false), ("ж", false), ("𠀀", true),
    ])
  func scripts(text: String, unspaced: Bool) {
    for scalar in text.unicodeScalars {
      #expect(ScalarTraits(of: scalar.value).has(.unspacedScript) == unspaced)
    }
  }

  @Test("fold case as CaseFolding.txt says, where it is installed")
  func caseFolding() throws {
    guard let text = try? String(contentsOfFile: "/usr/share/unicode/CaseFolding.txt", encoding: .utf8) else {
      print("SKIPPED: CaseFolding.txt is not installed (Debian package unicode-data)")
      return
    }
    var expected: [UInt32: UInt32] = [:]
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let fields = line.split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces) }
      guard fields.count > 2, fields[1] == "C" || fields[1] == "S" else { continue }
      if let from = UInt32(fields[0], radix: 16) { expected[from] = UInt32(fields[2], radix: 16) }
    }
    #expect(expected.count > 1300)
    for value in 0..<UInt32(0x110000) where ScalarTraits.simpleFolding(of: value) != expected[value] ?? value
    {
      Issue.record("U+\(String(value, radix: 16))")
    }
  }
}

extension Unicode.Scalar {
  /// Assigned in the version of the tables, 15.0; the standard library's is newer.
  fileprivate var isKnown: Bool {
    guard let age = properties.age else { return false }
    return age.major < 15 || (age.major == 15 && age.minor == 0)
  }
}
