import Deciding
import Overload
import Posix
import RouterCore
import Senders
import Synchronization
import Wire

/// The tap's socket and its one thread: reads whatever is there, hands on whole lines, never makes a sender wait.
///
/// All of a connection's state is this thread's own. Signals are read here too, so that they are ordered with frames.
final class Tap {
  enum SignalAction { case reload, stop, kill }

  private let pipeline: Pipeline
  private let listener: Descriptor
  private let signals: SignalReader
  private var access: AccessList
  private var rates: PeerRates?
  private let frameLimit: Int
  private let onSignal: (SignalAction) -> Void

  private var loop: EventLoop
  private var senders: SenderTable
  private var scratch = Pipeline.Scratch()
  private var isStopping = false
  private var isAccepting = true
  private var lastKillLook: UInt64 = 0

  static let listenerToken: UInt64 = 1
  static let signalToken: UInt64 = 2
  static let deskToken: UInt64 = 3
  /// Bytes read from one connection before the others have their turn.
  private static let turnBytes = 512 << 10
  /// Connections accepted before those that there are have their turn.
  private static let turnConnections = 64

  /// - Parameter framesPerSecond: That each user may send; nil: as many as it likes.
  init(
    pipeline: Pipeline, listener: consuming Descriptor, signals: consuming SignalReader, access: AccessList,
    limits: SenderLimits, framesPerSecond: Int?, frameLimit: Int,
    onSignal: @escaping (SignalAction) -> Void
  ) throws(PosixError) {
    self.pipeline = pipeline
    self.listener = listener
    self.signals = signals
    self.access = access
    senders = SenderTable(limits, firstToken: 10)
    rates = framesPerSecond.map(PeerRates.init)
    self.frameLimit = frameLimit
    self.onSignal = onSignal
    loop = try EventLoop(capacity: 128)
    try loop.add(self.listener, token: Self.listenerToken, for: .readable)
    try loop.add(self.signals.descriptor, token: Self.signalToken, for: .readable)
    try loop.add(pipeline.desk.wakeup.descriptor, token: Self.deskToken, for: .readable)
  }

  /// Runs until a stop is asked for; then takes in what senders have already written, and returns.
  func run() throws(PosixError) {
    var events: [EventLoop.Event] = []
    var nextSweep = Clocks.monotonic() + Self.sweepInterval
    while !isStopping {
      events.removeAll(keepingCapacity: true)
      try loop.wait(until: min(nextSweep, nextLook), into: &events)
      scratch.today.refresh(now: Clocks.realtime())
      for event in events where event.token == Self.signalToken { try readSignals() }
      let isWoken = events.contains { $0.token == Self.deskToken }
      for event in events { handle(event) }
      serveWaiting(isWoken: isWoken)
      pipeline.desk.note(waiting: scratch.live.count)
      let now = Clocks.monotonic()
      if now >= nextSweep {
        sweep()
        nextSweep = now + Self.sweepInterval
      }
    }
    // As many as the kernel keeps waiting.
    for _ in 0..<4 { acceptAll() }
    for (token, connection) in senders.all { drain(connection, token: token) }
    letGoOfWaiting()
    for (token, connection) in senders.all { end(connection, token: token) }
  }

  private static let sweepInterval: UInt64 = 1_000_000_000

  private func sweep() {
    let now = Clocks.monotonic()
    for token in senders.sweep(at: now) { end(token) }
    if !isAccepting, !senders.isFull {
      isAccepting = (try? loop.add(listener, token: Self.listenerToken, for: .readable)) != nil
    }
    pipeline.kill.flags(areUnreadable: pipeline.rollouts.look())
    pipeline.recorder.expire(generation: pipeline.current)
    pipeline.activity.note(
      received: pipeline.recorder.balance.withLock { $0.receivedTotal }, senders, isAccepting: isAccepting,
      now: Clocks.realtime())
  }

  private func readSignals() throws(PosixError) {
    while let (signal, _) = try signals.next() {
      switch signal {
      case .hangUp: onSignal(.reload)
      case .user1: onSignal(.kill)
      case .interrupt, .terminate:
        onSignal(.stop)
        isStopping = true
      }
    }
  }

  private func handle(_ event: EventLoop.Event) {
    switch event.token {
    case Self.listenerToken: acceptAll()
    case Self.signalToken, Self.deskToken: break
    default:
      guard let connection = senders[event.token] else { return }
      if event.readiness.contains(.writable) { flush(connection, token: event.token) }
      if connection.isAtEnd { return finishAtEnd(connection, event) }
      if !event.readiness.isDisjoint(with: [.readable, .hungUp, .failed, .peerClosed]) {
        read(connection, token: event.token)
      }
    }
  }

  // MARK: - Connections

  private func acceptAll() {
    for _ in 0..<Self.turnConnections {
      guard !senders.isFull else { return pauseAccepting() }
      guard let socket = acceptOne() else { return }
      guard let peer = try? UnixSocket.peer(of: socket) else { continue }
      let now = Clocks.monotonic()
      guard access.admits(peer, at: now) else {
        pipeline.refused.withLock { $0.count(peer.user, at: .tap) }
        continue
      }
      guard senders.admits(peer.user) else { continue }
      let connection = Connection(socket, user: peer.user, frameLimit: frameLimit, now: now)
      let token = senders.add(connection)
      if (try? loop.add(connection.socket, token: token, for: .readable)) == nil { senders.remove(token) }
    }
  }

  private func acceptOne() -> Descriptor? {
    do throws(PosixError) {
      return try UnixSocket.accept(from: listener)
    } catch {
      // Too many open files, most likely.
      pauseAccepting()
      return nil
    }
  }

  /// The rest waits in the kernel until the next sweep, not in a spinning loop.
  private func pauseAccepting() {
    if isAccepting { isAccepting = (try? loop.remove(listener)) == nil }
  }

  private func read(_ connection: Connection, token: UInt64) {
    var left = Self.turnBytes
    while left > 0 {
      switch connection.read() {
      case .bytes(let count):
        left -= count
        handleLines(connection, token)
      case .wouldBlock: break
      case .end: return senderEnded(connection, token: token)
      }
      if connection.lastRead == .wouldBlock { break }
      if connection.isShort { break }
    }
    senders.note(connection)
    for token in senders.relieve() { end(token) }
    guard senders[token] != nil else { return }
    finishTurn(connection, token: token)
  }

  private func handleLines(_ connection: Connection, _ token: UInt64) {
    guard let first = connection.splitter.next() else { return }
    scratch.connection = token
    connection.noteLine(at: Clocks.monotonic())
    // One look a read: whatever was read now was sent before it. A signal raised before a frame was sent may have come
    // after the loop last waited.
    try? readSignals()
    scratch.seesKillFile = pipeline.kill.seesFile
    var next: LineSplitter.Line? = first
    while let line = next {
      switch line {
      case .tooLong: pipeline.skipped(forMemory: connection.skippedForMemory())
      case .whole(let range): handleLine(range, connection)
      }
      next = connection.splitter.next()
    }
  }

  private func handleLine(_ range: Range<Int>, _ connection: Connection) {
    var number: Int?
    // Let go at the end of this turn, before the buffer is written to again: nothing is copied.
    let bytes = connection.splitter.bytes
    let frame = bytes.span.extracting(range)
    let isTaken = rates?.admits(connection.user, at: Clocks.monotonic()) != false
    let reply =
      isTaken
      ? pipeline.handle(frame, &scratch, numbered: &number)
      : pipeline.turnAway(frame, &scratch, numbered: &number)
    if let reply { connection.queue(reply) }
    if let number {
      let lost = connection.lost(before: number)
      if lost > 0 { pipeline.recorder.balance.withLock { $0.lost(lost) } }
    }
  }

  private func finishTurn(_ connection: Connection, token: UInt64) {
    guard !connection.output.isEmpty else { return }
    flush(connection, token: token)
  }

  private func flush(_ connection: Connection, token: UInt64) {
    guard connection.output.count <= Connection.outputLimit, connection.flush() else {
      return end(connection, token: token)
    }
    senders.note(connection)
    let wantsWrite = !connection.output.isEmpty
    guard wantsWrite != connection.isWatchedForWriting, !connection.isAtEnd else { return }
    connection.isWatchedForWriting = wantsWrite
    try? loop.change(connection.socket, token: token, for: wantsWrite ? [.readable, .writable] : .readable)
  }

  private func end(_ connection: Connection, token: UInt64) {
    if connection.splitter.pendingBytes > 0 { pipeline.recorder.balance.withLock { $0.incomplete += 1 } }
    try? loop.remove(connection.socket)
    senders.remove(token)
    // Somebody may be waiting for the place.
    if !isAccepting, !isStopping {
      isAccepting = (try? loop.add(listener, token: Self.listenerToken, for: .readable)) != nil
    }
  }

  private func end(_ token: UInt64) {
    if let connection = senders[token] { end(connection, token: token) }
  }

  /// What was written before the stop is taken in; bounded, so that a sender at full speed cannot hold the stop up.
  private func drain(_ connection: Connection, token: UInt64) {
    var left = 64 << 20
    while left > 0, case .bytes(let count) = connection.read() {
      left -= count
      handleLines(connection, token)
    }
    _ = connection.flush()
  }

  // MARK: - Agents that wait

  /// Nanoseconds between two looks for a `kill` file while agents wait: their answers must not outlive it.
  private static let killInterval: UInt64 = 50_000_000

  /// When the agents that wait are looked at next without being asked to.
  private var nextLook: UInt64 {
    guard let earliest = scratch.live.earliest else { return .max }
    return min(earliest, lastKillLook + Self.killInterval)
  }

  /// Tells agents what came of their calls, and those `frontier` whose deadline is there or whose answer is not to be
  /// used any more.
  private func serveWaiting(isWoken: Bool) {
    guard isWoken || !scratch.live.isEmpty else { return }
    var touched: Set<UInt64> = []
    if isWoken { tell(pipeline.desk.takeAll(), &touched) }
    let now = Clocks.monotonic()
    for live in scratch.live.takeDue(by: now) {
      tellFrontier(live, .withheld(Pipeline.deadline), &touched)
    }
    if !scratch.live.isEmpty, isWoken || now >= lastKillLook + Self.killInterval {
      lastKillLook = now
      if let override = pipeline.kill.override?.description {
        for live in scratch.live.takeAll() { tellFrontier(live, .overridden(override), &touched) }
      }
    }
    for token in touched { finishReplies(token) }
  }

  private func tell(_ outcomes: [CallOutcome], _ touched: inout Set<UInt64>) {
    guard !outcomes.isEmpty else { return }
    // One look for all of them, made after the last of them was there.
    let seesFile = pipeline.kill.seesFile
    for outcome in outcomes {
      guard let ticket = outcome.conversation.ticket else { continue }
      _ = scratch.live.remove(ticket)
      let connection = senders[ticket.connection]
      let reply = pipeline.tell(
        outcome, ticket, isReachable: connection?.takesReplies == true,
        override: pipeline.kill.override(seesFile: seesFile)?.description, &scratch.runs)
      if let reply, let connection {
        connection.queue(reply)
        touched.insert(ticket.connection)
      }
    }
  }

  private func tellFrontier(_ live: LiveCall, _ told: LiveTicket.Told, _ touched: inout Set<UInt64>) {
    let reply = pipeline.tellFrontier(live, told, &scratch.runs)
    guard let connection = senders[live.ticket.connection] else { return }
    connection.queue(reply)
    touched.insert(live.ticket.connection)
  }

  private func finishReplies(_ token: UInt64) {
    guard let connection = senders[token] else { return }
    finishTurn(connection, token: token)
    // It had ended its side and waited for nothing but this.
    if connection.isAtEnd, senders[token] != nil { senderEnded(connection, token: token) }
  }

  private func finishAtEnd(_ connection: Connection, _ event: EventLoop.Event) {
    guard senders[event.token] != nil else { return }
    if event.readiness.isDisjoint(with: [.hungUp, .failed]) {
      senderEnded(connection, token: event.token)
    } else {
      end(connection, token: event.token)
    }
  }

  /// A sender that has closed its side may still wait for replies.
  private func senderEnded(_ connection: Connection, token: UInt64) {
    let isHeard = connection.flush()
    guard isHeard, !connection.output.isEmpty || scratch.live.contains(connection: token) else {
      return end(connection, token: token)
    }
    connection.isAtEnd = true
    connection.isWatchedForWriting = !connection.output.isEmpty
    try? loop.change(connection.socket, token: token, for: connection.isWatchedForWriting ? .writable : [])
  }

  /// At a stop: what is there is told, and the others that they need not wait.
  private func letGoOfWaiting() {
    var touched: Set<UInt64> = []
    tell(pipeline.desk.close(), &touched)
    for live in scratch.live.takeAll() { tellFrontier(live, .withheld("stopping"), &touched) }
    for token in touched { _ = senders[token]?.flush() }
  }
}
