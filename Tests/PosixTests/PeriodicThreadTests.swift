import Posix
import Testing

@Suite("A periodic thread")
struct PeriodicThreadTests {
  @Test("counts its rounds, and a stop ends the pause between two")
  func rounds() throws {
    let thread = PeriodicThread()
    let seen = Monitor<[Int]>([])
    try thread.start(name: "rounds", pauseMilliseconds: 1) { round in
      seen.withLock { $0.append(round) }
      seen.notify()
    }
    seen.wait(for: { $0.count >= 3 }, { _ in })
    thread.stop()
    let rounds = seen.withLock { $0 }
    #expect(rounds == Array(0..<rounds.count))

    let slow = PeriodicThread()
    let began = Monitor(false)
    try slow.start(name: "slow", pauseMilliseconds: .max) { _ in
      began.withLock { $0 = true }
      began.notify()
    }
    began.wait(for: { $0 }, { _ in })
    // Returns, or the test never ends.
    slow.stop()
    #expect(slow.isStopping)
  }
}
