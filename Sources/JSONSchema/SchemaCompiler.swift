import Text
import Wire

/// Makes nodes of a schema's text, and gathers what is wrong with it.
struct SchemaCompiler {
  private let root: JSONValue
  let dialect: Schema.Dialect
  private(set) var nodes: [SchemaNode] = []
  private(set) var problems: [SchemaProblem] = []
  private var tracksEvaluation = false
  /// By the pointer's bytes.
  private var places: [SchemaName: SchemaPlace] = [:]
  private var anchors: [String: SchemaPlace] = [:]
  /// References wait until everything that they may name has its place.
  private var references: [(place: SchemaPlace, rule: Int, target: String, pointer: String)] = []

  /// Schemas inside schemas; bounds the recursion of reading.
  private static let depth = 64

  init(_ root: JSONValue, _ dialect: Schema.Dialect) {
    self.root = root
    self.dialect = dialect
  }

  mutating func compile() -> Schema? {
    _ = node(root, at: "", depth: 0)
    for reference in references { resolve(reference) }
    // A foreign schema that goes round in a circle is met by the limits of the check.
    if dialect == .strict { reportCircles() }
    guard problems.isEmpty else { return nil }
    return Schema(nodes: nodes, tracksEvaluation: tracksEvaluation)
  }

  // MARK: - Problems

  mutating func problem(_ here: SchemaText, _ keyword: String, isAboutName: Bool = false, _ message: String) {
    report(here.pointer + Self.step(keyword), keyword, isAboutName: isAboutName, message)
  }

  private mutating func report(
    _ pointer: String, _ keyword: String?, isAboutName: Bool = false, _ message: String
  ) {
    // What is wrong with a schema from outside is left out of it, not complained about.
    guard dialect == .strict else { return }
    problems.append(
      SchemaProblem(pointer: pointer, keyword: keyword, isAboutName: isAboutName, message: message))
  }

  mutating func wrong(_ here: SchemaText, _ keyword: String, _ expected: String) {
    problem(here, keyword, "`\(keyword)` must be \(expected)")
  }

  static func step(_ name: String) -> String { "/" + JSONValue.pointerEscaped(name) }

  // MARK: - Nodes

  /// Compiles one schema and returns its place.
  mutating func node(_ value: JSONValue, at pointer: String, depth: Int) -> SchemaPlace {
    let place = nodes.count
    nodes.append(.always(true))
    places[SchemaName(pointer.utf8)] = place
    switch value {
    case .bool(let verdict): nodes[place] = .always(verdict)
    case .object(let members):
      guard depth < Self.depth else {
        report(pointer, nil, "schemas are nested deeper than \(Self.depth); move parts to `$defs`")
        return place
      }
      let here = SchemaText(members: members, pointer: pointer, depth: depth, place: place)
      nodes[place] = .rules(rules(here))
    default: report(pointer, nil, "a schema must be a mapping of keywords, true or false")
    }
    return place
  }

  private mutating func rules(_ here: SchemaText) -> [SchemaRule] {
    checkNames(here)
    readIdentity(here)
    // In the order in which a person would look for the fault.
    var rules = scalarRules(here)
    rules += objectRules(here)
    rules += arrayRules(here)
    rules += branchRules(here)
    if let target = here["$ref"] {
      if let text = target.stringValue {
        references.append((here.place, rules.count, text, here.pointer))
        rules.append(.reference(here.place))
      } else {
        wrong(here, "$ref", "a text such as `#/$defs/NAME`")
      }
    }
    let restOfItems = inner(here, "unevaluatedItems")
    let restOfMembers = inner(here, "unevaluatedProperties")
    if let restOfItems { rules.append(.unevaluatedItems(restOfItems)) }
    if let restOfMembers { rules.append(.unevaluatedProperties(restOfMembers)) }
    if restOfItems != nil || restOfMembers != nil { tracksEvaluation = true }
    return rules
  }

  private mutating func checkNames(_ here: SchemaText) {
    for member in here.members {
      let name = member.name
      guard !SchemaKeywords.applied.contains(name), !SchemaKeywords.silent.contains(name) else { continue }
      let known = SchemaKeywords.applied.union(SchemaKeywords.silent)
      let remedy =
        SchemaKeywords.remedies[name]
        ?? NearestName.match(for: name, among: known.sorted()).map { "did you mean `\($0)`?" }
        ?? "remove it, or say it in `$comment`"
      problem(here, name, isAboutName: true, "the keyword \(Self.quoted(name)) is not supported; \(remedy)")
    }
  }

  static func quoted(_ text: String) -> String {
    let short = String(String.UnicodeScalarView(text.unicodeScalars.prefix(64)))
    return "`\(short)\(text.unicodeScalars.count > 64 ? "…" : "")`"
  }

  /// `$schema`, `$anchor` and `$defs`.
  private mutating func readIdentity(_ here: SchemaText) {
    if let dialect = here["$schema"], dialect.stringValue.map(SchemaKeywords.dialects.contains) != true {
      problem(
        here, "$schema", "`$schema` must be \"https://json-schema.org/draft/2020-12/schema\", or be left out")
    }
    if let anchor = here["$anchor"] {
      if let name = anchor.stringValue, Self.isAnchor(name), anchors[name] == nil {
        anchors[name] = here.place
      } else {
        wrong(here, "$anchor", "a name of its own, of letters, digits, `_`, `-` and `.`")
      }
    }
    _ = innerByName(here, "$defs")
    // Its name up to 2019; every second generator of tool definitions still writes it.
    if dialect == .foreign { _ = innerByName(here, "definitions") }
  }

  private static func isAnchor(_ name: String) -> Bool {
    guard let first = name.utf8.first, isLetter(first) else { return false }
    return name.utf8.allSatisfy {
      isLetter($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "-")
        || $0 == UInt8(ascii: ".")
    }
  }

  private static func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || byte == UInt8(ascii: "_")
  }

  // MARK: - References

  private mutating func resolve(
    _ reference: (place: SchemaPlace, rule: Int, target: String, pointer: String)
  ) {
    guard case .rules(var rules) = nodes[reference.place] else { return }
    if let place = place(of: reference.target) {
      rules[reference.rule] = .reference(place)
    } else {
      rules.remove(at: reference.rule)
      let isLocal = reference.target.utf8.first == UInt8(ascii: "#")
      report(
        reference.pointer + "/$ref", "$ref",
        isLocal
          ? "`$ref` names \(Self.quoted(reference.target)), where there is no schema; write `#/$defs/NAME`"
          : "`$ref` leads out of the schema; copy what it names into `$defs` and write `#/$defs/NAME`")
    }
    nodes[reference.place] = .rules(rules)
  }

  private func place(of target: String) -> SchemaPlace? {
    guard target.utf8.first == UInt8(ascii: "#"), let fragment = Self.unescaped(target.utf8.dropFirst())
    else { return nil }
    if fragment.isEmpty || fragment.first == UInt8(ascii: "/") { return places[fragment] }
    return anchors[String(decoding: fragment, as: UTF8.self)]
  }

  /// Undoes `%41`; nil where a percent sign is followed by anything but two hex digits.
  private static func unescaped(_ text: Substring.UTF8View) -> SchemaName? {
    var bytes: SchemaName = []
    var rest = text
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let high = rest.popFirst().flatMap(hexDigit), let low = rest.popFirst().flatMap(hexDigit) else {
        return nil
      }
      bytes.append(high << 4 | low)
    }
    return bytes
  }

  private static func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  /// A circle of schemas that all look at the same value never ends. What no other leads to cannot be part of one, nor
  /// what leads nowhere; taking such nodes away leaves the circles and what lies between them.
  private mutating func reportCircles() {
    var targets = nodes.map { node in
      if case .rules(let rules) = node { rules.flatMap(\.sameValue) } else { [] as [SchemaPlace] }
    }
    for _ in 0..<2 { targets = Self.reversed(Self.withoutSources(targets)) }
    guard let place = targets.firstIndex(where: { !$0.isEmpty }),
      let pointer = places.first(where: { $0.value == place })?.key
    else { return }
    report(
      String(decoding: pointer, as: UTF8.self), "$ref",
      "the schema refers to itself for the same value without end; put the reference below `properties` or `items`"
    )
  }

  /// Takes away, again and again, the edges of every node that none leads to.
  private static func withoutSources(_ targets: [[SchemaPlace]]) -> [[SchemaPlace]] {
    var targets = targets
    var incoming = [Int](repeating: 0, count: targets.count)
    for place in targets.joined() { incoming[place] += 1 }
    var free = targets.indices.filter { incoming[$0] == 0 }
    while let place = free.popLast() {
      for target in targets[place] {
        incoming[target] -= 1
        if incoming[target] == 0 { free.append(target) }
      }
      targets[place] = []
    }
    return targets
  }

  private static func reversed(_ targets: [[SchemaPlace]]) -> [[SchemaPlace]] {
    var sources = [[SchemaPlace]](repeating: [], count: targets.count)
    for (place, list) in targets.enumerated() { for target in list { sources[target].append(place) } }
    return sources
  }
}

/// One schema's text while it is compiled.
struct SchemaText {
  let members: [JSONMember]
  let pointer: String
  let depth: Int
  let place: SchemaPlace

  subscript(_ keyword: String) -> JSONValue? { members.last { $0.name == keyword }?.value }
}
