import Advice
import Reports
import RouterCore
import TestLogs
import Testing
import Wire

@testable import Evaluations
@testable import Evidence

@Suite("Pages about evaluations and challengers")
struct EvaluationPageTests {
  private func evaluation(rightOf ten: Int) -> Evaluation {
    var task = TaskPolicy(name: "<b>triage", mark: Mark(line: 1, column: 1))
    task.local = true
    task.minConfidence = 0.7
    task.labels = ["a", "b&"].map { TaskPolicy.Label($0) }
    task.output = .label
    task.gate.maxFalseAcceptRate = 0.1
    var policy = Policy()
    policy.tasks = [task]
    let prepared = PreparedPolicy(policy, generation: 1)
    var evaluation = Evaluation(task: task, model: "m")
    evaluation.command = "shadow-router eval x --task '<b>triage'"
    var scratch = Engine.Scratch()
    for number in 0..<50 {
      var call = Call(callID: "c")
      call.taskType = task.name
      call.text = CallText("rename a variable")
      let context = DecisionContext(today: "2026-01-01")
      let screening = Engine.screen(call, policy: prepared, context: context, scratch: &scratch)
      let reply = CandidateReply(text: #"{"label": "b&", "confidence": 0.93}"#)
      let decision = Engine.judge(
        screening, call: call, outcome: .said(reply), policy: prepared, context: context, scratch: &scratch)
      let truth = CaseTruth(label: number % 10 < ten ? "b&" : "a")
      evaluation.add(
        EvaluatedCase(id: "c\(number)", truth: truth, screening: screening, decision: decision, task: task))
    }
    return evaluation
  }

  @Test("an evaluation's page is whole, without scripts, and says why the bar is not met")
  func page() {
    let html = evaluation(rightOf: 5).html
    #expect(!html.contains("<script") && !html.contains("http://") && !html.contains("url("))
    #expect(html.contains("&lt;b&gt;triage") && !html.contains("<b>"))
    for part in [
      "bar NOT met", "overconfident by 43 points",
      "25 of 50 answers that would have been let through are wrong",
      "polyline", "class=\"diagonal\"", "prefers-color-scheme:dark", "b&amp;", "A threshold, proposed",
    ] {
      #expect(html.contains(part), "\(part)")
    }
    #expect(evaluation(rightOf: 10).html.contains("bar met"))
    #expect(evaluation(rightOf: 5).html == html)
  }

  @Test("its JSON has the figures of the bar and of the confidence")
  func json() throws {
    let value = try JSONValue(parsing: evaluation(rightOf: 5).json)
    #expect(value["met"]?.boolValue == false)
    #expect(
      value["figures"]?.arrayValue?.compactMap { $0["met"]?.boolValue } == [true, false, true, false, true])
    #expect(
      value["confidence"]?["brier"]?.doubleValue.map { abs($0 - (0.07 * 0.07 + 0.93 * 0.93) / 2) < 1e-9 }
        == true)
    #expect(value["confidence"]?["sources"]?["self_reported"]?.intValue == 50)
    #expect(value["labels"]?.arrayValue?.first?["label"]?.stringValue == "b&")
    #expect(value["proposed_min_confidence"]?.isNull == true)
  }

  private func report(challenged: Bool) -> Report {
    var log = SampleLog()
    for number in 0..<40 {
      log.decision("k\(number)")
      if challenged { log.challenge("k\(number)", accepts: true, model: "<i>four") }
      log.comparison(
        "k\(number)", number < 30 ? "agree" : "disagree", challenger: challenged ? "agree" : nil)
    }
    var fold = EvidenceFold(ReportOptions())
    fold.add(ndjson: log.bytes.span)
    return fold.report()
  }

  @Test("a challenger is shown in every format, with what it means")
  func challenger() throws {
    let report = report(challenged: true)
    for text in [report.html, report.markdown] {
      #expect(text.contains("Candidate against challenger"))
      #expect(text.contains("So the challenger agrees more often, and not by chance."))
      #expect(
        text.replacing("\u{A0}", with: " ").contains("30 (75.0 %), the challenger on 40 (100 %)"))
      #expect(!text.contains("<i>four"))
    }
    let item = try #require(
      JSONValue(parsing: report.json)["tasks"]?.arrayValue?.first?["challengers"]?.arrayValue?.first)
    #expect(item["both_agree"]?.intValue == 30 && item["only_challenger"]?.intValue == 10)
    #expect(item["mcnemar_p"]?.doubleValue.map { abs($0 - 2.0 / 1024) < 1e-12 } == true)
    #expect(item["challenger"]?["would_accepts"]?.intValue == 40)
  }

  @Test("without one nothing of it is shown")
  func noChallenger() throws {
    let report = report(challenged: false)
    #expect(!report.html.contains("hallenger agrees") && !report.markdown.contains("hallenger"))
    let tasks = try JSONValue(parsing: report.json)["tasks"]?.arrayValue
    #expect(tasks?.first?["challengers"]?.arrayValue == [])
  }
}
