import RouterCore
import Text

/// One key of the policy: its name, meaning and shape, and how its value is kept.
struct PolicyKey<Target>: Sendable {
  let name: String
  let about: String
  let shape: PolicyShape
  var place = Place.everywhere
  var isRequired = false
  var allowsNull = false
  let read: @Sendable (PolicyEntry, inout Target, inout PolicyFindings) -> Void

  /// Where a key of the task table may stand; the other tables know only ``everywhere``.
  enum Place: Sendable { case everywhere, tasksOnly, defaultsOnly }

  var required: PolicyKey {
    var key = self
    key.isRequired = true
    return key
  }

  var nullable: PolicyKey {
    var key = self
    key.allowsNull = true
    return key
  }

  func only(_ place: Place) -> PolicyKey {
    var key = self
    key.place = place
    return key
  }
}

/// The keys that one kind of mapping may have. Reads such a mapping, and says what else was in it.
struct PolicyKeyTable<Target>: Sendable {
  /// Where the mapping stands in a policy: `models.ID`.
  let path: String
  let keys: [PolicyKey<Target>]
  private let positions: [String: Int]
  private let required: [Int]

  init(_ path: String, _ keys: [PolicyKey<Target>]) {
    // `Given` has one bit for each key.
    precondition(keys.count <= 64)
    self.path = path
    self.keys = keys
    positions = Dictionary(uniqueKeysWithValues: keys.enumerated().map { ($1.name, $0) })
    required = keys.indices.filter { keys[$0].isRequired }
  }

  /// Which keys of a table a mapping has, the ones it probably meant included.
  struct Given: Sendable {
    fileprivate var bits: UInt64 = 0

    /// Where nothing was read: so that nothing is reported as missing.
    fileprivate static var everything: Given { Given(bits: .max) }

    func merged(_ other: Given) -> Given { Given(bits: bits | other.bits) }
  }

  func has(_ name: String, in given: Given) -> Bool {
    guard let position = positions[name] else { return false }
    return given.bits >> UInt64(position) & 1 == 1
  }

  /// Reads a mapping into `target`, reporting unknown, blank and missing keys.
  ///
  /// - Parameters:
  ///   - owner: The mapping's name in messages.
  ///   - mark: Where missing keys are reported: the key that the mapping belongs to.
  @discardableResult
  func read(
    _ node: PolicyNode, _ owner: String, at mark: Mark, into target: inout Target,
    _ findings: inout PolicyFindings,
    inDefaults: Bool = false
  ) -> Given {
    guard case .mapping(let entries) = node.content else {
      if node.isNull {
        findings.error(mark, "`\(owner)` is blank; give its keys or remove it")
      } else {
        findings.wrong(node, owner, expected: "a mapping of keys to values")
      }
      return .everything
    }
    var given = Given()
    for entry in entries {
      guard let position = positions[entry.key], allows(keys[position], inDefaults: inDefaults) else {
        refuse(entry, owner, inDefaults: inDefaults, &given, &findings)
        continue
      }
      given.bits |= 1 << UInt64(position)
      if !keys[position].allowsNull, entry.value.isNull {
        findings.error(entry.keyMark, "`\(entry.key)` is blank; give a value or remove it")
        continue
      }
      keys[position].read(entry, &target, &findings)
    }
    if !inDefaults { reportMissing(owner, at: mark, given, &findings) }
    return given
  }

  /// The table as a shape, for the schema.
  func shape(inDefaults: Bool = false) -> PolicyShape {
    .mapping(
      keys.filter { allows($0, inDefaults: inDefaults) }.map { key in
        let shape: PolicyShape = key.allowsNull ? .orNull(key.shape) : key.shape
        return PolicyShape.Member(
          name: key.name, about: key.about, shape: shape, isRequired: key.isRequired && !inDefaults)
      })
  }

  private func allows(_ key: PolicyKey<Target>, inDefaults: Bool) -> Bool {
    switch key.place {
    case .everywhere: true
    case .tasksOnly: !inDefaults
    case .defaultsOnly: inDefaults
    }
  }

  private func reportMissing(_ owner: String, at mark: Mark, _ given: Given, _ findings: inout PolicyFindings)
  {
    for position in required where given.bits >> UInt64(position) & 1 == 0 {
      let key = keys[position]
      findings.error(mark, "`\(owner)` has no `\(key.name)`; add it\(key.shape.hint)")
    }
  }

  private func refuse(
    _ entry: PolicyEntry, _ owner: String, inDefaults: Bool, _ given: inout Given,
    _ findings: inout PolicyFindings
  ) {
    let shown = PolicyProblem.code(entry.key)
    if PolicyReserved.names.contains(entry.key) {
      findings.error(entry.keyMark, "\(shown) is reserved for a later version; remove it")
    } else if positions[entry.key] != nil {
      let remedy = inDefaults ? "say it in each task" : "it belongs into `defaults`"
      findings.error(entry.keyMark, "\(shown) cannot stand in `\(owner)`; \(remedy)")
    } else if PolicySecret.isSecretKey(entry.key), positions["api_key_env"] != nil {
      given.bits |= bit("api_key_env")
      findings.error(
        entry.keyMark,
        "\(shown): a policy never holds a secret; put it into an environment variable and name that in `api_key_env`"
      )
    } else {
      refuseUnknown(entry, owner, inDefaults: inDefaults, &given, &findings)
    }
  }

  private func refuseUnknown(
    _ entry: PolicyEntry, _ owner: String, inDefaults: Bool, _ given: inout Given,
    _ findings: inout PolicyFindings
  ) {
    let names = keys.filter { allows($0, inDefaults: inDefaults) }.map(\.name)
    let remedy: String
    if let name = NearestName.match(for: entry.key, among: names) {
      given.bits |= bit(name)
      remedy = "did you mean `\(name)`?"
    } else {
      remedy = "known here: \(PolicyProblem.list(names, limit: 12))"
    }
    findings.error(entry.keyMark, "unknown key \(PolicyProblem.code(entry.key)) in `\(owner)`; \(remedy)")
  }

  private func bit(_ name: String) -> UInt64 { positions[name].map { 1 << UInt64($0) } ?? 0 }
}

/// Keys under which people write secrets.
enum PolicySecret {
  static func isSecretKey(_ key: String) -> Bool {
    let name = key.lowercased().replacing("-", with: "_")
    let exact: Set<String> = [
      "key", "apikey", "api_key", "token", "api_token", "secret", "password", "authorization",
    ]
    return exact.contains(name)
  }
}
