internal import LogReading
internal import Wire

extension EvidenceFold {
  /// Kinds that the contract names and the report only counts, or treats elsewhere.
  private static let quietKinds: Set<String> = [
    "access", "gate", "receipt", "week", "checkpoint", "eval",
  ]

  /// Records that say that something about the router changed.
  mutating func change(_ text: Span<UInt8>, at ms: Int64) {
    let kind = line.string(.kind, in: text) ?? ""
    let ts = line.string(.ts, in: text) ?? ""
    switch kind {
    case "policy": note(kind, task: nil, ts: ts, policyChange(text))
    case "flag": note(kind, task: line.string(.task, in: text), ts: ts, flagChange(text))
    case "drill": note(kind, task: nil, ts: ts, "kill switch drill" + reason(text))
    case "probe": probe(text, ts)
    case "start", "stop": note(kind, task: nil, ts: ts, kind == "start" ? "router started" : "router stopped")
    default:
      if !Self.quietKinds.contains(kind) { balance.unknownKinds += 1 }
    }
  }

  /// A digest that differs from the last one known of the model, across restarts too.
  private mutating func probe(_ text: Span<UInt8>, _ ts: String) {
    guard let id = line.string(.modelID, in: text), let model = line.string(.model, in: text),
      let digest = line.string(.digest, in: text)
    else { return }
    if let last = lastProbe[id], last.model == model, last.digest != digest {
      note(
        "probe", task: nil, ts: ts,
        "model \(id) (\(model)): digest from \(last.digest.prefix(19)) to \(digest.prefix(19)); for the gate its evidence starts anew"
      )
    }
    lastProbe[id] = (model, digest)
  }

  mutating func note(_ kind: String, task: String?, ts: String, _ words: String) {
    guard changes.count < Self.changeLimit else {
      changesNotShown += 1
      return
    }
    changes.append(Report.Change(ts: ts, kind: kind, task: task, text: words))
  }

  private func policyChange(_ text: Span<UInt8>) -> String {
    let revision = (line.string(.revision, in: text) ?? "unknown revision").prefix(19)
    if line.bool(.taken, in: text) == true {
      let generation = line.int(.generation, in: text).map { " (generation \($0))" } ?? ""
      return "policy \(revision) taken\(generation)"
    }
    let errors = line.value(.errors, in: text)
    let messages = errors?.arrayValue?.compactMap(\.stringValue) ?? [errors?.stringValue].compactMap(\.self)
    let first = messages.first.map { ": \($0)" } ?? ""
    let more = messages.count > 1 ? " (and \(messages.count - 1) more)" : ""
    return "policy \(revision) refused\(first)\(more)"
  }

  private func flagChange(_ text: Span<UInt8>) -> String {
    let old = word(.old, text) ?? "unset"
    let new = word(.new, text) ?? "unset"
    let actor = line.string(.actor, in: text).map { " by \($0)" } ?? ""
    return "\(old) → \(new)\(actor)\(reason(text))"
  }

  private func reason(_ text: Span<UInt8>) -> String {
    line.string(.reason, in: text).map { ": \($0)" } ?? ""
  }

  /// A flag's value, of whatever type.
  private func word(_ field: LogField, _ text: Span<UInt8>) -> String? {
    switch line.value(field, in: text) {
    case nil, .null: nil
    case .string(let text): text
    case let value?: value.jsonText
    }
  }
}
