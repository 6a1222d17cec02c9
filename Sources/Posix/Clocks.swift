import Glibc

/// The clocks a process reads.
package enum Clocks {
  /// Nanoseconds of the monotonic clock: for durations and deadlines, never shown.
  package static func monotonic() -> UInt64 { nanoseconds(CLOCK_MONOTONIC) }

  /// Milliseconds since 1970, UTC. May step back when the machine's clock is set.
  package static func realtime() -> Int64 { Int64(nanoseconds(CLOCK_REALTIME) / 1_000_000) }

  /// Nanoseconds of processor time that this process has used, all threads.
  package static func processCPU() -> UInt64 { nanoseconds(CLOCK_PROCESS_CPUTIME_ID) }

  /// The monotonic time that lies so far ahead.
  package static func deadline(afterMilliseconds milliseconds: Int64) -> UInt64 {
    let (span, tooLong) = UInt64(clamping: milliseconds).multipliedReportingOverflow(by: 1_000_000)
    let (sum, tooFar) = monotonic().addingReportingOverflow(span)
    return tooLong || tooFar ? .max : sum
  }

  /// Sleeps; a signal does not cut it short.
  package static func sleep(milliseconds: Int64) {
    guard milliseconds > 0 else { return }
    let end = timespec(nanoseconds: deadline(afterMilliseconds: milliseconds))
    var target = end
    while unsafe clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &target, nil) == EINTR {}
  }

  private static func nanoseconds(_ clock: clockid_t) -> UInt64 {
    var time = Glibc.timespec()
    // Cannot fail: these clocks always exist and the pointer is good.
    _ = unsafe clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

func timespec(nanoseconds: UInt64) -> Glibc.timespec {
  Glibc.timespec(
    tv_sec: Int(clamping: nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
}

/// Bytes from the kernel's generator.
package enum Random {
  package static func bytes(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    // The standard library's generator is getrandom(2) here, retried, and stops the process where it fails.
    return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
  }
}
