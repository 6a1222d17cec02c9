import Deciding
import Posix

/// A thread that works off requests of one sort, so that neither a long report nor a label that waits
/// for a failing disk stands before the kill switch.
final class ConsoleLane: Sendable {
  private struct State: Sendable {
    var jobs: [@Sendable () -> Void] = []
    var isStopping = false
  }

  /// Requests that wait at most; more are refused rather than kept.
  static let mostWaiting = 16

  private let state = Monitor(State())
  /// Not joined: a report under way may take seconds that a stop should not.
  private let thread: Thread

  init(_ name: String) throws(PosixError) {
    let state = state
    thread = try Thread.spawn(name: name) {
      while true {
        let job = state.wait(
          for: { $0.isStopping || !$0.jobs.isEmpty },
          { state in state.isStopping ? nil : state.jobs.removeFirst() })
        guard let job else { return }
        job()
      }
    }
  }

  /// - Returns: False where too many wait already; the job is then forgotten.
  func submit(_ job: @escaping @Sendable () -> Void) -> Bool {
    let isTaken = state.withLock { state in
      guard state.jobs.count < Self.mostWaiting, !state.isStopping else { return false }
      state.jobs.append(job)
      return true
    }
    if isTaken { state.notify() }
    return isTaken
  }

  func stop() {
    state.withLock { state in
      state.isStopping = true
      state.jobs = []
    }
    state.notify()
  }
}
