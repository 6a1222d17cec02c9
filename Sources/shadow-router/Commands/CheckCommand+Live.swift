import Candidates
import Commands
import Deciding
import PolicyFiles
import Posix
import Probes
import RouterCore
import Wire

extension CheckCommand {
  /// Asks every candidate of a policy what it can do, one after another.
  ///
  /// - Returns: The list as `status` has it, and whether each can be asked.
  static func live(_ generation: Generation, file: String) -> (candidates: JSONValue, isUsable: Bool) {
    let pools = generation.pools.values.sorted { $0.model.id < $1.model.id }
    var progress = Progress(file)
    var found: [(pool: ModelPool, finding: ProbeFinding?)] = []
    for (number, pool) in pools.enumerated() {
      let host = pool.model.endpoint?.authority ?? "built in"
      progress.show(Double(number) / Double(pools.count), "asking \(pool.model.id) (\(host))")
      let finding = pool.probe(now: Clocks.realtime()) { false }
      if let finding { pool.learn(finding) }
      found.append((pool, finding))
    }
    progress.end()
    return (CandidateStatus.list(found), found.allSatisfy { $0.finding?.isUsable ?? true })
  }
}
