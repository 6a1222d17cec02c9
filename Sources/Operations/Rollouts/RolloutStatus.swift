package import Deciding
import PolicyFiles
import Posix
import Rollout
import RouterCore
package import Wire

/// What `status` says of flags and stages.
package enum RolloutStatus {
  /// Every task that may be answered locally, with what to do next.
  package static func tasks(_ pipeline: Pipeline) -> JSONValue {
    let (generation, now) = (pipeline.current, Clocks.realtime())
    let rollouts = pipeline.rollouts
    let tasks = generation.prepared.policy.tasks.filter(\.mayBeLocal)
    return .array(
      tasks.map { task in
        let flag = rollouts.document[task.name] ?? Flag(task.name)
        return self.flag(
          flag, stage: rollouts.stage(of: task.name, in: generation, at: now),
          isKilled: pipeline.kill.override != nil, why: why(flag, pipeline, generation, at: now))
      })
  }

  /// Those that are answered locally now.
  package static func live(_ pipeline: Pipeline) -> JSONValue {
    .array((tasks(pipeline).arrayValue ?? []).filter { $0["stage"]?.stringValue != Stage.shadow.rawValue })
  }

  package static func lastDemotion(_ rollouts: Rollouts) -> JSONValue {
    guard let last = rollouts.lastDemotion else { return .null }
    return [
      "task": .string(last.task), "at": .string(Timestamp.string(last.at)), "reason": .string(last.reason),
      "actor": .string(last.actor),
    ]
  }

  /// - Parameters:
  ///   - isKilled: Whether the kill switch keeps the task from being served at its stage.
  ///   - why: Why a task that has a receipt is not served for the moment.
  static func flag(_ flag: Flag, stage: Stage, isKilled: Bool, why: String?) -> JSONValue {
    func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
    return [
      "task": .string(flag.task), "stage": .string(stage.rawValue),
      "served": .bool(stage != .shadow && !isKilled),
      "percent": .number(JSONNumber(flag.isServing ? flag.percent : 0)),
      "user_groups": .array(flag.isServing ? flag.userGroups.map { .string($0) } : []),
      "rotated": .bool(flag.isRotated), "override": .bool(flag.grant?.isOverride ?? false),
      "approver": text(flag.grant?.approver), "receipt": text(flag.grant?.receipt),
      "receipt_expires_at": text(flag.grant.map { Timestamp.string($0.expiresAt) }),
      "previous_expires_at": text(flag.previous.map { Timestamp.string($0.expiresAt) }),
      "models": .array(
        (flag.grant?.models ?? []).map {
          ["id": .string($0.id), "name": text($0.name), "digest": text($0.digest)]
        }),
      "safeguards": flag.grant?.safeguards.json ?? .null,
      "why": text(why), "next": .string(next(flag)),
    ]
  }

  private static func why(_ flag: Flag, _ pipeline: Pipeline, _ generation: Generation, at now: Int64)
    -> String?
  {
    if let problem = pipeline.rollouts.problem { return problem }
    guard flag.isServing else {
      return flag.off.map { $0 == .stale ? "its receipt ended" : "it was demoted" }
    }
    switch pipeline.rollouts.fit(of: flag, generation.prepared.task(flag.task), generation, at: now) {
    case .fits: return nil
    case .unknown(let why), .differs(let why): return why
    }
  }

  private static func next(_ flag: Flag) -> String {
    guard flag.isServing else { return "shadow-router gate \(flag.task)" }
    if flag.grant?.isOverride == true { return "shadow-router demote \(flag.task) --reason T" }
    guard let next = Stages.next(after: flag.percent) else { return "shadow-router report" }
    return "shadow-router promote \(flag.task) --percent \(next)"
  }
}
