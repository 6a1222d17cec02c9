import Text
import Wire

/// A place in a schema's list of nodes. References are places, so that a schema may refer to itself.
typealias SchemaPlace = Int

/// One schema inside a schema: true, false, or rules that must all hold.
enum SchemaNode: Sendable {
  case always(Bool)
  case rules([SchemaRule])
}

/// Names compare by their bytes: to JSON, "é" in one scalar and in two are different names.
typealias SchemaName = [UInt8]

struct SchemaTypes: OptionSet, Sendable {
  let rawValue: UInt8

  static let null = SchemaTypes(rawValue: 1)
  static let boolean = SchemaTypes(rawValue: 2)
  static let integer = SchemaTypes(rawValue: 4)
  static let number = SchemaTypes(rawValue: 8)
  static let string = SchemaTypes(rawValue: 16)
  static let array = SchemaTypes(rawValue: 32)
  static let object = SchemaTypes(rawValue: 64)

  static let names: [String: SchemaTypes] = [
    "null": .null, "boolean": .boolean, "integer": .integer, "number": .number, "string": .string,
    "array": .array, "object": .object,
  ]

  func holds(_ value: JSONValue) -> Bool {
    switch value {
    case .null: contains(.null)
    case .bool: contains(.boolean)
    case .number(let number): contains(.number) || contains(.integer) && number.isIntegral
    case .string: contains(.string)
    case .array: contains(.array)
    case .object: contains(.object)
    }
  }
}

/// A compiled keyword, or the few keywords that only mean something together.
enum SchemaRule: Sendable {
  case types(SchemaTypes)
  case enumeration([JSONValue])
  case constant(JSONValue)

  case bound(SchemaBound, JSONNumber)
  case multipleOf(JSONNumber)
  case size(SchemaSize, Int)
  case pattern(Pattern)
  case uniqueItems

  case required([SchemaName])
  case dependentRequired([(SchemaName, needs: [SchemaName])])
  case members(SchemaMembers)
  case propertyNames(SchemaPlace)
  case dependentSchemas([(SchemaName, SchemaPlace)])

  case elements(first: [SchemaPlace], rest: SchemaPlace?)
  /// `least` and `most` are `minContains` and `maxContains`.
  case contains(SchemaPlace, least: Int, most: Int)

  case allOf([SchemaPlace])
  case anyOf([SchemaPlace])
  case oneOf([SchemaPlace])
  case not(SchemaPlace)
  case condition(SchemaPlace, then: SchemaPlace?, else: SchemaPlace?)
  case reference(SchemaPlace)

  /// Last in their node: they look at what all the others have taken in.
  case unevaluatedItems(SchemaPlace)
  case unevaluatedProperties(SchemaPlace)
}

/// `properties`, `patternProperties` and `additionalProperties`.
struct SchemaMembers: Sendable {
  var named: [SchemaName: SchemaPlace] = [:]
  var matching: [(Pattern, SchemaPlace)] = []
  var others: SchemaPlace?
}

enum SchemaBound: String, CaseIterable, Sendable {
  case minimum, maximum, exclusiveMinimum, exclusiveMaximum

  func holds(_ number: JSONNumber, _ limit: JSONNumber) -> Bool {
    switch self {
    case .minimum: number >= limit
    case .maximum: number <= limit
    case .exclusiveMinimum: number > limit
    case .exclusiveMaximum: number < limit
    }
  }
}

enum SchemaSize: String, CaseIterable, Sendable {
  case minLength, maxLength, minItems, maxItems, minProperties, maxProperties

  func holds(_ value: JSONValue, _ limit: Int) -> Bool {
    switch (self, value) {
    case (.minLength, .string(let text)): text.unicodeScalars.count >= limit
    case (.maxLength, .string(let text)): text.unicodeScalars.count <= limit
    case (.minItems, .array(let elements)): elements.count >= limit
    case (.maxItems, .array(let elements)): elements.count <= limit
    case (.minProperties, .object(let members)): members.count >= limit
    case (.maxProperties, .object(let members)): members.count <= limit
    default: true
    }
  }
}

extension SchemaRule {
  /// The places evaluated at the same value: where these go round in a circle, evaluation would never end.
  var sameValue: [SchemaPlace] {
    switch self {
    case .reference(let place), .not(let place): [place]
    case .allOf(let places), .anyOf(let places), .oneOf(let places): places
    case .condition(let test, let then, let other): [test] + [then, other].compactMap { $0 }
    case .dependentSchemas(let list): list.map(\.1)
    default: []
    }
  }
}
