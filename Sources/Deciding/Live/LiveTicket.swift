import Synchronization

/// The place of one call whose agent waits for the candidate's answer: shared by the tap's thread, which alone tells the
/// agent anything, and the thread of the model, which asks whether anybody still waits.
package final class LiveTicket: Sendable {
  /// What the agent was told before the candidate had answered, or that it was told.
  package enum Told: Sendable, Equatable {
    /// The outcome of its call.
    case answered
    /// `frontier`, for a cause that is the `detail` of `local_unavailable`.
    case withheld(String)
    /// `frontier`, because of the kill switch.
    case overridden(String)
  }

  let number: UInt64
  /// The tap's token of the agent's connection.
  package let connection: UInt64
  /// When the agent is told `frontier` at the latest: monotonic nanoseconds.
  let due: UInt64
  private let state = Mutex<Told?>(nil)

  init(number: UInt64, connection: UInt64, due: UInt64) {
    self.number = number
    self.connection = connection
    self.due = due
  }

  var told: Told? { state.withLock { $0 } }
  var isWaiting: Bool { told == nil }

  /// Takes down what the agent is told; only the tap's thread calls it, once.
  func tell(_ told: Told) { state.withLock { $0 = told } }
}
