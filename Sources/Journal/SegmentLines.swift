import Posix

/// Reads one segment's lines in order, in constant memory, and goes on where a growing file had ended.
struct SegmentLines: ~Copyable {
  let number: Int
  private let file: Descriptor
  // The unread bytes are buffer[from..<to]; `offset` is where buffer[from] stands in the file.
  private var buffer: [UInt8]
  private var from = 0
  private var to = 0
  private(set) var offset: Int64 = 0
  /// Lines passed so far.
  private(set) var line = 0
  /// Within a line too long to be shown whole, whose start has been shown.
  private var skipsRest = false
  private var tornBefore = 0
  private var tornAtEnd = 0

  init(_ path: String, _ number: Int, chunkBytes: Int = 256 << 10) throws(JournalError) {
    self.number = number
    file = try reaching { () throws(PosixError) in try Files.open(path, for: .reading) }
    buffer = [UInt8](repeating: 0, count: max(chunkBytes, 2 * JournalReader.longestLine))
  }

  /// Bytes after the last newline, as found when the end was last reached.
  var tornBytes: Int64 { Int64(tornAtEnd + tornBefore) }

  /// Shows all lines to the end of what is there.
  mutating func visit(_ body: (Span<UInt8>, JournalPlace) -> Void) throws(JournalError) {
    repeat {
      _ = show { line, place in
        body(line, place)
        return true
      }
    } while try refill()
  }

  /// Shows the lines that are in memory.
  ///
  /// - Returns: False where `visit` stopped.
  mutating func show(_ visit: (Span<UInt8>, JournalPlace) -> Bool) -> Bool {
    // Another reference, so that `self` may change while the span lives.
    let unread = buffer
    let bytes = unread.span.extracting(0..<to)
    while let newline = bytes.firstIndex(of: UInt8(ascii: "\n"), from: from) {
      let place = JournalPlace(segment: number, line: line + 1, offset: offset, isCut: false)
      let range = from..<newline
      let isRest = skipsRest
      pass(newline + 1 - from, endsLine: true)
      if !isRest, !visit(bytes.extracting(range), place) { return false }
    }
    guard to - from > JournalReader.longestLine else { return true }
    let cut = bytes.extracting(from..<from + JournalReader.longestLine)
    let place = JournalPlace(segment: number, line: line + 1, offset: offset, isCut: true)
    let isRest = skipsRest
    tornBefore += to - from
    pass(to - from, endsLine: false)
    return isRest ? true : visit(cut, place)
  }

  /// Reads on.
  ///
  /// - Returns: False at the segment's end.
  mutating func refill() throws(JournalError) -> Bool {
    let kept = to - from
    if from > 0 {
      for index in 0..<kept { buffer[index] = buffer[from + index] }
      from = 0
      to = kept
    }
    let count = try read(at: kept, position: offset + Int64(kept))
    to += count
    tornAtEnd = count > 0 ? 0 : kept
    // Half a line is read anew next time: a restarted router may have cut it off and written another.
    if count == 0 { to = from }
    return count > 0
  }

  /// Passes over everything that is there now, but for half a line at the end.
  mutating func seekToEnd() throws(JournalError) {
    let size = try reaching { () throws(PosixError) in try file.status().size }
    offset = max(0, size - Int64(JournalReader.longestLine))
    to = try reaching { [offset] () throws(PosixError) in try file.fill(&buffer, filePosition: offset) }
    let whole = buffer[..<to].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    pass(whole, endsLine: true)
  }

  /// Goes to where a line begins, before anything was read.
  mutating func seek(to place: Int64) { offset = place }

  private mutating func pass(_ count: Int, endsLine: Bool) {
    from += count
    offset += Int64(count)
    skipsRest = !endsLine
    guard endsLine else { return }
    line += 1
    tornBefore = 0
  }

  private mutating func read(at index: Int, position: Int64) throws(JournalError) -> Int {
    do throws(PosixError) { return try file.read(into: &buffer, at: index, filePosition: position) } catch {
      throw .system(error)
    }
  }
}
