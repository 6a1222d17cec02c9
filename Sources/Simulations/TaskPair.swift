import RouterCore
import Wire

/// A task as one policy has it beside the same calls' task in another: what differs for deciding again.
struct TaskPair: Sendable {
  /// A part of the text that was exempt from the scan no longer is.
  let scansMore: Bool
  /// A part is newly exempt.
  let scansLess: Bool
  /// Why the candidate's answer would be another one; nil: it is asked the same.
  let answerChange: Redecision.Cause?
  /// Only how long the router waits and how often it asks differs: an unavailable candidate might have answered.
  let waitsOtherwise: Bool
  /// The candidate is the built-in model, which reads nothing but the text.
  let isBuiltIn: Bool
  let labelsDiffer: Bool

  init(_ old: Policy, _ before: TaskPolicy?, _ new: Policy, _ task: TaskPolicy) {
    let exempt = Set(old.hardStops.reviewed.map { $0.sha256.lowercased() })
    let exemptNow = Set(new.hardStops.reviewed.map { $0.sha256.lowercased() })
    scansMore = !exempt.isSubset(of: exemptNow)
    scansLess = !exemptNow.isSubset(of: exempt)
    guard let before, before.name == task.name else {
      answerChange = .question
      waitsOtherwise = true
      isBuiltIn = false
      labelsDiffer = true
      return
    }
    let models = before.steps.compactMap(old.model)
    let modelsNow = task.steps.compactMap(new.model)
    let builtIn = models.allSatisfy { $0.provider == .builtin }
    isBuiltIn = builtIn
    waitsOtherwise = models.map(\.waiting) != modelsNow.map(\.waiting)
    let labelled = (before.labels.isEmpty, task.labels.isEmpty)
    labelsDiffer = !builtIn && before.labels != task.labels
    if models.map(\.identity) != modelsNow.map(\.identity) {
      answerChange = .candidate
    } else if labelled.0 != labelled.1 || (!builtIn && before.question != task.question) {
      answerChange = .question
    } else {
      answerChange = nil
    }
  }
}

extension ModelPolicy {
  /// What makes it another model to ask.
  fileprivate var identity: [String] {
    [
      id, provider.name, name, endpoint?.description ?? "", file ?? "", "\(maxOutputTokens)",
    ]
  }

  fileprivate var waiting: [Int] {
    [
      timeoutMs, maxConcurrency, maxQueue, retry.maxAttempts, retry.backoffMs, breaker.failures,
      breaker.cooldownMs, stream ? 1 : 0,
    ] + retry.retryOn.map { $0 == .rateLimit ? 1 : $0 == .serverError ? 2 : 3 }
  }
}

extension TaskPolicy {
  /// What the model is asked beside the text and the labels.
  fileprivate var question: [String] {
    [
      output.rawValue, outputSchema?.canonicalText ?? "", prompt ?? "", "\(schemaRetry)", "\(samples)",
    ] + examples.flatMap { [$0.input, $0.answer.canonicalText] }
  }
}

/// The checks of a candidate's answer, made again from what its record keeps.
struct AnswerReplay {
  private(set) var available: Told
  private(set) var schema: Told
  private(set) var label: Told
  private(set) var confidence: Told
  private(set) var assumesLabel = false
  /// Whether there is an answer that would be the same now.
  private(set) var isThere = false

  init(_ call: RecordedCall, pair: TaskPair, old: TaskPolicy?, new: TaskPolicy) {
    let unknown = Self.unknown(call, pair, old, new)
    let told: Told = unknown.map { .open($0) } ?? .pass
    (available, schema, label, confidence) = (told, told, told, told)
    guard unknown == nil, let old else { return }
    if call.checks[.localUnavailable] == .fail {
      available = pair.waitsOtherwise ? .open(.candidate) : .fail
      if pair.waitsOtherwise { (schema, label, confidence) = (available, available, available) }
      return
    }
    isThere = true
    schema = Self.schema(call, pair, old, new)
    assumesLabel = pair.labelsDiffer
    // What was said of itself by an answer that could not be read is no use where it might be read now.
    guard call.schemaFault == nil || schema == .pass else {
      if case .open = schema { (label, confidence) = (schema, schema) }
      endCascade(call)
      return
    }
    label = Told(!(call.label.map(new.escalateLabels.contains) ?? false))
    confidence = Told(!call.isNovel && (call.confidence ?? -1) >= new.minConfidence)
    endCascade(call)
  }

  /// Why nothing of the answer can be told; nil where it can.
  private static func unknown(
    _ call: RecordedCall, _ pair: TaskPair, _ old: TaskPolicy?, _ new: TaskPolicy
  ) -> Redecision.Cause? {
    guard call.wasAsked, let old else { return .notAsked }
    if let change = pair.answerChange { return change }
    if let step = call.cascadeStep {
      guard old.cascade == new.cascade else { return .cascade }
      if step > 1, !keepsEarlierSteps(old, new) { return .cascade }
    } else if !new.cascade.isEmpty {
      return .cascade
    }
    return nil
  }

  /// Whether steps whose answers were not good enough still are not: the record tells nothing else of them.
  private static func keepsEarlierSteps(_ old: TaskPolicy, _ new: TaskPolicy) -> Bool {
    new.minConfidence >= old.minConfidence && Set(new.escalateLabels).isSubset(of: old.escalateLabels)
      && old.labels == new.labels && old.maxOutputChars == new.maxOutputChars
      && old.rejectRefusals == new.rejectRefusals && old.citeArtifacts == new.citeArtifacts
  }

  /// Where a further model would be asked now that was not then, nothing is decided yet.
  private mutating func endCascade(_ call: RecordedCall) {
    guard let step = call.cascadeStep, let length = call.cascadeLength, step < length else { return }
    if schema == .fail, call.reason != .schemaInvalid { schema = .open(.cascade) }
    if confidence == .fail, label != .fail, call.reason != .confidenceLow { confidence = .open(.cascade) }
  }

  // MARK: The answer's shape

  private static func schema(
    _ call: RecordedCall, _ pair: TaskPair, _ old: TaskPolicy, _ new: TaskPolicy
  ) -> Told {
    guard let fault = call.schemaFault else { return passed(call, pair, old, new) }
    switch fault {
    case "label_not_in_set":
      // The label itself is not in the record.
      return Set(new.labels.map(\.name)).isSubset(of: old.labels.map(\.name)) ? .fail : .open(.answer)
    case "answer_too_long": return new.maxOutputChars <= old.maxOutputChars ? .fail : .open(.answer)
    case "refusal": return new.rejectRefusals ? .fail : .open(.answer)
    case "uncited_artifact":
      // The last of the checks but the tool's: all others passed.
      if new.citeArtifacts { return .fail }
      return new.output == .toolCall ? .open(.answer) : passed(call, pair, old, new)
    default: return .fail
    }
  }

  private static func passed(
    _ call: RecordedCall, _ pair: TaskPair, _ old: TaskPolicy, _ new: TaskPolicy
  ) -> Told {
    if !new.labels.isEmpty {
      guard let label = call.label else { return .open(.answer) }
      guard new.labels.contains(where: { $0.name == label }) else { return .fail }
    }
    if pair.isBuiltIn { return .pass }
    let isStricter =
      new.maxOutputChars < old.maxOutputChars || (new.rejectRefusals && !old.rejectRefusals)
      || (new.citeArtifacts && !old.citeArtifacts)
    return isStricter ? .open(.answer) : .pass
  }
}
