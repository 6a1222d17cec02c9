import Wire

/// Runs the tests that a policy carries; one failure refuses it.
package enum PolicyTests {
  /// - Returns: One problem a failed test, at the test; empty when all pass.
  package static func run(_ prepared: PreparedPolicy, today: String) -> [PolicyProblem] {
    var scratch = Engine.Scratch()
    return prepared.policy.tests.flatMap { test in
      failures(of: test, prepared, DecisionContext(today: today), &scratch).map { text in
        PolicyProblem(.error, at: test.mark, "test \"\(test.name)\" failed: \(text)")
      }
    }
  }

  private static func failures(
    of test: PolicyTest, _ prepared: PreparedPolicy, _ context: DecisionContext,
    _ scratch: inout Engine.Scratch
  ) -> [String] {
    var call = Call(callID: "test")
    call.taskType = test.task
    call.text = CallText(test.input)
    call.signals = Dictionary(test.signals.map { ($0, true) }, uniquingKeysWith: { one, _ in one })
    let screening = Engine.screen(call, policy: prepared, context: context, scratch: &scratch)
    let next = screening.reason == nil ? "candidate" : "frontier"
    var failures: [String] = []
    if let wanted = test.expect.next, wanted != next {
      failures.append("expected next \(wanted), got \(next)")
    }
    guard let answer = test.answer ?? (screening.reason == nil ? nil : .null) else {
      return failures + unanswered(test.expect)
    }
    let decision = Engine.judge(
      screening, call: call, outcome: .said(CandidateReply(text: answer.jsonText)), policy: prepared,
      context: context, scratch: &scratch)
    if let wanted = test.expect.reason, wanted != decision.reason {
      failures.append("expected reason \(name(wanted)), got \(name(decision.reason))")
    }
    if let wanted = test.expect.routeCandidate, wanted != decision.route.description {
      failures.append("expected route_candidate \(wanted), got \(decision.route) (\(name(decision.reason)))")
    }
    if let wanted = test.expect.detail, wanted != decision.detail {
      failures.append("expected detail \(wanted), got \(decision.detail ?? "null")")
    }
    return failures
  }

  /// Every check before the model passed and the test says nothing about the model's answer.
  private static func unanswered(_ expect: PolicyTest.Expectation) -> [String] {
    if let wanted = expect.reason, let wanted {
      return ["expected reason \(wanted.rawValue), but no check before the model stops it; give an `answer`"]
    }
    if let wanted = expect.routeCandidate {
      return ["expected route_candidate \(wanted), but that depends on the model; give an `answer`"]
    }
    return []
  }

  private static func name(_ reason: Reason?) -> String { reason?.rawValue ?? "null" }
}
