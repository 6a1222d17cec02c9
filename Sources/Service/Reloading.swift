import Candidates
import PolicyFiles
import Posix
import RouterCore
import Synchronization
import Wire

/// Takes a new policy in force, or leaves the old one deciding and says why.
///
/// One at a time, on whichever thread asks; the tap goes on deciding meanwhile.
package final class Reloading: Sendable {
  package enum Outcome: Sendable {
    case taken(revision: String, generation: Int)
    case unchanged(revision: String, generation: Int)
    case refused(lines: [String])
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
  private let pipeline: Pipeline
  private let inForce: PolicyInForce
  private let serviceManager: ServiceNotice
  private let log: EventLog
  private let turn = Mutex<[Retired]>([])
  private let last: Mutex<Last>

  init(
    loading: PolicyLoading, pipeline: Pipeline, inForce: PolicyInForce, serviceManager: ServiceNotice,
    log: EventLog, startedAt: Int64
  ) {
    self.inForce = inForce
    self.loading = loading
    self.pipeline = pipeline
    self.serviceManager = serviceManager
    self.log = log
    let first = pipeline.current
    last = Mutex(
      Last(
        outcome: .taken(revision: first.revision, generation: first.number), at: startedAt,
        lastGood: startedAt))
  }

  package var latest: Last { last.withLock { $0 } }

  /// Reads the policy file and swaps the generation, all or nothing.
  package func reload(by actor: String) -> Outcome {
    // Held for the whole reload: two at once could put the older file in force last.
    turn.withLock { retired in
      serviceManager.reloading()
      defer { serviceManager.ready() }
      let old = pipeline.current
      let (outcome, loaded, unused) = run(old)
      // First the record: what a tightened policy decides must not stand in the log before the word that it did.
      record(outcome, loaded?.generation ?? old, from: old, by: actor)
      if let loaded {
        tighten(from: old, to: loaded.generation)
        pipeline.adopt(loaded.generation)
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
  func reseal() throws(PosixError) -> (old: String, new: String) {
    try turn.withLock { (_) throws(PosixError) in
      let keys = try loading.keys.renewed()
      let old = pipeline.current
      if keys.current.id != old.seal.keyID { pipeline.adopt(old.resealed(with: keys.current)) }
      return (old.seal.keyID, keys.current.id)
    }
  }

  /// The key comes from the service manager.
  var keyIsCredential: Bool { loading.keys.isCredential }

  /// Pools of earlier generations whose last questions may still be under way: a stop must wait for them too.
  var retiredPools: [ModelPool] { turn.withLock { $0.flatMap(\.pools) } }

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
      return (.taken(revision: new.revision, generation: new.number), loaded, Array(retired))
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
    switch outcome {
    case .taken(let revision, let generation):
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
    body.field("actor", actor)
    let changes = PolicyInForce.changes(from: old.prepared.policy, to: current.prepared.policy)
    PolicyInForce.write(changes, into: &body)
    pipeline.recorder.write("policy", body)
  }
}
