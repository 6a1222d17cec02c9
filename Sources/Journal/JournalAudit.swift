package import Posix
import Synchronization

/// Verifies a whole log in the background, at a low priority: once when it is started, then once a day.
package final class JournalAudit: Sendable {
  package struct Finding: Sendable, Equatable {
    /// When the log had been read; milliseconds since 1970.
    package let at: Int64
    /// What is wrong, and where; nil: nothing.
    package let damage: String?
  }

  private let folder: String
  private let finding = Mutex<Finding?>(nil)
  private let isStopping = Monitor(false)

  private static let intervalMs: Int64 = 24 * 3_600_000

  package init(folder: String) { self.folder = folder }

  /// nil until the log has been read for the first time.
  package var latest: Finding? { finding.withLock { $0 } }

  package func start() throws(PosixError) {
    // Nobody waits for its end: a log of many gigabytes must not hold up a stop.
    _ = try Thread.spawn(name: "log-audit") { [self] in
      Thread.yieldToOthers()
      while !isStopping.withLock({ $0 }) {
        look()
        _ = isStopping.wait(until: Clocks.deadline(afterMilliseconds: Self.intervalMs), for: { $0 }, { $0 })
      }
    }
  }

  package func stop() {
    isStopping.withLock { $0 = true }
    isStopping.notify()
  }

  private func look() {
    let damage: String?
    do throws(JournalError) {
      damage = try JournalVerification.verify(folder).damage?.description
    } catch {
      damage = "cannot be read: \(error.description)"
    }
    finding.withLock { $0 = Finding(at: Clocks.realtime(), damage: damage) }
  }
}
