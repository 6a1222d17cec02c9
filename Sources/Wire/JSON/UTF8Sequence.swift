/// One scalar of UTF-8 text, checked by the table of well-formed sequences (Unicode 3.9, table 3-7): no
/// overlong forms, no surrogates, nothing above U+10FFFF.
enum UTF8Sequence {
  /// The length of the sequence that begins at `at`: 1…4.
  ///
  /// - Returns: For an ill-formed one the negated length of its maximal subpart (-1…-3): what one U+FFFD
  ///   replaces.
  static func length(_ text: Span<UInt8>, at: Int) -> Int {
    let lead = text[at]
    switch lead {
    case 0x00...0x7F: return 1
    case 0xC2...0xDF: return continuations(text, at, second: 0x80...0xBF, length: 2)
    case 0xE0: return continuations(text, at, second: 0xA0...0xBF, length: 3)
    case 0xED: return continuations(text, at, second: 0x80...0x9F, length: 3)
    case 0xE1...0xEF: return continuations(text, at, second: 0x80...0xBF, length: 3)
    case 0xF0: return continuations(text, at, second: 0x90...0xBF, length: 4)
    case 0xF4: return continuations(text, at, second: 0x80...0x8F, length: 4)
    case 0xF1...0xF3: return continuations(text, at, second: 0x80...0xBF, length: 4)
    default: return -1
    }
  }

  @inline(__always)
  private static func continuations(
    _ text: Span<UInt8>, _ at: Int, second: ClosedRange<UInt8>, length: Int
  ) -> Int {
    guard at &+ 1 < text.count, second.contains(text[at &+ 1]) else { return -1 }
    var got = 2
    while got < length {
      guard at &+ got < text.count, text[at &+ got] & 0xC0 == 0x80 else { return -got }
      got &+= 1
    }
    return length
  }

  /// A scalar value that is known to be no surrogate, the first byte lowest.
  @inline(__always)
  static func encoded(_ scalar: UInt32) -> (bytes: UInt32, count: Int) {
    let last = 0x80 | scalar & 0x3F
    let second = 0x80 | scalar >> 6 & 0x3F
    let third = 0x80 | scalar >> 12 & 0x3F
    if scalar < 0x80 { return (scalar, 1) }
    if scalar < 0x800 { return (0xC0 | scalar >> 6 | last << 8, 2) }
    if scalar < 0x1_0000 { return (0xE0 | scalar >> 12 | second << 8 | last << 16, 3) }
    return (0xF0 | scalar >> 18 | third << 8 | second << 16 | last << 24, 4)
  }
}
