import Candidates
import Evidence
import Journal
import Posix
import RouterCore
import Synchronization
import Wire

/// Turns decisions, comparisons and outcomes into records, and keeps the balance with each.
///
/// Called from the tap's thread and from candidates' threads; nothing in it waits.
final class Recorder: Sendable {
  let journal: Journal
  let balance = Mutex(Balance())
  let metrics = Mutex(Metrics())
  let joining = Mutex(Joining())

  init(journal: Journal) { self.journal = journal }

  /// One record of the router's own: `start`, `policy`, `drill`…
  func write(_ kind: String, _ body: RecordBody) {
    if journal.append(kind: kind, at: Clocks.realtime(), body: body.bytes) {
      metrics.withLock { $0.wrote(kind) }
    }
  }

  /// Counts a frame's record as accepted, or the frame as shed where the log would not have it.
  private func settle(_ kind: Balance.Kind, _ record: RecordBody) -> Bool {
    let isAccepted = record.withBytes { journal.append(kind: kind.record, at: Clocks.realtime(), body: $0) }
    balance.withLock { balance in
      if isAccepted { balance.recorded(kind) } else { balance.dropped(.logRefused) }
    }
    return isAccepted
  }

  // MARK: - Decisions

  /// Records a decision and compares it with the answer where that came first.
  func decided(_ record: DecisionRecord, generation: Generation, arrived: UInt64) {
    let task = record.screening.task
    let isAccepted = settle(.call, record.body(sealedBy: generation.seal))
    let reason = record.decision.reason
    metrics.withLock { metrics in
      guard isAccepted else { return }
      metrics.decided(task: task?.policy.name, reason: reason, microseconds: record.decideUs)
      metrics.spent(task: task?.policy.name, route: "local", usd: record.ask.costUSD)
    }
    let left = Joining.Decided(
      task: task, candidate: Self.comparable(record.decision), cause: Self.cause(record.decision),
      arrived: arrived,
      generation: generation)
    let waiting = joining.withLock { $0.decided(record.call.callID, left, now: Clocks.monotonic()) }
    if let waiting { compare(waiting, with: left) }
  }

  /// Only an answer of the right shape can agree or disagree.
  private static func comparable(_ decision: Decision) -> CandidateAnswer? {
    decision.checks[.schemaInvalid] == .pass ? decision.answer : nil
  }

  private static func cause(_ decision: Decision) -> AgreementDetail {
    switch decision.reason {
    case .schemaInvalid: .noValidAnswer
    case .localUnavailable: .noCandidateAnswer
    default: decision.checks[.localUnavailable] == .skipped ? .notAsked : .noValidAnswer
    }
  }

  // MARK: - Comparisons

  func compare(_ frame: AnswerFrame, with decided: Joining.Decided) {
    let fallbackMs = Double(Clocks.monotonic() - decided.arrived) / 1e6
    var result = AgreementResult(.unknown, detail: decided.cause)
    if let candidate = decided.candidate, let task = decided.task?.policy {
      result = Agreement.compare(candidate: candidate, frontier: frame.answer, task: task)
    }
    write(frame, result, decided.generation, task: decided.task?.policy.name, fallbackMs: fallbackMs)
  }

  /// An answer that found no call: one `comparison` all the same.
  func unmatched(_ frame: AnswerFrame, cause: AgreementDetail, generation: Generation) {
    write(
      frame, AgreementResult(.unknown, detail: cause), generation, task: nil, fallbackMs: nil)
  }

  private func write(
    _ frame: AnswerFrame, _ result: AgreementResult, _ generation: Generation, task: String?,
    fallbackMs: Double?
  ) {
    let answer = frame.answer
    let cost = answer.costUSD ?? generation.frontierCost(of: answer)
    var record = RecordBody()
    record.field("call_id", frame.callID)
    record.field("frontier_model", answer.model)
    record.field("frontier_status", word: answer.error == nil ? "ok" : "error")
    var text = answer.comparableText
    text.withUTF8 { bytes in
      let span = unsafe bytes.span
      record.field("frontier_answer_hash") { writer in
        if span.isEmpty { writer.null() } else { generation.seal.writeHash(span, into: &writer) }
      }
      record.field("frontier_answer_preview", utf8: span.isEmpty ? nil : generation.seal.preview(span))
    }
    record.field("frontier_label", result.frontierLabel.flatMap { generation.seal.label($0, limit: 128) })
    record.field("agreement", result.verdict.rawValue)
    record.field("agreement_score", result.score)
    record.field("agreement_detail", result.detail)
    record.field("frontier_latency_ms", answer.latencyMs)
    record.field("fallback_latency_ms", fallbackMs)
    record.field("frontier_input_tokens", answer.inputTokens)
    record.field("frontier_output_tokens", answer.outputTokens)
    record.field("frontier_cost_usd", cost)
    guard settle(.answer, record) else { return }
    metrics.withLock { metrics in
      metrics.compared(task: task, agreement: result.verdict.rawValue, fallbackMs: fallbackMs)
      metrics.spent(task: task, route: "frontier", usd: cost)
    }
  }

  // MARK: - The rest

  func ended(_ outcome: Outcome) {
    var record = RecordBody()
    record.field("call_id", outcome.callID)
    record.field("run_id", outcome.runID)
    record.field("result", outcome.result.rawValue)
    record.field("source", outcome.source.rawValue)
    record.field("approved_by", outcome.approvedBy)
    guard settle(.outcome, record) else { return }
    let task = outcome.callID.flatMap { id in joining.withLock { $0.task(of: id) } }
    metrics.withLock { $0.ended(task: task, result: outcome.result) }
  }

  /// Records the answers whose calls never came.
  func expire(generation: Generation, everything: Bool = false) {
    let lost = joining.withLock { $0.expire(now: Clocks.monotonic(), everything: everything) }
    for frame in lost { unmatched(frame, cause: .unknownCall, generation: generation) }
  }
}

extension FrontierAnswer {
  /// What is hashed and previewed: the text, else the tool calls as JSON.
  var comparableText: String {
    guard text.isEmpty, !toolCalls.isEmpty else { return text }
    let calls = toolCalls.map { call in
      JSONValue.object([JSONMember("name", .string(call.name)), JSONMember("arguments", call.arguments)])
    }
    return JSONValue.array(calls).jsonText
  }
}

extension Generation {
  /// From the tokens and the policy's price of the model; nil where either is not known.
  func frontierCost(of answer: FrontierAnswer) -> Double? {
    let policy = prepared.policy
    let named = policy.models.first { $0.name == answer.model || $0.id == answer.model }
    guard let price = (named ?? policy.frontier.flatMap(policy.model))?.price,
      price.inputPerMtok + price.outputPerMtok > 0,
      answer.inputTokens != nil || answer.outputTokens != nil
    else { return nil }
    return Double(answer.inputTokens ?? 0) * price.inputPerMtok / 1e6
      + Double(answer.outputTokens ?? 0) * price.outputPerMtok / 1e6
  }
}
