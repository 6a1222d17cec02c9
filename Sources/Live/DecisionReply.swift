package import Rollout
package import RouterCore
package import Wire

/// A `decision` frame: what an agent that asked is told (contract, section 2).
package struct DecisionReply: Sendable {
  package var callID: String
  /// As the policy names it; nil: unknown to it.
  package var task: String?
  package var stage = Stage.shadow
  package var cohort = Cohort.shadow
  package var policyRevision: String
  package var reason: Reason?
  package var detail: String?
  package var content: Content

  package enum Content: Sendable {
    case local(Local)
    case frontier(Frontier)
  }

  package struct Local: Sendable {
    package var answer: JSONValue
    package var label: String?
    package var confidence: Double?
    package var model: String?
    /// The agent is asked to put the call to the frontier as well, and to send its answer.
    package var isAudited: Bool

    package init(
      answer: JSONValue, label: String?, confidence: Double?, model: String?, isAudited: Bool
    ) {
      self.answer = answer
      self.label = label
      self.confidence = confidence
      self.model = model
      self.isAudited = isAudited
    }
  }

  /// Advice for the agent's own call, and what it needs to know of the attempt.
  package struct Frontier: Sendable {
    package var model: String?
    package var advice: TaskPolicy.Advice
    /// What the candidate said; cut to ``outputLimit``.
    package var localOutput: String?

    package init(model: String?, advice: TaskPolicy.Advice, localOutput: String? = nil) {
      self.model = model
      self.advice = advice
      self.localOutput = localOutput
    }
  }

  /// Unicode scalars of a candidate's output that go back with an escalation.
  package static let outputLimit = 2_000

  package init(callID: String, policyRevision: String, content: Content) {
    self.callID = callID
    self.policyRevision = policyRevision
    self.content = content
  }

  /// The frame with its line feed.
  package var line: [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.text("kind", "decision")
    writer.text("call_id", callID)
    switch content {
    case .local: writer.text("route", "local")
    case .frontier: writer.text("route", "frontier")
    }
    writer.text("reason", reason?.rawValue)
    writer.key("reason_code")
    writer.int(reason?.code ?? 0)
    writer.text("detail", detail)
    writer.text("policy_revision", policyRevision)
    writer.text("stage", stage.rawValue)
    writer.text("cohort", cohort.rawValue)
    switch content {
    case .local(let local): write(local, &writer)
    case .frontier(let frontier): write(frontier, &writer)
    }
    writer.endObject()
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  private func write(_ local: Local, _ writer: inout JSONWriter) {
    writer.key("answer")
    writer.value(local.answer)
    writer.text("label", local.label)
    writer.key("confidence")
    if let confidence = local.confidence { writer.double(confidence) } else { writer.null() }
    writer.text("model", local.model)
    writer.key("audit")
    writer.bool(local.isAudited)
  }

  private func write(_ frontier: Frontier, _ writer: inout JSONWriter) {
    writer.text("model", frontier.model)
    writer.list("fallbacks", frontier.advice.fallbacks)
    writer.list("retry_on", frontier.advice.retryOn)
    writer.key("max_attempts")
    if let attempts = frontier.advice.maxAttempts { writer.int(attempts) } else { writer.null() }
    writer.text("on_exhausted", frontier.advice.onExhausted?.rawValue)
    writer.key("switch_mid_run")
    if let mayChange = frontier.advice.switchMidRun { writer.bool(mayChange) } else { writer.null() }
    writer.key("escalation")
    writer.beginObject()
    writer.text("task", task)
    writer.text("local_output", frontier.localOutput.map(Self.cut))
    writer.text("reason", reason?.rawValue)
    writer.endObject()
  }

  private static func cut(_ text: String) -> String {
    let scalars = text.unicodeScalars
    guard let end = scalars.index(scalars.startIndex, offsetBy: outputLimit, limitedBy: scalars.endIndex)
    else { return text }
    return String(String.UnicodeScalarView(scalars[..<end]))
  }
}

extension JSONWriter {
  fileprivate mutating func text(_ key: StaticString, _ value: String?) {
    self.key(key)
    if let value { string(value) } else { null() }
  }

  fileprivate mutating func list(_ key: StaticString, _ values: [String]) {
    self.key(key)
    beginArray()
    for value in values { string(value) }
    endArray()
  }
}
