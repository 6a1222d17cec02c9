import Overload
import Posix
import Wire

/// The console's connections and the one thread that serves them.
///
/// Whoever hangs, trickles or does not read is closed when its time is over or its place is needed; nothing here waits
/// for a client.
final class ConsoleLoop {
  private let answers: ConsoleAnswers
  private let mailbox: ConsoleMailbox
  private let feed: ConsoleFeed
  private let listener: ConsoleListener
  private var loop: EventLoop
  private var connections: [UInt64: ConsoleConnection] = [:]
  private var nextToken: UInt64 = 2
  private var buffer = [UInt8](repeating: 0, count: 16 << 10)
  private var rate: RequestRate

  static let mostConnections = 128
  static let mostWatchers = 64
  /// Events that a watcher has not taken; past it the watcher is dropped. A snapshot is about 60 KiB.
  static let mostWaitingBytes = 256 << 10
  private static let listenerToken: UInt64 = 0
  private static let mailboxToken: UInt64 = 1
  private static let sendBufferBytes: Int32 = 128 << 10
  private static let sweepMilliseconds: Int64 = 500

  init(
    _ listener: ConsoleListener, answers: ConsoleAnswers, mailbox: ConsoleMailbox, feed: ConsoleFeed
  ) throws(PosixError) {
    self.answers = answers
    self.mailbox = mailbox
    self.feed = feed
    self.listener = listener
    loop = try EventLoop()
    rate = RequestRate(perSecond: 200, most: 400, now: Clocks.monotonic())
  }

  func run(while goesOn: () -> Bool) throws(PosixError) {
    try loop.add(listener.socket, token: Self.listenerToken, for: .readable)
    try loop.add(mailbox.wakeup.descriptor, token: Self.mailboxToken, for: .readable)
    var events: [EventLoop.Event] = []
    while goesOn() {
      events.removeAll(keepingCapacity: true)
      let deadline = connections.isEmpty ? nil : Clocks.deadline(afterMilliseconds: Self.sweepMilliseconds)
      try loop.wait(until: deadline, into: &events)
      for event in events {
        switch event.token {
        case Self.listenerToken: accept()
        case Self.mailboxToken: deliver()
        default: serve(event)
        }
      }
      sweep()
    }
  }

  // MARK: - Coming and going

  private func accept() {
    do throws(PosixError) {
      while let socket = try UnixSocket.accept(from: listener.socket) {
        if connections.count >= Self.mostConnections, !makeRoom() { continue }
        // Whoever does not read must not fill the kernel's memory instead of ours.
        try TCPSocket.limitSendBuffer(of: socket, to: Self.sendBufferBytes)
        let connection = ConsoleConnection(socket)
        try loop.add(connection.socket, token: nextToken, for: connection.interest)
        connections[nextToken] = connection
        nextToken += 1
      }
    } catch {
      // Out of descriptors, most likely: a place must come free, and trying again at once would only spin.
      _ = makeRoom()
      Clocks.sleep(milliseconds: 20)
    }
  }

  /// Closes the connection that has been silent for longest.
  private func makeRoom() -> Bool {
    let idle = connections.filter(\.value.isIdle).min { $0.key < $1.key }
    guard let idle else { return false }
    close(idle.key)
    return true
  }

  private func close(_ token: UInt64) {
    guard let connection = connections.removeValue(forKey: token) else { return }
    if connection.isStreaming { feed.left() }
  }

  private func sweep() {
    let now = Clocks.monotonic()
    for (token, connection) in connections where connection.deadline.map({ $0 <= now }) == true {
      close(token)
    }
  }

  // MARK: - Reading

  private func serve(_ event: EventLoop.Event) {
    guard let connection = connections[event.token] else { return }
    if !event.readiness.isDisjoint(with: [.failed, .hungUp]) { return close(event.token) }
    do throws(PosixError) {
      if event.readiness.contains(.readable), try !connection.receive(into: &buffer) {
        return close(event.token)
      }
      if event.readiness.contains(.writable) { try write(connection, event.token) }
      try work(connection, event.token)
    } catch {
      close(event.token)
    }
  }

  /// Answers requests that are whole, one after another, and tells the event loop what to look for next.
  private func work(_ connection: ConsoleConnection, _ token: UInt64) throws(PosixError) {
    while connections[token] != nil, connection.isIdle {
      do throws(HTTPError) {
        guard let request = try connection.nextRequest() else { break }
        try take(request, connection, token)
      } catch {
        begin(connection, .refusal(error.answerStatus, "bad_request", error.description), false)
      }
      try write(connection, token)
    }
    if connections[token] != nil { try look(connection, token) }
  }

  private func look(_ connection: ConsoleConnection, _ token: UInt64) throws(PosixError) {
    var interest: Readiness = connection.waitingBytes > 0 ? .writable : []
    // While an answer is made nothing is read: whoever sends on waits in the kernel's buffer.
    if connection.isIdle || connection.isStreaming { interest.insert(.readable) }
    guard interest != connection.interest else { return }
    connection.interest = interest
    try loop.change(connection.socket, token: token, for: interest)
  }

  private func take(_ request: HTTPRequest, _ connection: ConsoleConnection, _ token: UInt64)
    throws(HTTPError)
  {
    guard rate.admit(at: Clocks.monotonic()) else {
      return begin(connection, .refusal(429, "too_many_requests", "too many requests; wait a second"), false)
    }
    switch answers.reply(to: request, for: token) {
    case .now(let answer): begin(connection, answer, request.keepsConnection)
    case .later:
      connection.deadline = nil
      connection.phase = .answering(keeps: request.keepsConnection)
    case .stream: try stream(connection)
    }
  }

  // MARK: - Writing

  private func begin(_ connection: ConsoleConnection, _ answer: Control.Answer, _ keeps: Bool) {
    var headers = ConsoleAnswers.headers(type: answer.type)
    if !keeps { headers.add("Connection", "close") }
    let bytes = try? HTTPResponseWriter.bytes(status: answer.status, headers: headers, body: answer.body)
    connection.enqueue(bytes ?? [])
    connection.phase = .writing(keeps: keeps && bytes != nil)
    connection.deadline = Clocks.deadline(afterMilliseconds: ConsoleConnection.answerMilliseconds)
  }

  private func write(_ connection: ConsoleConnection, _ token: UInt64) throws(PosixError) {
    guard try connection.flush() else { return }
    switch connection.phase {
    case .writing(keeps: true):
      connection.phase = .reading
      connection.deadline = Clocks.deadline(afterMilliseconds: ConsoleConnection.idleMilliseconds)
    case .writing(keeps: false): close(token)
    case .reading, .answering, .streaming: break
    }
  }

  // MARK: - What others bring

  private func deliver() {
    for letter in mailbox.takeAll() {
      switch letter.content {
      case .live(let publication): publish(publication)
      case .answer(let answer):
        guard let token = letter.connection, let connection = connections[token],
          case .answering(let keeps) = connection.phase
        else { continue }
        do throws(PosixError) {
          begin(connection, answer, keeps)
          try write(connection, token)
          try work(connection, token)
        } catch {
          close(token)
        }
      }
    }
  }

  private func stream(_ connection: ConsoleConnection) throws(HTTPError) {
    guard connections.values.count(where: \.isStreaming) < Self.mostWatchers else {
      return begin(connection, .refusal(503, "too_many_watchers", "too many pages watch already"), false)
    }
    var headers = ConsoleAnswers.headers(type: "text/event-stream")
    headers.add("Connection", "close")
    connection.enqueue(try HTTPResponseWriter.chunkedHead(status: 200, headers: headers))
    connection.phase = .streaming(hasSnapshot: false)
    connection.deadline = nil
    feed.joined()
  }

  private func publish(_ publication: ConsoleFeed.Publication) {
    for (token, connection) in connections {
      guard case .streaming(let hasSnapshot) = connection.phase else { continue }
      if hasSnapshot {
        connection.enqueue(publication.change)
      } else if let snapshot = publication.snapshot {
        connection.enqueue(snapshot)
        connection.phase = .streaming(hasSnapshot: true)
      }
      do throws(PosixError) {
        if try connection.flush() {
          connection.deadline = nil
        } else if connection.deadline == nil {
          connection.deadline = Clocks.deadline(afterMilliseconds: ConsoleConnection.answerMilliseconds)
        }
        guard connection.waitingBytes <= Self.mostWaitingBytes else {
          close(token)
          continue
        }
        try look(connection, token)
      } catch {
        close(token)
      }
    }
  }
}
