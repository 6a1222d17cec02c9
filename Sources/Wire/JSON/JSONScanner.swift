/// The tokens of RFC 8259, strictly. Both the tree parser and the index stand on these, so that they cannot
/// disagree about what JSON is.
///
/// Every function takes the place to look at and leaves it behind what it accepted.
enum JSONScanner {
  @inline(__always)
  static func skipWhiteSpace(_ text: Span<UInt8>, _ at: inout Int) {
    while at < text.count {
      switch text[at] {
      case 0x20, 0x0A, 0x0D, 0x09: at &+= 1
      default: return
      }
    }
  }

  /// The next byte, white space skipped; `at` stays on it.
  @inline(__always)
  static func token(_ text: Span<UInt8>, _ at: inout Int) throws(JSONError) -> UInt8 {
    guard at < text.count else { throw JSONError(.endOfText, at: at) }
    let byte = text[at]
    // Most tokens follow one another without a space, or with one.
    if byte > 0x20 { return byte }
    skipWhiteSpace(text, &at)
    guard at < text.count else { throw JSONError(.endOfText, at: at) }
    return text[at]
  }

  /// Where the first value begins. A byte order mark is named, since it cannot be seen in an editor.
  static func begin(_ text: Span<UInt8>) throws(JSONError) -> Int {
    var at = 0
    let byte = try token(text, &at)
    if byte == 0xEF, text.count >= at + 3, text[at + 1] == 0xBB, text[at + 2] == 0xBF {
      throw JSONError(.byteOrderMark, at: at)
    }
    return at
  }

  static func end(_ text: Span<UInt8>, _ at: Int) throws(JSONError) {
    var at = at
    skipWhiteSpace(text, &at)
    guard at == text.count else { throw JSONError(.trailingText, at: at) }
  }

  /// A string: `at` on its opening quote.
  ///
  /// - Returns: Whether it holds escapes.
  @inline(__always)
  static func string(_ text: Span<UInt8>, _ at: inout Int) throws(JSONError) -> Bool {
    at &+= 1
    at = ByteWords.plainEnd(text, from: at)
    if at < text.count, text[at] == UInt8(ascii: "\"") {
      at &+= 1
      return false
    }
    return try stringRest(text, &at)
  }

  /// The rest of a string from its first byte that is not plain.
  private static func stringRest(_ text: Span<UInt8>, _ at: inout Int) throws(JSONError) -> Bool {
    var hasEscapes = false
    while at < text.count {
      let byte = text[at]
      if byte == UInt8(ascii: "\"") {
        at &+= 1
        return hasEscapes
      } else if byte == UInt8(ascii: "\\") {
        hasEscapes = true
        try escape(text, &at)
      } else if byte >= 0x80 {
        try nonASCII(text, &at)
      } else {
        throw JSONError(.controlCharacter, at: at)
      }
      at = ByteWords.plainEnd(text, from: at)
    }
    throw JSONError(.endOfText, at: at)
  }

  /// A run of scalars outside ASCII.
  @inline(__always)
  private static func nonASCII(_ text: Span<UInt8>, _ at: inout Int) throws(JSONError) {
    repeat {
      let length = UTF8Sequence.length(text, at: at)
      guard length > 0 else { throw JSONError(.invalidUTF8, at: at) }
      at &+= length
    } while at < text.count && text[at] >= 0x80
  }

  @inline(__always)
  private static func escape(_ text: Span<UInt8>, _ at: inout Int) throws(JSONError) {
    guard at &+ 1 < text.count else { throw JSONError(.endOfText, at: text.count) }
    switch text[at &+ 1] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
      UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      at &+= 2
    case UInt8(ascii: "u"):
      at &+= try unicodeEscape(text, at).length
    default:
      throw JSONError(.invalidEscape, at: at)
    }
  }

  /// `\uXXXX`, or two of them that form a pair: `at` on the backslash, 6 or 12 bytes long.
  static func unicodeEscape(
    _ text: Span<UInt8>, _ at: Int
  ) throws(JSONError) -> (scalar: UInt32, length: Int) {
    let first = try hexadecimal(text, at, digits: at &+ 2)
    guard first & 0xF800 == 0xD800 else { return (first, 6) }
    guard first < 0xDC00, at &+ 7 < text.count, text[at &+ 6] == UInt8(ascii: "\\"),
      text[at &+ 7] == UInt8(ascii: "u")
    else { throw JSONError(.loneSurrogate, at: at) }
    let second = try hexadecimal(text, at &+ 6, digits: at &+ 8)
    guard second & 0xFC00 == 0xDC00 else { throw JSONError(.loneSurrogate, at: at) }
    return (0x1_0000 &+ (first & 0x3FF) << 10 &+ second & 0x3FF, 12)
  }

  @inline(__always)
  private static func hexadecimal(
    _ text: Span<UInt8>, _ escape: Int, digits: Int
  ) throws(JSONError) -> UInt32 {
    guard digits &+ 4 <= text.count else { throw JSONError(.invalidEscape, at: escape) }
    var value: UInt32 = 0
    for offset in 0..<4 {
      guard let digit = text[digits &+ offset].hexadecimalDigit else {
        throw JSONError(.invalidEscape, at: escape)
      }
      value = value << 4 | UInt32(digit)
    }
    return value
  }

  /// A number: `at` on its first byte, a digit or a minus.
  static func number(_ text: Span<UInt8>, _ at: inout Int) throws(JSONError) {
    let start = at
    if text[at] == UInt8(ascii: "-") { at &+= 1 }
    guard at < text.count else { throw JSONError(.invalidNumber, at: start) }
    if text[at] == UInt8(ascii: "0") {
      at &+= 1
      if at < text.count, text[at].isDigit { throw JSONError(.invalidNumber, at: start) }
    } else {
      try digits(text, &at, start)
    }
    if at < text.count, text[at] == UInt8(ascii: ".") {
      at &+= 1
      try digits(text, &at, start)
    }
    if at < text.count, text[at] | 0x20 == UInt8(ascii: "e") {
      at &+= 1
      if at < text.count, text[at] == UInt8(ascii: "+") || text[at] == UInt8(ascii: "-") { at &+= 1 }
      try digits(text, &at, start)
    }
  }

  @inline(__always)
  private static func digits(_ text: Span<UInt8>, _ at: inout Int, _ start: Int) throws(JSONError) {
    guard at < text.count, text[at].isDigit else { throw JSONError(.invalidNumber, at: start) }
    repeat { at &+= 1 } while at < text.count && text[at].isDigit
  }

  /// One of the three words.
  static func literal(_ text: Span<UInt8>, _ at: inout Int, _ word: StaticString) throws(JSONError) {
    let count = word.utf8CodeUnitCount
    guard at &+ count <= text.count else { throw JSONError(.endOfText, at: text.count) }
    for offset in 0..<count {
      guard unsafe text[at &+ offset] == word.utf8Start[offset] else {
        throw JSONError(.unexpectedByte, at: at)
      }
    }
    at &+= count
  }
}

extension UInt8 {
  @inline(__always) var isDigit: Bool { self &- 0x30 < 10 }

  @inline(__always) var hexadecimalDigit: UInt8? {
    switch self {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): self &- UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): self &- UInt8(ascii: "a") &+ 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): self &- UInt8(ascii: "A") &+ 10
    default: nil
    }
  }
}
