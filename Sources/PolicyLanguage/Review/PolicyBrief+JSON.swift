package import RouterCore
import Text
package import Wire

extension PolicyBrief {
  /// The same page as data.
  package static func json(_ policy: Policy, today: String) -> JSONValue {
    let counts = PolicyTestCounts(policy)
    let review = policy.reviewed
    return [
      "revision": .string(policy.revision),
      "reviewed": [
        "by": strings(review.by), "on": optional(review.on), "due": optional(review.due),
        "overdue": .bool(review.due.map { $0 < today } ?? false),
      ],
      "waivers": .array(policy.hardStops.waivers.map { waiver($0, today) }),
      "tasks": .array(policy.tasks.map { task($0, policy, counts) }),
      "hard_stops": [
        "builtin": .bool(policy.hardStops.builtin), "extra": terms(policy.hardStops.terms),
        "reviewed": .array(policy.hardStops.reviewed.map(reviewed)),
      ],
      "hosts": .array(
        PolicyHosts.of(policy).map { ["host": .string($0.host), "tasks": strings($0.tasks)] }),
      "frontier": optional(policy.frontier),
      "kept": [
        "preview_chars": number(policy.privacy.previewChars),
        "retention_days": number(policy.privacy.retentionDays),
        "max_log_mb": policy.privacy.maxLogMB.map(number) ?? .null,
        "redact": strings(policy.privacy.redact.map(\.source)),
      ],
      "tests": number(policy.tests.count),
    ]
  }

  private static func task(_ task: TaskPolicy, _ policy: Policy, _ counts: PolicyTestCounts) -> JSONValue {
    [
      "task": .string(task.name), "owner": optional(task.owner), "local": .bool(task.mayBeLocal),
      "impact": .string(task.impact.rawValue), "model": optional(task.model),
      "cascade": strings(task.cascade), "challenger": optional(task.challenger),
      "hosts": strings(task.askedModels.compactMap(policy.model).map(PolicyWords.host)),
      "min_confidence": number(task.minConfidence), "labels": strings(task.labels.map(\.name)),
      "escalate_labels": strings(task.escalateLabels), "max_input_chars": number(task.maxInputChars),
      "max_output_chars": number(task.maxOutputChars), "hard_stops": terms(task.hardStops),
      "stop_signals": strings(task.stopSignals.map(\.rawValue)), "capture": capture(task.capture),
      "gate": gate(task.gate), "tests": number(counts[task.name] ?? 0),
    ]
  }

  private static func waiver(_ waiver: HardStopPolicy.Waiver, _ today: String) -> JSONValue {
    [
      "term": .string(waiver.term), "task": .string(waiver.task), "reason": .string(waiver.reason),
      "by": .string(waiver.by), "until": .string(waiver.until), "ended": .bool(waiver.until < today),
    ]
  }

  private static func reviewed(_ part: HardStopPolicy.ReviewedPart) -> JSONValue {
    [
      "sha256": .string(part.sha256), "what": .string(part.what), "by": .string(part.by),
      "on": .string(part.on),
    ]
  }

  private static func gate(_ gate: GatePolicy) -> JSONValue {
    [
      "max_false_accept_rate": number(gate.maxFalseAcceptRate), "alpha": number(gate.alpha),
      "window_days": number(gate.windowDays), "min_weeks": number(gate.minWeeks),
      "review_deadline_days": number(gate.reviewDeadlineDays), "profile": .string(gate.profile.rawValue),
    ]
  }

  private static func capture(_ capture: TaskPolicy.CapturePolicy) -> JSONValue {
    switch capture {
    case .off: "off"
    case .sampled: "sampled"
    case .window(let until, let sample, let size):
      ["until": .string(until), "sample": number(sample), "max_mb": number(size)]
    }
  }

  private static func terms(_ terms: [HardStopClass: [String]]) -> JSONValue {
    .object(HardStopClass.allCases.map { JSONMember($0.rawValue, strings(terms[$0] ?? [])) })
  }

  private static func strings(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }
  private static func optional(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
  private static func number(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }
  private static func number(_ value: Double) -> JSONValue {
    Int(exactly: value).map(number) ?? JSONNumber(value).map { .number($0) } ?? .null
  }
}
