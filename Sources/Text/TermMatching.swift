/// Deciding whether a term stands around a found piece of it. See ``TermPattern`` for gaps.
///
/// All lengths and places are in bytes of the compared text: folded, and of its case only ASCII's left.
enum TermMatching {
  /// Where a match of the rest of a pattern ends, or nil.
  ///
  /// - Parameters:
  ///   - from: Place in the pattern, at the start of a literal.
  ///   - place: Place in the text.
  static func forward(
    _ pattern: Span<UInt8>, _ range: Range<Int>, _ text: Span<UInt8>, from place: Int
  ) -> (end: Int, inGap: Bool)? {
    var (at, place) = (range.lowerBound, place)
    while at < range.upperBound {
      if !TermPattern.isGap(pattern[at]) {
        guard place < text.count, lowered(text[place]) == pattern[at] else { return nil }
        at += 1
        place += 1
        continue
      }
      let gap = at
      while at < range.upperBound, TermPattern.isGap(pattern[at]) { at += 1 }
      let run = place
      while place < text.count, TermPattern.isSeparator(text[place]) { place += 1 }
      let last = at == range.upperBound
      guard matches(pattern, gap..<at, text, run..<place, freeEnd: last) else { return nil }
      // Where exactly it ends does not matter: beside a separator there is always an edge.
      if last { return (place, true) }
    }
    return (place, false)
  }

  /// Where a match of the part of a pattern that ends before `place` begins, or nil.
  static func backward(
    _ pattern: Span<UInt8>, _ range: Range<Int>, _ text: Span<UInt8>, before place: Int
  ) -> (start: Int, inGap: Bool)? {
    var (at, place) = (range.upperBound, place)
    while at > range.lowerBound {
      if !TermPattern.isGap(pattern[at - 1]) {
        guard place > 0, lowered(text[place - 1]) == pattern[at - 1] else { return nil }
        at -= 1
        place -= 1
        continue
      }
      let gap = at
      while at > range.lowerBound, TermPattern.isGap(pattern[at - 1]) { at -= 1 }
      let run = place
      while place > 0, TermPattern.isSeparator(text[place - 1]) { place -= 1 }
      let first = at == range.lowerBound
      guard matches(pattern, at..<gap, text, place..<run, freeStart: first) else { return nil }
      if first { return (place, true) }
    }
    return (place, false)
  }

  /// Whether a gap takes a run of separators: all of it, or a part where an end is free.
  ///
  /// The usual matching of wild cards: on a mismatch only the last run of the pattern takes one more.
  static func matches(
    _ pattern: Span<UInt8>, _ gap: Range<Int>, _ text: Span<UInt8>, _ run: Range<Int>,
    freeStart: Bool = false, freeEnd: Bool = false
  ) -> Bool {
    var (at, place) = (gap.lowerBound, run.lowerBound)
    // Where to go on after a mismatch: behind the last run, with its next separator given up to it.
    var retry: (at: Int, place: Int)? = freeStart ? (at, place) : nil
    while true {
      if at == gap.upperBound, freeEnd || place == run.upperBound { return true }
      // Too few separators are left; giving up more to a run does not help.
      guard place < run.upperBound else { return false }
      if at < gap.upperBound, takes(pattern[at], text[place]) {
        place += 1
        at += 1
        if pattern[at - 1] == TermPattern.anyRun { retry = (at, place) }
        continue
      }
      guard let (back, next) = retry else { return false }
      at = back
      place = next + 1
      retry = (back, place)
    }
  }

  private static func takes(_ mark: UInt8, _ separator: UInt8) -> Bool {
    switch mark {
    case TermPattern.gapHyphen: separator == 0x2D
    case TermPattern.gapLowLine: separator == 0x5F
    default: true
    }
  }

  @inline(__always)
  private static func lowered(_ byte: UInt8) -> UInt8 {
    byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
  }
}
