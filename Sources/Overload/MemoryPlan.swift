/// What each of the things that can pile up may hold, so that all of them together stay within one budget.
///
/// A part of the budget is for the program itself: its code, policies, the ids seen last, reports that are being made.
package struct MemoryPlan: Equatable, Sendable {
  /// Megabytes (2²⁰ bytes) of the budget, where nobody says otherwise.
  package static let usualMegabytes = 256
  package static let megabytes = 96...65_536

  /// All of it, in bytes.
  package let budgetBytes: Int
  /// Records that wait for the disk, and texts of calls whose candidates are being asked.
  package let queueBytes: Int
  /// Calls and answers that wait for each other.
  package let waitingBytes: Int
  /// What connections hold: frames that are still coming in, replies that nobody has read yet.
  package let bufferBytes: Int

  /// The program's own part, at least: measured with 100,000 ids remembered and a report under way.
  private static let programBytes = 48 << 20

  /// - Parameter megabytes: Taken to the nearest of ``megabytes``.
  package init(megabytes: Int = usualMegabytes) {
    let budget = min(max(megabytes, Self.megabytes.lowerBound), Self.megabytes.upperBound) << 20
    budgetBytes = budget
    let part = (budget - max(Self.programBytes, budget / 4)) / 3
    queueBytes = part
    waitingBytes = part
    bufferBytes = part
  }

  /// Most connections whose buffers fit, each with the least that reading takes.
  ///
  /// - Parameter bytes: Of one.
  package func connections(of bytes: Int) -> Int { bufferBytes / max(1, bytes) }
}
