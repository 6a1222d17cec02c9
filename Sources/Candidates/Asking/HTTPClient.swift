import Posix
package import Wire

/// One kept connection to a plain HTTP server, used by one thread.
///
/// URLSession cuts timeouts to whole seconds and costs 30 times the processor time; TLS goes through a bridge
/// process, so a socket and a parser are all that is needed here.
package struct HTTPClient: ~Copyable {
  private let url: HTTPURL
  private let connector: Connector
  private var kept: Descriptor?
  private let limits: HTTPLimits

  /// - Parameter bodyBytes: The largest response body that is read.
  package init(_ url: HTTPURL, over connector: Connector, bodyBytes: Int = 4 << 20) {
    self.url = url
    self.connector = connector
    limits = HTTPLimits(bodyBytes: bodyBytes)
  }

  /// Sends a request and reads the whole answer.
  ///
  /// - Parameters:
  ///   - deadline: Monotonic nanoseconds, for everything: connecting, headers and the last byte of a slow body.
  ///   - isStopping: Asked at least every 100 ms; true ends the wait.
  package mutating func post(
    _ body: [UInt8], headers: HTTPHeaders, deadline: UInt64, isStopping: () -> Bool
  ) throws(AskFault) -> HTTPResponse {
    try send("POST", url.target, body: body, headers: headers, deadline: deadline, isStopping: isStopping)
  }

  /// Any other request of the same server, such as a probe's `GET /v1/models`.
  package mutating func send(
    _ method: String, _ target: String, body: [UInt8], headers: HTTPHeaders, deadline: UInt64,
    isStopping: () -> Bool
  ) throws(AskFault) -> HTTPResponse {
    var headers = headers
    headers.add("Host", url.authority)
    let request: [UInt8]
    do throws(HTTPError) {
      request = try HTTPRequestWriter.bytes(method: method, target: target, headers: headers, body: body)
    } catch {
      throw .badHTTP
    }
    var attempt = Attempt(request: request, deadline: deadline, limits: limits)
    // Anything to read on an idle connection is its end, or an answer to nothing.
    if let old = kept.take(), (try? Poll.wait(old, for: .readable, until: 0)) == false {
      // A server may close an idle connection at any time: only a fresh one says something about the server.
      do throws(AskFault) {
        return try run(&attempt, over: old, isStopping)
      } catch {
        guard error == .connectionLost, attempt.received == 0 else { throw error }
      }
    }
    attempt = Attempt(request: request, deadline: deadline, limits: limits)
    return try run(&attempt, over: connector.connect(until: deadline), isStopping)
  }

  private mutating func run(
    _ attempt: inout Attempt, over socket: consuming Descriptor, _ isStopping: () -> Bool
  ) throws(AskFault) -> HTTPResponse {
    try attempt.send(over: socket, isStopping)
    let response = try attempt.receive(over: socket, isStopping)
    // Bytes beyond the answer would be taken for the next question's: such a connection is not kept.
    if !attempt.parser.needsClose, !attempt.hasSurplus { kept = consume socket }
    if let fault = connector.fault(in: response) { throw fault }
    return response
  }
}

/// One request on its way over one connection.
private struct Attempt {
  let request: [UInt8]
  let deadline: UInt64
  var parser: HTTPResponseParser
  var received = 0
  private(set) var hasSurplus = false

  init(request: [UInt8], deadline: UInt64, limits: HTTPLimits) {
    self.request = request
    self.deadline = deadline
    parser = HTTPResponseParser(limits: limits)
  }

  func send(over socket: borrowing Descriptor, _ isStopping: () -> Bool) throws(AskFault) {
    var sent = 0
    while sent < request.count {
      do throws(PosixError) {
        if let count = try socket.send(request.span.extracting(sent..<request.count)) {
          sent += count
          continue
        }
      } catch {
        throw .connectionLost
      }
      try wait(socket, for: .writable, isStopping)
    }
  }

  mutating func receive(
    over socket: borrowing Descriptor, _ isStopping: () -> Bool
  ) throws(AskFault) -> HTTPResponse {
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      try wait(socket, for: .readable, isStopping)
      let result: ReadResult
      do throws(PosixError) { result = try socket.read(into: &buffer) } catch { throw .connectionLost }
      switch result {
      case .wouldBlock: continue
      case .bytes(let count):
        received += count
        try feed(buffer.span.extracting(0..<count))
      case .end:
        if received == 0 { throw .connectionLost }
        try finish()
      }
      if let response = parser.response { return response }
    }
  }

  private mutating func feed(_ bytes: Span<UInt8>) throws(AskFault) {
    do throws(HTTPError) {
      hasSurplus = try parser.feed(bytes) < bytes.count
    } catch {
      throw Self.fault(error)
    }
  }

  private mutating func finish() throws(AskFault) {
    do throws(HTTPError) { try parser.finish() } catch { throw Self.fault(error) }
  }

  private static func fault(_ error: HTTPError) -> AskFault {
    switch error {
    case .bodyTooLarge, .headTooLarge: .responseTooLarge
    case .shortBody, .endedInHead: .shortBody
    case .closedBeforeMessage: .connectionLost
    default: .badHTTP
    }
  }

  /// Slices of 100 ms, so that a stop does not wait for a model that hangs.
  private func wait(
    _ socket: borrowing Descriptor, for interest: Readiness, _ isStopping: () -> Bool
  ) throws(AskFault) {
    while true {
      let now = Clocks.monotonic()
      guard now < deadline else { throw .timeout }
      guard !isStopping() else { throw .stopping }
      do throws(PosixError) {
        if try Poll.wait(socket, for: interest, until: min(deadline, now + 100_000_000)) { return }
      } catch {
        throw .connectionLost
      }
    }
  }
}
