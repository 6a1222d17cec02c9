import Testing

@testable import Deciding

@Suite("When models are probed")
struct ProbeScheduleTests {
  private final class Pool: Sendable {}
  private let one = Pool()
  private let two = Pool()
  private let newOne = Pool()
  private let second: UInt64 = 1_000_000_000

  private func model(_ id: String, _ pool: Pool, closed: Bool = true) -> ProbeSchedule.Model {
    ProbeSchedule.Model(id: id, pool: ObjectIdentifier(pool), breakerIsClosed: closed)
  }

  /// Probes all that is due at a time; each as `id:trigger`.
  private func run(
    _ schedule: inout ProbeSchedule, _ models: [ProbeSchedule.Model], generation: Int = 1, at seconds: UInt64,
    ending: ProbeSchedule.Ending = .whole
  ) -> [String] {
    var done: [String] = []
    while let (id, by) = schedule.next(models, generation: generation, now: seconds * second), done.count < 9
    {
      done.append("\(id):\(by.rawValue)")
      schedule.probed(id, ending, at: seconds * second)
    }
    return done
  }

  @Test("all at the start, then every ten minutes")
  func timer() {
    var schedule = ProbeSchedule()
    let models = [model("a", one), model("b", two)]
    #expect(run(&schedule, models, at: 1) == ["a:start", "b:start"])
    #expect(run(&schedule, models, at: 600) == [])
    #expect(run(&schedule, models, at: 601) == ["a:timer", "b:timer"])
  }

  @Test("after a reload: new models at once, kept ones five seconds after their last probe, gone ones never")
  func reload() {
    var schedule = ProbeSchedule()
    _ = run(&schedule, [model("a", one), model("b", two)], at: 1)
    #expect(run(&schedule, [model("a", newOne), model("b", two)], generation: 2, at: 3) == ["a:reload"])
    #expect(run(&schedule, [model("a", newOne), model("b", two)], generation: 2, at: 5) == [])
    #expect(run(&schedule, [model("a", newOne), model("b", two)], generation: 2, at: 6) == ["b:reload"])
    #expect(
      run(&schedule, [model("a", newOne), model("b", two)], generation: 3, at: 62) == [
        "a:reload", "b:reload",
      ])
    #expect(run(&schedule, [model("b", two)], generation: 4, at: 63) == [])
    #expect(run(&schedule, [model("b", two)], generation: 4, at: 67) == ["b:reload"])
    #expect(run(&schedule, [model("b", two)], generation: 4, at: 667) == ["b:timer"])
  }

  @Test("not while the breaker is open, and once when it has closed")
  func recovery() {
    var schedule = ProbeSchedule()
    _ = run(&schedule, [model("a", one)], at: 1)
    #expect(run(&schedule, [model("a", one, closed: false)], at: 10) == [])
    #expect(run(&schedule, [model("a", one, closed: false)], at: 900) == [])
    #expect(run(&schedule, [model("a", one)], at: 901) == ["a:timer"])
    #expect(run(&schedule, [model("a", one, closed: false)], at: 910) == [])
    #expect(run(&schedule, [model("a", one)], at: 911) == ["a:recovery"])
    #expect(run(&schedule, [model("a", one)], at: 912) == [])
  }

  @Test(
    "where not all was found out it is tried again sooner, ever more seldom",
    arguments: [
      (ProbeSchedule.Ending.noServer, [5, 10, 20, 40, 80, 160, 320, 600, 600, 600] as [UInt64]),
      (.noAnswer, [60, 120, 240, 480, 600, 600, 600]),
    ])
  func retry(ending: ProbeSchedule.Ending, pauses: [UInt64]) {
    var schedule = ProbeSchedule()
    let times = (1...3_000).map { UInt64($0) }.filter {
      !run(&schedule, [model("a", one)], at: $0, ending: ending).isEmpty
    }
    #expect(zip(times.dropFirst(), times).map { $0 - $1 } == pauses)
    #expect(run(&schedule, [model("a", one)], at: 4_000) == ["a:timer"])
    #expect(run(&schedule, [model("a", one)], at: 4_599) == [])
    #expect(run(&schedule, [model("a", one)], at: 4_600) == ["a:timer"])
  }
}
