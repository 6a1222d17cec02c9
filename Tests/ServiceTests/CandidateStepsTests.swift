import Candidates
import Testing

@testable import Deciding
@testable import RouterCore

@Suite("Steps of a cascade")
struct CandidateStepsTests {
  private func steps(_ ids: [String], model: String? = nil) -> CandidateSteps {
    var task = TaskPolicy(name: "t", mark: Mark(line: 1, column: 1))
    task.cascade = ids
    task.model = model ?? ids.first
    return CandidateSteps(task)
  }

  /// A decision whose first failed check is `reason`.
  private func decision(_ reason: Reason?, detail: String? = nil) -> Decision {
    var checks = Checks()
    for check in Reason.allCases where check.order < reason?.order ?? 99 {
      checks.record(check, passes: true)
    }
    if let reason { checks.record(reason, passes: false) }
    return Decision(checks: checks, hits: [], detail: detail)
  }

  private func asked(_ model: String, ms: Double = 10, attempts: Int = 1, tries: [AskTry] = []) -> Asked {
    var figures = AskFigures()
    figures.modelID = model
    figures.latencyMs = ms
    figures.inputTokens = 7
    figures.costUSD = 0.5
    figures.attempts = attempts
    var asked = Asked(outcome: .unavailable(cause: "x"), figures: figures, nanoseconds: 0)
    asked.tries = tries
    return asked
  }

  @Test("only what another model could mend goes on to the next", arguments: Reason.allCases + [nil])
  func goesOn(reason: Reason?) {
    var steps = steps(["a", "b"])
    let goesOn = steps.heard(asked("a"), judged: decision(reason))
    let mends: [Reason?] = [.localUnavailable, .schemaInvalid, .confidenceLow]
    #expect(goesOn == mends.contains(reason))
  }

  @Test(
    "a router that stops or sheds asks no further model",
    arguments: [
      ("stopping", false), ("shed", false), ("timeout", true), ("breaker_open", true), ("queue_full", true),
    ])
  func ends(cause: String, goesOn: Bool) {
    var steps = steps(["a", "b"])
    let heard = steps.heard(asked("a"), judged: decision(.localUnavailable, detail: cause))
    #expect(heard == goesOn)
  }

  @Test(
    "every model is asked at most once, in the policy's order",
    arguments: [
      (["a"], ["a"], [1]), (["a", "b", "c"], ["a", "b", "c"], [1, 2, 3]), (["a", "a"], ["a"], [1]),
      (["a", "b", "a", "c", "b"], ["a", "b", "c"], [1, 2, 4]),
    ])
  func order(ids: [String], models: [String], places: [Int]) {
    var steps = steps(ids)
    var seen: [String] = []
    while let model = steps.model, steps.heard(asked(model), judged: decision(.confidenceLow)) {
      seen.append(model)
      steps.goOn()
    }
    seen += [steps.model].compactMap(\.self)
    #expect(seen == models)
    let record = steps.candidate(decision(.confidenceLow), of: nil)
    #expect(record.requests.kept.map(\.step) == places)
    #expect(record.requests.kept.map(\.modelID) == models)
    #expect(record.cascadeStep == places.last && record.cascadeLength == ids.count)
  }

  @Test("a task without a cascade has one step and no number for it")
  func alone() {
    var steps = steps([], model: "m")
    #expect(steps.model == "m")
    let goesOn = steps.heard(asked("m"), judged: decision(.confidenceLow))
    #expect(!goesOn)
    let record = steps.candidate(decision(.confidenceLow), of: nil)
    #expect(record.cascadeStep == nil && record.cascadeLength == nil)
    #expect(record.requests.kept.count == 1)
  }

  @Test("figures add up over the steps; the names are those of the last")
  func sums() {
    var steps = steps(["a", "b"])
    _ = steps.heard(
      asked("a", ms: 10, attempts: 3), judged: decision(.schemaInvalid, detail: "not_json,fence"))
    steps.goOn()
    var second = asked("b", ms: 5)
    second.figures.inputTokens = nil
    second.figures.tokensAreEstimates = true
    _ = steps.heard(second, judged: decision(nil))
    let ask = steps.candidate(decision(nil), of: nil).ask
    #expect(ask.modelID == "b" && ask.latencyMs == 15 && ask.attempts == 4)
    #expect(ask.inputTokens == 7 && ask.costUSD == 1 && ask.tokensAreEstimates)
    #expect(steps.requests.kept.map(\.request.fault) == ["not_json", nil])
  }

  @Test("every request stands in the record, to sixteen, and the rest are counted")
  func bound() {
    var steps = steps(["a", "b", "c"])
    let tries = (0..<7).map { AskTry(purpose: $0 == 0 ? .first : .retry, fault: "timeout", latencyMs: 1) }
    for model in ["a", "b", "c"] {
      let last = decision(.localUnavailable, detail: "timeout")
      if steps.heard(asked(model, attempts: 7, tries: tries), judged: last) { steps.goOn() }
    }
    #expect(steps.requests.kept.count == 16 && steps.requests.omitted == 5)
    #expect(steps.figures.attempts == 21)
    var body = RecordBody()
    steps.candidate(decision(nil), of: nil).writeFigures(into: &body)
    let text = String(decoding: body.bytes, as: UTF8.self)
    #expect(text.hasSuffix(#","cost_usd":null},{"omitted":5}]"#))
  }

  @Test("the last request of a step says what was wrong, in one word and not in the model's sentence")
  func faults() {
    var steps = steps(["a", "b"])
    let tries = [
      AskTry(purpose: .first, fault: "not_json: reply with one JSON object", latencyMs: 1),
      AskTry(purpose: .correction, fault: nil, latencyMs: 1),
    ]
    _ = steps.heard(
      asked("a", attempts: 2, tries: tries), judged: decision(.schemaInvalid, detail: "label_missing"))
    var body = RecordBody()
    steps.candidate(decision(nil), of: nil).writeFigures(into: &body)
    let text = String(decoding: body.bytes, as: UTF8.self)
    #expect(text.contains(#""purpose":"first","fault":"not_json","#))
    #expect(text.contains(#""purpose":"correction","fault":"label_missing","#))
  }
}
