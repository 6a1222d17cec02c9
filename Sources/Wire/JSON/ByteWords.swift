/// Eight bytes of text looked at in one step.
///
/// Each test below leaves the top bit set in the bytes that match. Subtraction borrows, so bytes *after* the
/// first match may be marked wrongly; only the first one may be trusted, which is the one that is wanted.
/// Explicit vector types were slower here than these words, which the compiler joins by itself.
enum ByteWords {
  @inline(__always) static var tops: UInt64 { 0x8080_8080_8080_8080 }

  /// Unaligned. The caller has made sure that `at + 8 <= text.count`.
  @inline(__always)
  static func load(_ text: Span<UInt8>, _ at: Int) -> UInt64 {
    unsafe UInt64(littleEndian: text.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: UInt64.self))
  }

  /// Marks quotes, backslashes, control bytes and bytes from 0x80 on; not yet reduced to the top bits.
  ///
  /// Exchanging bit 1 maps the quote (0x22) to 0x20 and the control bytes onto themselves, so that one
  /// subtraction finds both.
  @inline(__always)
  static func special(_ word: UInt64) -> UInt64 {
    let quoteOrControl = (word ^ 0x0202_0202_0202_0202) &- 0x2121_2121_2121_2121
    let backslash = (word ^ 0x5C5C_5C5C_5C5C_5C5C) &- 0x0101_0101_0101_0101
    return quoteOrControl | backslash | word
  }

  /// Marks the bytes equal to the ASCII one that `pattern` repeats; reduced to the top bits.
  @inline(__always)
  static func equal(_ word: UInt64, _ pattern: UInt64) -> UInt64 {
    // Patterns are ASCII, so a byte from 0x80 on is told by its own top bit.
    ((word ^ pattern) &- 0x0101_0101_0101_0101) & ~word & tops
  }

  @inline(__always)
  static func firstByte(_ marks: UInt64) -> Int { marks.trailingZeroBitCount &>> 3 }

  /// The first place from `start` on whose byte may not simply be copied as part of a JSON string
  /// (``special(_:)``), or the end of the text.
  @inline(__always)
  static func plainEnd(_ text: Span<UInt8>, from start: Int) -> Int {
    let count = text.count
    var at = start
    // Names and short values end in the first words; only longer strings enter the wide loop.
    if at &+ 8 <= count {
      let marks = special(load(text, at)) & tops
      if marks != 0 { return at &+ firstByte(marks) }
      at &+= 8
    }
    while at &+ 32 <= count {
      let first = special(load(text, at))
      let second = special(load(text, at &+ 8))
      let third = special(load(text, at &+ 16))
      let fourth = special(load(text, at &+ 24))
      if (first | second | third | fourth) & tops != 0 { break }
      at &+= 32
    }
    while at &+ 8 <= count {
      let marks = special(load(text, at)) & tops
      if marks != 0 { return at &+ firstByte(marks) }
      at &+= 8
    }
    while at < count, isPlain(text[at]) { at &+= 1 }
    return at
  }

  @inline(__always)
  static func isPlain(_ byte: UInt8) -> Bool {
    byte >= 0x20 && byte < 0x80 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
  }

  /// The first place in `start..<end` that holds `byte`, or `end`.
  @inline(__always)
  static func first(_ byte: UInt8, in text: Span<UInt8>, from start: Int, to end: Int) -> Int {
    let pattern = UInt64(byte) &* 0x0101_0101_0101_0101
    var at = start
    while at &+ 8 <= end {
      let marks = equal(load(text, at), pattern)
      if marks != 0 { return at &+ firstByte(marks) }
      at &+= 8
    }
    while at < end, text[at] != byte { at &+= 1 }
    return at
  }
}
