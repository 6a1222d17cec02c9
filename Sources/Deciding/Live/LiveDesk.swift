package import Posix
import Synchronization

/// Where candidates' threads leave the outcomes of calls whose agents wait, for the tap's thread to tell them.
package final class LiveDesk: Sendable {
  private struct State: Sendable {
    var outcomes: [CallOutcome] = []
    var isClosed = false
  }

  private let state = Mutex(State())
  private let count = Atomic<Int>(0)
  /// Readable when there is something to look at: an outcome, or a kill switch that was turned on.
  package let wakeup: Wakeup

  init() throws(PosixError) { wakeup = try Wakeup() }

  /// - Returns: False where nobody takes it any more: the tap has stopped.
  func post(_ outcome: CallOutcome) -> Bool {
    let (isTaken, isFirst) = state.withLock { state in
      guard !state.isClosed else { return (false, false) }
      state.outcomes.append(outcome)
      return (true, state.outcomes.count == 1)
    }
    if isFirst { wakeup.signal() }
    return isTaken
  }

  /// Agents that wait; noted by the tap's thread now and then.
  package var waiting: Int { count.load(ordering: .relaxed) }
  package func note(waiting: Int) { count.store(waiting, ordering: .relaxed) }

  /// Has the tap's thread look at those who wait now rather than later.
  package func wake() { wakeup.signal() }

  package func takeAll() -> [CallOutcome] {
    wakeup.clear()
    return state.withLock { state in
      defer { state.outcomes = [] }
      return state.outcomes
    }
  }

  /// The last look: from now on nothing is taken.
  package func close() -> [CallOutcome] {
    state.withLock { state in
      state.isClosed = true
      defer { state.outcomes = [] }
      return state.outcomes
    }
  }
}
