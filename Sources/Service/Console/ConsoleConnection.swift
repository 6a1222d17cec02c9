import Posix
import Wire

/// One client of the console: what it has sent so far and what it has yet to take. Belongs to the loop's thread.
final class ConsoleConnection {
  enum Phase {
    /// Between requests, or within one.
    case reading
    /// A request waits for its answer.
    case answering(keeps: Bool)
    /// The answer is being taken.
    case writing(keeps: Bool)
    /// Server-sent events. The first is a snapshot.
    case streaming(hasSnapshot: Bool)
  }

  let socket: Descriptor
  var phase = Phase.reading
  /// Monotonic nanoseconds at which patience ends; nil while we are the ones who are late.
  var deadline: UInt64?
  /// What the loop has been told to look for.
  var interest: Readiness = .readable
  private var parser = HTTPRequestParser(limits: HTTPLimits(headBytes: 16 << 10, bodyBytes: 64 << 10))
  /// Bytes of a request after the one that is being answered.
  private var input: [UInt8] = []
  /// Shared between watchers: an event is one array, however many take it.
  private var output: [[UInt8]] = []
  private var sent = 0
  private(set) var waitingBytes = 0

  init(_ socket: consuming Descriptor) {
    self.socket = socket
    deadline = Clocks.deadline(afterMilliseconds: Self.idleMilliseconds)
  }

  /// Silence between requests.
  static let idleMilliseconds: Int64 = 30_000
  /// From a request's first byte to its last, however they trickle in; and for taking a whole answer.
  static let requestMilliseconds: Int64 = 10_000
  static let answerMilliseconds: Int64 = 20_000

  var isStreaming: Bool {
    if case .streaming = phase { return true }
    return false
  }

  /// Whether closing it now would cost its client nothing that it has asked for.
  var isIdle: Bool {
    if case .reading = phase { return true }
    return false
  }

  // MARK: - In

  /// Reads once.
  ///
  /// - Returns: False where the client has gone.
  func receive(into buffer: inout [UInt8]) throws(PosixError) -> Bool {
    switch try socket.read(into: &buffer) {
    case .wouldBlock: return true
    case .end: return false
    case .bytes(let count):
      // Who only watches has nothing more to say.
      if !isStreaming { input += buffer[..<count] }
      return true
    }
  }

  /// Takes the next whole request out of what came in.
  func nextRequest() throws(HTTPError) -> HTTPRequest? {
    guard !input.isEmpty else { return nil }
    let wasIdle = parser.isIdle
    let used = try parser.feed(input)
    input.removeFirst(used)
    if wasIdle { deadline = Clocks.deadline(afterMilliseconds: Self.requestMilliseconds) }
    guard let request = parser.request else { return nil }
    parser.reset()
    return request
  }

  // MARK: - Out

  func enqueue(_ bytes: [UInt8]) {
    guard !bytes.isEmpty else { return }
    output.append(bytes)
    waitingBytes += bytes.count
  }

  /// Sends what the socket takes now.
  ///
  /// - Returns: Whether nothing is left.
  func flush() throws(PosixError) -> Bool {
    while let first = output.first {
      guard let count = try socket.send(first.span.extracting(sent..<first.count)) else { return false }
      sent += count
      waitingBytes -= count
      if sent == first.count {
        output.removeFirst()
        sent = 0
      }
    }
    return true
  }
}
