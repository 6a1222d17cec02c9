import RouterCore
import Text
import Wire

/// One thing that can differ between two policies: how it is said, and what it means for the evidence.
struct PolicyFacet<Subject>: Sendable {
  enum Weight { case keeps, restarts }

  let name: String
  /// The whole of it, as text: equal where nothing changed.
  let words: @Sendable (Subject) -> String
  /// Whether it has a part in which answers are accepted.
  private(set) var isEvidence = true
  private let describe: @Sendable (Subject, Subject) -> String?
  private let weigh: @Sendable (Subject, Subject) -> Weight

  /// The change in words; nil where nothing changed.
  func line(_ old: Subject, _ new: Subject) -> String? { describe(old, new) }

  func weight(_ old: Subject, _ new: Subject) -> Weight { weigh(old, new) }

  /// A value that is said as text and compared as text. Whatever it is, its change restarts the evidence.
  static func answer(_ name: String, _ words: @escaping @Sendable (Subject) -> String) -> PolicyFacet {
    value(name, words) { _, _ in .restarts }
  }

  /// A value that has no part in which answers are accepted.
  static func around(_ name: String, _ words: @escaping @Sendable (Subject) -> String) -> PolicyFacet {
    var facet = value(name, words) { _, _ in .keeps }
    facet.isEvidence = false
    return facet
  }

  /// A number of which one direction only tightens.
  static func limit<Value: Comparable & Sendable>(
    _ name: String, tighter: Direction, _ value: @escaping @Sendable (Subject) -> Value,
    _ words: @escaping @Sendable (Value) -> String
  ) -> PolicyFacet {
    Self.value(
      name, { words(value($0)) },
      { old, new in
        let isTighter = tighter == .higher ? value(new) >= value(old) : value(new) <= value(old)
        return isTighter ? .keeps : .restarts
      })
  }

  enum Direction { case higher, lower }

  /// A set that only tightens while it grows.
  static func stops(_ name: String, _ items: @escaping @Sendable (Subject) -> Set<String>) -> PolicyFacet {
    PolicyFacet(
      name: name, words: { items($0).sorted().joined(separator: "\n") },
      describe: { old, new in
        let (before, after) = (items(old), items(new))
        let added = after.subtracting(before).sorted().map { "+ \($0)" }
        let removed = before.subtracting(after).sorted().map { "− \($0)" }
        let changes = added + removed
        return changes.isEmpty ? nil : "\(name): \(changes.joined(separator: ", "))"
      },
      weigh: { old, new in items(old).isSubset(of: items(new)) ? .keeps : .restarts })
  }

  private static func value(
    _ name: String, _ words: @escaping @Sendable (Subject) -> String,
    _ weigh: @escaping @Sendable (Subject, Subject) -> Weight
  ) -> PolicyFacet {
    PolicyFacet(
      name: name, words: words,
      describe: { old, new in
        let (before, after) = (words(old), words(new))
        guard before != after else { return nil }
        return "\(name): \(cut(before)) → \(cut(after))"
      }, weigh: weigh)
  }

  /// Prompts and schemas are told apart by a hash: they would fill the page.
  private static func cut(_ words: String) -> String {
    guard words.utf8.count > 120 else { return words.isEmpty ? "none" : words }
    return "\(words.utf8.count) bytes (\(SHA256.hash(Array(words.utf8)).hex.prefix(8)))"
  }
}

extension PolicyFacet<TaskView> {
  static let task: [PolicyFacet] = asked + answers + tightening + judged + around

  /// What evidence rests on: all but what has no part in which answers are accepted.
  static let evidence: [PolicyFacet] = asked.filter(\.isEvidence) + answers + tightening + judged

  private static let asked: [PolicyFacet] = [
    .around("owner") { $0.task.owner ?? "nobody" },
    .around("local") { "\($0.task.local)" },
    .around("impact") { $0.task.impact.rawValue },
    .answer("candidate") { PolicyWords.list($0.candidates.map(PolicyWords.model)) },
    .answer("model file") { PolicyWords.list($0.candidates.map { $0.file ?? "none" }) },
    .answer("text goes to") { view in
      guard view.task.mayBeLocal else { return "none" }
      return PolicyWords.list(view.candidates.map { $0.endpoint?.description ?? "this process" })
    },
    .answer("max_output_tokens") { PolicyWords.list($0.candidates.map { "\($0.maxOutputTokens)" }) },
    .answer("cascade") { PolicyWords.list($0.task.cascade) },
    .around("challenger") { $0.task.challenger ?? "none" },
  ]

  private static let answers: [PolicyFacet] = [
    .answer("labels") { PolicyWords.list($0.task.labels.map(\.name)) },
    .answer("label descriptions") { view in
      view.task.labels.compactMap { label in label.description.map { "\(label.name): \($0)" } }.joined(
        separator: "; ")
    },
    .answer("output") { $0.task.output.rawValue },
    .answer("output_schema") { $0.task.outputSchema?.canonicalText ?? "" },
    .answer("prompt") { $0.task.prompt ?? "" },
    .answer("examples") { view in
      view.task.examples.map { "\($0.input) → \($0.answer.canonicalText)" }.joined(separator: "\n")
    },
    .answer("schema_retry") { "\($0.task.schemaRetry)" },
    .answer("samples") { "\($0.task.samples)" },
    .answer("cite_artifacts") { "\($0.task.citeArtifacts)" },
    .answer("reject_refusals") { "\($0.task.rejectRefusals)" },
    .answer("classifier rules") { $0.rules.joined(separator: " or ") },
    .answer("reviewed parts") { $0.policy.hardStops.reviewed.map(\.sha256).sorted().joined(separator: ", ") },
  ]

  /// The changes that EVIDENCE lets an epoch survive.
  private static let tightening: [PolicyFacet] = [
    .limit("min_confidence", tighter: .higher, { $0.task.minConfidence }, PolicyWords.number),
    .limit("max_input_chars", tighter: .lower, { $0.task.maxInputChars }, String.init),
    .limit("max_output_chars", tighter: .lower, { $0.task.maxOutputChars }, String.init),
    .stops("escalate_labels") { Set($0.task.escalateLabels) },
    .stops("hard stops") { $0.stops },
    .stops("stop_signals") { Set($0.task.stopSignals.map(\.rawValue)) },
  ]

  private static let judged: [PolicyFacet] = [
    .answer("agreement") { view in
      let agreement = view.task.agreement
      let map = agreement.map.sorted { $0.key < $1.key }.map { "\($0.key) is \($0.value)" }
      return
        "by \(agreement.by.rawValue), from \(agreement.from?.words ?? "the answer"), map \(PolicyWords.list(map)), "
        + "fields \(PolicyWords.list(agreement.fields)), score from \(PolicyWords.number(agreement.minScore))"
    },
    .answer("rubric") { $0.task.rubric ?? "" },
    .answer("gate") { PolicyWords.gate($0.task.gate) },
  ]

  private static let around: [PolicyFacet] = [
    .around("eval_set") { $0.task.evalSet ?? "none" },
    .around("shares") { view in
      "review \(PolicyWords.percent(view.task.reviewSample)), audit \(PolicyWords.percent(view.task.auditShare)), "
        + "control \(PolicyWords.percent(view.task.controlShare))"
    },
    .around("capture") { PolicyWords.capture($0.task.capture) },
    .around("budget") { PolicyWords.list($0.task.budgets.map(PolicyWords.budget)) },
    .around("upkeep") { "\(PolicyWords.number($0.task.upkeepUSDPerMonth)) USD a month" },
    .around("advice") { view in
      let advice = view.task.advice
      let attempts = advice.maxAttempts.map { "at most \($0) attempts" }
      let parts = [
        advice.fallbacks.isEmpty ? nil : "fallbacks \(PolicyWords.list(advice.fallbacks))",
        advice.retryOn.isEmpty ? nil : "retry on \(PolicyWords.list(advice.retryOn))", attempts,
        advice.onExhausted.map { "then \($0.rawValue)" }, advice.switchMidRun.map { "switch mid-run \($0)" },
      ]
      return PolicyWords.list(parts.compactMap(\.self))
    },
  ]
}

extension PolicyFacet<Policy> {
  /// What is no single task's. Its effect on tasks shows in their own facets.
  static let policy: [PolicyFacet] = [
    .stops("waivers") { Set($0.hardStops.waivers.map(PolicyWords.waiver)) },
    .stops("models") { policy in
      Set(
        policy.models.map {
          "\(PolicyWords.model($0)) at \($0.isCandidate ? PolicyWords.host($0) : "its provider")"
        })
    },
    .around("frontier") { $0.frontier ?? "not named" },
    .around("built-in hard stops") { $0.hardStops.builtin ? "hold" : "switched off" },
    .around("terms for every task") { PolicyWords.terms($0.hardStops.terms) },
    .around("previews") { "\($0.privacy.previewChars) characters" },
    .around("log kept") { policy in
      "\(policy.privacy.retentionDays) days" + (policy.privacy.maxLogMB.map { ", at most \($0) MB" } ?? "")
    },
    .stops("redacted patterns") { Set($0.privacy.redact.map(\.source)) },
    .around("classifier") { "\($0.classifier.count) rules" },
    .stops("tests") { Set($0.tests.map(\.name)) },
    .around("reviewed") { policy in
      "by \(PolicyWords.list(policy.reviewed.by)) on \(policy.reviewed.on ?? "no day"), due \(policy.reviewed.due ?? "never")"
    },
  ]
}

extension AgreementPolicy.Source {
  fileprivate var words: String {
    switch self {
    case .pointer(let pointer): "pointer \(pointer)"
    case .pattern(let pattern): "pattern \(pattern.source)"
    }
  }
}
