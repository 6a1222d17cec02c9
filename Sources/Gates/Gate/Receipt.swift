import LogReading
package import Wire

/// What a promotion leaves in the log (`receipt`): live routing serves a task only under one that matches.
package struct Receipt: Sendable, Equatable {
  package var task: String
  package var taskRevision: String
  package var policyRevision: String
  /// Ids, names and digests of the models that the evidence is about.
  package var models: [EpochEvidence.Model]
  package var epoch: String
  package var attempt: Int
  package var figures: Figures
  package var approver: String
  /// Milliseconds since 1970.
  package var issuedAt: Int64
  package var expiresAt: Int64

  /// How long a receipt holds; a later epoch that passes renews it.
  package static let days = 90

  /// The gate's figures when it passed.
  package struct Figures: Sendable, Equatable {
    package var wouldAccepts: Int
    package var drawn: Int
    package var falseOrUnlabelled: Int
    package var upperBound: Double
  }

  /// - Returns: nil for a gate that did not pass.
  package init?(_ gate: Gate, policyRevision: String, approver: String, at now: Int64) {
    guard gate.outcome == .pass, let epoch = gate.epoch else { return nil }
    task = gate.subject.task
    taskRevision = epoch.revision
    self.policyRevision = policyRevision
    models = epoch.models
    self.epoch = epoch.id
    attempt = gate.attempt
    figures = Figures(
      wouldAccepts: epoch.wouldAccepts, drawn: epoch.drawn, falseOrUnlabelled: epoch.falseOrUnlabelled,
      upperBound: gate.upperBound)
    self.approver = approver
    issuedAt = now
    expiresAt = now + Int64(Self.days) * LogTime.dayMs
  }

  package var json: JSONValue {
    [
      "task": .string(task), "task_revision": .string(taskRevision),
      "policy_revision": .string(policyRevision), "models": .array(models.map(\.json)),
      "epoch": .string(epoch), "attempt": .number(JSONNumber(attempt)),
      "would_accepts": .number(JSONNumber(figures.wouldAccepts)),
      "drawn": .number(JSONNumber(figures.drawn)),
      "false_or_unlabelled": .number(JSONNumber(figures.falseOrUnlabelled)),
      "false_accept_upper_bound": JSONNumber(figures.upperBound).map { .number($0) } ?? .null,
      "approver": .string(approver), "issued_at": .string(LogTime.format(issuedAt)),
      "expires_at": .string(LogTime.format(expiresAt)),
    ]
  }

  /// nil where a member is missing or of the wrong type: such a receipt admits nothing.
  package init?(_ value: JSONValue) {
    guard let task = value["task"]?.stringValue, let taskRevision = value["task_revision"]?.stringValue,
      let policyRevision = value["policy_revision"]?.stringValue,
      let models = value["models"]?.arrayValue, let epoch = value["epoch"]?.stringValue,
      let attempt = value["attempt"]?.intValue, let wouldAccepts = value["would_accepts"]?.intValue,
      let drawn = value["drawn"]?.intValue, let falseOnes = value["false_or_unlabelled"]?.intValue,
      let upperBound = value["false_accept_upper_bound"]?.doubleValue,
      let approver = value["approver"]?.stringValue,
      let issuedAt = value["issued_at"]?.stringValue.flatMap(LogTime.parse),
      let expiresAt = value["expires_at"]?.stringValue.flatMap(LogTime.parse)
    else { return nil }
    let read = models.compactMap(EpochEvidence.Model.init)
    guard read.count == models.count else { return nil }
    self.task = task
    self.taskRevision = taskRevision
    self.policyRevision = policyRevision
    self.models = read
    self.epoch = epoch
    self.attempt = attempt
    figures = Figures(
      wouldAccepts: wouldAccepts, drawn: drawn, falseOrUnlabelled: falseOnes, upperBound: upperBound)
    self.approver = approver
    self.issuedAt = issuedAt
    self.expiresAt = expiresAt
  }
}

extension EpochEvidence.Model {
  package var json: JSONValue {
    func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
    return ["id": .string(id), "name": text(name), "digest": text(digest)]
  }

  fileprivate init?(_ value: JSONValue) {
    guard let id = value["id"]?.stringValue else { return nil }
    self.init(id: id, name: value["name"]?.stringValue, digest: value["digest"]?.stringValue)
  }
}
