package import Wire

/// The JSON Schema (2020-12) of the policy, made of the same table that reads it.
///
/// The schema sees less than the reader: it knows no references between parts, no dates that do not exist, no terms
/// that cannot match. Whatever it refuses, the reader refuses too.
package enum PolicySchema {
  package static func document() -> JSONValue {
    guard case .object(let members) = schema(of: PolicyDraft.table.shape()) else { return .null }
    let head: [JSONMember] = [
      JSONMember("$schema", "https://json-schema.org/draft/2020-12/schema"),
      JSONMember("title", "shadow-router policy"),
      JSONMember(
        "description",
        "Which calls of an agent a small local model may answer, and what stops it. YAML, read as a strict subset."
      ),
    ]
    return .object(head + members)
  }

  private static func schema(of shape: PolicyShape) -> JSONValue {
    switch shape {
    case .text(let rule): text(rule)
    case .bool: ["type": "boolean"]
    case .int(let range):
      ["type": "integer", "minimum": number(range.lowerBound), "maximum": number(range.upperBound)]
    case .number(let range): numbers(range)
    case .choice(let names): ["enum": .array(names.map { .string($0) })]
    case .list(let item, let least): list(item, least: least)
    case .mapping(let members): mapping(members)
    case .mapOf(let value, let least):
      ["type": "object", "minProperties": number(least), "additionalProperties": schema(of: value)]
    case .either(let shapes): ["anyOf": .array(shapes.map { schema(of: $0) })]
    case .orNull(let shape): ["anyOf": [schema(of: shape), ["type": "null"]]]
    case .json(mapping: true): ["type": "object"]
    case .json(mapping: false): ["not": ["type": "null"]]
    }
  }

  private static func text(_ rule: PolicyTextRule) -> JSONValue {
    var members: [JSONMember] = [JSONMember("type", "string")]
    if let pattern = rule.schemaPattern { members.append(JSONMember("pattern", .string(pattern))) }
    members.append(JSONMember("maxLength", number(rule.limit)))
    return .object(members)
  }

  private static func numbers(_ range: PolicyRange) -> JSONValue {
    [
      "type": "number", range.isAbove ? "exclusiveMinimum" : "minimum": number(range.least),
      "maximum": number(range.most),
    ]
  }

  private static func list(_ item: PolicyShape, least: Int) -> JSONValue {
    var members: [JSONMember] = [JSONMember("type", "array"), JSONMember("items", schema(of: item))]
    if least > 0 { members.append(JSONMember("minItems", number(least))) }
    switch item {
    // The reader compares texts, not mappings.
    case .text, .choice: members.append(JSONMember("uniqueItems", true))
    default: break
    }
    return .object(members)
  }

  private static func mapping(_ members: [PolicyShape.Member]) -> JSONValue {
    var parts: [JSONMember] = [
      JSONMember("type", "object"),
      JSONMember("additionalProperties", false),
      JSONMember("properties", .object(members.map { JSONMember($0.name, property($0)) })),
    ]
    let required = members.filter(\.isRequired).map { JSONValue.string($0.name) }
    if !required.isEmpty { parts.append(JSONMember("required", .array(required))) }
    return .object(parts)
  }

  private static func property(_ member: PolicyShape.Member) -> JSONValue {
    guard case .object(let members) = schema(of: member.shape) else { return .bool(true) }
    return .object([JSONMember("description", .string(member.about))] + members)
  }

  private static func number(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }

  private static func number(_ value: Double) -> JSONValue {
    Int(exactly: value).map(number) ?? JSONNumber(value).map { .number($0) } ?? .null
  }
}
