import Synchronization

/// When something last came over the tap, as the tap's thread sees it once a second.
package final class TapActivity: Sendable {
  package struct View: Sendable, Equatable {
    package var connections = 0
    /// Milliseconds since 1970, a second late at most; nil: nothing since the start.
    package var lastFrameAt: Int64?
    fileprivate var received: UInt64 = 0
  }

  private let view = Mutex(View())

  package var latest: View { view.withLock { $0 } }

  /// - Parameter received: Lines received so far.
  package func note(received: UInt64, connections: Int, now: Int64) {
    view.withLock { view in
      if received != view.received { view.lastFrameAt = now }
      view.received = received
      view.connections = connections
    }
  }
}
