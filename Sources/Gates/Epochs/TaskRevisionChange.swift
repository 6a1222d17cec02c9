package import Wire

/// What a policy that was taken does to the evidence of one subject, as `start` and `policy` records say it in `tasks`.
package struct TaskRevisionChange: Sendable, Equatable {
  package var subject: EvidenceSubject
  package var revision: String
  /// Under the policy before; nil where that is not known or had no such task.
  package var previous: String?
  /// What is still accepted, where the change only tightened; nil: the evidence restarts.
  package var limits: AcceptanceLimits?

  package init(
    subject: EvidenceSubject, revision: String, previous: String? = nil, limits: AcceptanceLimits? = nil
  ) {
    self.subject = subject
    self.revision = revision
    self.previous = previous
    self.limits = limits
  }

  package var json: JSONValue {
    let change = previous == revision ? "same" : limits == nil ? "restarted" : "tightened"
    var value: [JSONMember] = [
      JSONMember("task", .string(subject.task)), JSONMember("subject", .string(subject.role)),
      JSONMember("revision", .string(revision)),
      JSONMember("previous", previous.map { .string($0) } ?? .null), JSONMember("change", .string(change)),
    ]
    if let limits {
      value += [
        JSONMember("min_confidence", JSONNumber(limits.minConfidence).map { .number($0) } ?? .null),
        JSONMember("max_input_chars", .number(JSONNumber(limits.maxInputChars))),
        JSONMember("escalate_labels", .array(limits.escalateLabels.sorted().map { .string($0) })),
        JSONMember("stop_signals", .array(limits.stopSignals.sorted().map { .string($0) })),
      ]
    }
    return .object(value)
  }

  /// nil where a member is missing; what is no whole tightening restarts the evidence.
  package init?(_ value: JSONValue) {
    guard let task = value["task"]?.stringValue, let revision = value["revision"]?.stringValue else {
      return nil
    }
    self.init(
      subject: EvidenceSubject(task: task, isChallenger: value["subject"]?.stringValue == "challenger"),
      revision: revision, previous: value["previous"]?.stringValue)
    guard value["change"]?.stringValue == "tightened",
      let minConfidence = value["min_confidence"]?.doubleValue,
      let maxInputChars = value["max_input_chars"]?.intValue,
      let labels = value["escalate_labels"]?.arrayValue, let signals = value["stop_signals"]?.arrayValue
    else { return }
    limits = AcceptanceLimits(
      minConfidence: minConfidence, maxInputChars: maxInputChars,
      escalateLabels: Set(labels.compactMap(\.stringValue)),
      stopSignals: Set(signals.compactMap(\.stringValue)))
  }
}
