package import Candidates
package import PolicyFiles
package import Probes
import RouterCore
package import Wire

/// The candidates in `GET /v1/status`, and in `check --live`: those with a problem first, then by id.
package enum CandidateStatus {
  package static func list(_ generation: Generation, _ probing: Probing) -> JSONValue {
    let pools = Array(generation.pools.values)
    return list(pools.map { ($0, probing.latest($0.model)) })
  }

  package static func list(_ candidates: [(pool: ModelPool, finding: ProbeFinding?)]) -> JSONValue {
    let sorted = candidates.sorted { left, right in
      let hasProblem = { (item: (pool: ModelPool, finding: ProbeFinding?)) in
        item.finding?.problem(of: item.pool.model) != nil
      }
      return (hasProblem(left) ? 0 : 1, left.pool.model.id) < (hasProblem(right) ? 0 : 1, right.pool.model.id)
    }
    return .array(sorted.map { document($0.pool, $0.finding) })
  }

  private static func document(_ pool: ModelPool, _ finding: ProbeFinding?) -> JSONValue {
    let model = pool.model
    let breaker: String =
      switch pool.breaker {
      case .closed: "closed"
      case .open: "open"
      case .probing: "probing"
      }
    let load = pool.load
    func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
    func flag(_ value: Bool?) -> JSONValue { value.map { .bool($0) } ?? .null }
    let found = finding?.capabilities
    let problem = finding?.problem(of: model)
    return [
      "id": .string(model.id), "provider": .string(model.provider.name), "name": .string(model.name),
      "endpoint": text(model.endpoint?.description),
      // The last known digest stays while its server is away: it is the one that decisions carry.
      "digest": text(pool.digest ?? pool.capabilities.digest ?? found?.digest), "breaker": .string(breaker),
      "waiting": .number(JSONNumber(load.waiting)), "asking": .number(JSONNumber(load.asking)),
      "present": pool.digest == nil ? flag(found?.isPresent) : true,
      "server_version": text(found?.serverVersion), "schema_enforced": flag(found?.enforcesSchema),
      "logprobs": finding.map { .string($0.logProbabilities.rawValue) } ?? .null,
      "post_sampling_probs": flag(found?.returnsPostSamplingProbabilities),
      "probe_fault": text(found?.fault),
      "probe_latency_ms": finding?.latencyMs.flatMap { JSONNumber($0) }.map { .number($0) } ?? .null,
      "probed_at": found?.probedAt.map { .string(Timestamp.string($0)) } ?? .null,
      "problem": text(problem?.text), "remedy": text(problem?.remedy),
    ]
  }
}
