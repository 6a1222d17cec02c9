/// What asking the candidate cost, for the record; all nil where it was not asked.
package struct AskFigures: Sendable {
  package var model: String?
  package var modelID: String?
  package var modelDigest: String?
  package var promptRevision: String?
  package var latencyMs: Double?
  package var inputTokens: Int?
  package var outputTokens: Int?
  /// Any of the counts is an estimate, because the server gave none.
  package var tokensAreEstimates = false
  package var costUSD: Double?
  /// Requests sent, by all tries together.
  package var attempts = 0

  package init() {}
}

/// One request to a candidate, for the record of a call that took more than one.
package struct AskTry: Sendable, Equatable {
  package enum Purpose: String, Sendable {
    case first
    /// After a fault of the transport.
    case retry
    /// With the validation error, after an answer of the wrong shape.
    case correction
    case sample
  }

  package var purpose: Purpose
  /// A cause of `AskFault`, or what validation found; nil: an answer of the right shape.
  package var fault: String?
  package var latencyMs: Double
  package var inputTokens: Int?
  package var outputTokens: Int?
  package var costUSD: Double?

  package init(purpose: Purpose, fault: String?, latencyMs: Double) {
    self.purpose = purpose
    self.fault = fault
    self.latencyMs = latencyMs
  }
}
