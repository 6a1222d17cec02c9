package import Posix
package import Wire

/// One sender: what has come in of it, and what has not gone out to it. Belongs to the thread that reads the tap.
package final class Connection {
  package let socket: Descriptor
  /// At the other end, as the kernel noted when it connected.
  package let user: UInt32
  package var splitter: LineSplitter
  package private(set) var output: [UInt8] = []
  package var isWatchedForWriting = false
  /// Its sender has closed its side and waits for replies.
  package var isAtEnd = false
  package private(set) var lastRead = ReadResult.wouldBlock
  /// The last read did not fill the space it had: nothing more is waiting.
  package private(set) var isShort = false
  /// What ``SenderTable`` has counted of ``heldBytes``.
  var countedBytes = 0
  /// The line that is coming in was given up for want of memory.
  private var isLineAbandoned = false
  private var lastNumber = 0
  private var isQuiet = false
  /// When it connected, or its last whole line came: monotonic nanoseconds.
  private var lastLine: UInt64
  private var hasSentLines = false

  /// What a JSON number holds exactly everywhere: 2⁵³.
  private static let largestNumber = 1 << 53

  /// Replies waiting for a peer that does not read them, in bytes.
  package static let outputLimit = 1 << 20
  /// What reading takes at least, in bytes.
  package static let leastBytes = 64 << 10

  /// - Parameter now: Monotonic nanoseconds.
  package init(_ socket: consuming Descriptor, user: UInt32, frameLimit: Int, now: UInt64) {
    self.socket = socket
    self.user = user
    splitter = LineSplitter(limit: frameLimit, initialCapacity: Self.leastBytes)
    lastLine = now
  }

  /// Memory that it holds.
  var heldBytes: Int { splitter.capacity + output.count }

  /// What it holds beyond what every connection does, for frames that are coming in.
  var extraBytes: Int { max(0, splitter.capacity - Self.leastBytes) }

  package func read() -> ReadResult {
    isQuiet = false
    var result = ReadResult.wouldBlock
    var space = 0
    _ = unsafe splitter.withFreeSpace { buffer in
      space = buffer.count
      result = unsafe (try? socket.read(into: buffer)) ?? .end
      if case .bytes(let count) = result { return count }
      return 0
    }
    if case .bytes(let count) = result { isShort = count < space } else { isShort = false }
    lastRead = result
    return result
  }

  /// - Parameter now: Monotonic nanoseconds.
  package func noteLine(at now: UInt64) {
    lastLine = now
    hasSentLines = true
  }

  /// Gives ``extraBytes`` back; a long line that is coming in is skipped for that.
  func giveBack() {
    splitter.shrink()
    guard extraBytes > 0 else { return }
    isLineAbandoned = true
    splitter.abandonLine()
  }

  /// A line was skipped.
  ///
  /// - Returns: Whether that was for want of memory, not for its length.
  package func skippedForMemory() -> Bool {
    defer { isLineAbandoned = false }
    return isLineAbandoned
  }

  /// Whether it has held a place for this long without a whole line: in the middle of one, or without ever having sent
  /// one. A sender that is merely idle is never meant.
  func isHalfOpen(at now: UInt64, for nanoseconds: UInt64) -> Bool {
    !isAtEnd && (splitter.pendingBytes > 0 || !hasSentLines) && now - min(now, lastLine) >= nanoseconds
  }

  /// Past the limit replies are dropped, frames are still taken in, and the connection ends with its turn: a peer
  /// that does not read its replies is let go, never waited for.
  package func queue(_ reply: [UInt8]) {
    if output.count <= Self.outputLimit { output += reply }
  }

  /// Nobody will read them.
  func dropOutput() { output = [] }

  package var takesReplies: Bool { output.count <= Self.outputLimit }

  /// - Returns: False when the peer is gone.
  package func flush() -> Bool {
    var sent = 0
    let waiting = output
    while sent < waiting.count {
      do throws(PosixError) {
        guard let count = try socket.send(waiting.span.extracting(sent..<waiting.count)) else { break }
        sent += count
      } catch {
        return false
      }
    }
    output.removeFirst(sent)
    return true
  }

  /// Frames that were numbered before this one and did not come; a number out of all reason counts for nothing.
  package func lost(before number: Int) -> Int {
    guard (1...Self.largestNumber).contains(number) else { return 0 }
    defer { lastNumber = max(lastNumber, number) }
    return max(0, number - lastNumber - 1)
  }

  /// Called once a second: a connection without traffic since the last time gives its memory back.
  func noteQuiet() {
    if isQuiet { splitter.releaseUnusedSpace() }
    isQuiet = true
  }
}
