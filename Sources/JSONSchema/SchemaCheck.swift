import Text
import Wire

/// One value held against a schema.
struct SchemaCheck {
  private let schema: Schema
  private var path: [Step] = []
  private var fault: SchemaFault?
  /// Over 0 while alternatives are tried out, whose faults say nothing.
  private var trials = 0
  private var stepsLeft = SchemaCheck.steps
  private var depth = 0
  private var gaveUp = false

  /// Bounds the time, for schemas whose branches multiply.
  static let steps = 500_000
  /// Bounds the stack: schemas under way at once, by nesting of the value and by references.
  static let depth = 96

  private enum Step {
    case index(Int)
    case name(String)
    /// A name that the schema does not say: it is the value's own text.
    case hidden
  }

  init(_ schema: Schema) { self.schema = schema }

  mutating func fault(in value: JSONValue) -> SchemaFault? {
    var seen = SchemaSeen()
    let holds = evaluate(0, value, for: "false", &seen)
    if gaveUp { return SchemaFault(pointer: "", keyword: SchemaFault.tooComplex, missing: nil) }
    return holds ? nil : fault ?? SchemaFault(pointer: "", keyword: "false", missing: nil)
  }

  /// - Parameters:
  ///   - keyword: What a schema that is just `false` is there for.
  ///   - seen: Takes in what the schema has evaluated, where the value fits it.
  private mutating func evaluate(
    _ place: SchemaPlace, _ value: JSONValue, for keyword: String, _ seen: inout SchemaSeen
  ) -> Bool {
    if depth == Self.depth { gaveUp = true }
    guard spend(1) else { return false }
    depth += 1
    defer { depth -= 1 }
    switch schema.nodes[place] {
    case .always(let verdict): return verdict || fails(keyword)
    case .rules(let rules):
      var own = SchemaSeen()
      for rule in rules { guard apply(rule, value, &own) else { return false } }
      if schema.tracksEvaluation { seen.formUnion(own) }
      return true
    }
  }

  private mutating func spend(_ steps: Int) -> Bool {
    stepsLeft -= steps
    if stepsLeft < 0 { gaveUp = true }
    return !gaveUp
  }

  private mutating func fails(_ keyword: String, missing: String? = nil) -> Bool {
    if trials == 0, fault == nil {
      let pointer = path.map { step in
        switch step {
        case .index(let index): "/\(index)"
        case .name(let name) where Self.isPlain(name): "/" + name
        case .name, .hidden: "/*"
        }
      }
      fault = SchemaFault(
        pointer: pointer.joined(), keyword: keyword, missing: missing.map { Self.isPlain($0) ? $0 : "*" })
    }
    return false
  }

  /// Whether a name can stand in a log: short, and of letters, digits, `_`, `-` and `.`.
  static func isPlain(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count <= 64
      && name.unicodeScalars.allSatisfy {
        $0.properties.isAlphabetic || $0.properties.numericType != nil || $0 == "_" || $0 == "-" || $0 == "."
      }
  }

  private mutating func evaluate(
    _ place: SchemaPlace, _ value: JSONValue, under step: Step, for keyword: String
  ) -> Bool {
    path.append(step)
    defer { path.removeLast() }
    var inside = SchemaSeen()
    return evaluate(place, value, for: keyword, &inside)
  }

  /// Whether the value fits, without a word about why not.
  private mutating func tries(_ place: SchemaPlace, _ value: JSONValue, _ seen: inout SchemaSeen) -> Bool {
    trials += 1
    defer { trials -= 1 }
    return evaluate(place, value, for: "false", &seen)
  }

  // MARK: - Rules

  private mutating func apply(_ rule: SchemaRule, _ value: JSONValue, _ seen: inout SchemaSeen) -> Bool {
    switch rule {
    case .types(let types): return types.holds(value) || fails("type")
    case .enumeration(let values): return spend(values.count) && values.contains(value) || fails("enum")
    case .constant(let wanted): return value == wanted || fails("const")
    case .bound(let bound, let limit):
      guard let number = value.numberValue else { return true }
      return bound.holds(number, limit) || fails(bound.rawValue)
    case .multipleOf(let divisor):
      guard let number = value.numberValue else { return true }
      return number.isMultiple(of: divisor) || fails("multipleOf")
    case .size(let size, let limit): return size.holds(value, limit) || fails(size.rawValue)
    case .pattern(let pattern):
      guard let text = value.stringValue else { return true }
      return spend(text.utf8.count / 16) && pattern.contains(in: Array(text.utf8).span) || fails("pattern")
    case .uniqueItems:
      guard let elements = value.arrayValue else { return true }
      return spend(elements.count * 4) && Set(elements.map(\.canonicalBytes)).count == elements.count
        || fails("uniqueItems")
    case .required, .dependentRequired, .members, .propertyNames, .dependentSchemas, .unevaluatedProperties:
      guard let members = value.members else { return true }
      return apply(rule, to: members, of: value, &seen)
    case .elements, .contains, .unevaluatedItems:
      guard let elements = value.arrayValue else { return true }
      return apply(rule, to: elements, &seen)
    case .allOf, .anyOf, .oneOf, .not, .condition, .reference: return branch(rule, value, &seen)
    }
  }

  private mutating func branch(_ rule: SchemaRule, _ value: JSONValue, _ seen: inout SchemaSeen) -> Bool {
    switch rule {
    case .reference(let place): return evaluate(place, value, for: "$ref", &seen)
    case .allOf(let places):
      for place in places { guard evaluate(place, value, for: "allOf", &seen) else { return false } }
      return true
    case .anyOf(let places):
      var fits = false
      // The other branches still count for what they evaluate.
      for place in places where !fits || schema.tracksEvaluation {
        if tries(place, value, &seen) { fits = true }
      }
      return fits || fails("anyOf")
    case .oneOf(let places):
      var fitting = 0
      for place in places where fitting < 2 { if tries(place, value, &seen) { fitting += 1 } }
      return fitting == 1 || fails("oneOf")
    case .not(let place):
      var inside = SchemaSeen()
      return !tries(place, value, &inside) || fails("not")
    case .condition(let test, let then, let other):
      let holds = tries(test, value, &seen)
      guard let next = holds ? then : other else { return true }
      return evaluate(next, value, for: holds ? "then" : "else", &seen)
    default: return true
    }
  }

  private mutating func apply(
    _ rule: SchemaRule, to members: [JSONMember], of value: JSONValue, _ seen: inout SchemaSeen
  ) -> Bool {
    guard spend(members.count) else { return false }
    switch rule {
    case .required(let names):
      let present = Set(members.map { SchemaName($0.name.utf8) })
      guard let missing = names.first(where: { !present.contains($0) }) else { return true }
      return fails("required", missing: String(decoding: missing, as: UTF8.self))
    case .dependentRequired(let lists):
      let present = Set(members.map { SchemaName($0.name.utf8) })
      for (name, needs) in lists where present.contains(name) {
        guard let missing = needs.first(where: { !present.contains($0) }) else { continue }
        return fails("dependentRequired", missing: String(decoding: missing, as: UTF8.self))
      }
      return true
    case .members(let rules):
      for (index, member) in members.enumerated() {
        guard evaluate(member, index, rules, &seen) else { return false }
      }
      return true
    case .propertyNames(let place):
      for member in members {
        var inside = SchemaSeen()
        guard tries(place, .string(member.name), &inside) else { return fails("propertyNames") }
      }
      return true
    case .dependentSchemas(let list):
      let present = Set(members.map { SchemaName($0.name.utf8) })
      for (name, place) in list where present.contains(name) {
        guard evaluate(place, value, for: "dependentSchemas", &seen) else { return false }
      }
      return true
    case .unevaluatedProperties(let place):
      for (index, member) in members.enumerated() where !seen.members.contains(index) {
        guard evaluate(place, member.value, under: .hidden, for: "unevaluatedProperties") else {
          return false
        }
        seen.members.insert(index)
      }
      return true
    default: return true
    }
  }

  private mutating func evaluate(
    _ member: JSONMember, _ index: Int, _ rules: SchemaMembers, _ seen: inout SchemaSeen
  ) -> Bool {
    let name = SchemaName(member.name.utf8)
    var isOther = true
    if let place = rules.named[name] {
      isOther = false
      guard evaluate(place, member.value, under: .name(member.name), for: "properties") else { return false }
    }
    for (pattern, place) in rules.matching where spend(1) && pattern.contains(in: name.span) {
      let step: Step = isOther ? .hidden : .name(member.name)
      isOther = false
      guard evaluate(place, member.value, under: step, for: "patternProperties") else { return false }
    }
    if isOther {
      guard let place = rules.others else { return true }
      guard evaluate(place, member.value, under: .hidden, for: "additionalProperties") else { return false }
    }
    if schema.tracksEvaluation { seen.members.insert(index) }
    return true
  }

  private mutating func apply(
    _ rule: SchemaRule, to elements: [JSONValue], _ seen: inout SchemaSeen
  ) -> Bool {
    guard spend(elements.count) else { return false }
    switch rule {
    case .elements(let first, let rest):
      for (index, element) in elements.enumerated() {
        let isFirst = index < first.count
        guard let place = isFirst ? first[index] : rest else { break }
        guard evaluate(place, element, under: .index(index), for: isFirst ? "prefixItems" : "items") else {
          return false
        }
        if schema.tracksEvaluation { seen.items.insert(index) }
      }
      return true
    case .contains(let place, let least, let most):
      var count = 0
      for (index, element) in elements.enumerated() {
        var inside = SchemaSeen()
        guard tries(place, element, &inside) else { continue }
        count += 1
        if schema.tracksEvaluation { seen.items.insert(index) }
      }
      if count < least { return fails(least == 1 ? "contains" : "minContains") }
      return count <= most || fails("maxContains")
    case .unevaluatedItems(let place):
      for (index, element) in elements.enumerated() where !seen.items.contains(index) {
        guard evaluate(place, element, under: .index(index), for: "unevaluatedItems") else { return false }
        seen.items.insert(index)
      }
      return true
    default: return true
    }
  }
}

/// The members and elements of one value, by their places, that some rule has evaluated.
struct SchemaSeen {
  var members: Set<Int> = []
  var items: Set<Int> = []

  mutating func formUnion(_ other: SchemaSeen) {
    members.formUnion(other.members)
    items.formUnion(other.items)
  }
}
