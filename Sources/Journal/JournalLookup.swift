import Anchors
import Posix
import RouterCore

/// One record looked up, and whether the log around it holds.
package enum JournalLookup: Equatable, Sendable {
  case absent
  /// Something in the record's segment, or between it and its neighbours, is not as it was written.
  case damaged(JournalDamage)
  case intact

  /// Finds the first record that is wanted and checks the chain of its segment, from the one before to the one after.
  ///
  /// What looks damaged is looked at again, until two looks find the same: the router may be erasing a preview, or removing
  /// what is old.
  ///
  /// - Parameters:
  ///   - start: Milliseconds since 1970; older records are passed over.
  ///   - isWanted: Shown whole lines, not all of them records.
  package static func find(
    in folder: String, from start: Int64, _ isWanted: (Span<UInt8>) -> Bool
  ) throws(JournalError) -> JournalLookup {
    var before: JournalLookup?
    for pause in JournalVerification.usualPauses {
      do throws(JournalError) {
        let found = try look(in: folder, from: start, isWanted)
        guard case .damaged = found, found != before else { return found }
        before = found
      } catch {
        guard case .system(let cause) = error, cause.isMissing else { throw error }
      }
      Clocks.sleep(milliseconds: pause)
    }
    return try look(in: folder, from: start, isWanted)
  }

  private static func look(
    in folder: String, from start: Int64, _ isWanted: (Span<UInt8>) -> Bool
  ) throws(JournalError) -> JournalLookup {
    var reader = try JournalReader(folder: folder, from: .time(start))
    var segment: Int?
    try reader.visit { line, place in
      if isWanted(line) { segment = place.segment }
      return segment == nil
    }
    guard let segment else { return .absent }
    return try damage(of: segment, in: SegmentList.read(folder)).map { .damaged($0) } ?? .intact
  }

  private static func damage(of number: Int, in segments: SegmentList) throws(JournalError) -> JournalDamage?
  {
    let before = segments.numbers.last { $0 < number }
    var check: ChainCheck?
    if let before {
      check = try SegmentScan.lastLink(of: segments.path(before)).map { ChainCheck(after: $0) }
    } else if number == 1 {
      check = ChainCheck(after: SegmentScan.Link(head: .empty, logID: nil))
    }
    let after = segments.numbers.first { $0 > number }
    for current in [number, after].compactMap(\.self) {
      var lines = try SegmentLines(segments.path(current), current)
      // Of the segment after it only the first line says something of this one.
      if let found = try damage(in: &lines, &check, firstLineOnly: current != number) { return found }
      if current == number, after != nil, lines.tornBytes > 0 {
        return JournalDamage(
          .tornSegment, segment: number, line: lines.line + 1, offset: lines.offset,
          seq: check?.expectedSeq ?? 0)
      }
    }
    return nil
  }

  private static func damage(
    in lines: inout SegmentLines, _ check: inout ChainCheck?, firstLineOnly: Bool
  ) throws(JournalError) -> JournalDamage? {
    var found: JournalDamage?
    var goesOn = true
    while goesOn, try lines.refill() {
      goesOn = lines.show { line, place in
        // Where nothing is known of what came before, the first line is taken at its word.
        guard var known = check ?? ChainCheck(before: line) else {
          found = JournalDamage(.notARecord, at: place, seq: 0)
          return false
        }
        let expected = known.expectedSeq
        if let fault = known.add(line, at: place) { found = JournalDamage(fault, at: place, seq: expected) }
        check = known
        return found == nil && !firstLineOnly
      }
    }
    return found
  }
}

extension SegmentScan {
  /// The last record of a segment whose own hash fits; nil: there is none.
  static func lastLink(of path: String) throws(JournalError) -> Link? {
    var bytes = [UInt8](repeating: 0, count: 4 * RecordFrame.longestLine)
    let count: Int
    do throws(PosixError) {
      let file = try Files.open(path, for: .reading)
      let start = max(0, try file.status().size - Int64(bytes.count))
      count = try file.fill(&bytes, filePosition: start)
    } catch { throw .system(error) }
    let span = bytes.span
    var end = span.lastIndex(of: UInt8(ascii: "\n"), before: count)
    while let stop = end {
      end = span.lastIndex(of: UInt8(ascii: "\n"), before: stop)
      let line = span.extracting((end.map { $0 + 1 } ?? 0)..<stop)
      guard let record = RecordLine(line), let stated = RecordLine.statedHash(line),
        RecordLine.hash(line) == stated || KeptForm.isErased(line)
      else { continue }
      return Link(
        head: JournalHead(seq: record.seq, hash: stated), logID: RecordLine.logID(line, unless: nil))
    }
    return nil
  }
}

extension ChainCheck {
  /// From a line on, whatever it follows.
  fileprivate init?(before line: Span<UInt8>) {
    guard let record = RecordLine(line), let previous = RecordLine.statedPrevious(line) else { return nil }
    self.init(
      after: SegmentScan.Link(head: JournalHead(seq: record.seq &- 1, hash: previous), logID: nil))
  }
}

extension RecordLine {
  package func isKind(_ kind: StaticString, in line: Span<UInt8>) -> Bool {
    Literal(kind).isAll(of: line.extracting(self.kind))
  }
}
