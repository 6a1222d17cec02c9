package import Wire

extension ConfidenceCorrection {
  /// Reads a correction; other members are left to whoever wrote them.
  ///
  /// - Returns: nil where a member is missing, of the wrong type, or outside the range in which correcting is defined.
  package init?(_ value: JSONValue) {
    guard let task = value["task"]?.stringValue, let modelID = value["model_id"]?.stringValue,
      let source = value["source"]?.stringValue.flatMap(Decision.ConfidenceSource.init(rawValue:)),
      let temperature = value["temperature"]?.doubleValue, temperature.isFinite, temperature > 0,
      let shift = value["shift"].map({ $0.doubleValue }) ?? 0, shift.isFinite,
      case let digest = value["model_digest"] ?? .null, digest.isNull || digest.stringValue != nil,
      case let prompt = value["prompt_revision"] ?? .null, prompt.isNull || prompt.stringValue != nil,
      let members = (value["prior"] ?? .object([])).members
    else { return nil }
    var prior: [String: Double] = [:]
    for member in members {
      // Probabilities are divided by it.
      guard let share = member.value.doubleValue, share > 0, share <= 1 else { return nil }
      prior[member.name] = share
    }
    self.init(
      task: task, modelID: modelID, modelDigest: digest.stringValue, promptRevision: prompt.stringValue,
      source: source, temperature: temperature, prior: prior, shift: shift)
  }

  package var json: JSONValue {
    func number(_ value: Double) -> JSONValue { JSONNumber(value).map { .number($0) } ?? .null }
    func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
    return [
      "task": .string(task), "model_id": .string(modelID), "model_digest": text(modelDigest),
      "prompt_revision": text(promptRevision), "source": .string(source.rawValue),
      "temperature": number(temperature),
      "prior": .object(prior.sorted { $0.key < $1.key }.map { JSONMember($0.key, number($0.value)) }),
      "shift": number(shift),
    ]
  }
}
