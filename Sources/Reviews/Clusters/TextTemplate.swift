/// The words of a text with what varies masked, so that texts written by one program come out alike.
///
/// Numbers become `#`, ids in hex and UUIDs `<id>`, then `<path>`, `<url>`, `<email>`, `<time>`, and what stands between
/// quotes `"…"`. Runs of white space are one space. Only the first words are kept: what follows is mostly data.
package enum TextTemplate {
  /// Words kept.
  package static let words = 16

  /// One pass; each byte is looked at a bounded number of times.
  package static func of(_ text: String) -> String {
    var words: [String] = []
    var cursor = Array(text.utf8)[...]
    while words.count < Self.words, let word = next(&cursor) { words.append(word) }
    return words.joined(separator: " ")
  }

  /// Longest quoted string looked for, in bytes: a stray apostrophe must not swallow the rest.
  private static let quoteLimit = 160

  private static func next(_ text: inout ArraySlice<UInt8>) -> String? {
    text = text.drop(while: isSpace)
    guard let first = text.first else { return nil }
    if let end = quoteEnd(text, first) {
      text = text[(end + 1)...]
      // What is attached, such as a comma, is of no interest.
      text = text.drop { !isSpace($0) && !isWord($0) }
      return "\"…\""
    }
    let word = text.prefix { !isSpace($0) }
    text = text[word.endIndex...]
    return mask(word)
  }

  private static func quoteEnd(_ text: ArraySlice<UInt8>, _ quote: UInt8) -> Int? {
    guard quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") || quote == UInt8(ascii: "`") else {
      return nil
    }
    let inside = text.dropFirst().prefix(quoteLimit)
    return inside.indices.first { index in
      inside[index] == quote && !(text.indices.contains(index + 1) && isWord(text[index + 1]))
    }
  }

  // MARK: One word

  private static func mask(_ word: ArraySlice<UInt8>) -> String {
    let opening = word.prefix {
      !isWord($0) && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ".") && $0 < 0x80
    }
    var core = word[opening.endIndex...]
    while let last = core.last, last < 0x80, !isWord(last), last != UInt8(ascii: "/") { core.removeLast() }
    let closing = word[core.endIndex...]
    guard !core.isEmpty else { return text(word) }
    return text(opening) + maskCore(core) + text(closing)
  }

  private static func maskCore(_ core: ArraySlice<UInt8>) -> String {
    if contains(core, "://") { return "<url>" }
    if isAddress(core) { return "<email>" }
    if isPath(core) { return "<path>" }
    if isTime(core) { return "<time>" }
    // `name=value` and `name:value` keep their name.
    if let sign = core.firstIndex(where: { $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: ":") }),
      sign > core.startIndex, sign + 1 < core.endIndex
    {
      return numbersMasked(core[..<sign]) + text(core[sign...sign]) + mask(core[(sign + 1)...])
    }
    return isID(core) ? "<id>" : numbersMasked(core)
  }

  /// Runs of digits, with what belongs to a number between them, as `#`; hex ids within a word as `<id>`.
  private static func numbersMasked(_ core: ArraySlice<UInt8>) -> String {
    var masked: [UInt8] = []
    var rest = core
    while let byte = rest.first {
      let piece = rest.prefix(while: isAlphanumeric)
      if isID(piece) {
        masked += Array("<id>".utf8)
        rest = rest[piece.endIndex...]
      } else if isDigit(byte) {
        masked.append(UInt8(ascii: "#"))
        rest = rest.drop { isDigit($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ",") }
      } else {
        let letters = piece.isEmpty ? rest.prefix(1) : piece.prefix { !isDigit($0) }
        masked += letters
        rest = rest[letters.endIndex...]
      }
    }
    return String(decoding: masked, as: UTF8.self)
  }

  private static func isAddress(_ core: ArraySlice<UInt8>) -> Bool {
    guard let at = core.firstIndex(of: UInt8(ascii: "@")), at > core.startIndex else { return false }
    let host = core[(at + 1)...]
    return host.contains(UInt8(ascii: ".")) && !host.contains(UInt8(ascii: "@"))
  }

  /// Two slashes, or one at the start or after a dot; or a drive's letter.
  private static func isPath(_ core: ArraySlice<UInt8>) -> Bool {
    let slashes = core.count { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }
    guard slashes > 0, core.count > 1 else { return false }
    let first = core[core.startIndex]
    return slashes > 1 || first == UInt8(ascii: "/") || first == UInt8(ascii: ".") || contains(core, ":\\")
  }

  /// Digits held together by at least two of `:` and `-`, such as `10:04:59`, `2026-11-21` and both joined by a `T`.
  private static func isTime(_ core: ArraySlice<UInt8>) -> Bool {
    guard let first = core.first, isDigit(first), core.count >= 7 else { return false }
    var joints = 0
    for byte in core where !isDigit(byte) {
      switch byte {
      case UInt8(ascii: ":"), UInt8(ascii: "-"): joints += 1
      case UInt8(ascii: "T"), UInt8(ascii: "Z"), UInt8(ascii: "."), UInt8(ascii: ","), UInt8(ascii: "+"):
        break
      default: return false
      }
    }
    return joints >= 2
  }

  /// Eight hex digits or more (dashes as in a UUID between them) with a digit and a letter among them, or `0x…`.
  private static func isID(_ core: ArraySlice<UInt8>) -> Bool {
    if core.count > 2, core.first == UInt8(ascii: "0"), core.dropFirst().first == UInt8(ascii: "x") {
      return core.dropFirst(2).allSatisfy(isHex)
    }
    var digits = 0
    var letters = 0
    for byte in core {
      if isDigit(byte) {
        digits += 1
      } else if isHex(byte) {
        letters += 1
      } else if byte != UInt8(ascii: "-") {
        return false
      }
    }
    return digits + letters >= 8 && digits > 0 && letters > 0
  }

  private static func contains(_ core: ArraySlice<UInt8>, _ mark: StaticString) -> Bool {
    let mark = Array(mark.description.utf8)
    guard core.count >= mark.count else { return false }
    return core.indices.dropLast(mark.count - 1).contains { core[$0...].starts(with: mark) }
  }

  private static func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
  private static func isHex(_ byte: UInt8) -> Bool {
    isDigit(byte) || (0x61...0x66).contains(byte) || (0x41...0x46).contains(byte)
  }
  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    isDigit(byte) || (0x61...0x7A).contains(byte) || (0x41...0x5A).contains(byte)
  }
  /// Letters of other scripts count as word.
  private static func isWord(_ byte: UInt8) -> Bool { isAlphanumeric(byte) || byte >= 0x80 }
}
