package import Posix
import Synchronization

/// Verifies a whole log in the background, slowly: once when it is started, then once a day.
package final class JournalAudit: Sendable {
  package struct Finding: Sendable, Equatable {
    /// When the log had been read; milliseconds since 1970.
    package let at: Int64
    /// What is wrong, and where; nil: nothing.
    package let damage: String?
  }

  private let folder: String
  private let atStart: JournalDamage?
  private let finding = Mutex<Finding?>(nil)
  private let isStopping = Monitor(false)

  private static let intervalMs: Int64 = 24 * 3_600_000

  /// - Parameter atStart: What was found, and left alone, when the log was opened.
  package init(folder: String, atStart: JournalDamage? = nil) {
    self.folder = folder
    self.atStart = atStart
  }

  /// nil until the log has been read for the first time.
  package var latest: Finding? { finding.withLock { $0 } }

  /// What is wrong with the log as far as it is known; nil: nothing is.
  package var damage: String? {
    guard let latest else { return atStart?.description }
    return latest.damage
  }

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

  /// Reads the log through, no faster than ``ReadingPace`` lets it.
  func look() {
    let damage: String?
    var pace = ReadingPace(at: Clocks.monotonic())
    do throws(JournalError) {
      damage = try JournalVerification.verify(folder) { bytes in
        Clocks.sleep(milliseconds: pace.pause(afterReading: bytes, at: Clocks.monotonic()))
      }.damage?.description
    } catch {
      damage = "cannot be read: \(error.description)"
    }
    finding.withLock { $0 = Finding(at: Clocks.realtime(), damage: damage) }
  }
}

/// Holds reading to a fixed rate, so that it leaves the disk and a processor to the calls.
struct ReadingPace {
  /// A gigabyte in a minute; a slow disk gives six times that.
  static let bytesPerSecond = 16 << 20

  private let bytesPerSecond: Int
  /// When what has been read so far may have been read, in monotonic nanoseconds.
  private var due: UInt64
  private static let shortestPause: UInt64 = 20_000_000

  init(bytesPerSecond: Int = Self.bytesPerSecond, at now: UInt64) {
    self.bytesPerSecond = bytesPerSecond
    due = now
  }

  /// - Returns: Milliseconds to wait before more is read; 0 while they would be too few to be worth it.
  mutating func pause(afterReading bytes: Int, at now: UInt64) -> Int64 {
    due += UInt64(bytes) * 1_000_000_000 / UInt64(bytesPerSecond)
    guard due > now else {
      // Time lost on a busy disk is not made up for.
      due = now
      return 0
    }
    return due - now < Self.shortestPause ? 0 : Int64((due - now) / 1_000_000)
  }
}
