import Wire

/// What holds for a decision beside the call and the policy: values, so that deciding stays a function.
package struct DecisionContext: Sendable {
  /// Why everything goes to the frontier: `kill_switch`, `kill_file` or `flags_unreadable`; nil: it does not.
  package var override: StaticString?
  /// `YYYY-MM-DD`, UTC: waivers end by it.
  package var today: String

  package init(override: StaticString? = nil, today: String) {
    self.override = override
    self.today = today
  }
}

/// Where a call's task type came from.
package enum TaskTypeSource: String, Sendable { case given, rule, classified }

/// The outcome of all checks that need no model.
package struct Screening: Sendable {
  package var taskType: String?
  package var taskTypeSource: TaskTypeSource?
  package var task: PreparedTask?
  package var checks = Checks()
  package var hits: [HardStopHit] = []
  package var detail: String?
  /// Unicode scalars of the text, reviewed parts left out.
  package var inputChars = 0

  /// nil: the candidate is asked next.
  package var reason: Reason? { checks.firstFailure }
}

/// What came of asking the candidate.
package enum CandidateOutcome: Sendable {
  /// A model's text, to be validated.
  case said(CandidateReply)
  /// The built-in classifier's answer: already of the right shape.
  case classified(label: String, confidence: Double, isNovel: Bool)
  /// No answer; `cause` is a word of a closed set, such as `timeout` or `status_503`.
  case unavailable(cause: String)
}

/// A whole decision: what the router would do with the call, and why.
package struct Decision: Sendable {
  package enum ConfidenceSource: String, Sendable {
    case selfReported = "self_reported"
    case logprob, samples, builtin
  }

  package var checks: Checks
  package var hits: [HardStopHit]
  package var detail: String?
  /// The candidate's answer where one could be read, also where it was not accepted.
  package var answer: CandidateAnswer?
  /// 0…1, corrected where a correction was fitted for this task, model, digest and source.
  package var confidence: Double?
  /// 0…1, as it came from its source.
  package var confidenceRaw: Double?
  package var confidenceSource: ConfidenceSource?
  /// One readable phrase, such as `passed schema, confidence 0.76`.
  package var validatorResult: String?

  /// nil: accepted.
  package var reason: Reason? { checks.firstFailure }
  package var isLocal: Bool { reason == nil }
  package var route: StaticString { isLocal ? "local" : "frontier" }

  /// No check but the kill switch's counts any more.
  ///
  /// - Parameter detail: `kill_switch`, `kill_file` or `flags_unreadable`.
  package mutating func override(by detail: String) {
    checks = Checks()
    checks.record(.manualOverride, passes: false)
    (answer, confidence, confidenceRaw, confidenceSource) = (nil, nil, nil, nil)
    self.detail = detail
    validatorResult = "not used: kill switch"
  }

  /// The agent cannot be given the answer, for a cause that is not the answer's own: `local_unavailable`, unless a check
  /// that comes before it has failed. What the answer's checks gave stays.
  ///
  /// - Parameter cause: The `detail`, such as `deadline`.
  package mutating func withhold(_ cause: String) {
    checks.record(.localUnavailable, passes: false)
    guard reason == .localUnavailable else { return }
    detail = cause
    validatorResult = answer == nil ? "no answer: \(cause)" : "not used: \(cause)"
  }
}
