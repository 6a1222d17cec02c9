import Posix
import RouterCore

/// Where a segment's lines begin that stand in the next ones as well.
struct RepeatedLines {
  /// End of the last line that stands here alone.
  private(set) var offset: Int64?
  private(set) var lines = 0
  private let previous: SHA256Digest
  /// The next segments' lines, as many as can be repeated.
  private let following: [[UInt8]]
  private var isRepeated = true

  /// Looks through what no sync can have confirmed of a segment's end.
  ///
  /// - Parameter previous: The hash that the next segment goes on from.
  /// - Returns: nil where the next segment goes on from another place, or where anything behind that place is neither a
  ///   line of the next segments nor what a power failure leaves of one.
  static func find(
    _ segments: SegmentList, in segment: Int, repeatedFrom next: Int, after previous: SHA256Digest,
    _ options: JournalOptions
  ) throws(JournalError) -> (offset: Int64, size: Int64, lines: Int)? {
    let size = try reaching { () throws(PosixError) in
      try Files.status(segments.path(segment))?.size ?? 0
    }
    let limit = options.unsyncedBytes
    var found = RepeatedLines(previous, following: try lines(of: segments, from: next, limit))
    var reader = try SegmentLines(segments.path(segment), segment)
    // One line more, so that the one before them is found.
    reader.seek(to: max(0, size - limit - Int64(RecordFrame.longestLine)))
    try reader.visit { line, place in found.add(line, at: place) }
    guard found.isRepeated, let offset = found.offset, size - offset <= limit else { return nil }
    var rest = [UInt8](repeating: 0, count: Int(reader.tornBytes))
    _ = try reaching { () throws(PosixError) in
      try Files.open(segments.path(segment), for: .reading).fill(
        &rest, filePosition: size - Int64(rest.count))
    }
    guard rest.contains(0) || found.following.contains(where: { $0.starts(with: rest) }) else { return nil }
    return (offset, size, found.lines)
  }

  private init(_ previous: SHA256Digest, following: [[UInt8]]) {
    self.previous = previous
    self.following = following
  }

  private mutating func add(_ line: Span<UInt8>, at place: JournalPlace) {
    let hash = place.isCut || RecordLine(line) == nil ? nil : RecordLine.hash(line)
    let isWhole = hash != nil && hash == RecordLine.statedHash(line)
    guard offset != nil else {
      if isWhole, hash == previous { offset = place.offset + Int64(line.count) + 1 }
      return
    }
    lines += 1
    if isWhole {
      isRepeated = isRepeated && following.contains { Self.equal($0.span, line) }
    } else {
      isRepeated = isRepeated && line.firstIndex(of: 0) != nil
    }
  }

  private static func equal(_ one: Span<UInt8>, _ other: Span<UInt8>) -> Bool {
    guard one.count == other.count else { return false }
    for index in one.indices where one[index] != other[index] { return false }
    return true
  }

  private static func lines(of segments: SegmentList, from first: Int, _ limit: Int64) throws(JournalError)
    -> [[UInt8]]
  {
    var lines: [[UInt8]] = []
    var bytes: Int64 = 0
    for number in segments.numbers where number >= first && bytes < limit {
      var reader = try SegmentLines(segments.path(number), number)
      var isMore = true
      while isMore, bytes < limit {
        isMore = try reader.refill()
        _ = reader.show { line, _ in
          var copy: [UInt8] = []
          copy.append(copying: line)
          lines.append(copy)
          bytes += Int64(line.count) + 1
          return bytes < limit
        }
      }
    }
    return lines
  }
}
