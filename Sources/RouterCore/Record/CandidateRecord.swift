import Wire

/// What asking a candidate came to, as the records of a call say it: in `decision` the candidate, in `challenge` the
/// challenger.
package struct CandidateRecord: Sendable {
  package var task: PreparedTask?
  package var decision: Decision
  /// Over all requests of all steps together; the model's names are those of the step that the decision is of.
  package var ask: AskFigures
  package var requests = LocalRequests()
  /// The step that the decision is of, from 1; nil where the task has no cascade or no candidate was asked.
  package var cascadeStep: Int?
  /// How many steps the task's cascade has; nil where ``cascadeStep`` is.
  package var cascadeLength: Int?
  /// The id of the correction that the confidence went through.
  package var calibration: String?

  package init(task: PreparedTask?, decision: Decision, ask: AskFigures = AskFigures()) {
    self.task = task
    self.decision = decision
    self.ask = ask
  }
}

extension CandidateRecord {
  func writeDecision(into record: inout RecordBody) {
    record.field("route_candidate", word: decision.route)
    record.field("reason", decision.reason?.rawValue)
    record.field("reason_code", decision.reason?.code ?? 0)
    record.field("detail", decision.detail)
    record.field("validator_result", decision.validatorResult)
    record.field("checks") { $0.checks(decision.checks) }
    record.field("hard_stop_match") { $0.hits(decision.hits) }
  }

  func writeModel(into record: inout RecordBody) {
    record.field("local_model", ask.model)
    record.field("local_model_id", ask.modelID)
    record.field("local_model_digest", ask.modelDigest)
    // A label outside the set is text of the model's own: it stands, redacted, in the preview.
    record.field("label", decision.answer?.label.flatMap { task?.labels.contains($0) == true ? $0 : nil })
    record.field("confidence", decision.confidence)
    record.field("confidence_raw", decision.confidenceRaw ?? decision.confidence)
    record.field("confidence_source", decision.confidenceSource?.rawValue)
    record.field("calibration", calibration)
  }

  func writeAnswer(into record: inout RecordBody, seal: TextSeal) {
    guard let answer = decision.answer else {
      record.field("answer_hash", nil as String?)
      record.field("answer_preview", nil as String?)
      return
    }
    let text = Array((answer.answer.stringValue ?? answer.answer.jsonText).utf8)
    record.field("answer_hash") { seal.writeHash(text.span, into: &$0) }
    record.field("answer_preview", utf8: seal.preview(text.span))
  }

  func writeFigures(into record: inout RecordBody) {
    record.field("local_latency_ms", ask.latencyMs)
    record.field("local_input_tokens", ask.inputTokens)
    record.field("local_output_tokens", ask.outputTokens)
    let hasTokens = ask.inputTokens != nil || ask.outputTokens != nil
    record.field("local_tokens_estimated", hasTokens ? ask.tokensAreEstimates : nil)
    record.field("local_cost_usd", ask.costUSD)
    record.field("attempts", ask.attempts)
    record.field("local_steps") { requests.write(into: &$0) }
  }
}

/// One request to a candidate, or one that it could not be sent.
package struct LocalRequest: Sendable {
  package var modelID: String?
  /// The step of the cascade, from 1; 1 also where there is none.
  package var step: Int
  package var request: AskTry

  package init(modelID: String?, step: Int, request: AskTry) {
    self.modelID = modelID
    self.step = step
    self.request = request
  }
}

/// The requests of one call, in order: the first 16, and how many more there were.
package struct LocalRequests: Sendable {
  package static let limit = 16
  package private(set) var kept: [LocalRequest] = []
  package private(set) var omitted = 0

  package init() {}

  package mutating func append(_ request: LocalRequest) {
    if kept.count < Self.limit { kept.append(request) } else { omitted += 1 }
  }

  /// `null` where one request says no more than the record's other members do.
  fileprivate func write(into writer: inout JSONWriter) {
    guard kept.count > 1 else { return writer.null() }
    writer.beginArray()
    for entry in kept { entry.write(into: &writer) }
    if omitted > 0 {
      writer.beginObject()
      writer.key("omitted")
      writer.int(omitted)
      writer.endObject()
    }
    writer.endArray()
  }
}

extension LocalRequest {
  fileprivate func write(into writer: inout JSONWriter) {
    writer.beginObject()
    writer.key("model_id")
    if let modelID { writer.string(modelID) } else { writer.null() }
    writer.key("step")
    writer.int(step)
    writer.key("purpose")
    writer.string(request.purpose.rawValue)
    writer.key("fault")
    if let fault = request.fault { writer.string(Self.cause(fault)) } else { writer.null() }
    writer.key("latency_ms")
    writer.double(request.latencyMs)
    writer.key("input_tokens")
    if let tokens = request.inputTokens { writer.int(tokens) } else { writer.null() }
    writer.key("output_tokens")
    if let tokens = request.outputTokens { writer.int(tokens) } else { writer.null() }
    writer.key("cost_usd")
    if let cost = request.costUSD { writer.double(cost) } else { writer.null() }
    writer.endObject()
  }

  /// The word that a fault begins with: what follows a colon and a space is for the model (``ReplyVerdict``).
  private static func cause(_ fault: String) -> String {
    let word = fault.firstRange(of: ": ").map { fault[..<$0.lowerBound] } ?? fault[...]
    return String(word.prefix(200))
  }
}
