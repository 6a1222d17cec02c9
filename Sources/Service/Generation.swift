package import Candidates
package import RouterCore
import Wire

/// Everything that deciding and recording under one policy needs. Built whole, swapped at once, never changed.
package final class Generation: Sendable {
  package let prepared: PreparedPolicy
  package let seal: TextSeal
  /// By model id; pools of models that a reload left as they were go on with their connections and breakers.
  package let pools: [String: ModelPool]

  /// By task: what a language model is asked under this policy. Tasks of built-in models have none.
  let promptRevisions: [String: String]

  init(prepared: PreparedPolicy, seal: TextSeal, pools: [String: ModelPool]) {
    self.prepared = prepared
    self.seal = seal
    self.pools = pools
    var revisions: [String: String] = [:]
    for task in prepared.policy.tasks {
      guard let pool = task.model.flatMap({ pools[$0] }), pool.model.provider != .builtin else { continue }
      revisions[task.name] = Prompt.revision(task: task)
    }
    promptRevisions = revisions
  }

  package var number: Int { prepared.generation }
  package var revision: String { prepared.policy.revision }

  package func pool(for task: TaskPolicy) -> ModelPool? { task.model.flatMap { pools[$0] } }

  /// The candidates that local tasks use, for people: `small (ollama http://127.0.0.1:11434)`.
  package var candidates: [String] {
    let used = Set(prepared.policy.tasks.filter(\.local).compactMap(\.model))
    return prepared.policy.models.filter { used.contains($0.id) }.map { model in
      let place = model.endpoint.map { "\($0.scheme.rawValue)://\($0.authority)" } ?? model.file ?? ""
      return "\(model.id) (\(model.provider.name) \(place))"
    }
  }
}
