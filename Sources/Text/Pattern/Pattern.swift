/// A regular expression that is matched in linear time, whoever wrote it and whatever the text.
///
/// RE2's syntax over Unicode scalars in UTF-8, with leftmost-first matches as in RE2 and Perl. `\d`, `\w`, `\s`, `\b`
/// and POSIX classes are ASCII; `(?i)` uses Unicode's simple case mappings; `$` without `(?m)` is the very end of
/// the text. Back-references, look-around, possessive and atomic forms and `\p{…}` are refused by name.
/// Bytes that are no UTF-8 read as U+FFFD.
package struct Pattern: Sendable, Equatable {
  package let source: String
  /// Capture groups, the whole match not counted.
  package let groupCount: Int
  /// Group numbers by name.
  package let groupNames: [String: Int]
  private let program: PatternProgram
  private let hint: PatternHint

  /// - Throws: ``PatternError`` with a column; also where counted repeats expand beyond the limits.
  package init(_ source: String) throws(PatternError) {
    var parser = PatternParser(source)
    let node = try parser.parse()
    self.source = source
    groupCount = parser.groupCount
    groupNames = parser.groupNames
    program = try PatternProgram(node, groupCount: parser.groupCount)
    hint = PatternHint(node)
  }

  package static func == (left: Pattern, right: Pattern) -> Bool { left.source == right.source }

  /// The leftmost match at or after byte `start`, with its groups.
  ///
  /// - Parameter start: 0...text.count, else there is no match. Text before it still counts for `^` and `\b`.
  package func firstMatch(in text: Span<UInt8>, from start: Int = 0) -> PatternMatch? {
    guard (0...text.count).contains(start), hint.allows(text, from: start) else { return nil }
    var machine = PatternMachine(program, width: program.slotCount)
    return machine.run(text, from: start).map(PatternMatch.init(slots:))
  }

  package func contains(in text: Span<UInt8>) -> Bool {
    guard hint.allows(text, from: 0) else { return false }
    var machine = PatternMachine(program, width: 0)
    return machine.run(text, from: 0) != nil
  }

  /// Visits the matches from left to right, none overlapping; an empty one right after another is skipped.
  ///
  /// A search for one match is linear; for all of them it can be matches times text, so bound the text.
  package func forEachMatch(in text: Span<UInt8>, _ body: (PatternMatch) -> Void) {
    forEachMatch(in: text, slots: program.slotCount, body)
  }

  /// Only the whole ranges, which is cheaper.
  package func forEachRange(in text: Span<UInt8>, _ body: (Range<Int>) -> Void) {
    forEachMatch(in: text, slots: 2) { body($0.range) }
  }

  private func forEachMatch(in text: Span<UInt8>, slots width: Int, _ body: (PatternMatch) -> Void) {
    guard hint.allows(text, from: 0) else { return }
    var machine = PatternMachine(program, width: width)
    var position = 0
    var lastEnd = -1
    while position <= text.count, let slots = machine.run(text, from: position) {
      let match = PatternMatch(slots: slots)
      if !match.range.isEmpty || match.range.lowerBound != lastEnd { body(match) }
      lastEnd = match.range.upperBound
      position = match.range.isEmpty ? lastEnd + UTF8Scalar.decode(text, at: lastEnd).length : lastEnd
    }
  }

  /// Instructions in the program: a match costs at most a small multiple of this for each scalar.
  var instructionCount: Int { program.code.count }

  /// Whether texts can be refused without running the program.
  var hasHint: Bool { !hint.literals.isEmpty }

  /// Elementary steps of one search without the hint, for tests of linearity.
  func steps(in text: Span<UInt8>) -> Int {
    var machine = PatternMachine(program, width: program.slotCount)
    _ = machine.run(text, from: 0)
    return machine.steps
  }
}

/// Where a pattern matched, in byte offsets of the text.
package struct PatternMatch: Sendable, Equatable {
  /// The whole match first, then every group in the order of its opening parenthesis; nil for one that took no part.
  package let groups: [Range<Int>?]
  package let range: Range<Int>

  init(slots: [Int]) {
    groups = stride(from: 0, to: slots.count, by: 2).map { index in
      slots[index] >= 0 && slots[index + 1] >= slots[index] ? slots[index]..<slots[index + 1] : nil
    }
    range = (groups.first ?? nil) ?? 0..<0
  }

  /// A group by number (0 is the whole match); nil for one that took no part or does not exist.
  package subscript(group: Int) -> Range<Int>? {
    groups.indices.contains(group) ? groups[group] : nil
  }
}
