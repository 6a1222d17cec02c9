/// A line that is nothing but one number, or letters and digits as documents and accounts are numbered; or that ends in one
/// behind a colon.
///
/// Within a sentence most such words are harmless. One that is a whole line is what somebody was asked for, or is asked
/// about, and says nothing to a reader that the hash would not.
enum LoneNumber {
  /// Longer lines are text.
  private static let longestLine = 256

  /// Those that begin before `end`, in whole lines up to `limit`.
  static func ranges(in text: Span<UInt8>, limit: Int, before end: Int) -> [Range<Int>] {
    var found: [Range<Int>] = []
    var start = 0
    while start < end {
      var next = start
      // Of a line too long to be one only so much is read as it takes to find the next.
      while next < limit, text[next] != 10, next < end || next - start <= longestLine { next += 1 }
      if next - start <= longestLine, let range = range(in: text, start..<next), range.lowerBound < end {
        found.append(range)
      }
      start = next + 1
    }
    return found
  }

  private static func range(in text: Span<UInt8>, _ line: Range<Int>) -> Range<Int>? {
    var range = line
    if let colon = line.last(where: {
      text[$0] == ascii(":") && $0 + 1 < line.upperBound && text[$0 + 1] == 32
    }) {
      range = colon + 1..<line.upperBound
    }
    while let first = range.first, isAround(text[first]) { range.removeFirst() }
    while let last = range.last, isAround(text[last]) { range.removeLast() }
    guard (8...20).contains(range.count) else { return nil }
    var digits = 0
    for index in range {
      let kind = ByteClass.table[Int(text[index])]
      guard kind & ByteClass.alphanumeric != 0 else { return nil }
      if kind & ByteClass.digit != 0 { digits += 1 }
    }
    guard digits >= 4 else { return nil }
    return digits == 8 && range.count == 8 && isDay(text, range.lowerBound) ? nil : range
  }

  private static func isAround(_ byte: UInt8) -> Bool {
    byte <= 32 || byte == ascii("\"") || byte == ascii("'") || byte == ascii("`") || byte == ascii(".")
  }

  /// YYYYMMDD.
  private static func isDay(_ text: Span<UInt8>, _ start: Int) -> Bool {
    func value(_ places: Range<Int>) -> Int { places.reduce(0) { $0 * 10 + Int(text[start + $1]) - 48 } }
    return (1900...2099).contains(value(0..<4)) && (1...12).contains(value(4..<6))
      && (1...31).contains(value(6..<8))
  }
}
