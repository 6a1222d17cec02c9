import Candidates
import PolicyFiles
import Posix
package import Probes
package import RouterCore
import Wire

/// Keeps what is known of the candidates' servers up to date: one thread that probes one model after another.
///
/// It probes at the start, after a reload, when a breaker has closed again and every ten minutes; not while the kill
/// switch is on. What it finds goes to the model's pool, to `status`, and to the log where it is news.
package final class Probing: Sendable {
  private let pipeline: Pipeline
  private let log: EventLog
  private let state: Monitor<State>

  /// What is known of one model: its last probe, and the last digest of that name.
  package struct Known: Sendable {
    package var model: String
    package var finding: ProbeFinding?
    package var digest: String?

    package init(model: String, finding: ProbeFinding? = nil, digest: String? = nil) {
      self.model = model
      self.finding = finding
      self.digest = digest
    }
  }

  private struct State: Sendable {
    var known: [String: Known]
    var isStopping = false
    var isRunning = false
  }

  /// - Parameter known: By model id, from the log's last records: a digest that changed while no router ran is news.
  package init(pipeline: Pipeline, log: EventLog, known: [String: Known] = [:]) {
    self.pipeline = pipeline
    self.log = log
    state = Monitor(State(known: known))
  }

  /// The last probe of a model in this run.
  package func latest(_ model: ModelPolicy) -> ProbeFinding? {
    state.withLock { state in
      state.known[model.id].flatMap { $0.model == model.name ? $0.finding : nil }
    }
  }

  /// Without a thread to be had there are no probes, and nothing else is the worse for it.
  package func start() {
    state.withLock { $0.isRunning = true }
    do throws(PosixError) {
      _ = try Thread.spawn(name: "probe") { [self] in run() }
    } catch {
      state.withLock { $0.isRunning = false }
      log.warning("probes_not_started", ["error": error.description])
    }
  }

  /// Ends a probe under way and waits for it; past the deadline it is left to itself and can no longer write.
  package func stop(until deadline: UInt64) {
    state.withLock { $0.isStopping = true }
    state.notify()
    state.wait(until: deadline, for: { !$0.isRunning }, { _ in })
  }

  private var isStopping: Bool { state.withLock { $0.isStopping } }

  /// How often breakers, policy and kill switch are looked at.
  private static let pauseMilliseconds: Int64 = 1_000

  private func run() {
    var schedule = ProbeSchedule()
    while !isStopping {
      if pipeline.kill.override == nil, probeNext(&schedule) { continue }
      let deadline = Clocks.deadline(afterMilliseconds: Self.pauseMilliseconds)
      state.wait(until: deadline, for: { $0.isStopping }, { _ in })
    }
    state.withLock { $0.isRunning = false }
    state.notify()
  }

  private func probeNext(_ schedule: inout ProbeSchedule) -> Bool {
    let generation = pipeline.current
    let models = generation.pools.values.filter { $0.model.endpoint != nil }.map { pool in
      ProbeSchedule.Model(
        id: pool.model.id, pool: ObjectIdentifier(pool), breakerIsClosed: pool.breaker.isClosed)
    }
    guard
      let (id, trigger) = schedule.next(models, generation: generation.number, now: Clocks.monotonic()),
      let pool = generation.pools[id]
    else { return false }
    let finding = pool.probe(now: Clocks.realtime()) { isStopping }
    schedule.probed(id, Self.ending(finding), at: Clocks.monotonic())
    if let finding { take(finding, of: pool, by: trigger) }
    return true
  }

  private static func ending(_ finding: ProbeFinding?) -> ProbeSchedule.Ending {
    guard let finding, finding.capabilities.fault != nil else { return .whole }
    return finding.hasAsked ? .noAnswer : .noServer
  }

  private func take(_ finding: ProbeFinding, of pool: ModelPool, by trigger: ProbeSchedule.Trigger) {
    let model = pool.model
    let before: Known? = state.withLock { state in
      guard !state.isStopping else { return nil }
      var known = state.known[model.id] ?? Known(model: model.name)
      if known.model != model.name { known = Known(model: model.name) }
      let before = known
      known.finding = finding
      known.digest = finding.capabilities.digest ?? known.digest
      state.known[model.id] = known
      pool.learn(finding)
      let isNews = before.finding.map { !$0.says(finding) } ?? true
      if isNews || trigger == .start || trigger == .reload {
        let body = ProbeRecord.body(finding, of: model, previousDigest: before.digest, by: trigger)
        pipeline.recorder.write("probe", body)
      }
      return before
    }
    pipeline.rollouts.lookAgain()
    if let before { announce(finding, model, before) }
  }

  /// Says what is wrong, or right again, when that changes.
  private func announce(_ finding: ProbeFinding, _ model: ModelPolicy, _ before: Known) {
    let host = model.endpoint?.authority ?? ""
    let (old, new) = (before.finding?.problem(of: model), finding.problem(of: model))
    if let new, new != old {
      log.warning(
        "model_problem", ["model": model.id, "host": host, "problem": new.text, "remedy": new.remedy])
    } else if new == nil, old != nil {
      log.info("model_well", ["model": model.id, "host": host])
    }
    if let from = before.digest, let to = finding.capabilities.digest, from != to {
      log.warning("model_digest_changed", ["model": model.id, "host": host, "from": from, "to": to])
    }
  }
}

/// The record `probe`.
enum ProbeRecord {
  static func body(
    _ finding: ProbeFinding, of model: ModelPolicy, previousDigest: String?, by trigger: ProbeSchedule.Trigger
  ) -> RecordBody {
    let found = finding.capabilities
    var body = RecordBody()
    body.field("model_id", model.id)
    body.field("model", model.name)
    body.field("provider", model.provider.name)
    body.field("host", model.endpoint?.authority)
    body.field("present", found.isPresent)
    body.field("digest", found.digest)
    body.field("previous_digest", previousDigest)
    body.field(
      "digest_changed", previousDigest != nil && found.digest != nil && previousDigest != found.digest)
    body.field("server_version", found.serverVersion)
    body.field("schema_enforced", found.enforcesSchema)
    body.field("logprobs", finding.logProbabilities.rawValue)
    body.field("post_sampling_probs", found.returnsPostSamplingProbabilities)
    body.field("fault", found.fault)
    body.field("latency_ms", finding.latencyMs)
    body.field("cost_usd", finding.costUSD)
    body.field("by", trigger.rawValue)
    return body
  }
}

extension Breaker.State {
  var isClosed: Bool {
    if case .closed = self { true } else { false }
  }
}
