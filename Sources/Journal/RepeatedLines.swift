import Anchors
import Posix
import RouterCore

/// Lines that stand twice: at the end of a segment whose cut a power failure took back, and in the segments that follow.
///
/// Both copies go on from the same record. Of each the power failure may have taken what no sync had confirmed, so either
/// may be the longer one. That one stays: only what stands in it as well goes, or what a hole had cut off.
enum RepeatedLines {
  enum Remedy: Equatable {
    /// The segment goes from there on: the next ones have all of it.
    case cut(from: Int64, size: Int64, lines: Int)
    /// The next segments go: this one has all of theirs, and more.
    case emptyNext
  }

  /// Compares what no sync can have confirmed of a segment's end with the segments that follow.
  ///
  /// - Parameter previous: The hash that the next segment goes on from.
  /// - Returns: nil where there is no such record among it, where the copies differ, or where one has other faults than a
  ///   power failure leaves.
  static func remedy(
    _ segments: SegmentList, in segment: Int, repeatedFrom next: Int, after previous: SHA256Digest,
    _ options: JournalOptions
  ) throws(JournalError) -> Remedy? {
    let path = segments.path(segment)
    let size = try reaching { () throws(PosixError) in try Files.status(path)?.size ?? 0 }
    let limit = options.unsyncedBytes
    var found: (copy: LinesCopy, start: Int64)?
    var reader = try SegmentLines(path, segment)
    // One line more, so that the one before them is found.
    reader.seek(to: max(0, size - limit - Int64(RecordFrame.longestLine)))
    try reader.visit { line, place in
      guard found == nil else {
        found?.copy.add(line, at: place)
        return
      }
      guard !place.isCut, let link = SegmentScan.Link(at: line), link.head.hash == previous else { return }
      found = (LinesCopy(after: link), place.offset + Int64(line.count) + 1)
    }
    guard let (own, start) = found, size - start <= limit else { return nil }
    var half = [UInt8](repeating: 0, count: Int(reader.tornBytes))
    _ = try reaching { () throws(PosixError) in
      try Files.open(path, for: .reading).fill(&half, filePosition: size - Int64(half.count))
    }
    let others = try FollowingLines(segments, from: next, after: own.start, limit)
    if others.copy.chain.starts(with: own.chain) {
      guard own.isLeft(beside: others.copy, toTheEnd: others.isToTheEnd), others.canHaveHeld(half: half)
      else { return nil }
      return .cut(from: start, size: size, lines: own.lines)
    }
    guard others.isToTheEnd, own.isOfPowerFailure, own.chain.starts(with: others.copy.chain),
      others.copy.isLeft(beside: own, toTheEnd: true)
    else { return nil }
    return .emptyNext
  }
}

/// One of the two copies.
private struct LinesCopy {
  /// The record that both go on from.
  let start: SegmentScan.Link
  /// The records that follow it without a fault.
  private(set) var chain: [JournalHead] = []
  private(set) var lines = 0
  /// The last segment with a record whose own hash fits.
  private(set) var lastSegment = 0
  /// The segment of the first fault.
  private(set) var brokenSegment: Int?
  /// Whether every fault is one that a power failure leaves: a hole, and what stands behind it.
  private(set) var isOfPowerFailure = true
  /// Records behind the first fault.
  private var strays: [JournalHead] = []
  private var check: ChainCheck

  init(after start: SegmentScan.Link) {
    self.start = start
    check = ChainCheck(after: start)
  }

  var end: UInt64 { (chain.last ?? start.head).seq }

  mutating func add(_ line: Span<UInt8>, at place: JournalPlace) {
    lines += 1
    let fault = check.add(line, at: place)
    if check.hashFits { lastSegment = place.segment }
    if fault == nil, brokenSegment == nil {
      chain.append(check.link.head)
      return
    }
    let isHole = !check.hashFits && line.firstIndex(of: 0) != nil
    // Behind a hole a whole record is no fault of its own.
    if !isHole, brokenSegment == nil || !check.hashFits { isOfPowerFailure = false }
    if check.hashFits { strays.append(check.link.head) }
    brokenSegment = brokenSegment ?? place.segment
  }

  /// Whether nothing goes with this copy but what the other has, and what a hole cut off in both.
  ///
  /// - Parameter toTheEnd: Whether the other one is known to the log's end.
  func isLeft(beside other: LinesCopy, toTheEnd: Bool) -> Bool {
    isOfPowerFailure && strays.allSatisfy { other.chain.contains($0) || toTheEnd && $0.seq > other.end }
  }
}

/// The copy in the segments that follow, as much of it as can be repeated.
private struct FollowingLines {
  private(set) var copy: LinesCopy
  private var lines: [[UInt8]] = []
  /// Whether this is all that follows, and it ends as a power failure lets it end.
  let isToTheEnd: Bool

  init(
    _ segments: SegmentList, from first: Int, after link: SegmentScan.Link, _ limit: Int64
  ) throws(JournalError) {
    var (copy, lines) = (LinesCopy(after: link), [[UInt8]]())
    var bytes: Int64 = 0
    for number in segments.numbers where number >= first && bytes < limit {
      var reader = try SegmentLines(segments.path(number), number)
      var isMore = true
      while isMore, bytes < limit {
        isMore = try reader.refill()
        _ = reader.show { line, place in
          var bytesOfLine: [UInt8] = []
          bytesOfLine.append(copying: line)
          lines.append(bytesOfLine)
          copy.add(line, at: place)
          bytes += Int64(line.count) + 1
          return bytes < limit
        }
      }
    }
    (self.copy, self.lines) = (copy, lines)
    // Records in a segment behind that of a hole say that a sync had confirmed what is missing.
    let isCutOff = copy.brokenSegment.map { copy.lastSegment <= $0 } ?? true
    isToTheEnd = bytes < limit && copy.isOfPowerFailure && isCutOff
  }

  func canHaveHeld(half line: [UInt8]) -> Bool {
    isToTheEnd || line.contains(0) || lines.contains { $0.starts(with: line) }
  }
}

extension SegmentScan.Link {
  /// What a line that is a whole record leaves to the next; nil for any other.
  init?(at line: Span<UInt8>) {
    guard let record = RecordLine(line), let stated = RecordLine.statedHash(line),
      RecordLine.hash(line) == stated || KeptForm.isErased(line)
    else { return nil }
    self.init(head: JournalHead(seq: record.seq, hash: stated), logID: RecordLine.logID(line))
  }
}
