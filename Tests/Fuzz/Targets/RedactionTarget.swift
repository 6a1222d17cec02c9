import Redaction
import Text

/// Planted secrets are gone wherever they stand, what the policy's patterns match is gone, and a preview is the beginning of
/// the whole.
enum RedactionTarget {
  private static let redactor = Redactor()
  private static let withPattern: Redactor? = (try? Pattern("case-[0-9]+")).map { Redactor(extra: [$0]) }

  static func check(_ input: [UInt8]) throws(Finding) {
    var input = Input(input)
    let plant = input.choice(16)
    let text = input.everything()
    try check(text, redactor)
    if let withPattern {
      try check(text, withPattern)
      let shown = withPattern.redact(text.span)?.text ?? ""
      try require(!holdsCaseNumber(shown), "the policy's pattern still matches: \(shown.debugDescription)")
    }
    if plant < planted.count { try checkPlanted(planted[plant], in: text) }
    for use in [Redactor.IdentifierUse.id, .name] {
      let mark = redactor.mark(in: text.span, use: use)
      try require(mark == redactor.mark(in: text.span, use: use), "marked otherwise the second time")
    }
    if text.count > 7, text.reduce(0, { $0 &* 31 &+ $1 }) & 0x3F == 0 { checkLong(text) }
  }

  private static func check(_ text: [UInt8], _ redactor: Redactor) throws(Finding) {
    guard let redacted = redactor.redact(text.span) else {
      return try require(!text.isUTF8, "a text of UTF-8 is dropped")
    }
    try require(redacted.isUTF8, "the redacted text is no UTF-8")
    guard let again = redactor.redact(redacted.span) else { throw Finding("the redacted text is dropped") }
    try require(again.isUTF8, "the text redacted twice is no UTF-8")
    for characters in [0, 1, 16, 240] {
      guard let preview = redactor.preview(of: text.span, characters: characters) else {
        throw Finding("no preview of UTF-8")
      }
      let scalars = preview.text.unicodeScalars.count
      try require(
        preview.isUTF8 && scalars <= characters, "a preview of \(scalars) characters, not \(characters)")
      // Longer texts are read up to a place between words, so that their end may be judged otherwise.
      // So are letters without spaces that are not ASCII: an address behind them reaches back, a preview has to end somewhere.
      guard text.count < Redactor.windowBytes - 256, text.allSatisfy({ $0 < 0x80 }) else { continue }
      let expected = String(String.UnicodeScalarView(redacted.text.unicodeScalars.prefix(characters)))
      try require(
        preview.elementsEqual(expected.utf8),
        "the preview is not the beginning: \(preview.text.debugDescription), \(expected.debugDescription)")
    }
  }

  /// Made of parts, so that no scanner of repositories takes them for real ones.
  private static let planted: [String] = [
    "anna.meier" + "@" + "example.com", "4012 8888 " + "8888 1881", "DE89 3704 0044 " + "0532 0130 00",
    "ghp_" + (0..<12).map { "\(["aQ", "Zk", "w3"][$0 % 3])\($0)" }.joined(), "AKIA" + "Z7QHTRWUVX2MNP4K",
    "password=" + "hunter2hunter2", "+49 30 " + "901820933", "219-09" + "-9999",
    "postgres://bob:" + "hunter2@db.example/x",
    "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
  ]

  /// Between line ends, where nothing around it can be taken for a part of it.
  private static func checkPlanted(_ secret: String, in text: [UInt8]) throws(Finding) {
    // Where it stands in the text already it may be a part of something longer, and none.
    guard let cut = text.firstIndex(of: 0), !text.text.contains(secret) else { return }
    let whole = Array(text[..<cut]) + Array("\n\(secret)\n".utf8) + Array(text[(cut + 1)...])
    guard let shown = redactor.redact(whole.span)?.text else { return }
    try require(!shown.contains(secret), "\(secret) is still there: \(shown.debugDescription)")
  }

  private static func holdsCaseNumber(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    let mark = Array("case-".utf8)
    guard bytes.count > mark.count else { return false }
    return (0..<bytes.count - mark.count).contains { start in
      bytes[start..<start + mark.count].elementsEqual(mark)
        && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[start + mark.count])
    }
  }

  /// The same over and over: whoever looks too far back or ahead takes too long for it, which the caller's clock sees.
  private static func checkLong(_ text: [UInt8]) {
    var long: [UInt8] = []
    while long.count < 65_536 { long += text }
    _ = redactor.redact(long.span)
    _ = redactor.preview(of: long.span)
  }
}
