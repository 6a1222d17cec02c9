/// Cuts a byte stream into lines, in the buffer that the bytes were read into.
///
/// Holds no descriptor and never waits. Turn by turn: read into ``withFreeSpace(_:)``, then take lines with
/// ``next()`` until it gives nil. A place in ``bytes`` holds until the next ``withFreeSpace(_:)``.
/// The work is linear in the bytes, however few of them come at a time.
package struct LineSplitter: Sendable {
  package enum Line: Equatable, Sendable {
    /// Where the line stands in ``LineSplitter/bytes``, its newline not counted.
    case whole(Range<Int>)
    /// A line over the limit, or one that was given up (``LineSplitter/abandonLine()``), was skipped; this long in bytes
    /// with its newline.
    case tooLong(Int)
  }

  /// Longest line, in bytes with its newline.
  package let limit: Int
  /// The whole buffer, also beyond the bytes that were read. Keep no copy of it over a read: a copy makes
  /// the next read copy the buffer.
  package private(set) var bytes: [UInt8]

  /// The bytes not handed out are `start..<end`; those before `searched` hold no newline.
  private var start = 0
  private var searched = 0
  private var end = 0
  /// Bytes already dropped of a line over the limit, whose newline has not come; 0 outside of one.
  private var dropped = 0
  /// Reads in a row that the initial buffer would have been enough for.
  private var quietReads = 0

  private let initialCapacity: Int
  /// Enough that a sender of long lines does not make the buffer grow anew for each of them.
  private static let quietReadsUntilShrinking = 64

  /// - Parameters:
  ///   - limit: 1 MiB as the tap has it.
  ///   - initialCapacity: Bytes held while lines are short, from the first read on; the buffer grows to `limit` and
  ///     comes back.
  package init(limit: Int = 1 << 20, initialCapacity: Int = 64 << 10) {
    precondition(limit > 0 && initialCapacity > 0)
    self.limit = limit
    self.initialCapacity = min(limit, initialCapacity)
    bytes = []
  }

  /// Bytes of a last line that is not finished, also of one over the limit. After the end of the stream:
  /// what its sender did not finish.
  package var pendingBytes: Int { dropped + end - start }

  /// Bytes held now.
  package var capacity: Int { bytes.count }

  /// Reads more bytes.
  ///
  /// - Parameter body: Fills a part of the buffer, which is never empty, from its beginning, and returns
  ///   how many bytes it wrote; nothing is added for a negative number.
  /// - Returns: What `body` returned.
  package mutating func withFreeSpace<Failure: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
  ) throws(Failure) -> Int {
    makeSpace()
    let free = end..<bytes.count
    let count = unsafe try bytes.withUnsafeMutableBufferPointer { (buffer) throws(Failure) -> Int in
      unsafe try body(UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[free]))
    }
    precondition(count <= free.count, "more bytes were reported than there was room for")
    end += max(0, count)
    return count
  }

  /// Takes out the next line. nil until more bytes come.
  package mutating func next() -> Line? {
    let newline = ByteWords.first(0x0A, in: bytes.span, from: searched, to: end)
    guard newline < end else {
      searched = end
      if dropped > 0 || end - start >= limit { drop(upTo: end) }
      return nil
    }
    let line = start..<newline
    let length = dropped + line.count + 1
    let isDropped = dropped > 0
    start = newline + 1
    searched = start
    dropped = 0
    return isDropped || length > limit ? .tooLong(length) : .whole(line)
  }

  /// Gives the memory back where no line is pending; for an owner who knows that the sender is idle.
  package mutating func releaseUnusedSpace() {
    guard start == end else { return }
    begin(withCapacity: 0)
  }

  /// Gives up the line that is pending, and its memory with it. It is skipped to its newline and then told as
  /// ``Line/tooLong(_:)``. Call once every whole line has been taken out.
  package mutating func abandonLine() {
    guard start < end else { return }
    drop(upTo: end)
    begin(withCapacity: 0)
  }

  /// Gives up room that the line which is pending does not need, where it is a short one.
  package mutating func shrink() {
    guard bytes.count > initialCapacity, end - start <= initialCapacity / 2 else { return }
    if start == end { begin(withCapacity: 0) } else { move(toCapacity: initialCapacity) }
  }

  private mutating func begin(withCapacity capacity: Int) {
    bytes = [UInt8](repeating: 0, count: capacity)
    (start, searched, end, quietReads) = (0, 0, 0, 0)
  }

  private mutating func drop(upTo place: Int) {
    dropped += place - start
    start = place
  }

  /// Leaves a place worth reading into. Bytes move only when at least three eighths of the buffer were
  /// handed out since they last did, or the buffer doubles, so each byte moves a bounded number of times.
  private mutating func makeSpace() {
    noteUse()
    if start == end {
      (start, searched, end) = (0, 0, 0)
      if bytes.isEmpty || quietReads >= Self.quietReadsUntilShrinking {
        begin(withCapacity: initialCapacity)
      }
      return
    }
    let pending = end - start
    guard bytes.count - end < max(1, bytes.count / 8) else { return }
    if pending > bytes.count / 2, bytes.count < limit {
      move(toCapacity: min(limit, bytes.count * 2))
    } else if start > 0 {
      move(toCapacity: bytes.count)
    } else if end == bytes.count {
      // Only an owner who did not take out the lines comes here: it costs memory and no bytes.
      move(toCapacity: bytes.count * 2)
    }
  }

  private mutating func noteUse() {
    quietReads = end <= initialCapacity && bytes.count > initialCapacity ? quietReads + 1 : 0
  }

  private mutating func move(toCapacity capacity: Int) {
    let pending = end - start
    if capacity == bytes.count {
      bytes.moveToFront(start..<end)
    } else {
      var larger: [UInt8] = []
      larger.reserveCapacity(capacity)
      larger.append(copying: bytes.span, start..<end)
      larger.append(contentsOf: repeatElement(0, count: capacity - pending))
      bytes = larger
    }
    searched -= start
    (start, end) = (0, pending)
  }
}

extension [UInt8] {
  /// Moves a part to the front.
  fileprivate mutating func moveToFront(_ range: Range<Int>) {
    unsafe withUnsafeMutableBytes { buffer in
      unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[0..<range.count])
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[range]))
    }
  }
}
