import Deciding
import LogRequests
import Posix
import Synchronization
import Wire

/// The console's listening socket, with the port that it got.
final class ConsoleListener: Sendable {
  let socket: Descriptor
  let address: ConsoleAddress

  init(_ wanted: ConsoleAddress) throws(PosixError) {
    socket = try TCPSocket.listen(host: wanted.host, port: wanted.port)
    address = ConsoleAddress(host: wanted.host, port: try TCPSocket.port(of: socket))
  }

  var url: String { "http://\(address.authority)/" }
}

/// The console: a page on an address of this machine, for reviewers and for whoever is on call.
///
///     GET  / /console.js /console.css
///     GET  /healthz /readyz /metrics /v1/status /v1/report /v1/find/ID /v1/gate/TASK
///     GET  /v1/events          server-sent events: a snapshot, then once a second what changed
///     GET  /v1/review          with a token: it reserves
///     POST /v1/review          with a token
///     PUT  /v1/kill            with a token
///
/// One thread holds all connections and never waits for any of them; what may take long is done by others.
final class Console: Sendable {
  let listener: ConsoleListener
  private let state: SidecarState
  private let mailbox: ConsoleMailbox
  private let feed: ConsoleFeed
  private let answers: ConsoleAnswers
  private let isStopping = Atomic<Bool>(false)
  private let thread = Mutex<Thread?>(nil)

  init(_ state: SidecarState, control: Control, listener: ConsoleListener) throws(PosixError) {
    self.state = state
    self.listener = listener
    mailbox = try ConsoleMailbox()
    feed = ConsoleFeed(state, mailbox: mailbox)
    answers = ConsoleAnswers(
      control: control, tokens: try ConsoleTokens.prepare(stateFolder: state.paths.state),
      guarding: ConsoleGuard(listener.address), mailbox: mailbox,
      switching: try ConsoleLane("console-kill"), labels: try ConsoleLane("console-labels"),
      lookups: try ConsoleLane("console-lookups"), reports: try ConsoleLane("console-reports"))
  }

  func start() throws(PosixError) {
    try feed.start()
    let started = try Thread.spawn(name: "console") { [self] in serve() }
    thread.withLock { $0 = started }
  }

  private func serve() {
    do throws(PosixError) {
      let loop = try ConsoleLoop(listener, answers: answers, mailbox: mailbox, feed: feed)
      try loop.run { [self] in !isStopping.load(ordering: .acquiring) }
    } catch {
      // The sidecar's work does not depend on the console.
      state.log.error("console_stopped", ["cause": error.description])
    }
  }

  func stop() {
    isStopping.store(true, ordering: .releasing)
    mailbox.wakeup.signal()
    thread.withLock { $0.take() }?.join()
    answers.stop()
    feed.stop()
  }
}
