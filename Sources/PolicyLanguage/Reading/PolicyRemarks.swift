import RouterCore
import Wire

/// What a reviewer should look at though it is allowed.
enum PolicyRemarks {
  static func add(_ policy: Policy, _ draft: PolicyDraft, _ findings: inout PolicyFindings) {
    remarkDates(policy, draft, &findings)
    if !policy.hardStops.builtin, let mark = draft.hardStops.builtinMark {
      findings.warning(
        mark, "the built-in hard-stop terms are switched off; only the terms of this file stop a call")
    }
    remarkOwners(policy, &findings)
    remarkTests(policy, &findings)
    for task in policy.tasks where task.local { remark(on: task, policy, &findings) }
    for name in draft.defaults.fallbacks + draft.tasks.flatMap(\.fallbacks)
    where policy.model(name.value) == nil {
      findings.warning(
        name.mark,
        "`fallbacks` names \(PolicyProblem.quote(name.value)), which is not among `models`; it is passed on as written"
      )
    }
  }

  private static func remarkDates(_ policy: Policy, _ draft: PolicyDraft, _ findings: inout PolicyFindings) {
    // Days in this form are in the order of their texts.
    guard let today = findings.options.today else { return }
    if let due = draft.due, due.value < today {
      findings.warning(
        due.mark, "the review was due on \(due.value); review the policy and set `on` and `due`")
    }
    for waiver in draft.hardStops.waivers {
      guard let until = waiver.until, until.value < today else { continue }
      findings.warning(
        until.mark,
        "the waiver of \(PolicyProblem.quote(waiver.waiver.term)) ended on \(until.value); the term stops again: remove it"
      )
    }
  }

  private static func remarkOwners(_ policy: Policy, _ findings: inout PolicyFindings) {
    let ownerless = policy.tasks.filter { $0.owner == nil }
    if findings.options.isStrict {
      for task in ownerless {
        findings.error(
          task.mark, "task \(PolicyProblem.code(task.name)) has no `owner`; name who answers for it")
      }
    } else if let first = ownerless.first {
      findings.warning(first.mark, "no `owner`: \(PolicyProblem.list(ownerless.map(\.name)))")
    }
  }

  private static func remarkTests(_ policy: Policy, _ findings: inout PolicyFindings) {
    let tested = Set(policy.tests.compactMap(\.task))
    let untested = policy.tasks.filter { $0.local && !tested.contains($0.name) }
    guard let first = untested.first else { return }
    findings.warning(
      first.mark, "local without a test: \(PolicyProblem.list(untested.map(\.name))); add one to `tests`")
  }

  private static func remark(on task: TaskPolicy, _ policy: Policy, _ findings: inout PolicyFindings) {
    let known = Set(task.labels.map(\.name))
    for label in known.isEmpty ? [] : task.examples.compactMap({ $0.answer["label"] ?? $0.answer })
    where label.members == nil && !known.contains(label.stringValue ?? "") {
      findings.warning(
        task.mark,
        "an example of task \(PolicyProblem.code(task.name)) answers \(PolicyProblem.quote(label.stringValue ?? label.jsonText)), which is not among its labels"
      )
    }
    if task.impact == .high {
      findings.warning(
        task.mark,
        "task \(PolicyProblem.code(task.name)) is local, but its impact is high: every call stays with the frontier"
      )
    }
    if case .window(let until, _, _) = task.capture, let today = findings.options.today,
      until.prefix(10) < today
    {
      findings.warning(
        task.mark,
        "the debug window of task \(PolicyProblem.code(task.name)) ended on \(until); no text is kept: remove `capture` or set a later `until`"
      )
    }
    // A window is for looking into faults; what was drawn may not be in it.
    if task.capture != .sampled, policy.privacy.previewChars == 0 {
      findings.warning(
        task.mark,
        "nobody could review task \(PolicyProblem.code(task.name)): `capture` is not `sampled` and `preview_chars` is 0, so no text would be left to look at"
      )
    }
  }
}
