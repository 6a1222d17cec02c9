import Advice
import Gates
import LogReading
import RouterCore
import TestLogs
import Testing
import Wire

@testable import Evidence

@Suite("Report and gate")
struct ReportGateTests {
  private func report(_ log: SampleLog, _ change: (inout ReportOptions) -> Void = { _ in }) -> Report {
    var options = ReportOptions()
    change(&options)
    var fold = EvidenceFold(options)
    fold.add(ndjson: log.bytes.span)
    return fold.report()
  }

  private func policy(_ more: String...) -> Policy {
    var policy = Policy()
    policy.tasks = (["triage_ticket"] + more).map { name in
      var task = TaskPolicy(name: name, mark: Mark(line: 1, column: 1))
      task.local = true
      return task
    }
    return policy
  }

  /// The gate as it is asked for one task, from a reading of its own.
  private func gate(_ task: String, _ log: SampleLog, _ policy: Policy) -> Gate {
    let terms = GateTerms(EvidenceSubject(task: task), policy.task(task))
    var fold = EpochFold(terms.subject, terms.rules)
    for line in log.lines { fold.add(line.span) }
    return terms.judge(fold, fold.health, catches: fold.catches)
  }

  @Test("says what the gate of the same log says, whatever the window, with damage and planted items too")
  func sameGate() throws {
    var log = SampleLog()
    for call in 0..<400 {
      for task in ["triage_ticket", "label_issue"] {
        let id = "\(task)-\(call)"
        log.decision(id, task: task, sampled: call % 2 == 0)
        log.comparison(id, "agree", label: "crash")
        if call % 4 == 0 { log.review(id, call == 40 && task == "label_issue" ? "escalate" : "accept") }
      }
    }
    for item in 0..<9 {
      log.record(
        "review",
        [
          ("call_id", .string("triage_ticket-\(item)")), ("stream", "planted"), ("reviewer", "ana"),
          ("review_label", item == 0 ? "accept" : "escalate"),
        ])
    }
    let policy = policy("label_issue", "never_seen")
    let whole = log.now
    for damaged in [false, true] {
      if damaged { log.raw("{") }
      for window in [ReportWindow(), ReportWindow(from: whole - 60_000, to: nil, name: "a minute")] {
        let report = report(log) {
          $0.policy = policy
          $0.window = window
        }
        #expect(report.gates.map(\.subject.task) == ["triage_ticket", "label_issue", "never_seen"])
        for gate in report.gates { #expect(gate.json == self.gate(gate.subject.task, log, policy).json) }
        for task in report.tasks where task.calls > 0 {
          #expect(task.readiness.code == gate(task.name, log, policy).outcome.rawValue)
        }
      }
    }
    #expect(report(log) { $0.policy = policy }.gates[0].outcome == .error)
  }

  @Test("opens with the gate's own figures where one task has a sample")
  func sentence() {
    var log = SampleLog()
    for call in 0..<500 {
      log.decision("c\(call)", sampled: call < 120)
      log.comparison("c\(call)", "agree")
      if call < 110 { log.review("c\(call)", call == 7 ? "unsure" : "accept") }
    }
    let made = report(log) { $0.policy = policy() }
    let gate = gate("triage_ticket", log, policy())
    let most = Int(gate.upperBound * 500)
    #expect(
      made.sentence.claim.contains(
        "1 known false accept among 120 randomly drawn would-accepts (of 500; 10 drawn but unlabelled, counted as false"
      ))
    #expect(made.sentence.claim.contains("at most \(most) of 500"))
    #expect(made.tasks.first?.readiness.condition == gate.firstUnmet?.name.rawValue)
    #expect(gate.next.hasPrefix(made.tasks.first?.readiness.next ?? "-"))
  }

  @Test("over several tasks all bounds hold together, and tasks without labels are named as unclaimed")
  func pooled() throws {
    var log = SampleLog()
    for call in 0..<300 {
      for task in ["triage_ticket", "label_issue", "other_task"] {
        log.decision("\(task)\(call)", task: task, sampled: true)
        if task != "other_task" { log.review("\(task)\(call)", "accept") }
      }
    }
    let made = report(log)
    let sum = made.gates.filter { $0.subject.task != "other_task" }.reduce(0) {
      $0 + Int($1.upperBound(alpha: 0.02) * 300)
    }
    #expect(made.sentence.claim.contains("at most \(sum) of 600"))
    #expect(made.sentence.caveats.contains { $0.hasPrefix("Nothing is claimed of other_task") })
  }

  @Test("gate and report name the same condition first: what speaks against the task before what is short")
  func first() throws {
    var log = SampleLog()
    for call in 0..<100 {
      log.decision("c\(call)", sampled: true)
      if call < 60 { log.review("c\(call)", "accept") }
    }
    for reviewer in ["ana", "ben"] {
      log.review("c70", "escalate", severity: 3, reviewer: reviewer)
    }
    let made = report(log) { $0.policy = policy() }
    let gate = gate("triage_ticket", log, policy())
    let task = try #require(made.tasks.first)
    #expect(gate.firstUnmet?.name == .severe && task.readiness.condition == "severe_false_accepts")
    #expect(task.readiness.next == gate.next)
    #expect(made.actions.contains { $0.task == "triage_ticket" && $0.text == gate.next })
  }

  @Test("after a rotation a task's gate is that of the model that answers", arguments: [false, true])
  func rotated(hasChallenger: Bool) {
    var log = SampleLog()
    for call in 0..<20 { log.decision("c\(call)", sampled: true) }
    log.record("flag", [("task", "triage_ticket"), ("old", "1%"), ("new", "1%, rotated"), ("rotated", true)])
    var policy = policy()
    if hasChallenger { policy.tasks[0].challenger = "second" }
    let made = report(log) { $0.policy = policy }
    #expect(made.gate("triage_ticket")?.subject.isChallenger == hasChallenger)
    #expect(
      made.gate("triage_ticket", isChallenger: true)?.subject.isChallenger == (hasChallenger ? false : nil))
    log.record(
      "flag", [("task", "triage_ticket"), ("old", "1%, rotated"), ("new", "1%"), ("rotated", false)])
    #expect(report(log) { $0.policy = policy }.gate("triage_ticket")?.subject.isChallenger == false)
  }

  @Test("what an epoch change did is stated")
  func epochs() {
    var log = SampleLog()
    for call in 0..<40 { log.decision("a\(call)", sampled: call % 4 == 0) }
    for call in 0..<40 { log.decision("b\(call)", digest: "sha256:cafe") }
    let change = report(log).changes.first { $0.kind == "evidence" }
    #expect(change?.task == "triage_ticket")
    #expect(change?.text.contains("40 would-accepts, 10 drawn; the model's digest changed") == true)
    #expect(report(log).gates.first?.epoch?.wouldAccepts == 40)
  }

  // MARK: False accepts

  @Test("proposes the cheapest check that would have caught it")
  func remedies() throws {
    var log = SampleLog()
    for call in 0..<200 {
      log.decision("good\(call)", label: "billing", confidence: 0.95, input: "good \(call)")
      log.comparison("good\(call)", "agree")
    }
    log.decision("doubtful", label: "billing", confidence: 0.74, input: "one")
    log.comparison("doubtful", "disagree", label: "account")
    log.decision("sure", label: "billing", confidence: 1, input: "two")
    log.comparison("sure", "disagree", label: "account")
    log.decision("labelled", label: "other", confidence: 0.98, input: "three")
    log.comparison("labelled", "disagree", label: "account")
    log.decision("stopped", label: "billing", confidence: 0.8, input: "four")
    log.comparison("stopped", "disagree", label: "account")
    log.review("stopped", "escalate", severity: 3, missedStop: true)
    let found = Dictionary(uniqueKeysWithValues: report(log).falseAccepts.map { ($0.callID, $0.remedy) })
    #expect(found["doubtful"]?.check == .minConfidence && found["doubtful"]?.value == "0.75")
    #expect(found["doubtful"]?.acceptsLost == 1.0 / 204)
    #expect(found["sure"]?.check == Report.FalseAccept.Remedy.Check.none)
    #expect(found["labelled"]?.check == .escalateLabels && found["labelled"]?.value == "other")
    #expect(found["stopped"]?.check == .hardStop)
  }

  @Test("shows what the records said of a false accept that people found where both models agree")
  func agreedDetails() throws {
    var log = SampleLog()
    log.decision("drawn", run: "r7", sampled: true, input: "the words", checks: [("schema_invalid", "pass")])
    log.comparison("drawn", "agree", label: "crash")
    log.review("drawn", "escalate", severity: 2, reviewer: "ana")
    log.review("drawn", "escalate", severity: 2, reviewer: "ben")
    let item = try #require(report(log).falseAccepts.first)
    #expect(item.inputPreview == "the words" && item.frontierLabel == "crash" && item.runID == "r7")
    #expect(item.checks.map(\.name) == ["schema_invalid"])
    #expect(item.confirmedBy == ["ana", "ben"])
  }

  // MARK: Money and runs

  @Test("live, what was spared is estimated; audits and the control share spare nothing")
  func saving() throws {
    var log = SampleLog()
    func live(_ id: String, _ route: String, cohort: String, audit: Bool = false) {
      log.decision(
        id, run: "r1", agent: "fixer", localCost: 0.001,
        more: [("audit", .bool(audit)), ("cohort", .string(cohort))])
      // The members above stand last and count: a log line holds each once.
      let text = String(decoding: log.lines[log.lines.count - 1], as: UTF8.self)
      log.replaceLast(
        text.replacing("\"stage\":\"shadow\"", with: "\"stage\":\"canary\"").replacing(
          "\"route\":\"frontier\"", with: "\"route\":\"\(route)\""))
    }
    log.decision("shadow", localCost: 0.001)
    log.comparison("shadow", "agree", cost: 0.02)
    live("served-1", "local", cohort: "local")
    live("served-2", "local", cohort: "local")
    live("audited", "local", cohort: "local", audit: true)
    log.comparison("audited", "agree", cost: 0.04)
    live("kept", "frontier", cohort: "control")
    log.comparison("kept", "agree", cost: 0.03)
    let report = report(log)
    #expect([report.saving.served, report.saving.audited, report.saving.control] == [3, 1, 1])
    // The mean of 0.02, 0.04 and 0.03, twice.
    #expect(abs(report.saving.spared - 0.06) < 1e-12)
    #expect(abs(report.saving.liveNet - (0.06 - 0.004)) < 1e-12)
    #expect(abs(report.saving.audits - 0.04) < 1e-12)
    #expect(abs(report.saving.shadowFrontier - 0.02) < 1e-12)
    let run = try #require(report.runs.first)
    #expect(abs(run.cost.frontierOnly - 0.13) < 1e-6)
    #expect(abs(run.cost.withRouter - 0.074) < 1e-6)
  }

  @Test("lists few runs and sums all others")
  func runs() throws {
    var log = SampleLog()
    for call in 0..<60 {
      log.decision("c\(call)", run: "r\(call / 2)", localMs: 100)
      log.comparison("c\(call)", "agree", ms: 900)
    }
    log.decision("lonely")
    log.outcome(run: "r3", "success")
    let whole = report(log) { $0.runsShown = 100 }
    let cut = report(log) { $0.runsShown = 4 }
    let rest = try #require(cut.otherRuns)
    #expect(whole.otherRuns == nil && cut.runs.count == 4 && rest.runs == 26)
    #expect(cut.runs.reduce(rest.calls) { $0 + $1.calls } == 60)
    #expect(rest.latencyMs == 26 * 1_800 && rest.routedMs == 26 * 200)
    #expect(cut.callsWithoutRun == 1)
  }

  @Test("counts each call with the agent that made it, where agents share a run")
  func sharedRuns() throws {
    var log = SampleLog()
    for call in 0..<12 {
      log.decision("c\(call)", run: "r\(call / 4)", agent: call % 4 == 3 ? "b" : "a", localMs: 100)
      log.comparison("c\(call)", "agree", ms: 900)
    }
    log.outcome(run: "r0", "success")
    log.outcome(run: "r1", "failure")
    let report = report(log) { $0.runsShown = 100 }
    let agents = Dictionary(uniqueKeysWithValues: report.agents.map { ($0.name, $0) })
    #expect(agents["a"].map { [$0.calls, $0.runs, $0.successes, $0.failures] } == [9, 3, 1, 1])
    #expect(agents["b"].map { [$0.calls, $0.runs, $0.successes, $0.failures] } == [3, 3, 1, 1])
    #expect(agents["b"]?.latencyMs == 2_700.0)
    #expect(report.runs.map(\.agent) == ["a, b", "a, b", "a, b"])
    let rest = try #require(self.report(log) { $0.runsShown = 0 }.otherRuns)
    #expect([rest.runs, rest.successes, rest.calls] == [3, 1, 12])
  }

  @Test("any number of agents may share runs, and a call without a name is its run's first agent's")
  func manyAgents() {
    // There may be a million of each.
    #expect([MemoryLayout<RunRow>.stride, MemoryLayout<CallRow>.stride] == [48, 16])
    var log = SampleLog()
    log.decision("nobody's", run: "r0", localMs: 100)
    log.comparison("nobody's", "agree", ms: 500)
    for call in 0..<900 {
      log.decision("c\(call)", run: "r\(call % 3)", agent: "a\(call % 300)", localMs: 100)
    }
    for call in (0..<900).reversed() { log.comparison("c\(call)", "agree", ms: Double(call % 300)) }
    log.outcome(run: "r1", "success")
    let report = report(log) { $0.runsShown = 100 }
    #expect(report.agents.count == 300)
    for agent in report.agents {
      let number = Int(agent.name.dropFirst()) ?? -1
      let isFirst = number == 0
      #expect([agent.calls, agent.runs, agent.successes] == [isFirst ? 4 : 3, 1, number % 3 == 1 ? 1 : 0])
      #expect(agent.latencyMs == Double(3 * number) + (isFirst ? 500 : 0))
    }
    #expect(
      Set(report.runs.map(\.agent)) == [
        "a0, a3, a6 and 97 more", "a1, a4, a7 and 97 more", "a2, a5, a8 and 97 more",
      ])
    #expect(report.runs.reduce(0) { $0 + $1.calls } == 901)
  }

  @Test(
    "a name in a command is one word",
    arguments: [
      ("triage_ticket", "triage_ticket"), ("a;rm -rf x", "'a;rm -rf x'"), ("it's", "'it'\\''s'"), ("", "''"),
      ("--override", "'--override'"), ("$(id)", "'$(id)'"),
    ])
  func shellWords(name: String, word: String) {
    #expect(ShellWord.of(name) == word)
  }

  // MARK: People and frames

  @Test("says how far two people agree, and what became of planted items")
  func reviewers() throws {
    var log = SampleLog()
    for call in 0..<10 {
      log.decision("c\(call)")
      log.review("c\(call)", "accept", reviewer: "ana")
      log.review("c\(call)", call == 0 ? "escalate" : "accept", reviewer: "ben")
    }
    log.record(
      "review",
      [("call_id", "c0"), ("stream", "planted"), ("reviewer", "ana"), ("review_label", "escalate")])
    let report = report(log)
    let agreement = try #require(report.reviewerAgreement)
    #expect(agreement.pairs == 10 && agreement.agree == 9)
    // Po = 0.9, π = (0.95, 0.05, 0): Pe = (0.0475 + 0.0475) / 2.
    #expect(abs(agreement.ac1 - (0.9 - 0.0475) / (1 - 0.0475)) < 1e-12)
    #expect(
      report.reviewers == [
        Report.Reviewer(name: "ana", accept: 10, planted: 1, caught: 1),
        Report.Reviewer(name: "ben", accept: 9, escalate: 1),
      ])
  }

  @Test("a demotion and an override are loud; frames are those that routers told of when they ended")
  func changes() {
    var log = SampleLog()
    log.record("flag", [("task", "t"), ("old", "canary"), ("new", "shadow"), ("actor", "router")])
    log.record("receipt", [("task", "t"), ("approver", "ana"), ("epoch", "2026-03-02.1")])
    log.record("receipt", [("task", "t"), ("approver", "ben"), ("override", true), ("reason", "a drill")])
    log.record(
      "stop",
      [
        ("received", 10), ("recorded", 7), ("answered", 1), ("malformed", 1), ("shed", 1), ("in_flight", 0),
        ("lost_by_sender", 2),
      ])
    let report = report(log)
    #expect(report.changes.map(\.weight) == [.loud, .normal, .loud, .quiet])
    #expect(report.changes[2].text.contains("OVERRIDE"))
    #expect(report.frames.received == 10 && report.frames.lostBySender == 2 && report.frames.missing == 0)
  }
}
