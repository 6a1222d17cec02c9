internal import LogReading
internal import Wire

extension EvidenceFold {
  /// Kinds that the contract names and the report only counts, or treats elsewhere.
  private static let quietKinds: Set<String> = [
    "access", "gate", "week", "checkpoint", "eval",
  ]

  /// Records that say that something about the router changed.
  mutating func change(_ text: Span<UInt8>, at ms: Int64) {
    let kind = line.string(.kind, in: text) ?? ""
    let ts = line.string(.ts, in: text) ?? ""
    switch kind {
    case "policy":
      let isRefused = line.bool(.taken, in: text) != true
      note(kind, task: nil, ts: ts, policyChange(text), isRefused ? .loud : .normal)
    case "flag":
      note(
        kind, task: line.string(.task, in: text), ts: ts, flagChange(text), isLoud(text) ? .loud : .normal,
        isDemotion: isDemotion(text))
    case "receipt":
      note(
        kind, task: line.string(.task, in: text), ts: ts, receipt(text),
        line.bool(.override, in: text) == true ? .loud : .normal)
    case "drill": drill(text, ts)
    case "probe": probe(text, ts)
    case "start": note(kind, task: nil, ts: ts, "router started", .quiet)
    case "stop":
      stopped(text)
      note(kind, task: nil, ts: ts, "router stopped", .quiet)
    default:
      if !Self.quietKinds.contains(kind) { balance.unknownKinds += 1 }
    }
  }

  private mutating func drill(_ text: Span<UInt8>, _ ts: String) {
    let passed = line.bool(.passed, in: text)
    let result = passed.map { $0 ? " passed" : " FAILED" } ?? ""
    note(
      "drill", task: nil, ts: ts, "kill switch drill\(result)\(reason(text))",
      passed == false ? .loud : .normal)
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

  mutating func note(
    _ kind: String, task: String?, ts: String, _ words: String, _ weight: Report.Change.Weight = .normal,
    isDemotion: Bool = false
  ) {
    changes.append(
      Report.Change(ts: ts, kind: kind, task: task, text: words, weight: weight, isDemotion: isDemotion))
    changesSeen += 1
    // Now and then: each time would cost as much as there are.
    if changesSeen % Self.changeLimit == 0 { changes = newestChanges() }
  }

  /// The newest ones, and every demotion.
  func newestChanges() -> [Report.Change] {
    var older = changes.count { !$0.isDemotion } - Self.changeLimit
    return changes.filter { change in
      if change.isDemotion { return true }
      older -= 1
      return older < 0
    }
  }

  private func policyChange(_ text: Span<UInt8>) -> String {
    let revision = (line.string(.revision, in: text) ?? "unknown revision").prefix(19)
    if line.bool(.taken, in: text) == true {
      let generation = line.int(.generation, in: text).map { " (generation \($0))" } ?? ""
      return "policy \(revision) taken\(generation)\(evidenceChange(text))"
    }
    let errors = line.value(.errors, in: text)
    let messages = errors?.arrayValue?.compactMap(\.stringValue) ?? [errors?.stringValue].compactMap(\.self)
    let first = messages.first.map { ": \($0)" } ?? ""
    let more = messages.count > 1 ? " (and \(messages.count - 1) more)" : ""
    return "a policy was refused\(first)\(more); \(revision) goes on"
  }

  /// What a policy that was taken does to the evidence of its tasks.
  private func evidenceChange(_ text: Span<UInt8>) -> String {
    var subjects: [String: [String]] = [:]
    for task in line.value(.tasks, in: text)?.arrayValue ?? [] {
      guard let change = task["change"]?.stringValue, let name = task["task"]?.stringValue else { continue }
      subjects[change, default: []].append(
        task["subject"]?.stringValue == "challenger" ? "\(name)'s challenger" : name)
    }
    let parts = [("restarted", "evidence starts again"), ("tightened", "tighter, evidence kept")].compactMap {
      change, words in subjects[change].map { "\(words): \($0.joined(separator: ", "))" }
    }
    return parts.isEmpty ? "" : "; " + parts.joined(separator: "; ")
  }

  private func isLoud(_ text: Span<UInt8>) -> Bool {
    if line.bool(.override, in: text) == true { return true }
    let new = word(.new, text)
    // The kill switch has no task.
    guard line.string(.task, in: text) != nil else { return new == "on" || new == "true" }
    return isDemotion(text)
  }

  private func isDemotion(_ text: Span<UInt8>) -> Bool {
    line.string(.task, in: text) != nil && word(.new, text) == "shadow" && word(.old, text) != "shadow"
  }

  private func receipt(_ text: Span<UInt8>) -> String {
    let approver = line.string(.approver, in: text).map { " approved by \($0)" } ?? ""
    let epoch = line.string(.epoch, in: text).map { ", on epoch \($0)" } ?? ""
    let expiry = line.string(.expiresAt, in: text).map { ", until \($0.prefix(10))" } ?? ""
    let override =
      line.bool(.override, in: text) == true ? "OVERRIDE, without the gate\(reason(text)): " : ""
    return "\(override)live routing\(approver)\(epoch)\(expiry)"
  }

  private func flagChange(_ text: Span<UInt8>) -> String {
    let old = word(.old, text) ?? "unset"
    let new = word(.new, text) ?? "unset"
    let actor = line.string(.actor, in: text).map { " by \($0)" } ?? ""
    let isOverride = line.bool(.override, in: text) == true
    let approver = line.string(.approver, in: text).map { ", approved by \($0)" } ?? ""
    let what =
      line.string(.task, in: text) == nil && ["on", "off", "true", "false"].contains(new)
      ? "kill switch " : isDemotion(text) ? "demoted: " : isOverride ? "OVERRIDE: " : ""
    return "\(what)\(old) → \(new)\(actor)\(approver)\(reason(text))"
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
