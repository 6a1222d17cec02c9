package import Wire

/// A `decision` record (contract, section 5).
package struct DecisionRecord {
  package var call: Call
  package var screening: Screening
  package var candidate: CandidateRecord
  package var policy: PreparedPolicy
  package var told = RouteTold()
  /// Microseconds spent deciding, the candidate's own time not counted.
  package var decideUs: Int
  package var isRotated: Bool { told.isRotated }

  package init(
    call: Call, screening: Screening, candidate: CandidateRecord, policy: PreparedPolicy, decideUs: Int
  ) {
    self.call = call
    self.screening = screening
    self.candidate = candidate
    self.policy = policy
    self.decideUs = decideUs
  }

  package var decision: Decision { candidate.decision }

  /// The record's members. `isDrawn`: whether the call was drawn for review.
  package func body(sealedBy seal: TextSeal, isDrawn: Bool = false) -> RecordBody {
    var record = RecordBody()
    writeIdentity(into: &record, seal: seal)
    candidate.writeDecision(into: &record)
    writeSignals(into: &record)
    candidate.writeModel(into: &record)
    let text = call.text.bytes.span
    record.field("input_chars", screening.inputChars)
    record.field("input_hash") { seal.writeHash(text, into: &$0) }
    record.field("input_preview", utf8: seal.preview(text))
    candidate.writeAnswer(into: &record, seal: seal)
    record.field("decide_us", decideUs)
    candidate.writeFigures(into: &record)
    record.field("cascade_step", candidate.cascadeStep)
    record.field("cascade_length", candidate.cascadeLength)
    // A local attempt was made and did not hold.
    record.field("fallback_triggered", !decision.isLocal && decision.checks[.localUnavailable] != .skipped)
    record.field("audit", told.isAudited)
    record.field("sampled", isDrawn)
    record.field("rotated", isRotated)
    return record
  }

  private func writeIdentity(into record: inout RecordBody, seal: TextSeal) {
    record.field("call_id", call.callID)
    record.field("task_id", call.taskID)
    record.field("run_id", call.runID)
    // A task type that the policy does not know is text from outside.
    let known = screening.task?.policy.name
    record.field("task_type", known ?? screening.taskType.flatMap { seal.label($0) })
    record.field("task_type_source", screening.taskTypeSource?.rawValue)
    record.field("tenant", call.tenant)
    record.field("user_group", seal.name(call.userGroup))
    record.field("agent", seal.name(call.agent))
    record.field("step", seal.name(call.step))
    record.field("traceparent", seal.name(call.traceparent))
    record.field("generation", policy.generation)
    record.field("policy_revision", policy.policy.revision)
    record.field("prompt_revision", candidate.ask.promptRevision)
    let revisions = screening.task?.revisions
    record.field("task_revision", isRotated ? revisions?.challenger : revisions?.candidate)
    record.field("stage", told.stage)
    record.field("cohort", told.cohort)
    record.field("route", word: told.isLocal ? "local" : "frontier")
    record.field("route_detail", told.detail)
  }

  private func writeSignals(into record: inout RecordBody) {
    record.field("signals") { writer in
      writer.beginObject()
      for signal in RiskSignal.allCases where call.signals[signal] == true {
        writer.key(signal.rawValue)
        writer.string("given")
      }
      writer.endObject()
    }
    record.field("flag_reason", told.flagReason)
  }
}

/// How a call stood with the flags, and what its agent was told.
package struct RouteTold: Sendable {
  package var stage = "shadow"
  package var cohort = "shadow"
  /// The agent of the call is in nobody's trial: its record is only about what might have been.
  package var isShadow: Bool { cohort == "shadow" }
  /// The agent was given the candidate's answer.
  package var isLocal = false
  /// Why an answer that the router accepts was not given to the agent of a call that the flags would serve: `no_reply`,
  /// `demoted` or `gone`.
  package var detail: String?
  /// One of OpenFeature's reasons; nil where the flags were not asked.
  package var flagReason: String?
  /// The agent was asked to put the call to the frontier as well.
  package var isAudited = false
  /// The candidate's place was the challenger's: its evidence is about that model.
  package var isRotated = false

  package init() {}
}

extension JSONWriter {
  /// Check → `pass`, `fail` or `skipped`, in the contract's order.
  package mutating func checks(_ checks: Checks) {
    beginObject()
    for (reason, name) in CheckNames.all {
      rawKey(name)
      word(checks[reason].word)
    }
    endObject()
  }

  /// At most 64 hits: a policy with thousands of terms must not push a record over its limit.
  package mutating func hits(_ hits: [HardStopHit]) {
    beginArray()
    for hit in hits.prefix(64) {
      beginObject()
      key("class")
      string(hit.kind.rawValue)
      key("term")
      string(hit.term)
      key("where")
      string(hit.place.rawValue)
      endObject()
    }
    endArray()
  }
}

/// The checks' names as members are named: quotes and colon made once, not for every record.
private enum CheckNames {
  static let all: [(Reason, [UInt8])] = Reason.allCases.map { ($0, Array("\"\($0.rawValue)\":".utf8)) }
}

extension Checks.Result {
  fileprivate var word: StaticString {
    switch self {
    case .pass: "pass"
    case .fail: "fail"
    case .skipped: "skipped"
    }
  }
}
