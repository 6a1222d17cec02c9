import Deciding
import Journal
import Operations
import PolicyFiles
import Posix
import Rollout
import RouterCore
import Synchronization
import Wire

/// The counters of this process as members of the live events. Each is whole: a change carries those that differ.
enum ConsoleCounters {
  static func members(_ sidecar: SidecarState) -> [JSONMember] {
    let generation = sidecar.pipeline.current
    let journal = sidecar.pipeline.recorder.journal.status
    return [
      JSONMember("started_at", .string(Timestamp.string(sidecar.startedAt))),
      JSONMember("version", .string(SidecarVersion.text)),
      JSONMember("kill", StatusReport.kill(sidecar.pipeline.kill)),
      JSONMember(
        "policy",
        [
          "revision": .string(generation.revision), "generation": .number(JSONNumber(generation.number)),
          "last_reload": StatusReport.reload(sidecar.reloading.latest),
        ]),
      JSONMember("balance", StatusReport.balance(sidecar.pipeline)),
      JSONMember("log", ["failing": .bool(journal.failingSince != nil)]),
      JSONMember("tasks", tasks(sidecar, generation)),
    ]
  }

  private struct Tally {
    var local = 0
    var reasons: [String: Int] = [:]
    var agreements: [String: Int] = [:]
    var outcomes: [String: Int] = [:]
  }

  /// Since this process started: tasks of the policy in its order, then what came under other names.
  private static func tasks(_ sidecar: SidecarState, _ generation: Generation) -> JSONValue {
    let metrics = sidecar.pipeline.recorder.metrics.withLock { $0 }
    var tallies: [String: Tally] = [:]
    for (key, count) in metrics.decisions {
      if let reason = key.reason {
        tallies[key.task, default: Tally()].reasons[reason.rawValue] = Int(count)
      } else {
        tallies[key.task, default: Tally()].local = Int(count)
      }
    }
    for (key, count) in metrics.comparisons {
      tallies[key.first, default: Tally()].agreements[key.second] = Int(count)
    }
    for (key, count) in metrics.outcomes {
      tallies[key.first, default: Tally()].outcomes[key.second] = Int(count)
    }
    let policy = generation.prepared.policy.tasks
    let known = Set(policy.map(\.name))
    let others = tallies.keys.filter { !known.contains($0) }.sorted()
    return .array(
      policy.map { known in
        let stage = sidecar.pipeline.rollouts.stage(of: known.name, in: generation, at: Clocks.realtime())
        return task(known.name, isLocal: known.local, stage, tallies[known.name] ?? Tally())
      } + others.map { task($0, isLocal: false, .shadow, tallies[$0] ?? Tally()) })
  }

  private static func task(_ name: String, isLocal: Bool, _ stage: Stage, _ tally: Tally) -> JSONValue {
    func counts(_ counts: [String: Int]) -> JSONValue {
      .object(
        counts.sorted { $0.key < $1.key }.map { JSONMember($0.key, .number(JSONNumber($0.value))) })
    }
    return [
      "task": .string(name), "local": .bool(isLocal), "stage": .string(stage.rawValue),
      "would_accepts": .number(JSONNumber(tally.local)), "reasons": counts(tally.reasons),
      "agreement": counts(tally.agreements), "outcomes": counts(tally.outcomes),
    ]
  }
}
