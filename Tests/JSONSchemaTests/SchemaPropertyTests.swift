import JSONSchema
import TestData
import Testing
import Wire

/// The slow and obvious reading of a few keywords: sets of the specification's own words, no compiling, no short cuts.
private enum Reference {
  static func fits(_ value: JSONValue, _ schema: JSONValue) -> Bool {
    if let verdict = schema.boolValue { return verdict }
    return (schema.members ?? []).allSatisfy { holds($0.name, $0.value, schema, value) }
  }

  private static func holds(_ keyword: String, _ rule: JSONValue, _ schema: JSONValue, _ value: JSONValue)
    -> Bool
  {
    let list = rule.arrayValue ?? []
    switch keyword {
    case "type": return rule.stringValue.map { hasType(value, $0) } ?? false
    case "enum": return list.contains(value)
    case "const": return rule == value
    case "minimum": return value.doubleValue.map { $0 >= rule.doubleValue ?? 0 } ?? true
    case "required":
      return value.members == nil || list.allSatisfy { value[$0.stringValue ?? ""] != nil }
    case "properties":
      return value.members == nil
        || (rule.members ?? []).allSatisfy { member in
          value[member.name].map { fits($0, member.value) } ?? true
        }
    case "additionalProperties":
      return (value.members ?? []).allSatisfy {
        schema["properties"]?[$0.name] != nil || fits($0.value, rule)
      }
    case "items": return (value.arrayValue ?? []).allSatisfy { fits($0, rule) }
    case "contains": return value.arrayValue.map { $0.contains { fits($0, rule) } } ?? true
    case "uniqueItems":
      let items = value.arrayValue ?? []
      return items.indices.allSatisfy { one in
        items.indices.allSatisfy { $0 == one || items[$0] != items[one] }
      }
    case "maxItems": return value.arrayValue.map { $0.count <= rule.intValue ?? 0 } ?? true
    case "allOf": return list.allSatisfy { fits(value, $0) }
    case "anyOf": return list.contains { fits(value, $0) }
    case "oneOf": return list.count { fits(value, $0) } == 1
    case "not": return !fits(value, rule)
    default: return true
    }
  }

  private static func hasType(_ value: JSONValue, _ name: String) -> Bool {
    switch name {
    case "integer": value.intValue != nil
    case "number": value.numberValue != nil
    case "string": value.stringValue != nil
    case "array": value.arrayValue != nil
    case "object": value.members != nil
    default: value.isNull
    }
  }
}

/// Small schemas and values over few names and numbers, so that they meet.
private struct Sample {
  var random: SeededGenerator

  mutating func pick<Element>(_ list: [Element]) -> Element { list[Int(random.next() % UInt64(list.count))] }
  mutating func number() -> JSONValue {
    .number(JSONNumber(pick([0, 0.5, 1, 2]) as Double) ?? JSONNumber(0))
  }

  mutating func value(_ depth: Int) -> JSONValue {
    switch depth > 0 ? pick([0, 1, 2, 3, 4, 5]) : pick([0, 1, 2]) {
    case 0: return number()
    case 1: return .string(pick(["a", "b"]))
    case 2: return .null
    case 3, 4:
      let names = pick([[], ["a"], ["b"], ["a", "b"]] as [[String]])
      return .object(names.map { JSONMember($0, value(depth - 1)) })
    default: return .array((0..<pick([0, 1, 2, 3])).map { _ in value(depth - 1) })
    }
  }

  mutating func schema(_ depth: Int) -> JSONValue {
    if depth == 0 { return pick([true, false, ["type": "number"], ["const": 1], ["type": "string"]]) }
    var members: [String: JSONValue] = [:]
    for _ in 0..<pick([1, 2, 3]) {
      let keyword = pick([
        "type", "enum", "const", "minimum", "required", "properties", "additionalProperties", "items",
        "contains",
        "uniqueItems", "maxItems", "allOf", "anyOf", "oneOf", "not",
      ])
      members[keyword] = rule(keyword, depth)
    }
    return .object(members.sorted { $0.key < $1.key }.map { JSONMember($0.key, $0.value) })
  }

  private mutating func rule(_ keyword: String, _ depth: Int) -> JSONValue {
    switch keyword {
    case "type": pick(["integer", "number", "string", "array", "object", "null"])
    case "enum": .array([value(1), value(0)])
    case "const": value(1)
    case "minimum": number()
    case "required": .array([.string(pick(["a", "b"]))])
    case "properties": .object([JSONMember(pick(["a", "b"]), schema(depth - 1))])
    case "uniqueItems": true
    case "maxItems": .number(JSONNumber(pick([0, 1, 2])))
    case "allOf", "anyOf", "oneOf": .array([schema(depth - 1), schema(depth - 1)])
    default: schema(depth - 1)
    }
  }
}

@Suite("Schemas, against a slow reference")
struct SchemaPropertyTests {
  @Test(
    "give the same verdict on random pairs, and a fault that holds nothing of the value", arguments: 0..<8)
  func sameVerdict(seed: UInt64) throws {
    var sample = Sample(random: SeededGenerator(seed: seed))
    var fitting = 0
    for _ in 0..<2_000 {
      let (text, value) = (sample.schema(3), sample.value(3))
      var problems: [SchemaProblem] = []
      let schema = try #require(Schema.read(text, problems: &problems), "\(problems)")
      let fault = schema.fault(in: value)
      let expected = Reference.fits(value, text)
      #expect((fault == nil) == expected, "\(text.jsonText) \(value.jsonText)")
      // Applied from outside, a schema without foreign words means the same.
      #expect(Schema.read(text, .foreign, problems: &problems)?.fault(in: value) == fault)
      fitting += expected ? 1 : 0
    }
    #expect((200...1_800).contains(fitting), "\(fitting)")
  }

  @Test("order numbers as doubles do, where doubles are exact, and agree on multiples of powers of two")
  func order() throws {
    var random = SeededGenerator(seed: 7)
    for _ in 0..<5_000 {
      let (left, right) = (
        Double(Int64(bitPattern: random.next()) >> 12) / 64,
        Double(Int64(bitPattern: random.next()) >> 40) / 8
      )
      let (one, other) = (try #require(JSONNumber(left)), try #require(JSONNumber(right)))
      #expect((one < other) == (left < right) && (one == other) == (left == right), "\(left) \(right)")
      #expect(one.isMultiple(of: try #require(JSONNumber(0.25))) == (left * 4 == (left * 4).rounded()))
      #expect(one.isIntegral == (left == left.rounded()))
    }
  }
}
