import Posix
import Wire

/// One connection of the sidecar: a request, its answer as it arrives, the next request.
struct Connection: ~Copyable {
  private let socket: Descriptor
  private let server: Server
  private let bell: Bell
  private var loop: EventLoop
  private var parser = HTTPRequestParser(limits: HTTPLimits(bodyBytes: 16 << 20))

  /// Until the sidecar closes it.
  static func serve(_ socket: consuming Descriptor, _ server: Server) {
    do throws(PosixError) {
      var connection = try Connection(socket, server)
      while let request = try connection.nextRequest() {
        guard try connection.answer(request) else { return }
      }
    } catch {
      // A connection that cannot be served is closed: the sidecar takes it for lost.
    }
  }

  private init(_ socket: consuming Descriptor, _ server: Server) throws(PosixError) {
    let bell = try Bell()
    let loop = try EventLoop(capacity: 2)
    try loop.add(socket, token: 0, for: [.readable, .peerClosed])
    try loop.add(bell.wakeup.descriptor, token: 1, for: .readable)
    self.socket = socket
    self.server = server
    self.bell = bell
    self.loop = loop
  }

  /// - Returns: nil where the sidecar has closed, or sent what is no request.
  private mutating func nextRequest() throws(PosixError) -> HTTPRequest? {
    parser.reset()
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      guard try Poll.wait(socket, for: .readable, until: nil) else { continue }
      switch try socket.read(into: &buffer) {
      case .wouldBlock: continue
      case .end: return nil
      case .bytes(let count):
        // One request at a time: more than one is not the sidecar.
        guard (try? parser.feed(buffer.span.extracting(0..<count))) == count else { return nil }
        if let request = parser.request { return request }
      }
    }
  }

  /// - Returns: Whether the connection can carry another request.
  private mutating func answer(_ request: HTTPRequest) throws(PosixError) -> Bool {
    let exchange = Exchange(bell)
    let transfer: Server.Transfer
    do throws(HTTPSBridgeFault) {
      transfer = try server.start(request, exchange)
    } catch {
      return try refuse(error)
    }
    let result: Result<Bool, PosixError>
    do throws(PosixError) { result = .success(try pass(exchange, of: transfer)) } catch {
      result = .failure(error)
    }
    guard server.ended() else { return false }
    return try result.get()
  }

  /// Passes an answer on as it arrives.
  private mutating func pass(_ exchange: Exchange, of transfer: Server.Transfer) throws(PosixError) -> Bool {
    var isWhole = false
    defer { if !isWhole { transfer.cancel() } }
    var head: Exchange.Head?
    while true {
      guard try waitForBell() else { return false }
      let news = exchange.take()
      if let first = news.head {
        guard try begin(first) else { return false }
        head = first
      }
      if head?.hasBody == true, !news.body.isEmpty { try write(HTTPResponseWriter.chunk(news.body)) }
      switch news.end {
      case nil: continue
      case .complete:
        guard let head else { return false }
        isWhole = true
        if head.hasBody { try write(HTTPResponseWriter.lastChunk) }
        return true
      case .failed(let fault):
        isWhole = true
        // Within an answer only the end of the connection can say that it is cut.
        return head == nil ? try refuse(fault) : false
      }
    }
  }

  /// - Returns: False where the sidecar has given up: it sends nothing while it waits, so anything to read is its end.
  private mutating func waitForBell() throws(PosixError) -> Bool {
    var events: [EventLoop.Event] = []
    try loop.wait(into: &events)
    if events.contains(where: { $0.token == 0 }) { return false }
    bell.wakeup.clear()
    return true
  }

  private func begin(_ head: Exchange.Head) throws(PosixError) -> Bool {
    let bytes =
      head.hasBody
      ? try? HTTPResponseWriter.chunkedHead(status: head.status, headers: head.headers)
      : try? HTTPResponseWriter.bytes(status: head.status, headers: head.headers)
    guard let bytes else { return false }
    try write(bytes)
    return true
  }

  private func refuse(_ fault: HTTPSBridgeFault) throws(PosixError) -> Bool {
    let headers: HTTPHeaders = [HTTPSBridgeFault.header: fault.rawValue]
    guard let bytes = try? HTTPResponseWriter.bytes(status: 502, headers: headers) else { return false }
    try write(bytes)
    return true
  }

  private func write(_ bytes: [UInt8]) throws(PosixError) {
    var done = 0
    while done < bytes.count {
      if let count = try socket.send(bytes.span.extracting(done..<bytes.count)) {
        done += count
      } else {
        _ = try Poll.wait(socket, for: .writable, until: nil)
      }
    }
  }
}

extension Exchange.Head {
  var hasBody: Bool { status != 204 && status != 304 }
}
