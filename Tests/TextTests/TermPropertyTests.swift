import Foundation
import TestData
import Testing

@testable import Text

/// The scanner against ``TermReference`` on random texts, the same in every run.
@Suite("The scanner agrees with the contract's sentences")
struct TermPropertyTests {
  static let builtIn = BuiltInTerms.security + BuiltInTerms.access + BuiltInTerms.production
  static let foreign = [
    "删除", "été", "Ж*", "ก ข", "ⱥ", "straße", "ΣΑΣ", "rm -rf", "- -", "_ -", "a -", "- a*", "\u{301}",
  ]
  static let strangers = [
    "\u{200B}", "\u{AD}", "\u{2060}", "\u{FEFF}", "\u{200D}", "\u{301}", "\u{323}", "\u{336}", "é", "É", "Ж",
    "ж", "删", "除", "か",
    "が", "ก", "ข", "ກ", "က", "ក", "🙂", "👩‍👩‍👧", "４", "０", "１", "ｔ", "Ｋ", "－", "＿", "\u{A0}", "\u{3000}",
    "\u{2028}", "\u{85}",
    "\u{1680}", "\u{2011}", "…", "™", "²", "ﬁ", "ſ", "K", "Å", "ẞ", "ß", "Ⱥ", "ⱥ", "Σ", "ς", "σ", "ǅ", "٣",
    "ก์", "각", "ᄀ", "ᅡ", "ᆨ", "\u{FDFA}",
  ]
  static let plain = [
    "-", "_", " ", "\n", "\t", ".", ":", "/", "4", "0", "1", "e", "x", "T", "HTTP", "s", "S", "er", "a", "b",
    "A", "*",
  ]

  static func agree(_ terms: [String], _ text: String, _ scanner: TermScanner, _ hits: inout TermHits) -> Bool
  {
    scanner.scan(Array(text.utf8).span, hits: &hits)
    let folded = TermReference.fold(text)
    return hits.ids == terms.indices.filter { TermReference(terms[$0]).matches(folded) }
  }

  static func changeCase(_ text: String, _ random: inout SeededGenerator) -> String {
    switch Int.random(in: 0..<4, using: &random) {
    case 0: text.uppercased()
    case 1: text.prefix(1).uppercased() + text.dropFirst()
    case 2: String(text.map { Bool.random(using: &random) ? Character($0.uppercased().prefix(1) + "") : $0 })
    default: text
    }
  }

  static func piece(_ terms: [String], strange: Int, _ random: inout SeededGenerator) -> String {
    let roll = Int.random(in: 0..<100, using: &random)
    if roll < strange { return strangers.randomElement(using: &random) ?? "" }
    if roll < strange + 40 { return plain.randomElement(using: &random) ?? "" }
    let term = changeCase(terms.randomElement(using: &random) ?? "", &random)
    switch Int.random(in: 0..<4, using: &random) {
    case 0: return String(term.prefix(Int.random(in: 0...term.count, using: &random)))
    case 1: return String(term.suffix(Int.random(in: 0...term.count, using: &random)))
    case 2:
      return term.replacingOccurrences(
        of: " ", with: ["-_", "  ", "\n", "_"].randomElement(using: &random) ?? "")
    default: return term
    }
  }

  @Test("over texts of the built-in terms", arguments: [0, 15, 40])
  func builtInTerms(strange: Int) {
    check(Self.builtIn, strange: strange, cases: 1500, seed: 11)
  }

  @Test("over texts of terms beyond ASCII", arguments: [0, 15, 40])
  func foreignTerms(strange: Int) {
    check(Self.foreign + ["token", "private key"], strange: strange, cases: 1500, seed: 13)
  }

  private func check(_ terms: [String], strange: Int, cases: Int, seed: UInt64) {
    var random = SeededGenerator(seed: seed &+ UInt64(strange))
    let scanner = TermScanner(terms)
    var hits = TermHits()
    for _ in 0..<cases {
      let text = (0..<Int.random(in: 0...12, using: &random))
        .map { _ in Self.piece(terms, strange: strange, &random) }.joined()
      #expect(Self.agree(terms, text, scanner, &hits), "\(text.debugDescription): \(hits.ids)")
    }
  }

  @Test("over random terms and texts of few letters, where everything overlaps", arguments: 0..<4)
  func fewLetters(round: Int) {
    let alphabets = [
      ["a", "b", " ", "-"], ["a", "A", "b", "_", "-", " ", "1"],
      ["a", "é", "É", " ", "-", "\u{301}", "\u{200B}"],
      ["a", "B", "删", "ก", "Ⱥ", "ⱥ", "-", "\u{2028}", "１", "."],
    ]
    let alphabet = alphabets[round]
    var random = SeededGenerator(seed: UInt64(100 + round))
    var hits = TermHits()
    for _ in 0..<400 {
      let terms = (0..<Int.random(in: 1...6, using: &random)).map { _ in
        (0..<Int.random(in: 1...6, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? "" }
          .joined()
          + (Int.random(in: 0..<5, using: &random) == 0 ? "*" : "")
      }.filter { TermScanner.problem(in: $0) == nil }
      let scanner = TermScanner(terms)
      for _ in 0..<8 {
        let text = (0..<Int.random(in: 0...14, using: &random))
          .map { _ in alphabet.randomElement(using: &random) ?? "" }.joined()
        #expect(Self.agree(terms, text, scanner, &hits), "\(terms) in \(text.debugDescription): \(hits.ids)")
      }
    }
  }

  @Test("over texts long enough to be scanned in lanes")
  func longTexts() {
    let terms = Self.builtIn + ["rm -rf", "a term of many words that is long", "-----"]
    let scanner = TermScanner(terms)
    var random = SeededGenerator(seed: 17)
    var hits = TermHits()
    for _ in 0..<300 {
      var text = ""
      let size = Int.random(in: 100...900, using: &random)
      while text.utf8.count < size {
        text +=
          ["the ", "build ", "x", " ", "- ", "step\n", "tokenizer "].randomElement(using: &random) ?? ""
      }
      for _ in 0..<Int.random(in: 0...3, using: &random) {
        let place = text.utf8.index(
          text.startIndex, offsetBy: Int.random(in: 0...text.utf8.count, using: &random))
        text.insert(contentsOf: Self.piece(terms, strange: 0, &random), at: place)
      }
      #expect(Self.agree(terms, text, scanner, &hits), "\(text.debugDescription): \(hits.ids)")
    }
  }
}
