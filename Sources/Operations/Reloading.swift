package import Candidates
package import Deciding
package import PolicyFiles
package import Posix
import Rollout
import RouterCore
import Synchronization
package import Wire

/// Takes a new policy in force, or leaves the old one deciding and says why.
///
/// One at a time, on whichever thread asks; the tap goes on deciding meanwhile.
package final class Reloading: Sendable {
  package enum Outcome: Sendable {
    case taken(revision: String, generation: Int, sentBack: [SentBack])
    case unchanged(revision: String, generation: Int)
    case refused(lines: [String])
  }

  /// A task that was served until this policy ended its receipt.
  package struct SentBack: Sendable, Equatable {
    package let task: String
    package let reason: String
  }

  /// Pools that a generation did not hand on. A call that it screened may put its next question to them for as long as
  /// anything holds the generation.
  private struct Retired: Sendable {
    weak let generation: Generation?
    let pools: [ModelPool]

    var isInUse: Bool { generation != nil || pools.contains { $0.load != (0, 0) } }
  }

  package struct Last: Sendable {
    package var outcome: Outcome
    package var at: Int64
    /// When a policy was last taken.
    package var lastGood: Int64
  }

  private let loading: PolicyLoading
  private let changes: FlagChanges
  private let inForce: PolicyInForce
  private let serviceManager: ServiceNotice
  private let log: EventLog
  private let turn = Mutex<[Retired]>([])
  private let last: Mutex<Last>

  package init(
    loading: PolicyLoading, changes: FlagChanges, inForce: PolicyInForce, serviceManager: ServiceNotice,
    log: EventLog, startedAt: Int64
  ) {
    self.inForce = inForce
    self.loading = loading
    self.changes = changes
    self.serviceManager = serviceManager
    self.log = log
    let first = changes.pipeline.current
    last = Mutex(
      Last(
        outcome: .taken(revision: first.revision, generation: first.number, sentBack: []), at: startedAt,
        lastGood: startedAt))
  }

  private var pipeline: Pipeline { changes.pipeline }

  package var latest: Last { last.withLock { $0 } }

  /// Reads the policy file and swaps the generation, all or nothing.
  package func reload(by actor: String) -> Outcome {
    // Held for the whole reload: two at once could put the older file in force last.
    turn.withLock { retired in
      serviceManager.reloading()
      defer { serviceManager.ready() }
      let old = pipeline.current
      var (outcome, loaded, unused) = run(old)
      var ended: [Rollouts.Ended] = []
      if let new = loaded?.generation {
        tighten(from: old, to: new)
        ended = pipeline.rollouts.document.sorted.compactMap {
          pipeline.rollouts.ended($0, in: new, at: Clocks.realtime())
        }
        outcome = .taken(
          revision: new.revision, generation: new.number,
          sentBack: ended.map { SentBack(task: $0.task, reason: $0.reason) })
      }
      // First the record: what a tightened policy decides must not stand in the log before the word that it did.
      record(outcome, loaded?.generation ?? old, from: old, by: actor)
      if let loaded {
        pipeline.adopt(loaded.generation)
        for end in ended {
          let words = FlagChanges.Words(reason: end.reason, actor: Demotions.actor)
          changes.turnOff(end.task, .stale, words, keepsRotation: end.keepsRotation)
        }
        pipeline.rollouts.lookAgain()
        keep(loaded.text)
      }
      for pool in unused { pool.retire() }
      retired = retired.filter(\.isInUse) + [Retired(generation: old, pools: unused)]
      return outcome
    }
  }

  /// Makes hashes with the key that `keys/` now names, under the policy in force.
  ///
  /// - Returns: The ids of the key before and of the one now; the policy's file is not looked at.
  package func reseal() throws(PosixError) -> (old: String, new: String) {
    try turn.withLock { (_) throws(PosixError) in
      let keys = try loading.keys.renewed()
      let old = pipeline.current
      if keys.current.id != old.seal.keyID { pipeline.adopt(old.resealed(with: keys.current)) }
      return (old.seal.keyID, keys.current.id)
    }
  }

  /// The key comes from the service manager.
  package var keyIsCredential: Bool { loading.keys.isCredential }

  /// Pools of earlier generations whose last questions may still be under way: a stop must wait for them too.
  package var retiredPools: [ModelPool] { turn.withLock { $0.flatMap(\.pools) } }

  private func run(_ old: Generation) -> (Outcome, PolicyLoading.Loaded?, unused: [ModelPool]) {
    do throws(PolicyLoading.Refusal) {
      let loaded = try loading.load(number: old.number + 1, previous: old, now: Clocks.realtime())
      let new = loaded.generation
      for ignored in loaded.ignored {
        log.warning("calibration_ignored", ["file": ignored.file, "why": ignored.why])
      }
      let isSame =
        new.revision == old.revision && new.seal.keyID == old.seal.keyID
        && new.calibrations == old.calibrations
        && new.pools.count == old.pools.count
        && new.pools.allSatisfy { old.pools[$0.key] === $0.value }
      if isSame { return (.unchanged(revision: old.revision, generation: old.number), nil, []) }
      let retired = old.pools.values.filter { pool in !new.pools.values.contains { $0 === pool } }
      return (.taken(revision: new.revision, generation: new.number, sentBack: []), loaded, Array(retired))
    } catch {
      return (.refused(lines: error.lines(loading.path)), nil, [])
    }
  }

  /// A receipt outlasts a policy that only tightened: said before the first call comes under it.
  private func tighten(from old: Generation, to new: Generation) {
    pipeline.rollouts.tightened(PolicyInForce.changes(from: old.prepared.policy, to: new.prepared.policy))
  }

  private func keep(_ text: [UInt8]) {
    do throws(PosixError) {
      try inForce.write(text)
    } catch {
      log.warning("policy_not_kept", ["why": error.description])
    }
  }

  private func record(_ outcome: Outcome, _ current: Generation, from old: Generation, by actor: String) {
    let now = Clocks.realtime()
    last.withLock { last in
      last.outcome = outcome
      last.at = now
      if case .refused = outcome { return }
      last.lastGood = now
    }
    var body = RecordBody()
    body.field("revision", current.revision)
    body.field("generation", current.number)
    var errors: [String] = []
    var sentBack: [SentBack] = []
    switch outcome {
    case .taken(let revision, let generation, let tasks):
      sentBack = tasks
      body.field("taken", true)
      log.info("policy_reloaded", ["revision": revision, "generation": "\(generation)", "by": actor])
    case .unchanged(let revision, _):
      body.field("taken", true)
      log.info("policy_unchanged", ["revision": revision, "by": actor])
    case .refused(let lines):
      errors = lines
      body.field("taken", false)
      log.warning("policy_refused", ["errors": "\(lines.count)", "first": lines.first ?? "", "by": actor])
    }
    body.field("errors") { writer in
      writer.beginArray()
      // A policy of a thousand mistakes must not push the record over its limit.
      for line in errors.prefix(50) { writer.string(String(line.prefix(500))) }
      writer.endArray()
    }
    body.field("sent_back") { $0.value(SentBack.json(sentBack)) }
    body.field("actor", actor)
    let changes = PolicyInForce.changes(from: old.prepared.policy, to: current.prepared.policy)
    PolicyInForce.write(changes, into: &body)
    pipeline.recorder.write("policy", body)
  }
}

extension Reloading.SentBack {
  package static func json(_ tasks: [Reloading.SentBack]) -> JSONValue {
    .array(tasks.map { ["task": .string($0.task), "reason": .string($0.reason)] })
  }
}
