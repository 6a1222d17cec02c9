import Candidates
import Deciding
import Overload
import PolicyFiles
import Posix
import RouterCore
import Senders
import Synchronization
import Wire

/// What is bounded, how much of it there is now, and what is given up for it: a part of `status`.
enum LimitsStatus {
  static func document(_ sidecar: SidecarState) -> JSONValue {
    let pipeline = sidecar.pipeline
    let (pressure, tap) = (pipeline.pressure, pipeline.activity.latest)
    func number(_ value: Int?) -> JSONValue { value.map { .number(JSONNumber($0)) } ?? .null }
    return [
      "memory_bytes": number(pressure.plan.budgetBytes),
      "level": .string(pressure.level.rawValue),
      "queue_bytes": number(pressure.queuedBytes), "queue_limit_bytes": number(pressure.plan.queueBytes),
      "calm_below_bytes": number(pressure.calmBytes),
      "waiting_bytes": number(pipeline.recorder.joining.withLock { $0.bytes }),
      "waiting_limit_bytes": number(pressure.plan.waitingBytes),
      "buffer_bytes": number(tap.bufferBytes), "buffer_limit_bytes": number(pressure.plan.bufferBytes),
      "connections": number(tap.connections), "connections_limit": number(sidecar.limits.connections),
      "connections_per_user": number(sidecar.limits.perUser), "accepting": .bool(tap.isAccepting),
      "turned_away": number(Int(tap.turnedAway)), "let_go": number(Int(tap.letGo)),
      "frames_per_second": number(sidecar.framesPerSecond),
      "descriptors": number(ProcessState.openDescriptors),
      "descriptors_limit": number(try? ProcessState.raiseDescriptorLimit(to: 0)),
      "threads": number(ProcessState.threads),
      "candidate_threads_limit": number(
        pipeline.current.pools.values.reduce(0) { $0 + $1.model.maxConcurrency + 1 }),
    ]
  }
}
