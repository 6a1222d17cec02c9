import RouterCore
import Wire

/// The kinds of keys. Each names the shape once, for reading and for the schema.
extension PolicyKey {
  static func bool(
    _ name: String, _ about: String, _ store: @escaping @Sendable (inout Target, Bool) -> Void
  ) -> PolicyKey {
    PolicyKey(name: name, about: about, shape: .bool) { entry, target, findings in
      if let value = findings.bool(entry.value, name) { store(&target, value) }
    }
  }

  static func int(
    _ name: String, _ range: ClosedRange<Int>, _ about: String,
    _ store: @escaping @Sendable (inout Target, Int) -> Void
  ) -> PolicyKey {
    PolicyKey(name: name, about: about, shape: .int(range)) { entry, target, findings in
      if let value = findings.int(entry.value, name, in: range) { store(&target, value) }
    }
  }

  static func number(
    _ name: String, _ range: PolicyRange, _ about: String,
    _ store: @escaping @Sendable (inout Target, Double) -> Void
  ) -> PolicyKey {
    PolicyKey(name: name, about: about, shape: .number(range)) { entry, target, findings in
      if let value = findings.number(entry.value, name, in: range) { store(&target, value) }
    }
  }

  static func text(
    _ name: String, _ rule: PolicyTextRule, _ about: String,
    _ store: @escaping @Sendable (inout Target, Located<String>) -> Void
  ) -> PolicyKey {
    PolicyKey(name: name, about: about, shape: .text(rule)) { entry, target, findings in
      guard let text = findings.text(entry.value, name, rule) else { return }
      store(&target, Located(value: text, mark: entry.value.mark))
    }
  }

  static func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ name: String, _ about: String, _ store: @escaping @Sendable (inout Target, Located<Choice>) -> Void
  ) -> PolicyKey {
    let names = Choice.allCases.map(\.rawValue)
    return PolicyKey(name: name, about: about, shape: .choice(names)) { entry, target, findings in
      guard let text = findings.choice(entry.value, name, names), let choice = Choice(rawValue: text) else {
        return
      }
      store(&target, Located(value: choice, mark: entry.value.mark))
    }
  }

  static func texts(
    _ name: String, _ rule: PolicyTextRule, _ about: String,
    _ store: @escaping @Sendable (inout Target, [Located<String>]) -> Void
  ) -> PolicyKey {
    PolicyKey(name: name, about: about, shape: .list(.text(rule), least: 0)) { entry, target, findings in
      store(&target, findings.texts(entry.value, name, rule, least: 0))
    }
  }

  static func choices<Choice: RawRepresentable<String> & CaseIterable & Sendable>(
    _ name: String, _ about: String, _ store: @escaping @Sendable (inout Target, [Choice]) -> Void
  ) -> PolicyKey {
    let names = Choice.allCases.map(\.rawValue)
    return PolicyKey(name: name, about: about, shape: .list(.choice(names), least: 0)) {
      entry, target, findings in
      store(
        &target,
        findings.choices(entry.value, name, names, least: 0).compactMap { Choice(rawValue: $0.value) })
    }
  }

  /// Any JSON value but null, or with `mapping` an object.
  static func json(
    _ name: String, mapping: Bool, _ about: String,
    _ store: @escaping @Sendable (inout Target, Located<JSONValue>) -> Void
  ) -> PolicyKey {
    PolicyKey(name: name, about: about, shape: .json(mapping: mapping)) { entry, target, findings in
      if mapping {
        guard case .mapping = entry.value.content else {
          findings.wrong(entry.value, name, expected: "a mapping")
          return
        }
      }
      store(&target, Located(value: findings.json(entry.value, name), mark: entry.keyMark))
    }
  }

  /// A mapping with keys of its own, kept in a part of the target.
  static func section<Part>(
    _ name: String, _ about: String, _ table: PolicyKeyTable<Part>,
    _ part: any WritableKeyPath<Target, Part> & Sendable
  ) -> PolicyKey {
    PolicyKey(name: name, about: about, shape: table.shape()) { entry, target, findings in
      table.read(entry.value, name, at: entry.keyMark, into: &target[keyPath: part], &findings)
    }
  }

  /// A list of mappings.
  static func items<Item>(
    _ name: String, _ about: String, _ table: PolicyKeyTable<Item>,
    make: @escaping @Sendable (Mark) -> Item, store: @escaping @Sendable (inout Target, [Item]) -> Void
  ) -> PolicyKey {
    PolicyKey(name: name, about: about, shape: .list(table.shape(), least: 0)) { entry, target, findings in
      let items = findings.items(entry.value, name, least: 0).map { node in
        var item = make(node.mark)
        table.read(node, name, at: node.mark, into: &item, &findings)
        return item
      }
      store(&target, items)
    }
  }

  /// What no other kind describes.
  static func custom(
    _ name: String, _ shape: PolicyShape, _ about: String,
    _ read: @escaping @Sendable (PolicyEntry, inout Target, inout PolicyFindings) -> Void
  ) -> PolicyKey {
    PolicyKey(name: name, about: about, shape: shape, read: read)
  }
}
