package import RouterCore
internal import Wire

/// The part of a policy that the evidence about one task rests on, as a short name (`task_revision`).
package enum TaskRevision {
  /// First 12 hex digits of the SHA-256 of the canonical JSON of everything whose change restarts the task's evidence or
  /// tightens it: the task's keys, its models, the stops and waivers that hold for it, the rules that classify into it.
  ///
  /// - Parameter isChallenger: Of the evidence about the task's challenger, taken as its only candidate.
  /// - Returns: nil where the policy has no such task, or the task no challenger.
  package static func of(_ task: String, in policy: Policy, isChallenger: Bool = false) -> String? {
    guard let view = view(task, policy, isChallenger) else { return nil }
    let members = PolicyFacet.evidence.map { JSONMember($0.name, .string($0.words(view))) }
    return String(SHA256.hash(JSONValue.object(members).canonicalBytes).hex.prefix(12))
  }

  /// Whether the evidence under `old` is kept under `new`: whatever changed only tightened.
  package static func isTightened(
    _ task: String, from old: Policy, to new: Policy, isChallenger: Bool = false
  ) -> Bool {
    guard let before = view(task, old, isChallenger), let after = view(task, new, isChallenger),
      before.task.mayBeLocal, after.task.mayBeLocal
    else { return false }
    return PolicyFacet.evidence.allSatisfy { facet in
      facet.words(before) == facet.words(after) || facet.weight(before, after) == .keeps
    }
  }

  private static func view(_ name: String, _ policy: Policy, _ isChallenger: Bool) -> TaskView? {
    guard var task = policy.task(name) else { return nil }
    if isChallenger {
      guard let challenger = task.challenger else { return nil }
      (task.model, task.cascade) = (challenger, [])
    }
    return TaskView(policy, task)
  }
}
