package import Candidates
package import RouterCore
import Wire

/// Everything that deciding and recording under one policy needs. Built whole, swapped at once, never changed.
package final class Generation: Sendable {
  package let prepared: PreparedPolicy
  package var seal: TextSeal { answers.seal }
  package let answers: AnswerBasis
  /// By model id; pools of models that a reload left as they were go on with their connections and breakers.
  package let pools: [String: ModelPool]

  /// By task and model: what a language model is asked under this policy.
  private let promptRevisions: [String: [String: String]]
  /// Corrections of confidences, as they lay in the state folder when the policy was loaded.
  package let calibrations: Calibrations

  init(
    prepared: PreparedPolicy, seal: TextSeal, pools: [String: ModelPool],
    calibrations: Calibrations = Calibrations()
  ) {
    self.prepared = prepared
    answers = AnswerBasis(seal: seal, policy: prepared.policy)
    self.pools = pools
    self.calibrations = calibrations
    var revisions: [String: [String: String]] = [:]
    for task in prepared.policy.tasks {
      for id in task.askedModels {
        // A built-in model is asked nothing in words.
        guard let model = pools[id]?.model, model.provider != .builtin else { continue }
        revisions[task.name, default: [:]][id] = Prompt.revision(task: task, model: model)
      }
    }
    promptRevisions = revisions
  }

  /// The same, with hashes made under another key.
  package func resealed(with key: Keyring.Entry) -> Generation {
    Generation(
      prepared: prepared, seal: TextSeal(keyID: key.id, key: key.key, privacy: prepared.policy.privacy),
      pools: pools, calibrations: calibrations)
  }

  /// Of what a model is asked for a task, its provider's form included; nil for a built-in model.
  package func promptRevision(task: String?, model: String?) -> String? {
    guard let task, let model else { return nil }
    if let known = promptRevisions[task]?[model] { return known }
    // Another model of the policy, which `eval` or `calibrate` was told to try.
    guard let policy = prepared.policy.task(task), let pool = pools[model], pool.model.provider != .builtin
    else { return nil }
    return Prompt.revision(task: policy, model: pool.model)
  }

  /// Ids of the corrections that an answer's confidence would go through, the latest first.
  package func calibrationIDs(task: String, _ figures: AskFigures) -> [String] {
    calibrations.fitting(task: task, figures).map(\.id)
  }

  package var number: Int { prepared.generation }
  package var revision: String { prepared.policy.revision }

  /// The models that get the text of calls, for people: `small (ollama http://127.0.0.1:11434)`.
  package var candidates: [String] {
    let used = Set(prepared.policy.tasks.flatMap(\.askedModels))
    return prepared.policy.models.filter { used.contains($0.id) }.map { model in
      let place = model.endpoint.map { "\($0.scheme.rawValue)://\($0.authority)" } ?? model.file ?? ""
      return "\(model.id) (\(model.provider.name) \(place))"
    }
  }
}
