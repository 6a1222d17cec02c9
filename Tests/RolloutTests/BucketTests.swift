import RouterCore
import Testing

@testable import Rollout

@Suite("Sides of a rollout")
struct BucketTests {
  private let buckets = Buckets(HMACSHA256Key(Array("salt".utf8)))
  private let count = 20_000

  private func task(control: Double = 0, audit: Double = 0) -> TaskPolicy {
    var task = TaskPolicy(name: "t", mark: Mark(line: 1, column: 1))
    (task.controlShare, task.auditShare) = (control, audit)
    return task
  }

  private func standings(_ flag: Flag, _ task: TaskPolicy, runs: Bool = false) -> [Standing] {
    (0..<count).map { index in
      flag.standing(of: Caller(callID: "c\(index)", runID: runs ? "r\(index)" : nil), task: task, buckets)
    }
  }

  /// Five standard deviations: once in two million draws.
  private func isNear(_ found: Int, _ share: Double, of count: Int) -> Bool {
    let mean = share * Double(count)
    return abs(Double(found) - mean) <= 5 * (mean * (1 - share)).squareRoot()
  }

  @Test(
    "hold the share that was asked for, of runs and of calls without one", arguments: [1, 10, 50, 100],
    [true, false])
  func share(percent: Int, runs: Bool) {
    let all = standings(aFlag(percent), task(), runs: runs)
    let inside = all.count { $0.cohort == .local }
    #expect(percent == 100 ? inside == count : isNear(inside, Double(percent) / 100, of: count))
    #expect(all.allSatisfy { $0.reason == .split && $0.stage == (percent == 100 ? .live : .canary) })
  }

  @Test("stay the same, and who is in stays in as the share grows")
  func sticky() {
    var before = [Bool](repeating: false, count: count)
    for percent in Stages.percents {
      let now = standings(aFlag(percent), task()).map { $0.cohort == .local }
      #expect(now == standings(aFlag(percent), task()).map { $0.cohort == .local })
      #expect(zip(before, now).allSatisfy { !$0 || $1 })
      before = now
    }
  }

  @Test("name the receipt that a call is answered under, and nobody else's")
  func serving() {
    var flag = aFlag(100)
    let call = Caller(callID: "c")
    let before = flag.standing(of: call, task: task(), buckets)
    #expect(before.serving == Standing.Serving(receipt: "0123456789abcdef", since: 5))
    flag.since = 6
    #expect(flag.standing(of: call, task: task(), buckets).serving != before.serving)
    for flag in [flag.turnedOff(.demoted), aFlag(0, groups: ["beta"])] {
      #expect(flag.standing(of: call, task: task(), buckets).serving == nil)
    }
    #expect(aFlag(100).standing(of: call, task: task(control: 1), buckets).serving == nil)
  }

  @Test("are a run's, whichever of its calls it is")
  func runs() {
    for run in 0..<200 {
      let sides = Set(
        (0..<20).map { index in
          aFlag(50).standing(
            of: Caller(callID: "c\(run)-\(index)", runID: "r\(run)"), task: task(control: 0.3), buckets
          ).cohort.rawValue
        })
      #expect(sides.count == 1)
    }
  }

  @Test("are independent of control and audit, which hold their shares")
  func independent() {
    let task = task(control: 0.2, audit: 0.1)
    for percent in [10, 50] {
      let inside = standings(aFlag(percent), task).filter { $0.cohort != .shadow }
      let control = inside.count { $0.cohort == .control }
      #expect(isNear(control, 0.2, of: inside.count))
      #expect(isNear(inside.count(where: \.isAudited), 0.1, of: inside.count - control))
      #expect(inside.allSatisfy { !($0.isAudited && $0.cohort == .control) })
    }
    #expect(standings(aFlag(1), task).allSatisfy { $0.cohort != .shadow || !$0.isAudited })
  }

  @Test("name the reason")
  func reasons() {
    func standing(_ flag: Flag, group: String?) -> Standing {
      flag.standing(of: Caller(callID: "c", userGroup: group), task: task(), buckets)
    }
    let flag = aFlag(0, groups: ["beta"])
    #expect(
      standing(flag, group: "beta").reason == .targetingMatch
        && standing(flag, group: "beta").cohort == .local)
    for group in [nil, "Beta", "beta ", ""] as [String?] {
      #expect(standing(flag, group: group).reason == .split && standing(flag, group: group).cohort == .shadow)
    }
    #expect(standing(Flag("t"), group: "beta") == .shadow)
    #expect(standing(flag.turnedOff(.demoted), group: "beta") == Standing(reason: .disabled))
    #expect(standing(flag.turnedOff(.stale), group: "beta") == Standing(reason: .stale))
  }

  @Test("of two tasks have nothing to do with each other")
  func tasks() {
    var other = aFlag(50)
    other.task = "u"
    let both = zip(standings(aFlag(50), task()), standings(other, task())).count {
      $0.cohort == .local && $1.cohort == .local
    }
    #expect(isNear(both, 0.25, of: count))
  }
}
