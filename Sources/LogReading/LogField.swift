/// The members of log records that the report reads.
///
/// A case is named as its member is, in camel case; the raw value is its place in a ``LogLine``. (A raw value of the name
/// would be simpler, but finding the place of a string costs more than reading the member.)
package enum LogField: Int, CaseIterable {
  case v, log, seq, ts, kind, h
  case callID
  case taskID
  case runID
  case taskType
  case agent, step, route, reason, detail, checks, label, confidence, sampled, attempts, cohort, stage
  case routeCandidate
  case reasonCode
  case validatorResult
  case hardStopMatch
  case policyRevision
  case localModel
  case localModelDigest
  case inputHash
  case inputPreview
  case answerPreview
  case localLatencyMs
  case localCostUSD
  case fallbackTriggered
  case confidenceSource
  case calibration
  case localInputTokens
  case localOutputTokens
  case localTokensEstimated

  case frontierModel
  case frontierStatus
  case frontierAnswerHash
  case frontierAnswerPreview
  case frontierLabel
  case agreement
  case agreementScore
  case agreementDetail
  case frontierLatencyMs
  case fallbackLatencyMs
  case frontierCostUSD
  case challengerAgreement
  case challengerAgreementDetail

  case reviewLabel
  case severity, reviewer, note, subject, stream
  case missedStop
  case result, source
  case approvedBy

  case from, to, cause, old, new, actor, task
  case revision, generation, taken, errors
  case modelID
  case inputChars
  case taskTypeSource
  case signals
  case cascadeStep
  case cascadeLength
  case promptRevision
  case model, digest

  // Read by the epochs and the gate.
  case localModelID
  case taskRevision
  case epoch, attempt, outcome
  case tasks, passed, rotated
  case received, shed
  case lostBySender

  // What became of frames, and what people changed.
  case recorded, answered, malformed
  case inFlight
  case audit
  case override, approver
  case expiresAt

  /// The name in the log: `localCostUSD` is `local_cost_usd`.
  package var name: String {
    var text = ""
    var wasUpper = false
    for character in String(describing: self) {
      if character.isUppercase, !wasUpper { text += "_" }
      text += character.lowercased()
      wasUpper = character.isUppercase
    }
    return text
  }
}
