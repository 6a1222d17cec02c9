import Journal
package import Overload
import RouterCore
import Synchronization

/// How much waits in memory: records for the disk, texts for candidates. Asked by every thread that may add to it.
package final class Pressure: Sendable {
  package let plan: MemoryPlan
  private let gauge: Mutex<PressureGauge>
  private let journal: Journal
  private let textBytes = Atomic<Int>(0)

  init(_ plan: MemoryPlan, journal: Journal) {
    self.plan = plan
    self.journal = journal
    gauge = Mutex(PressureGauge(capacityBytes: plan.queueBytes))
  }

  package var level: PressureGauge.Level {
    let bytes = queuedBytes
    return gauge.withLock { $0.update(bytes) }
  }

  package var queuedBytes: Int { journal.pendingBytes + textBytes.load(ordering: .relaxed) }

  /// Below it everything is as before, in bytes.
  package var calmBytes: Int { gauge.withLock { $0.calmBytes } }

  /// Whether nothing speaks against a challenger: it is given up long before candidates are.
  var mayChallenge: Bool { queuedBytes < plan.queueBytes / 8 }

  /// Whether the log is near enough to the disk for an answer that it has to account for.
  var isLogNear: Bool { journal.pendingBytes < plan.queueBytes / 2 }

  /// Counts a call's text for as long as anything keeps what is returned.
  func hold(_ call: Call) -> Held { Held(self, bytes: call.heldBytes) }

  final class Held: Sendable {
    private let pressure: Pressure
    private let bytes: Int

    fileprivate init(_ pressure: Pressure, bytes: Int) {
      self.pressure = pressure
      self.bytes = bytes
      pressure.textBytes.add(bytes, ordering: .relaxed)
    }

    deinit { pressure.textBytes.subtract(bytes, ordering: .relaxed) }
  }
}
