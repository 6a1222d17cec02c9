import Foundation
import Testing

@testable import Posix

@Suite("Sockets")
struct SocketTests {
  private struct Nobody: Error {}

  private func accept(from listener: borrowing Descriptor) throws -> Descriptor {
    guard let connection = try UnixSocket.accept(from: listener) else { throw Nobody() }
    return connection
  }

  private func send(_ bytes: [UInt8], on socket: borrowing Descriptor) throws -> Int? {
    try socket.send(bytes.span)
  }

  private func soon() -> UInt64 { Clocks.deadline(afterMilliseconds: 5000) }

  @Test("carry bytes between processes' ends, and say when the other side has gone")
  func pair() throws {
    let pair = try UnixSocket.pair(blocking: false)
    #expect(try send([1, 2, 3], on: pair.first) == 3)
    var buffer = [UInt8](repeating: 0, count: 8)
    #expect(try pair.second.read(into: &buffer) == .bytes(3))
    #expect(try pair.second.read(into: &buffer) == .wouldBlock)
    try pair.split { first, second in
      _ = consume first
      let last = try second.read(into: &buffer)
      #expect(last == .end)
      #expect(throws: PosixError.self) { try send([1], on: second) }
    }
  }

  @Test("hand descriptors over, which are then the receiver's own")
  func handOver() throws {
    let control = try UnixSocket.pair()
    for round in UInt8(1)...3 {
      let received = try UnixSocket.pair().split { own, theirs in
        try UnixSocket.send(theirs, over: control.first)
        try own.writeAll([round])
        return try UnixSocket.receiveDescriptor(over: control.second)
      }
      guard let received else { throw Nobody() }
      #expect(fcntl(received.number, F_GETFD) & FD_CLOEXEC != 0)
      var buffer = [UInt8](repeating: 0, count: 8)
      #expect(try received.read(into: &buffer) == .bytes(1))
      #expect(buffer[0] == round)
      // The sender's copies are closed.
      #expect(try received.read(into: &buffer) == .end)
    }
    try control.first.writeAll([0])
    let error = #expect(throws: PosixError.self) {
      _ = try UnixSocket.receiveDescriptor(over: control.second)
    }
    #expect(error?.code == EBADMSG)
    try control.split { first, second in
      _ = consume first
      let end = try UnixSocket.receiveDescriptor(over: second) == nil
      #expect(end)
      let lost = #expect(throws: PosixError.self) { try UnixSocket.send(second, over: second) }
      #expect(lost?.code == EPIPE)
    }
  }

  @Test("are listened on with the mode asked for, and know who connected")
  func unix() throws {
    let scratch = try Scratch()
    let listener = try UnixSocket.listen(at: scratch("s"), mode: 0o660)
    #expect(try Files.status(scratch("s"))?.mode == 0o660)
    #expect(throws: Nobody.self) { _ = try accept(from: listener) }
    let client = try UnixSocket.connect(to: scratch("s"))
    #expect(try Poll.wait(listener, for: .readable, until: soon()))
    let server = try accept(from: listener)
    let peer = try UnixSocket.peer(of: server)
    #expect(
      peer == PeerCredentials(process: ProcessState.id, user: ProcessState.user, group: ProcessState.group))
    _ = consume client
  }

  @Test("take the place of a dead socket, not of a living one or of a file")
  func stale() throws {
    let scratch = try Scratch()
    do {
      let living = try UnixSocket.listen(at: scratch("s"))
      let error = #expect(throws: PosixError.self) { _ = try UnixSocket.listen(at: scratch("s")) }
      #expect(error?.reason == "Address already in use")
      _ = consume living
    }
    #expect(Files.exists(scratch("s")))
    _ = try UnixSocket.listen(at: scratch("s"))
    try Files.replace(scratch("f"), with: [1])
    #expect(throws: PosixError.self) { _ = try UnixSocket.listen(at: scratch("f")) }
    #expect(try Files.read(scratch("f"), limit: 1) == [1])
  }

  @Test("say how long a path may be")
  func longPath() throws {
    let path = "/tmp/" + String(repeating: "x", count: 120)
    let error = #expect(throws: PosixError.self) { _ = try UnixSocket.listen(at: path) }
    #expect(error?.description.contains("125 bytes, at most 107") == true)
  }

  @Test("have a receive buffer that can be asked for")
  func buffers() throws {
    let pair = try UnixSocket.pair()
    try UnixSocket.setReceiveBuffer(of: pair.first, bytes: 65_536)
    #expect(try UnixSocket.receiveBuffer(of: pair.first) == 131_072)
  }

  @Test("of the network connect within a deadline", arguments: ["127.0.0.1", "localhost"])
  func tcp(host: String) throws {
    let listener = try TCPSocket.listen(host: "127.0.0.1", port: 0)
    let port = try TCPSocket.port(of: listener)
    let client = try TCPSocket.connect(host: host, port: port, until: soon())
    #expect(try Poll.wait(listener, for: .readable, until: soon()))
    let server = try accept(from: listener)
    #expect(try send([9], on: client) == 1)
    #expect(try Poll.wait(server, for: .readable, until: soon()))
    var buffer: [UInt8] = [0, 0]
    #expect(try server.read(into: &buffer) == .bytes(1))
    #expect(buffer[0] == 9)
  }

  @Test("of the network say why they do not connect")
  func refused() throws {
    let port = try TCPSocket.port(of: try TCPSocket.listen(host: "127.0.0.1", port: 0))
    let refused = #expect(throws: PosixError.self) {
      _ = try TCPSocket.connect(host: "127.0.0.1", port: port, until: soon())
    }
    #expect(refused?.description == "connect 127.0.0.1:\(port): Connection refused")
    let nobody = #expect(throws: PosixError.self) {
      _ = try TCPSocket.connect(host: "256.256.256.256.invalid", port: 1, until: soon())
    }
    #expect(nobody?.call == "getaddrinfo")
  }

  @Test("tell a service manager, by path and by abstract name")
  func notify() throws {
    #expect(throws: PosixError.self) { try ServiceManager.notify("READY=1", address: "/nowhere/at/all") }
    #expect(throws: PosixError.self) {
      try ServiceManager.notify("READY=1", address: "@nobody-\(UUID().uuidString)")
    }
    #expect(throws: PosixError.self) { try ServiceManager.notify("READY=1", address: "") }
  }
}

@Suite("Events")
struct EventTests {
  @Test("carry the token of what is ready, and nothing when the deadline passes")
  func tokens() throws {
    var loop = try EventLoop()
    let pair = try UnixSocket.pair(blocking: false)
    try loop.add(pair.first, token: 7, for: .readable)
    var events: [EventLoop.Event] = []
    try loop.wait(until: 0, into: &events)
    #expect(events.isEmpty)
    try pair.second.writeAll([1])
    try loop.wait(until: Clocks.deadline(afterMilliseconds: 5000), into: &events)
    #expect(events.map(\.token) == [7])
    #expect(events[0].readiness.contains(.readable))
    try loop.change(pair.first, token: 8, for: [.readable, .writable])
    events = []
    try loop.wait(until: Clocks.deadline(afterMilliseconds: 5000), into: &events)
    #expect(events.map(\.token) == [8])
    try loop.remove(pair.first)
    events = []
    try loop.wait(until: 0, into: &events)
    #expect(events.isEmpty)
  }

  @Test("wake a loop from another thread, once for many signals")
  func wakeup() throws {
    let wakeup = try Wakeup()
    var loop = try EventLoop()
    try loop.add(wakeup.descriptor, token: 1, for: .readable)
    for _ in 0..<3 { wakeup.signal() }
    var events: [EventLoop.Event] = []
    try loop.wait(until: Clocks.deadline(afterMilliseconds: 5000), into: &events)
    #expect(events.count == 1)
    wakeup.clear()
    events = []
    try loop.wait(until: 0, into: &events)
    #expect(events.isEmpty)
  }

  @Test("time out without a late or early answer")
  func deadline() throws {
    let pair = try UnixSocket.pair()
    let end = Clocks.deadline(afterMilliseconds: 20)
    #expect(try !Poll.wait(pair.first, for: .readable, until: end))
    #expect(Clocks.monotonic() >= end)
  }

  @Test("signals are read, with their sender, by the thread that blocked them")
  func signals() throws {
    let scope = SignalSet.blockAsynchronous()
    defer { scope.restore() }
    let thread = try Thread.spawn(name: "signal test") {
      do {
        let reader = try SignalReader([.user1])
        #expect(try reader.next() == nil)
      } catch { Issue.record(error) }
    }
    thread.join()
  }
}

@Suite("Threads")
struct ThreadTests {
  @Test("run, are named, and end before join returns")
  func join() throws {
    let names = Monitor<[String]>([])
    let thread = try Thread.spawn(name: "a name much too long") {
      let name = (try? Files.read("/proc/thread-self/comm", limit: 100)) ?? []
      names.withLock { $0.append(String(decoding: name, as: UTF8.self)) }
    }
    thread.join()
    thread.join()
    #expect(names.withLock { $0 } == ["a name much too\n"])
  }

  @Test("wait for one another, and give up at the deadline")
  func monitor() throws {
    let turn = Monitor(0)
    let thread = try Thread.spawn(name: "ping") {
      for round in 0..<1000 {
        turn.wait(for: { $0 == 2 * round + 1 }, { $0 += 1 })
        turn.notify()
      }
    }
    for round in 0..<1000 {
      turn.withLock { $0 += 1 }
      turn.notify()
      turn.wait(for: { $0 == 2 * round + 2 }, { _ in })
    }
    thread.join()
    let end = Clocks.deadline(afterMilliseconds: 20)
    #expect(turn.wait(until: end, for: { $0 < 0 }, { $0 }) == 2000)
    #expect(Clocks.monotonic() >= end)
  }
}

@Suite("Process")
struct ProcessTests {
  @Test("knows itself, its environment and its accounts")
  func facts() throws {
    #expect(try ProcessState.executablePath().hasPrefix("/"))
    #expect(ProcessState.environment("SURELY_NOT_SET_\(UInt32.max)") == nil)
    #expect(ProcessState.environment("PATH") != nil)
    #expect(try #require(ProcessState.residentBytes()) > 1 << 20)
    #expect(Accounts.user(0, isIn: 0))
    #expect(!Accounts.user(0, isIn: 54_321))
    #expect(!Accounts.user(3_999_999_999, isIn: 0))
    #expect(Accounts.name(ofUser: 0) == "root")
    #expect(Accounts.group(named: "root") == 0)
    #expect(Accounts.group(named: "no such group") == nil)
    #expect(Random.bytes(16) != Random.bytes(16))
  }

  @Test("clocks go on")
  func clocks() {
    let (a, c) = (Clocks.monotonic(), Clocks.processCPU())
    Clocks.sleep(milliseconds: 5)
    #expect(Clocks.monotonic() - a >= 5_000_000)
    #expect(Clocks.processCPU() >= c)
    #expect(abs(Double(Clocks.realtime()) / 1000 - Date().timeIntervalSince1970) < 5)
    #expect(Clocks.deadline(afterMilliseconds: .max) == .max)
  }
}
