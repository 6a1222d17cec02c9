package import RouterCore
package import Wire

/// `flags.json`: every flag there is, in flagd's shape.
///
/// Written by the router alone. What is read back must be, byte for byte, what the router would write of it: nothing that
/// somebody else put there is ever half understood.
package struct FlagsDocument: Sendable, Equatable {
  /// Key of the buckets, 64 hex digits.
  package let salt: String
  /// By task.
  package private(set) var flags: [String: Flag] = [:]

  package init(salt: String) { self.salt = salt }

  package subscript(task: String) -> Flag? {
    get { flags[task] }
    set { flags[task] = newValue }
  }

  package var sorted: [Flag] { flags.values.sorted { $0.task < $1.task } }
  package var isServing: Bool { flags.values.contains(where: \.isServing) }
  package var key: HMACSHA256Key { HMACSHA256Key(Array(salt.utf8)) }

  /// The task that is on its way up; nil: none is.
  package func inRollout(but task: String) -> Flag? {
    sorted.first { $0.task != task && $0.stage == .canary }
  }

  package var bytes: [UInt8] {
    let entries = sorted.map { JSONMember($0.task, $0.json(salt: salt)) }
    let document: JSONValue = [
      "$schema": "https://flagd.dev/schema/v0/flags.json", "flags": .object(entries),
      "metadata": ["writer": "shadow-router", "salt": .string(salt)],
    ]
    return document.jsonBytes + [UInt8(ascii: "\n")]
  }

  /// nil for anything that the router did not write.
  package init?(parsing bytes: [UInt8]) {
    guard let value = try? JSONValue(parsing: bytes), let salt = value["metadata"]?["salt"]?.stringValue,
      let entries = value["flags"]?.members
    else { return nil }
    self.init(salt: salt)
    for entry in entries {
      guard let flag = Flag(entry.name, entry.value) else { return nil }
      flags[entry.name] = flag
    }
    guard self.bytes == bytes else { return nil }
  }
}

extension Flag {
  private static let local = "local"
  private static let frontier = "frontier"

  /// - Parameter salt: Named in the rule, so that it says how a call's bucket is found.
  func json(salt: String) -> JSONValue {
    var members = [
      JSONMember("state", .string(off == nil ? "ENABLED" : "DISABLED")),
      JSONMember("variants", [Self.local: true, Self.frontier: false]),
      JSONMember("defaultVariant", .string(Self.frontier)),
    ]
    if isServing { members.append(JSONMember("targeting", targeting)) }
    members.append(JSONMember("metadata", metadata))
    return .object(members)
  }

  private var targeting: JSONValue {
    func weight(_ variant: String, _ percent: Int) -> JSONValue {
      [.string(variant), .number(JSONNumber(percent))]
    }
    let split: JSONValue = [
      "fractional": [["var": "bucket"], weight(Self.local, percent), weight(Self.frontier, 100 - percent)]
    ]
    guard !userGroups.isEmpty else { return split }
    let isIn: JSONValue = ["in": [["var": "user_group"], .array(userGroups.map { .string($0) })]]
    return ["if": [isIn, .string(Self.local), split]]
  }

  private var metadata: JSONValue {
    [
      "percent": .number(JSONNumber(percent)), "user_groups": .array(userGroups.map { .string($0) }),
      "rotated": .bool(isRotated), "off": off.map { .string($0.rawValue) } ?? .null,
      "since": .string(Timestamp.string(since)), "grant": grant?.json ?? .null,
      "previous": previous?.json ?? .null,
    ]
  }

  init?(_ task: String, _ value: JSONValue) {
    guard let metadata = value["metadata"], let percent = metadata.count("percent"),
      let groups = metadata["user_groups"]?.arrayValue, let rotated = metadata["rotated"]?.boolValue,
      let since = metadata["since"]?.stringValue.flatMap(Timestamp.parse)
    else { return nil }
    self.init(task)
    self.percent = percent
    userGroups = groups.compactMap(\.stringValue)
    isRotated = rotated
    off = metadata["off"]?.stringValue.flatMap(Off.init)
    self.since = since
    grant = metadata["grant"].flatMap(Grant.init)
    previous = metadata["previous"].flatMap(Grant.init)
  }
}

extension Grant {
  package var json: JSONValue {
    [
      "receipt": .string(receipt), "override": .bool(isOverride),
      "epoch": epoch.map { .string($0) } ?? .null, "approver": .string(approver),
      "issued_task_revision": .string(issuedRevision), "task_revision": .string(taskRevision),
      "models": .array(models.map(\.json)), "safeguards": safeguards.json,
      "compared": .number(JSONNumber(baseline.compared)),
      "disagreed": .number(JSONNumber(baseline.disagreed)),
      "issued_at": .string(Timestamp.string(issuedAt)),
      "expires_at": .string(Timestamp.string(expiresAt)),
    ]
  }

  init?(_ value: JSONValue) {
    guard let receipt = value["receipt"]?.stringValue, let isOverride = value["override"]?.boolValue,
      let approver = value["approver"]?.stringValue,
      let issuedRevision = value["issued_task_revision"]?.stringValue,
      let taskRevision = value["task_revision"]?.stringValue, let models = value["models"]?.arrayValue,
      let safeguards = value["safeguards"].flatMap(Safeguards.init),
      let issuedAt = value["issued_at"]?.stringValue.flatMap(Timestamp.parse),
      let compared = value.count("compared"), let disagreed = value.count("disagreed"),
      let expiresAt = value["expires_at"]?.stringValue.flatMap(Timestamp.parse)
    else { return nil }
    self.init(
      receipt: receipt, isOverride: isOverride, epoch: value["epoch"]?.stringValue, approver: approver,
      taskRevision: taskRevision, issuedRevision: issuedRevision,
      models: models.compactMap(ServedModel.init),
      baseline: Disagreement(compared: compared, disagreed: disagreed), safeguards: safeguards,
      issuedAt: issuedAt, expiresAt: expiresAt)
  }
}

extension ServedModel {
  package var json: JSONValue {
    func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
    return [
      "id": .string(id), "name": text(name), "digest": text(digest), "prompt_revision": text(prompt),
      "calibrations": .array(calibrations.map { .string($0) }),
    ]
  }

  init?(_ value: JSONValue) {
    guard let id = value["id"]?.stringValue, let calibrations = value["calibrations"]?.arrayValue else {
      return nil
    }
    self.init(
      id: id, name: value["name"]?.stringValue, digest: value["digest"]?.stringValue,
      prompt: value["prompt_revision"]?.stringValue, calibrations: calibrations.compactMap(\.stringValue))
  }
}
