import Agreements
import Candidates
package import Captures
package import Journal
package import Live
package import PolicyFiles
package import Posix
package import RouterCore
package import Synchronization
import Wire

/// Turns decisions, comparisons and outcomes into records, and keeps the balance with each.
///
/// Called from the tap's thread and from candidates' threads; nothing in it waits.
package final class Recorder: Sendable {
  package let journal: Journal
  package let balance = Mutex(Balance())
  package let metrics = Mutex(Metrics())
  package let joining: Mutex<Joining>
  package let budgets = Mutex(BudgetLedger())
  private let drawing: Drawing?
  /// Told when something happened that may send a task back to shadow.
  package let doubts = Monitor(false)

  /// What decides which would-accepts people look at, and keeps their texts.
  package struct Drawing: Sendable {
    package let weeks: WeekKeys
    package let vault: Vault

    package init(weeks: WeekKeys, vault: Vault) {
      self.weeks = weeks
      self.vault = vault
    }
  }

  /// - Parameters:
  ///   - drawing: nil: nothing is drawn for review.
  ///   - waitingBytes: Most that calls and answers which wait for each other may hold.
  package init(journal: Journal, drawing: Drawing? = nil, waitingBytes: Int = Joining.usualBytes) {
    self.journal = journal
    joining = Mutex(Joining(capacityBytes: waitingBytes))
    self.drawing = drawing
  }

  /// One record of the router's own: `start`, `policy`, `challenge`…
  ///
  /// - Returns: Whether the log accepted it.
  @discardableResult
  package func write(
    _ kind: String, _ body: RecordBody, at now: Int64 = Clocks.realtime(), isExpendable: Bool = false
  ) -> Bool {
    let isAccepted = journal.append(kind: kind, at: now, body: body.bytes, isExpendable: isExpendable)
    if isAccepted { metrics.withLock { $0.wrote(kind) } }
    return isAccepted
  }

  /// Counts a frame's record as accepted, or the frame as shed where the log would not have it.
  ///
  /// - Parameter isExpendable: May be missing before a record about a live call is.
  private func settle(
    _ kind: Balance.Kind, _ record: RecordBody, at now: Int64 = Clocks.realtime(), isExpendable: Bool
  ) -> Bool {
    let isAccepted = record.withBytes {
      journal.append(kind: kind.record, at: now, body: $0, isExpendable: isExpendable)
    }
    balance.withLock { balance in
      if isAccepted { balance.recorded(kind) } else { balance.dropped(.logRefused) }
    }
    return isAccepted
  }

  /// Drops a call that has been counted, before anything is made of it: its record would only be refused. Its answer will
  /// find no call.
  func shed(_ call: Call) {
    joining.withLock { $0.shed(call.callID) }
    journal.missed(at: Clocks.realtime())
    balance.withLock { $0.dropped(.overload) }
  }

  func shedAnswer() {
    journal.missed(at: Clocks.realtime())
    balance.withLock { balance in
      balance.arrived(.answer)
      balance.dropped(.overload)
    }
  }

  // MARK: - Decisions

  /// Records a decision and compares it with the answer where that came first.
  ///
  /// - Returns: Whether the log accepted it.
  @discardableResult
  func decided(_ record: DecisionRecord, generation: Generation, arrived: UInt64) -> Bool {
    let task = record.screening.task
    // One time for the draw and the record: it names the week whose key decides.
    let now = Clocks.realtime()
    let isDrawn = isDrawn(record.candidate, record.call.callID, isChallenger: false, at: now)
    let isAccepted = settle(
      .call, record.body(sealedBy: seal(generation.seal), isDrawn: isDrawn), at: now,
      isExpendable: record.told.isShadow)
    let isKept =
      isAccepted && keep(record.call, record.candidate, "candidate", isDrawn: isDrawn, at: now)
    let reason = record.decision.reason
    metrics.withLock { metrics in
      guard isAccepted else { return }
      metrics.decided(task: task?.policy.name, reason: reason, microseconds: record.decideUs)
      metrics.spent(task: task?.policy.name, route: "local", usd: record.candidate.ask.costUSD)
    }
    if let task, let usd = record.candidate.ask.costUSD, usd > 0 {
      budgets.withLock {
        $0.spend(task: task.policy.name, tenant: record.call.tenant, calls: 0, usd: usd, at: now)
      }
    }
    var side = Self.side(record.decision)
    side.isKept = isKept
    let left = Joining.Decided(
      task: task, candidate: side,
      challenger: task?.policy.models(isRotated: record.isRotated).challenger.map { _ in
        Joining.Side(cause: .notAsked)
      },
      arrived: arrived,
      basis: generation.answers, isShadow: record.told.isShadow, isAudited: record.told.isAudited)
    let waiting = joining.withLock { $0.decided(record.call.callID, left, now: Clocks.monotonic()) }
    if let waiting { compare(waiting, generation: generation) }
    return isAccepted
  }

  /// Records what a challenger came to, and compares it where everything else was waiting for it.
  func challenged(_ record: ChallengeRecord, to call: Call, generation: Generation) {
    let candidate = record.candidate
    let now = Clocks.realtime()
    let isDrawn = isDrawn(candidate, record.callID, isChallenger: true, at: now)
    var side = Self.side(candidate.decision)
    let body = record.body(sealedBy: seal(generation.seal), isDrawn: isDrawn)
    if write("challenge", body, at: now, isExpendable: true) {
      side.isKept = keep(call, candidate, "challenger", isDrawn: isDrawn, at: now)
      metrics.withLock {
        $0.spent(task: candidate.task?.policy.name, route: "challenger", usd: candidate.ask.costUSD)
      }
    }
    let waiting = joining.withLock { [side] in $0.challenged(record.callID, side) }
    if let waiting { compare(waiting, generation: generation) }
  }

  /// Previews are the first that a log short of room goes without.
  private func seal(_ seal: TextSeal) -> TextSeal {
    guard seal.keepsPreviews, journal.isShortOfRoom else { return seal }
    metrics.withLock { $0.previewsDropped += 1 }
    return seal.withoutPreviews
  }

  private static func side(_ decision: Decision) -> Joining.Side {
    Joining.Side(answer: comparable(decision), cause: cause(decision))
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

  // MARK: - Review

  private func isDrawn(_ candidate: CandidateRecord, _ callID: String, isChallenger: Bool, at now: Int64)
    -> Bool
  {
    guard let drawing, candidate.decision.isLocal, let task = candidate.task?.policy else { return false }
    return drawing.weeks.isDrawn(callID, task: task, isChallenger: isChallenger, at: now)
  }

  /// Keeps the text of a call where its task's policy says so.
  ///
  /// - Returns: Whether the frontier's answer belongs there too.
  private func keep(
    _ call: Call, _ candidate: CandidateRecord, _ name: String, isDrawn: Bool, at now: Int64
  ) -> Bool {
    guard let drawing, let task = candidate.task?.policy, task.capture != .off else { return false }
    let answer = candidate.decision.answer.map { answer in
      JSONMember(name, ["label": answer.label.map { .string($0) } ?? .null, "answer": answer.answer])
    }
    guard let window = CaptureWindow(task) else {
      guard isDrawn, task.capture == .sampled, let answer else { return false }
      drawing.vault.keep(call, task: task.name, at: now, answer)
      return true
    }
    guard window.isOpen(now) else { return false }
    if name == "challenger" {
      // Into what was kept of its call, if it was.
      if let answer { drawing.vault.add(call.callID, answer) }
      return answer != nil
    }
    guard window.sample >= 1 || Double.random(in: 0..<1) < window.sample else { return false }
    drawing.vault.keep(call, task: task.name, at: now, in: window, answer)
    return true
  }

  // MARK: - Comparisons

  /// Records how an answer compares with what its call's models said.
  ///
  /// - Parameter generation: In force now, for an answer without a decision.
  func compare(_ pair: Joining.Pair, generation: Generation) {
    let (frame, at) = (pair.answer.frame, pair.answer.at)
    guard let decided = pair.decided else {
      return unmatched(frame, cause: .unknownCall, generation: generation)
    }
    let task = decided.task?.policy
    if decided.candidate.isKept || decided.challenger?.isKept == true {
      drawing?.vault.add(
        frame.callID,
        JSONMember(
          "frontier",
          [
            "label": frame.answer.label.map { .string($0) } ?? .null,
            "answer": .string(frame.answer.comparableText),
          ]))
    }
    let comparison = Comparison(
      candidate: Self.agreement(decided.candidate, frame, task),
      challenger: decided.challenger.map { Self.agreement($0, frame, task) }, task: task?.name,
      // An answer may overtake its call.
      fallbackMs: Double(at - min(at, decided.arrived)) / 1e6)
    write(frame, comparison, decided.basis, isExpendable: decided.isShadow)
    if decided.isAudited, comparison.candidate.verdict == .disagree {
      doubts.withLock { $0 = true }
      doubts.notify()
    }
  }

  private static func agreement(
    _ side: Joining.Side, _ frame: AnswerFrame, _ task: TaskPolicy?
  ) -> AgreementResult {
    guard let answer = side.answer, let task else { return AgreementResult(.unknown, detail: side.cause) }
    return Agreement.compare(candidate: answer, frontier: frame.answer, task: task)
  }

  /// An answer that found no call: one `comparison` all the same.
  func unmatched(_ frame: AnswerFrame, cause: AgreementDetail, generation: Generation) {
    write(
      frame, Comparison(candidate: AgreementResult(.unknown, detail: cause)), generation.answers,
      isExpendable: true)
  }

  private struct Comparison {
    var candidate: AgreementResult
    /// nil where the task has no challenger or the call is not known.
    var challenger: AgreementResult?
    var task: String?
    /// Milliseconds from the call frame to the frontier's answer.
    var fallbackMs: Double?
  }

  private func write(
    _ frame: AnswerFrame, _ comparison: Comparison, _ basis: AnswerBasis, isExpendable: Bool
  ) {
    let seal = seal(basis.seal)
    let (result, task) = (comparison.candidate, comparison.task)
    let answer = frame.answer
    let cost = answer.costUSD ?? basis.frontierCost(of: answer)
    var record = RecordBody()
    record.field("call_id", frame.callID)
    record.field("frontier_model", basis.seal.name(answer.model))
    record.field("frontier_status", word: answer.error == nil ? "ok" : "error")
    var text = answer.comparableText
    text.withUTF8 { bytes in
      let span = unsafe bytes.span
      record.field("frontier_answer_hash") { writer in
        if span.isEmpty { writer.null() } else { seal.writeHash(span, into: &writer) }
      }
      record.field("frontier_answer_preview", utf8: span.isEmpty ? nil : seal.preview(span))
    }
    record.field("frontier_label", result.frontierLabel.flatMap { basis.seal.label($0, limit: 128) })
    record.field("agreement", result.verdict.rawValue)
    record.field("agreement_score", result.score)
    record.field("agreement_detail", result.detail)
    record.field("frontier_latency_ms", answer.latencyMs)
    record.field("fallback_latency_ms", comparison.fallbackMs)
    record.field("frontier_input_tokens", answer.inputTokens)
    record.field("frontier_output_tokens", answer.outputTokens)
    record.field("frontier_cost_usd", cost)
    record.field("challenger_agreement", comparison.challenger?.verdict.rawValue)
    record.field("challenger_agreement_score", comparison.challenger?.score)
    record.field("challenger_agreement_detail", comparison.challenger?.detail)
    guard settle(.answer, record, isExpendable: isExpendable) else { return }
    metrics.withLock { metrics in
      metrics.compared(task: task, agreement: result.verdict.rawValue, fallbackMs: comparison.fallbackMs)
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
    guard settle(.outcome, record, isExpendable: false) else { return }
    let task = outcome.callID.flatMap { id in joining.withLock { $0.task(of: id) } }
    metrics.withLock { $0.ended(task: task, result: outcome.result) }
  }

  /// Records the answers that have waited long enough: for calls that never came, for challengers.
  package func expire(generation: Generation, everything: Bool = false) {
    let lost = joining.withLock { $0.expire(now: Clocks.monotonic(), everything: everything) }
    for pair in lost { compare(pair, generation: generation) }
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
