package import RouterCore
package import Wire

/// What changes from one policy to another, and what that does to the evidence (`check --against`).
package struct PolicyDifference: Sendable {
  /// What a change does to a task's evidence; the strictest of its parts counts.
  package enum Effect: String, Sendable, CaseIterable {
    /// Nothing that concerns its answers changed, or it only tightened.
    case keeps = "keeps its evidence"
    /// May be answered locally from now on, having no evidence yet.
    case starts = "starts its evidence"
    case restarts = "restarts its evidence"
    /// May no longer be answered locally, or is gone.
    case leaves = "leaves live"
  }

  package struct TaskChange: Sendable {
    package let task: String
    package let effect: Effect
    /// One line for each change; empty where there is none.
    package let lines: [String]
  }

  /// A task that is answered locally under the old policy.
  package struct Served: Sendable {
    /// By its challenger.
    let isRotated: Bool
    /// Which safeguard of its receipt the new policy has less of; nil: none.
    let loosened: String?

    package init(isRotated: Bool, loosened: String? = nil) {
      self.isRotated = isRotated
      self.loosened = loosened
    }
  }

  /// Changes that are no single task's.
  package let lines: [String]
  /// Each task of either policy: the new one's in its order, then those that are gone.
  package let tasks: [TaskChange]

  package var isEmpty: Bool { lines.isEmpty && tasks.allSatisfy { $0.lines.isEmpty } }

  /// - Parameter live: Tasks that are served now: a change that restarts the evidence of what serves ends its receipt,
  ///   and so does one that loosens its safeguards.
  package static func between(_ old: Policy, _ new: Policy, live: [String: Served] = [:]) -> PolicyDifference
  {
    let gone = old.tasks.filter { new.task($0.name) == nil }
    return PolicyDifference(
      lines: PolicyFacet.policy.compactMap { $0.line(old, new) },
      tasks: new.tasks.map { change(old, new, $0, live[$0.name]) } + gone.map(removal))
  }

  /// The difference as text, tasks without a change in one line.
  package var text: String {
    var text = lines.map { "\($0)\n" }.joined()
    for change in tasks where !change.lines.isEmpty {
      text += "\(change.task): \(change.effect.rawValue)\n"
      for line in change.lines { text += "  \(line)\n" }
    }
    let unchanged = tasks.filter(\.lines.isEmpty).map(\.task)
    if !unchanged.isEmpty { text += "unchanged: \(unchanged.joined(separator: ", ")) (keeps its evidence)\n" }
    return text
  }

  package var json: JSONValue {
    [
      "changes": .array(lines.map { .string($0) }),
      "tasks": .array(
        tasks.map { change in
          [
            "task": .string(change.task), "evidence": .string(change.effect.rawValue),
            "changes": .array(change.lines.map { .string($0) }),
          ]
        }),
    ]
  }

  private static func change(_ old: Policy, _ new: Policy, _ task: TaskPolicy, _ served: Served?)
    -> TaskChange
  {
    guard let before = old.task(task.name) else {
      let words = task.mayBeLocal ? "new; may be answered locally" : "new; always the frontier"
      return TaskChange(task: task.name, effect: task.mayBeLocal ? .starts : .keeps, lines: [words])
    }
    let (left, right) = (TaskView(old, before), TaskView(new, task))
    var lines: [String] = []
    var effect = Effect.keeps
    for facet in PolicyFacet.task {
      guard let line = facet.line(left, right) else { continue }
      lines.append(line)
      if facet.weight(left, right) == .restarts { effect = .restarts }
    }
    switch (before.mayBeLocal, task.mayBeLocal) {
    case (true, false): effect = .leaves
    case (false, true): effect = .starts
    case (false, false): effect = .keeps
    case (true, true):
      guard let served else { break }
      if let loosened = served.loosened { lines.append("the receipt ends: \(loosened)") }
      if served.loosened != nil || endsReceipt(task.name, old, new, isChallenger: served.isRotated) {
        effect = .leaves
      }
    }
    return TaskChange(task: task.name, effect: effect, lines: lines)
  }

  private static func endsReceipt(_ task: String, _ old: Policy, _ new: Policy, isChallenger: Bool) -> Bool {
    TaskRevision.of(task, in: old, isChallenger: isChallenger)
      != TaskRevision.of(task, in: new, isChallenger: isChallenger)
      && !TaskRevision.isTightened(task, from: old, to: new, isChallenger: isChallenger)
  }

  private static func removal(_ task: TaskPolicy) -> TaskChange {
    TaskChange(
      task: task.name, effect: task.mayBeLocal ? .leaves : .keeps,
      lines: ["removed; its calls will be `unknown_task`"])
  }
}

/// A task together with the policy around it.
struct TaskView {
  let policy: Policy
  let task: TaskPolicy
  /// The candidates in the order in which they are asked.
  let candidates: [ModelPolicy]

  init(_ policy: Policy, _ task: TaskPolicy) {
    self.policy = policy
    self.task = task
    candidates = task.steps.compactMap(policy.model)
  }

  /// Terms that hold for the task, waived ones taken off, each with its class.
  var stops: Set<String> {
    let waived = Set(
      policy.hardStops.waivers.filter { $0.task == task.name }.map { Policy.foldedTerm($0.term) })
    var stops: Set<String> = []
    for stop in HardStopClass.allCases {
      for term in policy.hardStopTerms(stop, of: task) where !waived.contains(Policy.foldedTerm(term)) {
        stops.insert("\(stop.rawValue): \(Policy.foldedTerm(term))")
      }
    }
    return stops
  }

  var rules: [String] {
    policy.classifier.filter { $0.task == task.name }.map { rule in
      let parts: [(String, String?)] = [
        ("agent", rule.agent), ("step", rule.step), ("model", rule.model),
        ("system_sha256", rule.systemSHA256),
        ("tool", rule.tool), ("text_prefix", rule.textPrefix), ("text_contains", rule.textContains),
      ]
      return parts.compactMap { name, value in value.map { "\(name) \(PolicyProblem.quote($0))" } }
        .joined(separator: " and ")
    }
  }
}
