import Posix
import Synchronization

/// How other threads end the waits of one that asks.
final class Interrupt: Sendable {
  private let wakeup: Wakeup
  private let yields = Atomic<Bool>(false)
  private let stopsAt = Atomic<UInt64>(.max)

  init() throws(PosixError) { wakeup = try Wakeup() }

  /// The question under way is given up at once.
  func yield() {
    yields.store(true, ordering: .releasing)
    wakeup.signal()
  }

  /// From `time` on, monotonic nanoseconds, every question is given up.
  func stop(at time: UInt64) {
    stopsAt.store(time, ordering: .releasing)
    wakeup.signal()
  }

  /// For the next question: takes back a ``yield()``, not a stop.
  func restart() {
    yields.store(false, ordering: .releasing)
    wakeup.clear()
  }

  /// Why to give up, or nil.
  var fault: AskFault? {
    if yields.load(ordering: .acquiring) { return .yielded }
    return stopsAt.load(ordering: .acquiring) <= Clocks.monotonic() ? .stopping : nil
  }

  /// - Returns: Whether the socket is ready. False where the deadline passed or something was said here meanwhile.
  func wait(_ socket: borrowing Descriptor, for interest: Readiness, until deadline: UInt64)
    throws(PosixError) -> Bool
  {
    let limit = min(deadline, stopsAt.load(ordering: .acquiring))
    let isReady = try Poll.wait(socket, for: interest, or: wakeup, until: limit)
    if !isReady { wakeup.clear() }
    return isReady
  }

  /// Returns at the deadline, or earlier with a ``fault``.
  func sleep(until deadline: UInt64) {
    while fault == nil, Clocks.monotonic() < deadline {
      let limit = min(deadline, stopsAt.load(ordering: .acquiring))
      let isWoken: Bool
      do throws(PosixError) {
        isWoken = try Poll.wait(wakeup.descriptor, for: .readable, until: limit)
      } catch {
        return
      }
      if isWoken { wakeup.clear() }
    }
  }
}
