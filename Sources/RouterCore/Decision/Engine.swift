package import Text
import Wire

/// Decides calls. Pure: the same call, policy, context and answer always give the same decision.
///
/// Every check that can be made is made and recorded; the reason is the first that failed, in the contract's order.
package enum Engine {
  /// Memory that screening uses again from call to call; belongs to one thread.
  package struct Scratch: Sendable {
    package var hits = TermHits()
    package init() {}
  }

  /// Makes all checks that need no model.
  package static func screen(
    _ call: Call, policy: PreparedPolicy, context: DecisionContext, scratch: inout Scratch
  ) -> Screening {
    var screening = Screening()
    (screening.taskType, screening.taskTypeSource) = Classifier.taskType(
      of: call, rules: policy.policy.classifier)
    screening.task = screening.taskType.flatMap(policy.task)
    if let override = context.override {
      // The kill switch needs nothing else: no scan, no policy. Only the count is kept, for the record.
      screening.checks.record(.manualOverride, passes: false)
      screening.detail = override.description
      screening.inputChars = scalarCount(call.text.bytes.span)
      return screening
    }
    screening.checks.record(.manualOverride, passes: true)
    screening.checks.record(.unknownTask, passes: screening.task != nil)
    scanInput(call, policy: policy, context: context, scratch: &scratch, into: &screening)
    guard let task = screening.task else {
      screening.detail = screening.taskType == nil ? "absent" : "not_in_policy"
      return screening
    }
    let mayStay = task.policy.local && task.policy.impact != .high
    screening.checks.record(.policyRequiresFrontier, passes: mayStay)
    let raised = RiskSignal.allCases.filter { task.stopSignals.contains($0) && call.signals[$0] == true }
    screening.checks.record(.riskSignal, passes: raised.isEmpty)
    screening.checks.record(.inputTooLarge, passes: screening.inputChars <= task.policy.maxInputChars)
    screening.detail = screeningDetail(screening, task: task, raised: raised)
    return screening
  }

  private static func screeningDetail(
    _ screening: Screening, task: PreparedTask, raised: [RiskSignal]
  ) -> String? {
    switch screening.reason {
    case .policyRequiresFrontier: task.policy.local ? "impact_high" : "local_false"
    case .riskSignal: raised.map(\.rawValue).joined(separator: ",")
    case .inputTooLarge: "\(screening.inputChars)_over_\(task.policy.maxInputChars)"
    default: nil
    }
  }

  private static func scanInput(
    _ call: Call, policy: PreparedPolicy, context: DecisionContext, scratch: inout Scratch,
    into screening: inout Screening
  ) {
    let rest =
      policy.reviewedParts.isEmpty
      ? nil
      : call.text.without { part in
        policy.reviewedParts.contains(SHA256.hash(call.text.bytes.span.extracting(part)).hex)
      }
    if let rest {
      screening.inputChars = scalarCount(rest.span)
      policy.scanner.scan(rest.span, hits: &scratch.hits)
    } else {
      screening.inputChars = scalarCount(call.text.bytes.span)
      policy.scanner.scan(call.text.bytes.span, hits: &scratch.hits)
    }
    record(scratch.hits, at: .input, policy, context, screening.task, &screening.checks, &screening.hits)
  }

  /// Turns the ids that the scanner found into hits that hold for the task, and into the three checks.
  private static func record(
    _ found: TermHits, at place: HardStopHit.Place, _ policy: PreparedPolicy, _ context: DecisionContext,
    _ task: PreparedTask?, _ checks: inout Checks, _ hits: inout [HardStopHit]
  ) {
    for id in found.ids {
      let term = policy.terms[id]
      guard term.holds(for: task?.policy.name) else { continue }
      if let task, task.isWaived(term.text, on: context.today) { continue }
      checks.record(term.kind.reason, passes: false)
      hits.append(HardStopHit(kind: term.kind, term: term.text, place: place))
    }
    for kind in HardStopClass.allCases where checks[kind.reason] == .skipped {
      checks.record(kind.reason, passes: true)
    }
  }

  /// Makes the checks of the candidate's answer, after a screening that asked for one.
  ///
  /// The corrections are those fitted for this task, model, digest and prompt; of them the one for the source that the
  /// confidence comes from is applied.
  package static func judge(
    _ screening: Screening, call: Call, outcome: CandidateOutcome, policy: PreparedPolicy,
    context: DecisionContext,
    corrections: [ConfidenceCorrection] = [], scratch: inout Scratch
  ) -> Decision {
    var decision = Decision(checks: screening.checks, hits: screening.hits)
    if let override = context.override {
      // Switched on while the candidate was thinking: its answer no longer counts.
      decision.override(by: override.description)
      return decision
    }
    guard let task = screening.task, screening.reason == nil else { return withoutCandidate(screening) }
    var validated: ValidatedAnswer
    let confidence: ConfidenceChoice
    var unread: [UInt8] = []
    switch outcome {
    case .unavailable(let cause):
      decision.checks.record(.localUnavailable, passes: false)
      decision.detail = cause
      decision.validatorResult = "no answer: \(cause)"
      return decision
    case .classified(let label, let said, let isNovel):
      validated = ResponseValidation.check(classified: label, isNovel: isNovel, task: task)
      confidence = ConfidenceChoice(builtin: said, corrections: corrections)
    case .said(let reply):
      validated = ResponseValidation.check(reply, to: call, task: task)
      unread = reply.unreadText
      confidence = ConfidenceChoice(
        selfReported: validated.selfReported, measured: reply.measured, label: validated.answer?.label,
        corrections: corrections)
    }
    validated.grade(confidence.value, task: task)
    decision.checks.record(.localUnavailable, passes: true)
    decision.answer = validated.answer
    decision.confidence = confidence.value
    decision.confidenceRaw = confidence.raw
    decision.confidenceSource = confidence.source
    validated.record(into: &decision.checks)
    // Where no answer could be read, all that the model said is the answer.
    let said = validated.answer?.scannedText ?? unread
    policy.scanner.scan(said.span, hits: &scratch.hits)
    record(scratch.hits, at: .answer, policy, context, task, &decision.checks, &decision.hits)
    decision.detail = validated.detail(for: decision.reason)
    decision.validatorResult = validated.phrase(task: task.policy, reason: decision.reason)
    return decision
  }

  /// The decision of a call that needs no model.
  package static func withoutCandidate(_ screening: Screening) -> Decision {
    var decision = Decision(checks: screening.checks, hits: screening.hits, detail: screening.detail)
    if let reason = screening.reason { decision.validatorResult = "not asked: \(reason.rawValue)" }
    return decision
  }
}

extension CandidateAnswer {
  /// What hard-stop terms are looked for in: the label, and the answer's text or an object's names and values; of a
  /// tool call its name, and its arguments' names and values.
  var scannedText: [UInt8] {
    var text = CallText()
    if let label { text.appendPart { bytes in bytes.append(contentsOf: label.utf8) } }
    if let toolCall {
      toolCall.append(to: &text)
    } else {
      text.append(answer)
    }
    return text.bytes
  }
}

extension CandidateReply {
  /// All that the model said, for where no answer can be read out of it.
  fileprivate var unreadText: [UInt8] {
    var all = CallText(text)
    for call in toolCalls { call.append(to: &all) }
    return all.bytes
  }
}

extension ToolCall {
  fileprivate func append(to text: inout CallText) {
    text.appendPart { bytes in bytes.append(contentsOf: name.utf8) }
    text.append(arguments)
  }
}

extension CallText {
  fileprivate mutating func append(_ value: JSONValue) {
    value.forEachText { piece in appendPart { bytes in bytes.append(contentsOf: piece.utf8) } }
  }
}
