import Posix

/// Where a line stands.
package struct JournalPlace: Equatable, Sendable {
  package let segment: Int
  /// From 1, within the segment. Reading from the log's end counts from there.
  package let line: Int
  /// Bytes from the segment's start to the line's.
  package let offset: Int64
  /// The line is longer than ``JournalReader/longestLine``: only its start is shown. No record is.
  package let isCut: Bool
}

/// Reads a log's lines in order, over all segments, in constant memory.
///
/// It shows whole lines only and judges none. At the end of what is there a visit returns; a later visit
/// goes on from that place, so that following a log is visiting again and again.
package struct JournalReader: ~Copyable {
  /// Where reading begins.
  package enum Start: Equatable, Sendable {
    case beginning
    /// With the record of this number.
    case seq(UInt64)
    /// With records of this time, in milliseconds since 1970, and later ones. Whole segments are passed over by the
    /// time of their first record; within the others each record's own time counts.
    case time(Int64)
    /// With what is written from now on.
    case end
    /// At a byte of a segment at which a line begins. Its lines are counted from there.
    case place(segment: Int, offset: Int64)
  }

  /// The bytes after a segment's last newline.
  package struct Tail: Equatable, Sendable {
    package let segment: Int
    package let line: Int
    package let offset: Int64
    package let bytes: Int64
  }

  /// Longest line shown whole; twice what a record may have.
  package static let longestLine = 128 << 10

  private let folder: String
  private let chunkBytes: Int
  private var start: Start
  private var next: Int
  private var lines: SegmentLines?

  /// Segments that ended without a newline, in order; the last one's may still be growing.
  package private(set) var tails: [Tail] = []

  /// - Parameter chunkBytes: How much is read at a time; at least twice ``longestLine``.
  package init(folder: String, from start: Start = .beginning, chunkBytes: Int = 256 << 10)
    throws(JournalError)
  {
    self.folder = folder
    self.chunkBytes = chunkBytes
    self.start = start
    next = 1
    let segments = try SegmentList.read(folder)
    next = try Self.first(of: segments, start) ?? 1
    if case .place(let number, let offset) = start {
      lines = try SegmentLines(segments.path(number), number, chunkBytes: chunkBytes)
      lines?.seek(to: offset)
      segment = number
      next = number + 1
    }
    guard start == .end, !segments.numbers.isEmpty else { return }
    lines = try SegmentLines(segments.path(next), next, chunkBytes: chunkBytes)
    segment = next
    next += 1
    try lines?.seekToEnd()
  }

  /// The segment being read; 0 before the first.
  package private(set) var segment = 0

  /// Where in ``segment`` the next line begins, or would.
  package var offset: Int64 {
    mutating get { lines?.offset ?? 0 }
  }

  /// Shows every line from where the last visit stopped to the end of what is there.
  ///
  /// - Parameter visit: Gets the line without its newline. Returns false to stop after it.
  /// - Returns: Whether the end was reached, rather than `visit` stopping.
  @discardableResult
  package mutating func visit(_ visit: (Span<UInt8>, JournalPlace) -> Bool) throws(JournalError) -> Bool {
    while true {
      if try !showSegment(visit) { return false }
      let segments = try SegmentList.read(folder)
      let following = segments.numbers.first { $0 >= next }
      // The writer may have added to this segment between our last read and the next one's appearance. Now that
      // there is a next one it is final: one more look, and it is done.
      if following != nil, try !showSegment(visit) { return false }
      guard let following else {
        noteTail()
        return true
      }
      let opened: SegmentLines
      do throws(JournalError) {
        opened = try SegmentLines(segments.path(following), following, chunkBytes: chunkBytes)
      } catch {
        // A writer whose disk is full takes the segment back that it had just begun.
        guard Files.exists(segments.path(following)) else { continue }
        throw error
      }
      noteTail()
      lines = consume opened
      segment = following
      next = following + 1
    }
  }

  /// Visits, and visits again for as long as `goesOn` says so.
  ///
  /// Where a disk failed in between, records that had been shown may come again from the next segment: their
  /// numbers tell.
  ///
  /// - Parameters:
  ///   - intervalMilliseconds: Between two looks at the file.
  ///   - goesOn: Asked before each wait.
  package mutating func follow(
    everyMilliseconds intervalMilliseconds: Int64 = 200, while goesOn: () -> Bool,
    _ body: (Span<UInt8>, JournalPlace) -> Bool
  ) throws(JournalError) {
    while try visit(body), goesOn() { Clocks.sleep(milliseconds: intervalMilliseconds) }
  }

  /// - Returns: False where `visit` stopped.
  private mutating func showSegment(_ visit: (Span<UInt8>, JournalPlace) -> Bool) throws(JournalError) -> Bool
  {
    guard lines != nil else { return true }
    // Outside `self` while the lines are being read, which takes all of it.
    var start = start
    defer { self.start = start }
    while true {
      if start.isPlace {
        if lines?.show(visit) == false { return false }
      } else {
        let goesOn = lines?.show { line, place in !Self.shows(line, &start) || visit(line, place) }
        if goesOn == false { return false }
      }
      if try lines?.refill() != true { return true }
    }
  }

  private static func shows(_ line: Span<UInt8>, _ start: inout Start) -> Bool {
    // A line that is no record is shown: whoever asked must not take it for absent.
    guard let record = RecordLine(line) else { return true }
    switch start {
    case .beginning, .end, .place: return true
    case .time(let time): return record.at >= time
    case .seq(let seq):
      guard record.seq >= seq else { return false }
      // Numbers only grow: from here on nothing needs looking at.
      start = .beginning
      return true
    }
  }

  private mutating func noteTail() {
    guard let bytes = lines?.tornBytes, let line = lines?.line, let offset = lines?.offset
    else { return }
    if tails.last?.segment == segment { tails.removeLast() }
    if bytes > 0 { tails.append(Tail(segment: segment, line: line + 1, offset: offset, bytes: bytes)) }
  }

  /// The segment to begin with: the last whose first record is not past the start.
  private static func first(of segments: SegmentList, _ start: Start) throws(JournalError) -> Int? {
    switch start {
    case .beginning: segments.numbers.first
    case .end: segments.numbers.last
    case .place(let number, _): number
    case .seq(let seq): try last(of: segments) { $0.seq <= seq }
    case .time(let time): try last(of: segments) { $0.at <= time }
    }
  }

  private static func last(of segments: SegmentList, startsBy isEarly: (RecordLine) -> Bool)
    throws(JournalError) -> Int?
  {
    var (low, high) = (0, segments.numbers.count)
    while low < high {
      let middle = (low + high) / 2
      // A segment that does not start with a record is taken for late, so that reading begins before it: that loses nothing,
      // and the newest one is empty for a moment.
      if let record = try firstRecord(of: segments.path(segments.numbers[middle])), isEarly(record) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return segments.numbers.isEmpty ? nil : segments.numbers[max(0, low - 1)]
  }

  private static func firstRecord(of path: String) throws(JournalError) -> RecordLine? {
    var lines: SegmentLines
    do throws(JournalError) { lines = try SegmentLines(path, 0, chunkBytes: 0) } catch {
      // Removed since it was listed: the oldest go.
      guard Files.exists(path) else { return nil }
      throw error
    }
    var record: RecordLine?
    guard try lines.refill() else { return nil }
    _ = lines.show { line, _ in
      record = RecordLine(line)
      return false
    }
    return record
  }
}

extension JournalReader.Start {
  /// Whether every line from there on is shown.
  fileprivate var isPlace: Bool {
    switch self {
    case .beginning, .end, .place: true
    case .seq, .time: false
    }
  }
}
