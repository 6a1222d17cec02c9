import Advice
import Evidence
import Gates
import RouterCore
import Statistics
import TestLogs
import Testing
import Wire

@testable import Reports

/// What a reader meets first: what is live, what is severe, what to do.
@Suite("The first screen of a report")
struct FirstScreenTests {
  private func report(_ log: SampleLog, owner: String? = nil) -> Report {
    var policy = Policy()
    for name in ["triage_ticket", "label_issue"] {
      var task = TaskPolicy(name: name, mark: Mark(line: 1, column: 1))
      task.local = true
      task.owner = owner
      policy.tasks.append(task)
    }
    var options = ReportOptions()
    options.policy = policy
    var fold = EvidenceFold(options)
    fold.add(ndjson: log.bytes.span)
    return fold.report()
  }

  private func flag(_ log: inout SampleLog, _ old: String, _ new: String, stage: String, reason: String) {
    log.record(
      "flag",
      [
        ("task", "triage_ticket"), ("flag", "rollout"), ("old", .string(old)), ("new", .string(new)),
        ("stage", .string(stage)), ("reason", .string(reason)), ("actor", "router"),
      ])
  }

  private func calls(_ log: inout SampleLog, severe: Int? = nil, by reviewers: [String] = ["ana", "ben"]) {
    for call in 0..<40 {
      log.decision("c\(call)", task: "triage_ticket", sampled: true)
      log.comparison("c\(call)", call == severe ? "disagree" : "agree")
    }
    guard let severe else { return }
    for reviewer in reviewers {
      log.record(
        "review",
        [
          ("call_id", .string("c\(severe)")), ("stream", "certificate"), ("reviewer", .string(reviewer)),
          ("review_label", "escalate"), ("severity", 3),
        ])
    }
  }

  @Test("a task that is live while its gate fails is the first thing said and the first to do")
  func live() throws {
    var log = SampleLog()
    calls(&log)
    flag(&log, "shadow", "10%", stage: "canary", reason: "promoted")
    let report = report(log)
    let task = try #require(report.tasks.first)
    #expect(task.rollout?.words == "canary (10%)" && task.isLiveWithoutGate)
    #expect(report.actions.first?.task == "triage_ticket")
    #expect(report.actions.first?.command == "shadow-router demote triage_ticket --reason T")
    #expect(report.html.contains("What is live now?") && report.html.contains("served: canary (10%)"))
    #expect(report.markdown.contains("- Live now: triage\\_ticket, canary (10%) since"))
    let json = try JSONValue(parsing: Array(report.json.dropLast()))
    #expect(json["tasks"]?[0]?["rollout"]?["stage"]?.stringValue == "canary")
    flag(&log, "10%", "shadow", stage: "shadow", reason: "enough")
    let later = self.report(log)
    #expect(later.tasks.first?.rollout == nil && !later.html.contains("What is live now?"))
  }

  @Test("the false accept that sent a task back is in the list and in its to-do")
  func demotion() {
    var log = SampleLog()
    calls(&log, severe: 7)
    flag(&log, "shadow", "10%", stage: "canary", reason: "promoted")
    flag(
      &log, "10%", "shadow", stage: "shadow",
      reason: "severe false accept: call c7, confirmed by ana and ben")
    let report = report(log)
    #expect(report.falseAccepts.first?.callID == "c7" && report.falseAccepts.first?.isSevere == true)
    #expect(report.actions.first?.command == "shadow-router tail --find c7")
  }

  @Test("severe takes two people or the owner, in the list as in the gate")
  func severe() {
    for (reviewers, owner, isSevere) in [
      (["ana", "ben"], nil, true), (["ana"], nil, false), (["ana"], "ana", true),
    ] as [([String], String?, Bool)] {
      var log = SampleLog()
      calls(&log, severe: 7, by: reviewers)
      let report = report(log, owner: owner)
      #expect(report.falseAccepts.count(where: \.isSevere) == (isSevere ? 1 : 0))
      #expect(report.gates.first?.epoch?.severe == (isSevere ? 1 : 0))
      #expect(report.falseAccepts.first?.isInEpoch == true)
      #expect(report.totals.reviews.knownFalse == 1 && report.totals.reviews.openDisagreements == 0)
      #expect(ReportWords.standing(report.falseAccepts[0]).contains("by one person") == !isSevere)
    }
  }

  @Test("every task with calls has a to-do, and what gates share stands once")
  func todo() {
    var log = SampleLog()
    calls(&log)
    for call in 0..<5 { log.decision("l\(call)", task: "label_issue", sampled: true) }
    let actions = report(log).actions
    #expect(Set(actions.compactMap(\.task)) == ["triage_ticket", "label_issue"])
    #expect(actions.count { $0.command == "shadow-router drill" } == 1)
    #expect(
      actions.contains {
        $0.text.contains("triage_ticket, label_issue") || $0.text.contains("label_issue, triage_ticket")
      })
  }

  @Test("too few planted items are told apart from reviewers who miss too much")
  func planted() throws {
    for (planted, caught, words) in [
      (24, 24, "5 more are needed, all caught"), (40, 30, "go through the rubric"),
    ] {
      var around = Gate.Surroundings(now: 0, policy: GatePolicy())
      (around.planted, around.caught) = (planted, caught)
      let gate = Gate(EvidenceSubject(task: "t"), EpochEvidence(), around)
      let condition = try #require(gate.conditions.first { $0.name == .catchRate })
      #expect(condition.missing?.contains(words) == true, "\(condition.missing ?? "")")
    }
  }

  @Test("rounded terms add up to the rounded sum")
  func sums() {
    #expect(Figures.sum([0.5967, -0.00372, -1.0216]) == ["$0.5967", "-$0.0037", "-$1.0216", "-$0.4286"])
    #expect(Figures.sum([1.004, 1.004, 1.004]) == ["$1.01", "$1.00", "$1.00", "$3.01"])
    #expect(Figures.counted(1, "clean end") == "1 clean end" && Figures.counted(2, "call") == "2 calls")
  }

  @Test("a figure keeps its sign, and words of the gate hold no backticks")
  func small() {
    #expect(HTMLText.escaped("at most 2.1 % of") == "at most 2.1\u{A0}% of")
    var log = SampleLog()
    calls(&log, severe: 7)
    let html = report(log).html
    let body = html[html.firstRange(of: "</style>")!.upperBound...]
    #expect(!body.contains("`"))
    #expect(ReportWords.named("run", "run-563") == "run-563" && ReportWords.named("run", "7") == "run 7")
  }
}
