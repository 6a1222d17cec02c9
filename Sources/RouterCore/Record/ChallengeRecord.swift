/// A `challenge` record (contract, section 5): what the second candidate of a task said to a call.
package struct ChallengeRecord: Sendable {
  package var callID: String
  package var policy: PreparedPolicy
  package var candidate: CandidateRecord
  /// It is the candidate of the policy that was asked in the challenger's place.
  package var isRotated = false

  package init(callID: String, policy: PreparedPolicy, candidate: CandidateRecord) {
    self.callID = callID
    self.policy = policy
    self.candidate = candidate
  }

  /// The record's members. `isDrawn`: whether the call was drawn for the review of its challenger.
  package func body(sealedBy seal: TextSeal, isDrawn: Bool = false) -> RecordBody {
    var record = RecordBody()
    record.field("call_id", callID)
    record.field("task_type", candidate.task?.policy.name)
    record.field("generation", policy.generation)
    record.field("policy_revision", policy.policy.revision)
    record.field("prompt_revision", candidate.ask.promptRevision)
    let revisions = candidate.task?.revisions
    record.field("task_revision", isRotated ? revisions?.candidate : revisions?.challenger)
    candidate.writeDecision(into: &record)
    candidate.writeModel(into: &record)
    candidate.writeAnswer(into: &record, seal: seal)
    candidate.writeFigures(into: &record)
    record.field("sampled", isDrawn)
    record.field("rotated", isRotated)
    return record
  }
}
