package import Gates
package import Rollout
package import RouterCore
import Wire

/// The record `receipt`.
package struct ReceiptRecord {
  package var grant: Grant
  package var task: String
  package var isChallenger: Bool
  package var policyRevision: String
  /// Of the gate; nil for an override.
  package var receipt: Receipt?
  /// Of an override.
  package var reason: String?

  package init(
    grant: Grant, task: String, isChallenger: Bool, policyRevision: String, receipt: Receipt? = nil,
    reason: String? = nil
  ) {
    self.grant = grant
    self.task = task
    self.isChallenger = isChallenger
    self.policyRevision = policyRevision
    self.receipt = receipt
    self.reason = reason
  }

  package var body: RecordBody {
    var body = RecordBody()
    body.field("task", task)
    body.field("id", grant.receipt)
    body.field("subject", Self.subject(isChallenger))
    body.field("override", grant.isOverride)
    body.field("reason", reason)
    body.field("task_revision", grant.issuedRevision)
    body.field("policy_revision", policyRevision)
    body.field("models") { $0.value(.array(grant.models.map(\.json))) }
    body.field("safeguards") { $0.value(grant.safeguards.json) }
    body.field("epoch", grant.epoch)
    body.field("attempt", receipt?.attempt)
    body.field("would_accepts", receipt?.figures.wouldAccepts)
    body.field("drawn", receipt?.figures.drawn)
    body.field("false_or_unlabelled", receipt?.figures.falseOrUnlabelled)
    body.field("false_accept_upper_bound", receipt?.figures.upperBound)
    body.field("compared", grant.baseline.compared)
    body.field("disagreed", grant.baseline.disagreed)
    body.field("approver", grant.approver)
    body.field("issued_at", Timestamp.string(grant.issuedAt))
    body.field("expires_at", Timestamp.string(grant.expiresAt))
    return body
  }

  private static func subject(_ isChallenger: Bool) -> String { isChallenger ? "challenger" : "candidate" }

  /// Whether a record says of a receipt what the flags file says of it.
  static func says(_ record: JSONValue, _ grant: Grant, task: String, isChallenger: Bool) -> Bool {
    let said: [(String, JSONValue)] = [
      ("kind", "receipt"), ("task", .string(task)), ("subject", .string(subject(isChallenger))),
      ("override", .bool(grant.isOverride)), ("task_revision", .string(grant.issuedRevision)),
      ("models", .array(grant.models.map(\.json))), ("safeguards", grant.safeguards.json),
      ("epoch", grant.epoch.map { .string($0) } ?? .null), ("approver", .string(grant.approver)),
      ("compared", .number(JSONNumber(grant.baseline.compared))),
      ("disagreed", .number(JSONNumber(grant.baseline.disagreed))),
      ("issued_at", .string(Timestamp.string(grant.issuedAt))),
      ("expires_at", .string(Timestamp.string(grant.expiresAt))),
    ]
    return said.allSatisfy { record[$0.0] == $0.1 }
  }
}
