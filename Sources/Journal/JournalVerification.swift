import Anchors
import Posix
import RouterCore

/// The first thing wrong with a log.
package struct JournalDamage: Equatable, Sendable, CustomStringConvertible {
  package enum Fault: String, Sendable {
    /// Not a line of the log's form; not JSON, for one.
    case notARecord = "not_a_record"
    /// The line's bytes do not have the hash that it states.
    case hash
    /// It does not state the hash of the record before it.
    case chain
    /// Its number does not follow, and it is no `gap` that explains why.
    case sequence
    /// It belongs to another log.
    case otherLog = "other_log"
    /// Bytes after the last newline of the last segment: what a crash leaves, or a write that is under way.
    case tornTail = "torn_tail"
    /// Bytes after the last newline of a segment that has successors.
    case tornSegment = "torn_segment"
    /// A segment between two others, or the first, is not there.
    case missingSegment = "missing_segment"
    /// The log does not hold the record of a checkpoint.
    case checkpoint
  }

  package let fault: Fault
  package let segment: Int
  /// From 1.
  package let line: Int
  /// Bytes from the segment's start to the line's.
  package let offset: Int64
  /// The number that a record here should have.
  package let seq: UInt64

  init(_ fault: Fault, at place: JournalPlace, seq: UInt64) {
    self.init(fault, segment: place.segment, line: place.line, offset: place.offset, seq: seq)
  }

  init(_ fault: Fault, segment: Int, line: Int = 1, offset: Int64 = 0, seq: UInt64) {
    self.fault = fault
    self.segment = segment
    self.line = line
    self.offset = offset
    self.seq = seq
  }

  package var description: String {
    let place = "\(SegmentList.name(segment)):\(line) (byte \(offset), record \(seq))"
    return switch fault {
    case .notARecord: "\(place): not a record"
    case .hash: "\(place): the hash does not fit the line"
    case .chain: "\(place): does not follow the record before it"
    case .sequence: "\(place): numbers are missing or repeated"
    case .otherLog: "\(place): belongs to another log"
    case .tornTail: "\(place): the last line is not whole"
    case .tornSegment: "\(place): the segment ends within a line"
    case .missingSegment: "\(SegmentList.name(segment)): missing"
    case .checkpoint: "record \(seq): not the one of the checkpoint"
    }
  }
}

/// Whether a log is whole.
package enum JournalVerification {
  package struct Outcome: Equatable, Sendable {
    /// Records that hold, up to the damage.
    package internal(set) var records: UInt64 = 0
    /// Numbers that `gap` records account for.
    package internal(set) var missing: UInt64 = 0
    /// The last record that holds.
    package internal(set) var head = JournalHead.empty
    package internal(set) var segments = 0
    /// Records whose previews were erased, as `erasure` records say.
    package internal(set) var erased: UInt64 = 0
    /// What says that the log begins later than it did; nil where it is there from its first record.
    package internal(set) var removal: RetentionNotice?
    /// nil where the log is whole.
    package internal(set) var damage: JournalDamage?

    package var isWhole: Bool { damage == nil }
  }

  /// Reads a whole log, also while a router writes it, removes what is old from it or erases previews.
  ///
  /// What the router does to a log that is being read can look like damage. It is damage where the next look finds the
  /// same.
  ///
  /// - Parameters:
  ///   - checkpoint: A head noted earlier, that the log must still hold: cutting whole records off the end can be seen
  ///     in no other way.
  ///   - settling: Pauses in milliseconds, after each of which what looked wrong is looked at again; none: nobody changes
  ///     the log meanwhile.
  ///   - passed: Told the bytes of each record that holds; may wait.
  /// - Returns: Stops at the first damage. A folder that is empty or absent is a whole log of no records.
  package static func verify(
    _ folder: String, checkpoint: JournalHead? = nil, settling: [Int64] = usualPauses,
    passed: (Int) -> Void = { _ in }
  ) throws(JournalError) -> Outcome {
    var outcome = try look(folder, checkpoint: checkpoint, settling: settling) { passed($0.count + 1) }
    for pause in settling {
      guard let before = outcome.damage else { return outcome }
      Clocks.sleep(milliseconds: pause)
      outcome = try look(folder, checkpoint: checkpoint, settling: settling) { passed($0.count + 1) }
      if outcome.damage == before { break }
    }
    return outcome
  }

  package static let usualPauses: [Int64] = [1, 10, 50]

  /// Reads a whole log once.
  ///
  /// - Parameters:
  ///   - settling: Pauses after each of which a last line that looks torn is looked at again.
  ///   - observe: Shown each record that holds, in order.
  package static func look(
    _ folder: String, checkpoint: JournalHead? = nil, settling: [Int64] = usualPauses,
    observe: (Span<UInt8>) -> Void
  ) throws(JournalError) -> Outcome {
    guard try reaching({ () throws(PosixError) in try Files.status(folder) }) != nil else {
      return Outcome(checkpoint)
    }
    var outcome = Outcome()
    let segments = try SegmentList.read(folder)
    outcome.segments = segments.numbers.count
    let absent = firstAbsent(segments.numbers)
    // What is written from now on is not looked at: a busy writer could keep ahead of this for ever.
    let last = segments.numbers.last ?? 0
    let size = try reaching { () throws(PosixError) in try Files.status(segments.path(last))?.size ?? 0 }
    var reader = try JournalReader(folder: folder)
    var check = ChainCheck(after: SegmentScan.Link(head: .empty, logID: nil))
    var notices = Notices()
    var found: JournalDamage?
    var reached = checkpoint == nil || checkpoint == .empty

    let visit = { (line: Span<UInt8>, place: JournalPlace) -> Bool in
      if let absent, place.segment > absent {
        found = JournalDamage(.missingSegment, segment: absent, seq: check.expectedSeq)
        return false
      }
      if place.segment > last || place.segment == last && place.offset >= size { return false }
      if outcome.records == 0, place.segment > 1, let link = SegmentScan.Link(before: line),
        link.head != .empty
      {
        // Retention left a log that begins here; that it did, a later record must say.
        check = ChainCheck(after: link)
        notices.start = link.head
      }
      let before = check.expectedSeq
      if let fault = check.add(line, at: place) {
        found = JournalDamage(fault, at: place, seq: before)
        return false
      }
      notices.add(line, check.isErased ? JournalDamage(.hash, at: place, seq: before) : nil)
      observe(line)
      outcome.records += 1
      outcome.head = check.link.head
      outcome.missing += outcome.head.seq - before
      if outcome.head.seq == checkpoint?.seq { reached = outcome.head == checkpoint }
      return true
    }
    try reader.visit(visit)
    // A line in the middle of being written looks torn: a living one is whole a moment later.
    for pause in settling where found == nil && !reader.tails.isEmpty {
      Clocks.sleep(milliseconds: pause)
      try reader.visit(visit)
    }
    if found == nil, let absent {
      found = JournalDamage(.missingSegment, segment: absent, seq: check.expectedSeq)
    }
    found = notices.unproven(before: found)
    outcome.erased = notices.erased
    outcome.removal = notices.removal
    outcome.damage = first(of: found, reader.tails.first, last: reader.segment, seq: check.expectedSeq)
    if outcome.damage == nil, !reached { outcome.damage = Outcome(checkpoint).damage }
    return outcome
  }

  private static func firstAbsent(_ numbers: [Int]) -> Int? {
    let first = numbers.first ?? 1
    for (index, number) in numbers.enumerated() where number != first + index { return first + index }
    return nil
  }

  private static func first(
    of damage: JournalDamage?, _ tail: JournalReader.Tail?, last: Int, seq: UInt64
  ) -> JournalDamage? {
    guard let tail, damage.map({ tail.segment < $0.segment }) ?? true else { return damage }
    let fault: JournalDamage.Fault = tail.segment == last ? .tornTail : .tornSegment
    return JournalDamage(fault, segment: tail.segment, line: tail.line, offset: tail.offset, seq: seq)
  }
}

/// What records say of changes that were made to the log, and the changes that need it said.
private struct Notices {
  /// What the first record follows, where that is not there any more.
  var start: JournalHead?
  private(set) var removal: RetentionNotice?
  /// By number: the line's kept form, and what is wrong with it otherwise.
  private var erasures: [UInt64: (kept: SHA256Digest, damage: JournalDamage)] = [:]
  private var proven: Set<UInt64> = []

  var erased: UInt64 { UInt64(proven.count) }

  mutating func add(_ line: Span<UInt8>, _ damage: JournalDamage?) {
    if let damage { erasures[damage.seq] = (KeptForm.leaf(line), damage) }
    if let notice = RetentionNotice(line) { removal = notice }
    guard !erasures.isEmpty, let notice = ErasureNotice(line) else { return }
    for entry in notice.entries where erasures[entry.seq]?.kept == entry.kept { proven.insert(entry.seq) }
  }

  private func isNamed(_ start: JournalHead) -> Bool {
    guard let removal, start.seq < removal.firstSeq else { return false }
    return start.seq + 1 < removal.firstSeq || start.hash == removal.firstPrevious
  }

  /// The first change that nothing in the log speaks of, or the damage found where that comes first.
  func unproven(before damage: JournalDamage?) -> JournalDamage? {
    // The chain has been followed from the start to the record that names a removal; it may name one that is not
    // finished, and the log then begins before its place.
    if let start, !isNamed(start) { return damage ?? JournalDamage(.missingSegment, segment: 1, seq: 1) }
    // Erasures are told of by later records: behind damage they cannot be.
    guard damage == nil else { return damage }
    return erasures.filter { !proven.contains($0.key) }.min { $0.key < $1.key }?.value.damage
  }
}

extension JournalVerification.Outcome {
  /// A log without records.
  fileprivate init(_ checkpoint: JournalHead?) {
    guard let checkpoint, checkpoint != .empty else { return }
    damage = JournalDamage(.checkpoint, segment: 0, line: 0, seq: checkpoint.seq)
  }
}
