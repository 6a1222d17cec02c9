import Anchors
import Posix
import RouterCore

/// What was found when a log was opened.
package struct Recovery: Equatable, Sendable {
  /// The record that new ones follow.
  package internal(set) var head: JournalHead
  /// What was cut off, in the order of the cuts. Each has a `recovered` record.
  package internal(set) var cuts: [Cut] = []
  /// The segment that was cut or left alone as damaged, else the one in use.
  package internal(set) var segment: Int
  /// Damage before the last segment's end. It is left as it is, for `verify-log` to find; the log goes on in
  /// a new segment from the last record that is whole.
  package internal(set) var damage: JournalDamage?
  /// Whether the log has just been made.
  package internal(set) var isNew = false

  /// Bytes off a segment's end that no sync had confirmed: half a line, a last line whose hash did not fit, what a power
  /// failure left of a write, or brought back of one that was taken back.
  package struct Cut: Equatable, Sendable {
    package let segment: Int
    package let bytes: Int64
    /// Whole lines among them.
    package let lines: Int
  }

  /// Of all cuts together.
  package var cutBytes: Int64 { cuts.reduce(0) { $0 + $1.bytes } }
}

/// A segment read through: where the chain holds, where it ends, what is behind.
struct SegmentScan {
  /// What a chain must go on from.
  struct Link: Equatable {
    var head: JournalHead
    /// nil before the log's first record.
    var logID: String?

    init(head: JournalHead, logID: String?) {
      self.head = head
      self.logID = logID
    }

    /// What the first line of a log whose older segments are gone follows; nil where it is no record.
    init?(before line: Span<UInt8>) {
      guard let record = RecordLine(line), let previous = RecordLine.statedPrevious(line) else { return nil }
      self.init(head: JournalHead(seq: record.seq - 1, hash: previous), logID: RecordLine.logID(line))
    }
  }

  /// The last line whose own hash fits, whatever stands before it.
  private(set) var last: Link
  /// The last line before `damage`.
  private(set) var sound: Link
  /// Lines after `last`, all of them broken.
  private(set) var linesAfter = 0
  /// The first line that does not hold; nil where all do.
  private(set) var damage: JournalDamage?
  /// Whether the line of `damage` has a zero byte: a file that grew without its data reads as zeros, and no record
  /// has any.
  private(set) var isHole = false
  /// End of the lines before `damage`, in bytes.
  private(set) var soundBytes: Int64 = 0
  /// Lines before `damage`.
  private(set) var soundLines = 0
  private(set) var lines = 0
  /// All whole lines, broken ones too.
  private(set) var totalBytes: Int64 = 0
  private var check: ChainCheck

  init(after link: Link) {
    last = link
    sound = link
    check = ChainCheck(after: link)
  }

  /// Takes in the next line.
  ///
  /// - Returns: Whether its own hash fits.
  mutating func add(_ line: Span<UInt8>, at place: JournalPlace) -> Bool {
    lines += 1
    totalBytes = place.offset + Int64(line.count) + 1
    let expected = check.expectedSeq
    if let fault = check.add(line, at: place) {
      if damage == nil {
        damage = JournalDamage(fault, at: place, seq: expected)
        isHole = line.firstIndex(of: 0) != nil
      }
    } else if damage == nil {
      sound = check.link
      soundBytes = totalBytes
      soundLines += 1
    }
    guard check.hashFits else {
      linesAfter += 1
      return false
    }
    last = check.link
    linesAfter = 0
    return true
  }

  /// Whether the damage is only what a crash leaves: the very last line, or a hole among what no sync can have confirmed.
  ///
  /// - Parameter unsynced: Most bytes at the segment's end of which that can be so.
  func isTorn(size: Int64, unsynced: Int64) -> Bool {
    guard let damage else { return true }
    return damage.line == lines && linesAfter == 1 || isHole && size - soundBytes <= unsynced
  }
}

/// Follows a chain line by line.
struct ChainCheck {
  /// The last line whose own hash fits: what the next one must follow.
  private(set) var link: SegmentScan.Link
  /// Whether the line taken in last has the hash that it states, or had it before its previews were erased.
  private(set) var hashFits = false
  /// Whether that line lost its previews: that it was otherwise left as it is, an `erasure` record must say.
  private(set) var isErased = false

  var expectedSeq: UInt64 { link.head.seq + 1 }

  init(after link: SegmentScan.Link) { self.link = link }

  /// Takes in the next line; nil where it goes on from the one before.
  ///
  /// After a fault the chain is followed from this line, where its own hash fits.
  mutating func add(_ line: Span<UInt8>, at place: JournalPlace) -> JournalDamage.Fault? {
    hashFits = false
    isErased = false
    guard !place.isCut, line.count < RecordFrame.longestLine, let record = RecordLine(line) else {
      return .notARecord
    }
    var hash = RecordLine.hash(line)
    if !hash.isSpelled(in: line, at: line.count - 2 - SHA256Digest.hexCount) {
      guard KeptForm.isErased(line), let stated = RecordLine.statedHash(line) else { return .hash }
      hash = stated
      isErased = true
    }
    hashFits = true
    let before = link
    let logID = RecordLine.logID(line, unless: before.logID)
    link = SegmentScan.Link(head: JournalHead(seq: record.seq, hash: hash), logID: logID)
    guard
      before.head.hash.isSpelled(in: line, at: line.count - RecordFrame.tail + RecordFrame.beforePrev.count)
    else { return .chain }
    if let known = before.logID, known != logID { return .otherLog }
    guard record.seq == before.head.seq + 1 || GapRecord(line, record)?.fits(after: before.head.seq) == true
    else { return .sequence }
    return nil
  }
}

/// A `gap`: the numbers before its own that no record has.
struct GapRecord {
  let from: UInt64
  let to: UInt64
  let seq: UInt64

  init?(_ line: Span<UInt8>, _ record: RecordLine) {
    guard Literal("gap").isAll(of: line.extracting(record.kind)) else { return nil }
    var cursor = record.body.lowerBound
    guard let from = Self.member(Literal(#""from":"#), line, &cursor), cursor < record.body.upperBound else {
      return nil
    }
    cursor += 1
    guard let to = Self.member(Literal(#""to":"#), line, &cursor) else { return nil }
    self.from = from
    self.to = to
    seq = record.seq
  }

  func fits(after last: UInt64) -> Bool { from == last + 1 && to >= from && seq == to + 1 }

  private static func member(_ name: Literal, _ line: Span<UInt8>, _ cursor: inout Int) -> UInt64? {
    guard name.stands(in: line, at: cursor) else { return nil }
    cursor += name.count
    return RecordLine.number(line, &cursor)
  }
}
