/// What texts of one making have in common: numbers, ids and paths are masked, case and spacing evened out.
package enum InputTemplate {
  /// Characters of the preview that count.
  static let length = 120

  package static func of(_ text: String) -> String {
    let words = text.prefix(length * 2).split(whereSeparator: \.isWhitespace)
    return String(words.map(mask).joined(separator: " ").prefix(length))
  }

  private static func mask(_ word: Substring) -> String {
    if word.utf8.count(where: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }) >= 2 {
      return "<path>"
    }
    let digits = word.utf8.count { 0x30...0x39 ~= $0 }
    guard digits > 0 else { return word.lowercased() }
    return word.utf8.contains { 0x61...0x7A ~= $0 | 0x20 } ? "<id>" : "<number>"
  }
}
