import Deciding
import Journal
import LogRequests
import Posix
import RouterCore
import Synchronization
import Wire

/// What the page sees live: counters of this process, and the newest decisions as the log holds them.
///
/// Works only while somebody watches, on a thread of its own. It follows the log like any other reader, so that a
/// decision is never made to wait for a page.
final class ConsoleFeed: Sendable {
  /// One moment, as events ready to be sent.
  struct Publication: Sendable {
    /// Everything; nil where nobody new asked.
    let snapshot: [UInt8]?
    /// What is different from the moment before; a comment that keeps the connection alive where nothing is.
    let change: [UInt8]
  }

  private struct Audience: Sendable {
    var watchers = 0
    var wantsSnapshot = false
    var isStopping = false
  }

  private let state: SidecarState
  private let mailbox: ConsoleMailbox
  private let audience = Monitor(Audience())
  private let thread = Mutex<Thread?>(nil)

  private static let intervalMilliseconds: Int64 = 1_000
  /// Pages that open at the same time share a snapshot.
  private static let pauseMilliseconds: Int64 = 100

  init(_ state: SidecarState, mailbox: ConsoleMailbox) {
    self.state = state
    self.mailbox = mailbox
  }

  func start() throws(PosixError) {
    let started = try Thread.spawn(name: "console-feed") { [self] in run() }
    thread.withLock { $0 = started }
  }

  func stop() {
    audience.withLock { $0.isStopping = true }
    audience.notify()
    thread.withLock { $0.take() }?.join()
  }

  /// A watcher has come: it gets a snapshot with the next publication, which is near.
  func joined() {
    audience.withLock { audience in
      audience.watchers += 1
      audience.wantsSnapshot = true
    }
    audience.notify()
  }

  func left() { audience.withLock { $0.watchers -= 1 } }

  private func run() {
    var latest = LatestDecisions(folder: state.paths.log)
    var before: [JSONMember] = []
    var next: UInt64 = 0
    while true {
      audience.wait(for: { $0.isStopping || $0.watchers > 0 }, { _ in })
      let orders = audience.wait(
        until: next, for: { $0.isStopping || $0.wantsSnapshot },
        { audience in
          defer { audience.wantsSnapshot = false }
          return audience
        })
      if orders.isStopping { return }
      guard orders.watchers > 0 else { continue }
      let news = latest.look(newest: state.pipeline.recorder.journal.head.seq)
      let now = ConsoleCounters.members(state)
      let changed = now.filter { member in !before.contains(member) }
      before = now
      let at = JSONMember("at", .string(Timestamp.string(Clocks.realtime())))
      let snapshot =
        orders.wantsSnapshot
        ? Self.event("snapshot", [at] + now + [JSONMember("latest", .array(latest.rows))]) : nil
      let isQuiet = changed.isEmpty && news.isEmpty
      mailbox.put(
        ConsoleMailbox.Letter(
          connection: nil,
          content: .live(
            Publication(
              snapshot: snapshot,
              change: isQuiet
                ? HTTPResponseWriter.chunk(Array(":\n\n".utf8))
                : Self.event("change", [at] + changed + news)))))
      Clocks.sleep(milliseconds: Self.pauseMilliseconds)
      next = Clocks.deadline(afterMilliseconds: Self.intervalMilliseconds - Self.pauseMilliseconds)
    }
  }

  private static func event(_ name: String, _ members: [JSONMember]) -> [UInt8] {
    // JSON has no line feeds of its own, so that one `data` line holds it.
    HTTPResponseWriter.chunk(
      Array("event: \(name)\ndata: ".utf8) + JSONValue.object(members).jsonBytes + Array("\n\n".utf8))
  }
}
