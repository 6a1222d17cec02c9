import Anchors
package import Journal
import Posix
import RouterCore
import Wire

/// What of a log somebody still needs: this record or time, and everything after it.
package struct LogNeed: Sendable, Equatable {
  package var seq: UInt64?
  /// Milliseconds since 1970.
  package var at: Int64?
  /// For people: whose need it is.
  package var why: String

  package init(seq: UInt64? = nil, at: Int64? = nil, why: String) {
    self.seq = seq
    self.at = at
    self.why = why
  }
}

/// Removes a log's oldest segments, by age and by size, leaving a log that proves where it begins.
///
/// Whole segments go, the oldest first, never the one in use. First a `retention` record is on the disk; it names the first
/// record that is left and what it follows. Then the files go. What a crash leaves of them, ``finish(_:)`` removes.
package struct LogRetention: Sendable {
  package let folder: String
  package var maxAgeMs: Int64?
  package var maxBytes: Int64?

  package init(folder: String, maxAgeMs: Int64? = nil, maxBytes: Int64? = nil) {
    self.folder = folder
    self.maxAgeMs = maxAgeMs
    self.maxBytes = maxBytes
  }

  /// What is to go.
  package struct Plan: Sendable, Equatable {
    package var segments: [Int]
    package var cause: RetentionNotice.Cause
    /// Milliseconds since 1970, of the newest record in them.
    package var lastRemoved: Int64
  }

  package struct Survey: Sendable, Equatable {
    package var plan: Plan?
    /// What keeps segments whose time has come; nil where nothing does.
    package var heldBy: String?
  }

  /// One segment, as its first and last whole records tell.
  private struct Segment {
    var number: Int
    var bytes: Int64
    var lastSeq: UInt64
    var lastAt: Int64
  }

  /// - Parameter needs: What must stay, whatever its age.
  package func survey(now: Int64, needs: [LogNeed]) throws(JournalError) -> Survey {
    let list = try SegmentList.read(folder)
    var total: Int64 = 0
    for number in list.numbers { total += try size(list.path(number)) }
    var survey = Survey()
    var lastRemoved: Int64 = 0
    for number in list.numbers.dropLast() {
      guard let segment = try segment(list, number) else { break }
      let isOld = maxAgeMs.map { segment.lastAt < now - $0 } ?? false
      let isTooMuch = maxBytes.map { total > $0 } ?? false
      guard isOld || isTooMuch else { break }
      if let need = needs.first(where: { $0.holds(segment.lastSeq, segment.lastAt) }) {
        survey.heldBy = need.why
        break
      }
      total -= segment.bytes
      lastRemoved = max(lastRemoved, segment.lastAt)
      let cause = isOld ? survey.plan?.cause ?? .age : .size
      survey.plan = Plan(
        segments: (survey.plan?.segments ?? []) + [number], cause: cause, lastRemoved: lastRemoved)
    }
    return survey
  }

  /// Reads what is to go once more, and says what the record has to say.
  ///
  /// - Parameter previous: The newest notice in the log.
  package func notice(_ plan: Plan, previous: RetentionNotice?) throws(JournalError) -> RetentionNotice? {
    let list = try SegmentList.read(folder)
    guard let first = plan.segments.first, let last = plan.segments.last,
      let next = list.numbers.first(where: { $0 > last }), first == previous?.firstSegment ?? 1
    else { return nil }
    var removed = previous?.removed ?? MerkleRange()
    let before = removed.end
    var seq = previous.map { $0.firstSeq - 1 } ?? 0
    var attempts: [String: Int] = [:]
    var link: (seq: UInt64, previous: SHA256Digest)?
    var reader = try JournalReader(folder: folder, from: .place(segment: first, offset: 0))
    try reader.visit { line, place in
      guard let record = RecordLine(line), record.seq > seq else { return true }
      if place.segment >= next {
        link = RecordLine.statedPrevious(line).map { (record.seq, $0) }
        return false
      }
      removed.append(KeptForm.leaf(line))
      seq = record.seq
      for entry in Self.attempts(line, record) {
        attempts[entry.task] = max(attempts[entry.task] ?? 0, entry.attempt)
      }
      return true
    }
    guard let link else { return nil }
    var notice = RetentionNotice(
      cause: plan.cause, segments: plan.segments.count, records: removed.end - before,
      lastRemoved: plan.lastRemoved, firstSegment: next, firstSeq: link.seq, firstPrevious: link.previous,
      removed: removed)
    notice.attempts = attempts.sorted { $0.key < $1.key }.map {
      RetentionNotice.GateAttempt(task: $0, attempt: $1)
    }
    return notice
  }

  /// What earlier looks at a gate have spent must not be forgotten with the records of them.
  private static func attempts(_ line: Span<UInt8>, _ record: RecordLine) -> [RetentionNotice.GateAttempt] {
    if let notice = RetentionNotice(line) { return notice.attempts }
    guard line.extracting(record.kind).isSpelled("gate"), let value = try? JSONValue(parsing: line),
      let task = value["task"]?.stringValue, let attempt = value["attempt"]?.intValue
    else { return [] }
    return [RetentionNotice.GateAttempt(task: task, attempt: attempt)]
  }

  /// Removes the files that a notice on the disk says are gone.
  ///
  /// - Returns: How many there were.
  @discardableResult
  package func finish(_ notice: RetentionNotice) throws(JournalError) -> Int {
    let list = try SegmentList.read(folder)
    let gone = list.numbers.filter { $0 < notice.firstSegment }
    guard !gone.isEmpty, list.numbers.contains(notice.firstSegment) else { return 0 }
    do throws(PosixError) {
      // The oldest first: what a crash leaves is a log that begins earlier than it may, without a hole.
      for number in gone {
        try Files.remove(list.path(number))
        try Files.synchronizeFolder(folder)
      }
    } catch { throw .system(error) }
    return gone.count
  }

  private func size(_ path: String) throws(JournalError) -> Int64 {
    do throws(PosixError) { return try Files.status(path)?.size ?? 0 } catch { throw .system(error) }
  }

  /// nil where no whole record can be found in it.
  private func segment(_ list: SegmentList, _ number: Int) throws(JournalError) -> Segment? {
    let path = list.path(number)
    let bytes = try size(path)
    var last: RecordLine?
    var reader = try JournalReader(folder: folder, from: .place(segment: number, offset: 0))
    try reader.visit { line, place in
      guard place.segment == number else { return false }
      // Not the newest time in it: one record of a clock that ran ahead must not keep the others for a year.
      if let record = RecordLine(line) { last = record }
      return true
    }
    return last.map { Segment(number: number, bytes: bytes, lastSeq: $0.seq, lastAt: $0.at) }
  }
}

extension LogNeed {
  /// Whether a segment that ends so has something of it.
  fileprivate func holds(_ lastSeq: UInt64, _ lastAt: Int64) -> Bool {
    (seq.map { lastSeq >= $0 } ?? false) || (at.map { lastAt >= $0 } ?? false)
  }
}

extension Span<UInt8> {
  fileprivate func isSpelled(_ text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount else { return false }
    for index in 0..<count where unsafe text.utf8Start[index] != self[index] { return false }
    return true
  }
}
