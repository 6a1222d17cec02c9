package import Senders
import Synchronization

/// When something last came over the tap and who is connected, as the tap's thread sees it once a second.
package final class TapActivity: Sendable {
  package struct View: Sendable, Equatable {
    package var connections = 0
    /// Memory that the connections hold, in bytes.
    package var bufferBytes = 0
    /// Whether new connections are taken; otherwise they wait in the kernel.
    package var isAccepting = true
    /// Connections closed because their user had as many as it may.
    package var turnedAway: UInt64 = 0
    /// Connections ended because they held a place that others waited for, and sent no whole line.
    package var letGo: UInt64 = 0
    /// Milliseconds since 1970, a second late at most; nil: nothing since the start.
    package var lastFrameAt: Int64?
    fileprivate var received: UInt64 = 0
  }

  private let view = Mutex(View())

  package var latest: View { view.withLock { $0 } }

  /// - Parameter received: Lines received so far.
  package func note(received: UInt64, _ senders: SenderTable, isAccepting: Bool, now: Int64) {
    let seen = View(
      connections: senders.count, bufferBytes: senders.heldBytes, isAccepting: isAccepting,
      turnedAway: senders.turnedAway, letGo: senders.letGo)
    view.withLock { view in
      let lastFrameAt = received == view.received ? view.lastFrameAt : now
      view = seen
      view.lastFrameAt = lastFrameAt
      view.received = received
    }
  }
}
