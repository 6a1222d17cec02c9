/// Compatibility folding: Unicode's NFKC, then the removal of characters without width
/// (U+00AD, U+200B-U+200D, U+2060, U+FEFF).
///
/// Works on UTF-8 bytes. Nearly all text is ASCII with a few strangers, and most strangers are in normal form
/// already: those stretches are copied. Only a scalar that folding may change, with the one before it where that
/// may compose with it and the marks after it, is decomposed and composed again.
package enum Folding {
  /// Whether folding is certain to leave the text alone because every byte is ASCII.
  package static func isASCII(_ text: Span<UInt8>) -> Bool {
    firstNonASCII(text, from: 0) == text.count
  }

  /// Replaces `out` with the folded text.
  ///
  /// - Parameter text: UTF-8. Bytes that are not count as U+FFFD, one for each longest start of a sequence.
  package static func fold(_ text: Span<UInt8>, into out: inout [UInt8]) {
    var normalizer = FoldingNormalizer()
    fold(text, into: &out, with: &normalizer)
  }

  /// Where the first byte above 0x7F stands at or after a place, or the length of the text.
  static func firstNonASCII(_ text: Span<UInt8>, from start: Int) -> Int {
    let bytes = unsafe text.bytes
    var place = start
    while place + 32 <= bytes.byteCount {
      // Inside by the condition above.
      let high =
        unsafe bytes.unsafeLoadUnaligned(fromByteOffset: place, as: UInt64.self)
        | bytes.unsafeLoadUnaligned(fromByteOffset: place + 8, as: UInt64.self)
        | bytes.unsafeLoadUnaligned(fromByteOffset: place + 16, as: UInt64.self)
        | bytes.unsafeLoadUnaligned(fromByteOffset: place + 24, as: UInt64.self)
      if high & 0x8080_8080_8080_8080 != 0 { break }
      place += 32
    }
    while place + 8 <= bytes.byteCount {
      let word = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: place, as: UInt64.self)
      let high = UInt64(littleEndian: word) & 0x8080_8080_8080_8080
      if high != 0 { return place + high.trailingZeroBitCount / 8 }
      place += 8
    }
    while place < text.count, text[place] < 0x80 { place += 1 }
    return place
  }

  /// As ``fold(_:into:)``, with buffers that outlive the call.
  static func fold(
    _ text: Span<UInt8>, into out: inout [UInt8], with normalizer: inout FoldingNormalizer
  ) {
    out.removeAll(keepingCapacity: true)
    out.reserveCapacity(text.count)
    // `copied`: everything before it is in `out`. From there to `place` everything is inert.
    var copied = 0
    var place = firstNonASCII(text, from: 0)
    while place < text.count {
      var next = place
      let scalar = ScalarCoding.decode(text, at: &next)
      if scalar != ScalarCoding.malformed, ScalarTraits(of: scalar).isInert {
        place = firstNonASCII(text, from: next)
        continue
      }
      let start = segmentStart(text, stranger: scalar, at: place, after: copied)
      append(text, copied..<start, to: &out)
      copied = foldSegment(text, from: start, into: &out, with: &normalizer)
      place = firstNonASCII(text, from: copied)
    }
    append(text, copied..<text.count, to: &out)
  }

  /// The scalar before a stranger may take part in its composition, unless the stranger begins afresh.
  private static func segmentStart(
    _ text: Span<UInt8>, stranger: UInt32, at place: Int, after copied: Int
  ) -> Int {
    guard place > copied, stranger != ScalarCoding.malformed, !ScalarTraits(of: stranger).has(.afresh)
    else {
      return place
    }
    return ScalarCoding.start(before: place, in: text)
  }

  /// Folds from `start` to before the next scalar across which normalisation never looks; gives its place.
  private static func foldSegment(
    _ text: Span<UInt8>, from start: Int, into out: inout [UInt8],
    with normalizer: inout FoldingNormalizer
  ) -> Int {
    var place = start
    while place < text.count {
      var next = place
      let decoded = ScalarCoding.decode(text, at: &next)
      let scalar = decoded == ScalarCoding.malformed ? ScalarCoding.replacement : decoded
      if place > start, ScalarTraits(of: scalar).has(.afresh) { break }
      normalizer.add(scalar)
      place = next
    }
    normalizer.flush(into: &out)
    return place
  }

  static func append(_ text: Span<UInt8>, _ range: Range<Int>, to out: inout [UInt8]) {
    guard !range.isEmpty else { return }
    out.append(addingCapacity: range.count) { (free: inout OutputSpan<UInt8>) in
      for place in range { free.append(text[place]) }
    }
  }
}
