import Advice
import Gates
import RouterCore
import TestData
import TestLogs
import Testing
import Wire

@testable import Evidence
@testable import LogReading
@testable import Statistics

@Suite("Report")
struct ReportTests {
  private func report(_ log: SampleLog, _ change: (inout ReportOptions) -> Void = { _ in }) -> Report {
    report(log.bytes, change)
  }

  private func report(_ bytes: [UInt8], _ change: (inout ReportOptions) -> Void = { _ in }) -> Report {
    var options = ReportOptions()
    change(&options)
    var fold = EvidenceFold(options)
    fold.add(ndjson: bytes.span)
    return fold.report()
  }

  @Test("joins decision, comparison, outcome and review of a call")
  func joins() throws {
    var log = SampleLog()
    log.decision("a", run: "r1", agent: "fixer")
    log.comparison("a", "agree", label: "crash")
    log.decision("b", run: "r1", agent: "fixer")
    log.comparison("b", "disagree", ms: 1_000)
    log.decision("c", reason: "confidence_low", confidence: 0.4, run: "r1", agent: "fixer")
    log.comparison("c", "agree")
    log.decision(
      "d", reason: "hard_stop_access", localMs: nil, localCost: 0, stops: [("access", "token", "input")])
    log.decision("e")
    log.outcome(run: "r1", "success")
    log.outcome(call: "a", "success")
    log.review("b", "escalate", severity: 2)
    log.review("b", "escalate", severity: 3, reviewer: "ben")
    let report = report(log)
    let task = try #require(report.tasks.first)
    #expect(task.calls == 5)
    #expect(task.wouldAccepts == 3)
    #expect([task.agree, task.disagree, task.unknown, task.notCompared] == [1, 1, 0, 1])
    #expect(task.reasons.map(\.name) == ["accepted", "hard_stop_access", "confidence_low"])
    #expect(task.reasons.map(\.count) == [3, 1, 1])
    #expect(task.localLatency == Report.Latency(count: 4, p50: 100, p95: 100, p99: 100))
    #expect(task.frontierLatency == Report.Latency(count: 3, p50: 900, p95: 1_000, p99: 1_000))
    #expect(task.fallbackLatency?.count == 1)
    #expect(abs(task.cost.frontierOnly - 0.03) < 1e-12)
    #expect(abs(task.cost.withRouter - 0.014) < 1e-12)
    #expect(task.successes == 1)
    #expect(task.reviews.escalate == 1 && task.reviews.severe == 1)
    #expect(task.readiness.answer == .no)
    #expect(report.falseAccepts.map(\.callID) == ["b"])
    #expect(report.falseAccepts.first?.standing == .known)
    #expect(report.falseAccepts.first?.frontierLabel == "billing")
    #expect(report.hardStops.map(\.term) == ["token"])
    let agent = try #require(report.agents.first)
    #expect([agent.runs, agent.successes, agent.calls, agent.wouldAccepts] == [1, 1, 3, 2])
    #expect(report.runs.first?.outcome == "success")
    #expect(report.head?.hash == "hash-\(log.lines.count)")
    #expect(report.reviewers == ["ana", "ben"].map { Report.Reviewer(name: $0, escalate: 1) })
  }

  @Test("is the same in whatever order the records of calls come")
  func order() {
    var log = SampleLog()
    for call in 0..<40 {
      log.decision("c\(call)", confidence: Double(50 + call) / 100, run: "r\(call / 4)", agent: "a")
      log.comparison("c\(call)", call % 3 == 0 ? "disagree" : "agree")
      if call % 5 == 0 { log.review("c\(call)", "accept") }
      if call % 7 == 0 { log.outcome(call: "c\(call)", "success") }
    }
    let want = report(log)
    var dice = Dice(seed: 7)
    for _ in 0..<5 {
      var lines = log.lines
      for index in lines.indices.dropFirst().reversed() { lines.swapAt(index, dice.below(index + 1)) }
      let got = report(Array(lines.map { $0 + [0x0A] }.joined()))
      #expect(got.totals == want.totals)
      #expect(got.tasks.map(\.confidence) == want.tasks.map(\.confidence))
      #expect(got.tasks.map(\.successes) == want.tasks.map(\.successes))
      #expect(Set(got.falseAccepts.map(\.callID)) == Set(want.falseAccepts.map(\.callID)))
    }
  }

  @Test("counts repeated records once, and says so")
  func duplicates() {
    var log = SampleLog()
    log.decision("a")
    log.decision("a", reason: "confidence_low")
    log.comparison("a", "disagree")
    log.comparison("a", "agree")
    log.review("a", "escalate")
    log.review("a", "accept")
    let report = report(log)
    #expect(report.totals.calls == 1 && report.totals.disagree == 1 && report.totals.agree == 0)
    #expect(report.balance.duplicateDecisions == 1 && report.balance.duplicateComparisons == 1)
    #expect(report.totals.reviews.accept == 1 && report.totals.reviews.escalate == 0)
    #expect(report.falseAccepts.isEmpty)
  }

  @Test("keeps to its window, but takes what belongs to it from later")
  func window() {
    var log = SampleLog()
    log.decision("before")
    log.comparison("before", "disagree")
    let from = log.now + 500
    log.decision("inside")
    let to = log.now + 500
    log.comparison("inside", "disagree")
    log.decision("after")
    log.comparison("after", "disagree")
    log.review("inside", "escalate", severity: 1)
    let report = report(log) { $0.window = ReportWindow(from: from, to: to, name: "a second") }
    #expect(report.totals.calls == 1)
    #expect(report.totals.disagree == 1)
    #expect(report.falseAccepts.map(\.callID) == ["inside"])
    #expect(report.totals.reviews.escalate == 1)
    #expect(report.balance.outsideWindow == log.lines.count - 1)
  }

  @Test("counts what is no record, and never stops at it")
  func damage() {
    var log = SampleLog()
    log.decision("a")
    log.raw("{\"v\":1,")
    log.raw("not json")
    log.raw("{}")
    log.raw("{\"v\":2,\"kind\":\"decision\"}")
    log.raw("{\"v\":1,\"kind\":\"decision\",\"ts\":\"yesterday\"}")
    log.raw("{\"v\":1,\"kind\":\"decision\",\"ts\":\"2026-03-02T10:00:00.000Z\",\"call_id\":7}")
    log.raw("")
    log.record("something_new", [])
    log.skip(3)
    log.record("gap", [("from", 3), ("to", 4), ("cause", "disk_full")])
    let report = report(log)
    #expect(report.balance.damaged == 6)
    #expect(report.balance.unknownKinds == 1)
    #expect(report.balance.unexplainedHoles == 1)
    #expect(report.balance.gaps == [Report.Balance.Gap(from: 3, to: 4, cause: "disk_full")])
    #expect(report.totals.calls == 1)
  }

  @Test("numbers that no count can have stop no report", arguments: [Int.max, Int.min, 1 << 49])
  func hugeNumbers(number: Int) {
    let huge = JSONValue.number(JSONNumber(number))
    var log = SampleLog()
    log.decision("a")
    for _ in 0..<3 {
      log.record(
        "stop",
        [
          ("received", huge), ("recorded", huge), ("answered", huge), ("malformed", huge), ("shed", huge),
          ("in_flight", huge), ("lost_by_sender", huge),
        ])
      log.record("gap", [("from", 0), ("to", huge), ("cause", "disk_full")])
      log.record("gap", [("from", huge), ("to", huge), ("cause", "disk_full")])
      log.raw(#"{"v":1,"log":"log-1","seq":\#(number),"ts":"2026-03-02T10:00:00.000Z","kind":"start"}"#)
    }
    let report = report(log)
    #expect(report.totals.calls == 1)
    #expect(report.frames.received == 0 && report.frames.lostBySender == 0)
  }

  @Test("a confidence that none can be stops no report", arguments: [1e300, -5, 1.5, -1e-9])
  func strangeConfidence(confidence: Double) {
    var log = SampleLog()
    log.decision("a", confidence: confidence)
    log.comparison("a", "disagree")
    log.review("a", "escalate", severity: 2)
    #expect(report(log).falseAccepts.map(\.callID) == ["a"])
  }

  @Test("a clock that stood decades back adds the weeks of its calls, and no empty ones")
  func clockFarBack() {
    var log = SampleLog()
    let today = log.now
    log.now = 0
    log.decision("then")
    log.now = today
    log.decision("now")
    log.now += 21 * 86_400_000
    log.decision("later")
    #expect(report(log).periods.map(\.name) == ["1970-W01", "2026-W10", "2026-W13"])
  }

  @Test("a comparison without a decision is counted, not lost")
  func orphan() {
    var log = SampleLog()
    log.comparison("ghost", "agree")
    log.decision("a")
    let report = report(log)
    #expect(report.balance.comparisonsWithoutDecision == 1)
    #expect(report.tasks.first?.notCompared == 1)
    #expect(report.tasks.first?.unknownCauses == [Report.Count(name: "no_comparison", count: 1)])
  }

  @Test("opens with suspicion until people have labelled something, and never claims more")
  func sentence() {
    var log = SampleLog()
    for call in 0..<100 {
      log.decision("c\(call)")
      log.comparison("c\(call)", call < 5 ? "disagree" : "agree")
    }
    let before = report(log).sentence
    #expect(before.claim.contains("5 suspected false accepts among 100 comparable would-accepts (of 100)"))
    // Exact upper bound of 5 in 100 (reference: 0.1022533…), rounded up.
    #expect(before.claim.contains("at most 10.23 %"))
    #expect(before.caveats.joined().contains("Nobody has labelled any of them"))
    log.review("c7", "accept")
    #expect(
      report(log).sentence.claim.contains(
        "0 known false accepts among 1 would-accepts that people have labelled"))
    #expect(report(SampleLog()).sentence.claim.contains("nothing to claim"))
  }

  @Test("a random draw gives the full sentence; unlabelled draws count as false")
  func drawnSentence() {
    var log = SampleLog()
    for call in 0..<1_000 {
      log.decision("c\(call)", sampled: call < 300)
      log.comparison("c\(call)", "agree")
      if call < 300 { log.review("c\(call)", "accept") }
    }
    let sentence = report(log).sentence.claim
    #expect(sentence.contains("0 known false accepts among 300 randomly drawn would-accepts (of 1,000)"))
    // The gate's own bound, at the alpha of a first attempt, 0.04·6/π².
    #expect(sentence.contains("the rate is below 1.34 %, that is at most 13 of 1,000"))
    log.decision("late", sampled: true)
    let later = report(log)
    #expect(later.sentence.claim.contains("1 drawn but unlabelled, counted as false in the bound"))
    #expect(later.totals.reviews.drawnFalse == 1)
  }

  @Test("says how each task looks, in words that promise nothing")
  func looks() {
    let report = report(SampleLog.week())
    let looks = Dictionary(uniqueKeysWithValues: report.tasks.map { ($0.name, $0.looks) })
    #expect(looks["triage_ticket"] == .readyForReview)
    #expect(looks["label_issue"] == .bad)
    #expect(looks["summarize_log"] == .notMeasurable)
    #expect(looks["write_patch"] == .tooLittleTraffic)
    #expect(report.tasks.allSatisfy { $0.readiness.answer == .cannotTell })
    #expect(report.tasks.allSatisfy { $0.readiness.code == "insufficient_data" })
    #expect(report.gates.first?.needed == 401)
  }

  @Test("lists the tasks of the policy, also those without calls, and refuses those it keeps")
  func policy() {
    var policy = Policy()
    let mark = Mark(line: 1, column: 1)
    var local = TaskPolicy(name: "triage_ticket", mark: mark)
    local.local = true
    local.owner = "support"
    local.minConfidence = 0.72
    var quiet = TaskPolicy(name: "never_seen", mark: mark)
    quiet.local = true
    policy.tasks = [quiet, TaskPolicy(name: "write_patch", mark: mark), local]
    let report = report(SampleLog.week()) { $0.policy = policy }
    #expect(
      report.tasks.map(\.name) == [
        "never_seen", "write_patch", "triage_ticket", "label_issue", "summarize_log",
      ])
    #expect(report.tasks[0].readiness.unmet == "no calls of this type were seen")
    #expect(report.tasks[1].readiness.answer == .no)
    #expect(report.tasks[2].owner == "support")
    #expect(report.tasks[2].pace != nil)
  }

  @Test("tells whether the confidence is worth anything")
  func confidence() throws {
    var log = SampleLog()
    for call in 0..<100 {
      let isGood = call % 2 == 0
      log.decision("s\(call)", task: "separable", confidence: isGood ? 0.95 : 0.75)
      log.comparison("s\(call)", isGood ? "agree" : "disagree")
      log.decision("u\(call)", task: "useless", confidence: 0.9)
      log.comparison("u\(call)", isGood ? "agree" : "disagree")
    }
    let report = report(log)
    #expect(report.tasks[0].confidence.auc == 1)
    #expect(report.tasks[1].confidence.auc == 0.5)
    let strict = try #require(report.tasks[0].confidence.thresholds.first { $0.minConfidence == 0.9 })
    #expect([strict.accepted, strict.agree, strict.disagree] == [50, 50, 0])
    #expect(report.tasks[1].confidence.bins[18].disagree == 50)
  }

  @Test("unknown task types cannot fill the report")
  func unknownTasks() {
    var log = SampleLog()
    for call in 0..<50 {
      log.decision("c\(call)", task: "made-up-\(call)", reason: "unknown_task", localMs: nil)
    }
    #expect(report(log).tasks.map(\.calls) == [50])
  }

  @Test("worst first: known before suspected, confident before doubtful")
  func worst() {
    var log = SampleLog()
    for (index, confidence) in [0.8, 0.99, 0.9].enumerated() {
      log.decision("c\(index)", confidence: confidence, input: ["one", "two", "three"][index])
      log.comparison("c\(index)", "disagree")
    }
    log.decision("agreed", confidence: 0.7)
    log.comparison("agreed", "agree")
    log.review("agreed", "escalate", severity: 3)
    #expect(report(log).falseAccepts.map(\.callID) == ["agreed", "c1", "c2", "c0"])
  }

  @Test("times and weeks are those of the calendar")
  func times() {
    #expect(LogTime.format(LogTime.parse("2026-03-02T10:00:00.250Z") ?? 0) == "2026-03-02T10:00:00.250Z")
    #expect(LogTime.parse("2024-02-29T00:00:00Z") == 1_709_164_800_000)
    #expect(LogTime.parse("2026-03-02 10:00") == nil)
    #expect(LogTime.parse("2026-13-02T10:00:00Z") == nil)
    #expect(LogTime.weekStart("2026-W47").map(LogTime.date) == "2026-11-16")
    #expect(LogTime.weekStart("2020-W53").map(LogTime.date) == "2020-12-28")
    #expect(LogTime.weekStart("2026-W53").map(LogTime.date) == "2026-12-28")
    #expect(LogTime.weekStart("2025-W53") == nil)
    #expect(LogTime.weekStart("2026-W00") == nil)
    for day in stride(from: Int64(-800_000), to: 800_000, by: 997) {
      let ms = day * 86_400_000 + 12_345
      #expect(LogTime.parse(LogTime.format(ms)) == ms || day < -719_162)
    }
  }

  @Test("figures never round some to none, or a bound down")
  func figures() {
    #expect(Figures.count(1_234_567) == "1,234,567")
    #expect(Figures.percent(0) == "0 %" && Figures.percent(1) == "100 %")
    #expect(Figures.percent(0.9999) == ">99.9 %")
    #expect(Figures.percent(0.0691) == "6.9 %")
    #expect(Figures.bound(0.010818) == "1.09 %")
    #expect(Figures.usd(0.00042) == "$0.000420" && Figures.usd(12.345) == "$12.35")
    #expect(Figures.fixed(-0.04, 1) == "0.0" && Figures.fixed(2.5, 0) == "3")
  }
}
