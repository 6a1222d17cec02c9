import Posix
package import Wire

/// One kept connection to a plain HTTP server, used by one thread.
///
/// URLSession cuts timeouts to whole seconds and costs 30 times the processor time; TLS goes through a bridge
/// process, so a socket and a parser are all that is needed here. Redirects are answers like any other: nothing that
/// is sent, least of all a key, goes anywhere but to the address it was made for.
///
/// A connection is kept only after an answer that was read to its end with nothing behind it, and is let go where
/// anything can be read on it before the next request is sent. What is left: a server that sends a second answer
/// to an old request just while the new one is on its way. HTTP/1.1 has nothing to tell the two apart.
package struct HTTPClient: ~Copyable {
  private let url: HTTPURL
  private let connector: Connector
  private var kept: Descriptor?
  private let limits: HTTPLimits
  private let interrupt: Interrupt?
  /// Whether the last request went out a second time, because the server had closed the kept connection meanwhile.
  private(set) var wasResent = false

  /// - Parameter bodyBytes: The largest response body that is read.
  package init(_ url: HTTPURL, over connector: Connector, bodyBytes: Int = 4 << 20) {
    self.init(url, over: connector, bodyBytes: bodyBytes, interrupt: nil)
  }

  /// - Parameter interrupt: Ends waits at once; without it `isStopping` is asked every 100 ms.
  init(_ url: HTTPURL, over connector: Connector, bodyBytes: Int = 4 << 20, interrupt: Interrupt?) {
    self.url = url
    self.connector = connector
    self.interrupt = interrupt
    limits = HTTPLimits(bodyBytes: bodyBytes)
  }

  /// Sends a request and reads the whole answer.
  ///
  /// - Parameters:
  ///   - deadline: Monotonic nanoseconds, for everything: connecting, headers and the last byte of a slow body.
  ///   - isStopping: Asked while waiting; true ends the wait, with ``AskFault/stopping``.
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
    let exchange = try exchange(method, target, body, headers, deadline: deadline)
    return try run(exchange, isStopping) { (_) throws(AskFault) in false }
  }

  /// As ``post(_:headers:deadline:isStopping:)``, but hands on the body of a 200 answer as it comes.
  ///
  /// - Parameter onBody: True ends the exchange: the answer is complete, whatever the server would still send. A fault
  ///   ends it too.
  /// - Returns: The answer without its body where that was handed on; whether it was complete is the caller's to know.
  package mutating func stream(
    _ body: [UInt8], headers: HTTPHeaders, deadline: UInt64, isStopping: () -> Bool,
    onBody: (Span<UInt8>) throws(AskFault) -> Bool
  ) throws(AskFault) -> HTTPResponse {
    var exchange = try exchange("POST", url.target, body, headers, deadline: deadline)
    exchange.isStream = true
    return try run(exchange, isStopping, onBody)
  }

  private func exchange(
    _ method: String, _ target: String, _ body: [UInt8], _ headers: HTTPHeaders, deadline: UInt64
  ) throws(AskFault) -> Exchange {
    var headers = headers
    headers.add("Host", url.authority)
    headers.add("Accept-Encoding", "identity")
    do throws(HTTPError) {
      let request = try HTTPRequestWriter.bytes(method: method, target: target, headers: headers, body: body)
      return Exchange(request: request, deadline: deadline, limits: limits, interrupt: interrupt)
    } catch {
      throw .badHTTP
    }
  }

  private mutating func run(
    _ exchange: Exchange, _ isStopping: () -> Bool, _ onBody: (Span<UInt8>) throws(AskFault) -> Bool
  ) throws(AskFault) -> HTTPResponse {
    wasResent = false
    // Anything to read on an idle connection is its end, or an answer to nothing.
    if let old = kept.take(), (try? Poll.wait(old, for: .readable, until: 0)) == false {
      var first = exchange
      // A server may close an idle connection at any time: only a fresh one says something about the server.
      do throws(AskFault) {
        return try run(&first, over: old, isStopping, onBody)
      } catch {
        guard error == .connectionLost, first.received == 0 else { throw error }
        wasResent = first.sent == exchange.request.count
      }
    }
    var exchange = exchange
    return try run(&exchange, over: connect(exchange, isStopping), isStopping, onBody)
  }

  private func connect(_ exchange: Exchange, _ isStopping: () -> Bool) throws(AskFault) -> Descriptor {
    guard !isStopping() else { throw .stopping }
    do throws(AskFault) {
      return try connector.connect(until: exchange.deadline) { (socket, time) throws(PosixError) in
        try exchange.isReady(socket, for: .writable, until: time, isStopping)
      }
    } catch {
      throw isStopping() ? .stopping : error
    }
  }

  private mutating func run(
    _ exchange: inout Exchange, over socket: consuming Descriptor, _ isStopping: () -> Bool,
    _ onBody: (Span<UInt8>) throws(AskFault) -> Bool
  ) throws(AskFault) -> HTTPResponse {
    try exchange.send(over: socket, isStopping)
    let response = try exchange.receive(over: socket, isStopping, onBody)
    // Bytes beyond the answer would be taken for the next question's: such a connection is not kept.
    if !exchange.parser.needsClose, !exchange.hasSurplus { kept = consume socket }
    if let fault = connector.fault(in: response) { throw fault }
    return response
  }
}

/// One request on its way over one connection.
private struct Exchange {
  let request: [UInt8]
  let deadline: UInt64
  let interrupt: Interrupt?
  /// Whether the body of a 200 answer is handed on rather than collected.
  var isStream = false
  private(set) var parser: HTTPResponseParser
  private(set) var sent = 0
  private(set) var received = 0
  private(set) var hasSurplus = false
  private var isHeadRead = false

  init(request: [UInt8], deadline: UInt64, limits: HTTPLimits, interrupt: Interrupt?) {
    self.request = request
    self.deadline = deadline
    self.interrupt = interrupt
    parser = HTTPResponseParser(limits: limits)
  }

  mutating func send(over socket: borrowing Descriptor, _ isStopping: () -> Bool) throws(AskFault) {
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
    over socket: borrowing Descriptor, _ isStopping: () -> Bool,
    _ onBody: (Span<UInt8>) throws(AskFault) -> Bool
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
      if let head = try handOn(onBody) { return head }
      if let response = parser.response { return response }
    }
  }

  /// - Returns: The head, once the receiver of a stream has all it needs.
  private mutating func handOn(_ onBody: (Span<UInt8>) throws(AskFault) -> Bool) throws(AskFault)
    -> HTTPResponse?
  {
    guard parser.hasHead, isStream || !isHeadRead, let head = parser.head, head.status == 200 else {
      return nil
    }
    isHeadRead = true
    guard head.headers.tokens("Content-Encoding").allSatisfy({ $0 == "identity" }) else {
      throw .contentEncoding
    }
    guard isStream, !head.body.isEmpty else { return nil }
    let part = parser.takeBody()
    return try onBody(part.span) ? parser.head : nil
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

  private func wait(
    _ socket: borrowing Descriptor, for interest: Readiness, _ isStopping: () -> Bool
  ) throws(AskFault) {
    guard Clocks.monotonic() < deadline else { throw .timeout }
    let isReady: Bool
    do throws(PosixError) {
      isReady = try self.isReady(socket, for: interest, until: deadline, isStopping)
    } catch {
      throw .connectionLost
    }
    guard isReady else { throw isStopping() ? .stopping : .timeout }
  }

  /// - Returns: False past the time given, and before it where the wait is to end.
  func isReady(
    _ socket: borrowing Descriptor, for interest: Readiness, until time: UInt64, _ isStopping: () -> Bool
  ) throws(PosixError) -> Bool {
    while true {
      guard !isStopping() else { return false }
      let now = Clocks.monotonic()
      guard now < time else { return false }
      if let interrupt {
        if try interrupt.wait(socket, for: interest, until: time) { return true }
      } else if try Poll.wait(socket, for: interest, until: min(time, now + 100_000_000)) {
        return true
      }
    }
  }
}
