import TestData
import TestLogs
import Testing
import Wire

@testable import Evidence
@testable import Simulations

@Suite("Threshold curve")
struct ThresholdCurveTests {
  private func curve(_ log: SampleLog, limit: Double = 0.01) -> ThresholdCurve {
    var fold = ThresholdFold(task: "triage_ticket")
    for line in log.lines { fold.add(line.span) }
    return fold.curve(limit: limit, current: 0.7)
  }

  @Test("counts, at each threshold, what reaches it")
  func counts() throws {
    var log = SampleLog()
    var dice = Dice(seed: 3)
    var confidences: [(Double, Bool)] = []
    for call in 0..<400 {
      let confidence = Double(dice.below(101)) / 100
      let isLow = confidence < 0.7
      let isDrawn = !isLow && dice.below(3) == 0
      log.decision(
        "c\(call)", reason: isLow ? "confidence_low" : nil, confidence: confidence, sampled: isDrawn)
      log.comparison("c\(call)", call % 5 == 0 ? "disagree" : "agree")
      confidences.append((confidence, isDrawn))
    }
    log.decision("stopped", reason: "hard_stop_access", confidence: nil)
    let curve = curve(log)
    #expect(curve.points.map(\.threshold).first == 0.99 && curve.points.map(\.threshold).last == 0.50)
    for point in curve.points {
      let reached = confidences.filter { $0.0 >= point.threshold }
      #expect(point.accepted == reached.count)
      #expect(point.drawn == reached.count { $0.1 } && point.drawnFalse == point.drawn && point.labelled == 0)
      #expect(point.notDrawable == reached.count { $0.0 < 0.7 })
      #expect((point.upper == nil) == (point.notDrawable > 0 || point.drawn == 0))
    }
    #expect(curve.calls == 400 && curve.stopped == 1 && curve.earlier == 0)
    #expect(curve.proposal == nil && curve.firstFailure == 0.99)
  }

  /// The limit needs 299 drawn items without a false one (0.99²⁹⁹ < 0.05 < 0.99²⁹⁸).
  @Test("proposes by the fixed sequence, and stops at the first failure")
  func proposal() {
    var log = SampleLog()
    func add(_ count: Int, _ confidence: Double, _ label: String, to log: inout SampleLog) {
      for _ in 0..<count {
        let id = "c\(log.lines.count)"
        log.decision(id, confidence: confidence, sampled: true)
        log.review(id, label)
      }
    }
    add(299, 0.995, "accept", to: &log)
    #expect(curve(log).proposal == 0.50)
    var few = SampleLog()
    add(298, 0.995, "accept", to: &few)
    #expect(curve(few).proposal == nil)
    // False ones below 0.90: nothing lower may be proposed, however many good ones follow.
    add(20, 0.85, "escalate", to: &log)
    add(5_000, 0.60, "accept", to: &log)
    let both = curve(log)
    #expect(both.proposal == 0.86 && both.firstFailure == 0.85)
    #expect(both.points.last?.p ?? 1 < 0.05)
  }

  @Test("an item drawn and not labelled counts as false, and a planted one says nothing")
  func unlabelled() throws {
    var log = SampleLog()
    log.decision("a", confidence: 1, sampled: true)
    log.decision("b", confidence: 1, sampled: true)
    log.decision("c", confidence: 1)
    log.review("a", "accept")
    log.record(
      "review", [("call_id", "b"), ("review_label", "accept"), ("stream", "planted"), ("reviewer", "ana")])
    log.review("c", "escalate")
    let point = try #require(curve(log).points.first)
    #expect([point.drawn, point.labelled, point.drawnFalse, point.knownFalse] == [2, 1, 1, 1])
  }

  @Test("of drawn calls with one input the label of one counts for all")
  func equalInputs() throws {
    var log = SampleLog()
    for id in ["a", "b", "c"] {
      log.decision(id, confidence: 1, sampled: true, inputHash: id == "c" ? "other" : "same")
    }
    log.review("b", "accept")
    let point = try #require(curve(log).points.first)
    #expect([point.drawn, point.labelled, point.drawnFalse] == [3, 2, 1])
  }

  @Test("does not propose where calls reach a threshold that no sample was drawn from")
  func notDrawable() {
    var log = SampleLog()
    for call in 0..<400 {
      log.decision("c\(call)", confidence: 0.995, sampled: true)
      log.review("c\(call)", "accept")
    }
    log.decision("low", reason: "confidence_low", confidence: 0.66)
    #expect(curve(log).proposal == 0.67)
  }

  @Test("leaves out what an earlier candidate answered")
  func candidates() {
    var log = SampleLog()
    log.decision("old", model: "small")
    log.decision("nameless", model: "large", digest: nil)
    log.decision("new", model: "large")
    let curve = curve(log)
    #expect(curve.earlier == 1 && curve.calls == 2 && curve.model == "large")
  }
}
