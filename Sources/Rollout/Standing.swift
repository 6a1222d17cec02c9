/// How far a task type is served by its candidate.
package enum Stage: String, Sendable {
  /// Nobody is answered locally.
  case shadow
  /// A part of the eligible calls.
  case canary
  /// All eligible calls but the control share.
  case live
}

/// Which side of a rollout a call is on.
package enum Cohort: String, Sendable {
  case shadow
  /// Answered by the candidate where its answer is accepted.
  case local
  /// Eligible, and kept on the frontier for comparison.
  case control
}

/// Why a flag says what it says: OpenFeature's reasons.
package enum FlagReason: String, Sendable {
  case targetingMatch = "TARGETING_MATCH"
  case split = "SPLIT"
  case `default` = "DEFAULT"
  case disabled = "DISABLED"
  case stale = "STALE"
  case error = "ERROR"
}

/// What the flags say of one call. A value: it goes with the call to the end, whatever the flags say by then.
package struct Standing: Sendable, Equatable {
  package var stage: Stage
  package var cohort: Cohort
  package var reason: FlagReason
  /// Of a local answer: whether the agent is asked to put the call to the frontier as well.
  package var isAudited: Bool
  /// The candidate and the challenger of the task have changed places.
  package var isRotated: Bool
  /// Under what it is answered locally; nil: it is not.
  package var serving: Serving?

  /// Which receipt, and since when: a task that was sent back and promoted again meanwhile is served under another.
  package struct Serving: Sendable, Equatable {
    package let receipt: String
    package let since: Int64
  }

  package init(
    stage: Stage = .shadow, cohort: Cohort = .shadow, reason: FlagReason = .default, isAudited: Bool = false,
    isRotated: Bool = false
  ) {
    self.stage = stage
    self.cohort = cohort
    self.reason = reason
    self.isAudited = isAudited
    self.isRotated = isRotated
  }

  /// Nothing is served locally.
  package static let shadow = Standing()
}
