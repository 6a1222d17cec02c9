import Text
import Wire

/// The keywords, one by one.
extension SchemaCompiler {
  mutating func scalarRules(_ here: SchemaText) -> [SchemaRule] {
    var rules: [SchemaRule] = []
    if let types = types(here) { rules.append(.types(types)) }
    if let values = here["enum"] {
      if let list = values.arrayValue {
        rules.append(.enumeration(list))
      } else {
        wrong(here, "enum", "a list of values")
      }
    }
    if let value = here["const"] { rules.append(.constant(value)) }
    for bound in SchemaBound.allCases {
      guard let value = here[bound.rawValue] else { continue }
      if let number = value.numberValue {
        rules.append(.bound(bound, number))
      } else {
        wrong(here, bound.rawValue, "a number")
      }
    }
    if let divisor = multipleOf(here) { rules.append(.multipleOf(divisor)) }
    for size in SchemaSize.allCases {
      if let limit = count(here, size.rawValue) { rules.append(.size(size, limit)) }
    }
    if let source = here["pattern"] {
      if let text = source.stringValue {
        if let pattern = pattern(text, here, "pattern") { rules.append(.pattern(pattern)) }
      } else {
        wrong(here, "pattern", "a regular expression as text")
      }
    }
    return rules
  }

  private mutating func types(_ here: SchemaText) -> SchemaTypes? {
    guard let value = here["type"] else { return nil }
    guard let names = (value.arrayValue ?? [value]).map(\.stringValue) as? [String], !names.isEmpty else {
      wrong(here, "type", "the name of a type, or a list of them")
      return nil
    }
    var types: SchemaTypes = []
    for name in names {
      if let type = SchemaTypes.names[name] {
        types.formUnion(type)
      } else if dialect == .foreign {
        // Unknown, or `any`: not checked.
        guard
          let type = SchemaKeywords.foreignTypes[name.lowercased()] ?? SchemaTypes.names[name.lowercased()]
        else { return nil }
        types.formUnion(type)
      } else {
        let known = SchemaTypes.names.keys.sorted()
        let remedy = NearestName.match(for: name, among: known).map { "did you mean `\($0)`?" }
        problem(
          here, "type",
          "`type` cannot be \(Self.quoted(name)); " + (remedy ?? "there are " + known.joined(separator: ", "))
        )
      }
    }
    if dialect == .foreign, here["nullable"]?.boolValue == true { types.formUnion(.null) }
    return types
  }

  private mutating func multipleOf(_ here: SchemaText) -> JSONNumber? {
    guard let value = here["multipleOf"] else { return nil }
    guard let number = value.numberValue, number > JSONNumber(0) else {
      wrong(here, "multipleOf", "a number above 0")
      return nil
    }
    guard number.significantDigits <= JSONNumber.divisorDigits else {
      wrong(here, "multipleOf", "a number of at most \(JSONNumber.divisorDigits) digits")
      return nil
    }
    return number
  }

  private mutating func count(_ here: SchemaText, _ keyword: String) -> Int? {
    guard let value = here[keyword] else { return nil }
    guard let count = value.intValue, count >= 0 else {
      wrong(here, keyword, "a whole number from 0 on")
      return nil
    }
    return count
  }

  private mutating func pattern(_ source: String, _ here: SchemaText, _ keyword: String) -> Pattern? {
    do throws(PatternError) {
      return try Pattern(source)
    } catch {
      problem(
        here, keyword, "`\(keyword)` has a regular expression that cannot be used: \(error.description)")
      return nil
    }
  }

  // MARK: - Objects

  mutating func objectRules(_ here: SchemaText) -> [SchemaRule] {
    var rules: [SchemaRule] = []
    if let value = here["required"] {
      if let names = names(value) {
        rules.append(.required(names))
      } else {
        wrong(here, "required", "a list of different names")
      }
    }
    if let value = here["dependentRequired"] {
      let lists = value.members?.map { (SchemaName($0.name.utf8), needs: names($0.value)) }
      if let lists, lists.allSatisfy({ $0.needs != nil }) {
        rules.append(.dependentRequired(lists.map { ($0.0, needs: $0.needs ?? []) }))
      } else {
        wrong(here, "dependentRequired", "a mapping of names to lists of different names")
      }
    }
    var members = SchemaMembers()
    for (name, place) in innerByName(here, "properties") { members.named[SchemaName(name.utf8)] = place }
    for (source, place) in innerByName(here, "patternProperties") {
      if let pattern = pattern(source, here, "patternProperties") {
        members.matching.append((pattern, place))
      }
    }
    members.others = inner(here, "additionalProperties")
    if !members.named.isEmpty || !members.matching.isEmpty || members.others != nil {
      rules.append(.members(members))
    }
    if let place = inner(here, "propertyNames") { rules.append(.propertyNames(place)) }
    let dependent = innerByName(here, "dependentSchemas").map { (SchemaName($0.name.utf8), $0.place) }
    if !dependent.isEmpty { rules.append(.dependentSchemas(dependent)) }
    return rules
  }

  private func names(_ value: JSONValue) -> [SchemaName]? {
    if dialect == .foreign {
      return value.arrayValue.map { list in
        list.compactMap { $0.stringValue.map { SchemaName($0.utf8) } }
      }
    }
    guard let names = value.arrayValue?.map(\.stringValue) as? [String] else { return nil }
    let list = names.map { SchemaName($0.utf8) }
    return Set(list).count == list.count ? list : nil
  }

  // MARK: - Arrays

  mutating func arrayRules(_ here: SchemaText) -> [SchemaRule] {
    var rules: [SchemaRule] = []
    if let value = here["uniqueItems"] {
      if let wanted = value.boolValue {
        if wanted { rules.append(.uniqueItems) }
      } else {
        wrong(here, "uniqueItems", "true or false")
      }
    }
    let first = innerList(here, "prefixItems")
    // A list here was `prefixItems` until 2019.
    let isOldForm = dialect == .foreign && here["items"]?.arrayValue != nil
    let rest = isOldForm ? nil : inner(here, "items")
    if !first.isEmpty || rest != nil { rules.append(.elements(first: first, rest: rest)) }
    let least = count(here, "minContains")
    let most = count(here, "maxContains")
    if let place = inner(here, "contains") {
      rules.append(.contains(place, least: least ?? 1, most: most ?? .max))
    }
    return rules
  }

  // MARK: - Branches

  mutating func branchRules(_ here: SchemaText) -> [SchemaRule] {
    var rules: [SchemaRule] = []
    let all = innerList(here, "allOf")
    if !all.isEmpty { rules.append(.allOf(all)) }
    let any = innerList(here, "anyOf")
    if !any.isEmpty { rules.append(.anyOf(any)) }
    let one = innerList(here, "oneOf")
    if !one.isEmpty { rules.append(.oneOf(one)) }
    if let place = inner(here, "not") { rules.append(.not(place)) }
    let then = inner(here, "then")
    let other = inner(here, "else")
    if let test = inner(here, "if") { rules.append(.condition(test, then: then, else: other)) }
    return rules
  }

  // MARK: - Schemas inside

  mutating func inner(_ here: SchemaText, _ keyword: String) -> SchemaPlace? {
    guard let value = here[keyword] else { return nil }
    return node(value, at: here.pointer + "/" + keyword, depth: here.depth + 1)
  }

  private mutating func innerList(_ here: SchemaText, _ keyword: String) -> [SchemaPlace] {
    guard let value = here[keyword] else { return [] }
    guard let list = value.arrayValue, !list.isEmpty else {
      wrong(here, keyword, "a list of at least one schema")
      return []
    }
    var places: [SchemaPlace] = []
    for (index, value) in list.enumerated() {
      places.append(node(value, at: "\(here.pointer)/\(keyword)/\(index)", depth: here.depth + 1))
    }
    return places
  }

  mutating func innerByName(
    _ here: SchemaText, _ keyword: String
  ) -> [(name: String, place: SchemaPlace)] {
    guard let value = here[keyword] else { return [] }
    guard let members = value.members else {
      wrong(here, keyword, "a mapping of names to schemas")
      return []
    }
    var places: [(name: String, place: SchemaPlace)] = []
    for member in members {
      let pointer = here.pointer + "/" + keyword + Self.step(member.name)
      places.append((member.name, node(member.value, at: pointer, depth: here.depth + 1)))
    }
    return places
  }
}
