import Synchronization

/// A thread that works in rounds, with a pause between two that a stop ends.
package final class PeriodicThread: Sendable {
  private let stopping = Monitor(false)
  private let thread = Mutex<Thread?>(nil)

  package init() {}

  /// Asked within a round that may take long.
  package var isStopping: Bool { stopping.withLock { $0 } }

  /// - Parameter round: Gets the number of the round, from 0. Kept until the thread ends.
  package func start(
    name: String, pauseMilliseconds: Int64, _ round: @escaping @Sendable (Int) -> Void
  ) throws(PosixError) {
    let started = try Thread.spawn(name: name) { [self] in
      var number = 0
      while !isStopping {
        round(number)
        number += 1
        let deadline = Clocks.deadline(afterMilliseconds: pauseMilliseconds)
        stopping.wait(until: deadline, for: { $0 }, { _ in })
      }
    }
    thread.withLock { $0 = started }
  }

  /// Returns when the round under way has ended; for good.
  package func stop() {
    stopping.withLock { $0 = true }
    stopping.notify()
    thread.withLock { $0.take() }?.join()
  }
}
