import JSONSchema
import TestData
import Testing
import Wire

@Suite("Schemas")
struct SchemaTests {
  private func read(_ text: String, _ dialect: Schema.Dialect = .strict) throws -> (Schema?, [SchemaProblem])
  {
    var problems: [SchemaProblem] = []
    let schema = Schema.read(try JSONValue(parsing: text), dialect, problems: &problems)
    return (schema, problems)
  }

  private func fault(_ schema: String, _ value: String, _ dialect: Schema.Dialect = .strict) throws
    -> SchemaFault?
  {
    try #require(read(schema, dialect).0).fault(in: try JSONValue(parsing: value))
  }

  @Test(
    "are refused at the place of what cannot be applied, with a remedy",
    arguments: [
      (#"{"minimun": 1}"#, "/minimun", "did you mean `minimum`?"),
      (##"{"properties": {"a/b": {"$dynamicRef": "#x"}}}"##, "/properties/a~1b/$dynamicRef", "write `$ref`"),
      (#"{"items": {"$ref": "https://example.com/x"}}"#, "/items/$ref", "leads out of the schema"),
      (##"{"$ref": "#/$defs/none"}"##, "/$ref", "there is no schema"),
      (##"{"$ref": "#/%zz"}"##, "/$ref", "there is no schema"),
      (#"{"definitions": {}}"#, "/definitions", "write `$defs`"),
      (#"{"$id": "x"}"#, "/$id", "leave it out"),
      (#"{"$schema": "http://json-schema.org/draft-07/schema#"}"#, "/$schema", "2020-12"),
      (#"{"type": "strnig"}"#, "/type", "did you mean `string`?"),
      (#"{"pattern": "(?=x)"}"#, "/pattern", "look-around"),
      (#"{"patternProperties": {"[": true}}"#, "/patternProperties", "never closed"),
      (#"{"multipleOf": 0}"#, "/multipleOf", "above 0"),
      (#"{"multipleOf": 1.0000000000000000001}"#, "/multipleOf", "18 digits"),
      (#"{"minLength": -1}"#, "/minLength", "whole number"),
      (#"{"maxItems": 1.5}"#, "/maxItems", "whole number"),
      (#"{"enum": 3}"#, "/enum", "a list"), (#"{"required": ["a", "a"]}"#, "/required", "different"),
      (#"{"allOf": []}"#, "/allOf", "at least one"), (#"{"items": [{}]}"#, "/items", "a schema must be"),
      (#"{"if": 3}"#, "/if", "a schema must be"),
      (#"{"$anchor": "a b"}"#, "/$anchor", "a name of its own"),
      (##"{"$ref": "#"}"##, "", "without end"),
      (
        ##"{"$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}}}"##,
        "/$defs/", "without end"
      ),
    ])
  func refusals(text: String, pointer: String, remedy: String) throws {
    let (schema, problems) = try read(text)
    #expect(schema == nil && problems.count == 1)
    let problem = try #require(problems.first)
    #expect(pointer.hasSuffix("/$defs/") ? problem.pointer.hasPrefix(pointer) : problem.pointer == pointer)
    #expect(problem.message.contains(remedy), "\(problem.message)")
  }

  @Test("are refused for all that is wrong with them at once")
  func allProblems() throws {
    let (_, problems) = try read(#"{"minimun": 1, "properties": {"a": {"type": 3}, "b": {"foo": 1}}}"#)
    #expect(problems.map(\.pointer).sorted() == ["/minimun", "/properties/a/type", "/properties/b/foo"])
  }

  @Test("that nest too deep are refused, not followed")
  func deep() throws {
    let text = String(repeating: #"{"items":"#, count: 100) + "true" + String(repeating: "}", count: 100)
    #expect(try read(text).1.contains { $0.message.contains("nested deeper") })
  }

  @Test(
    "say the place and the keyword of the first fault",
    arguments: [
      (#"{"properties": {"a": {"items": {"type": "string"}}}}"#, #"{"a": ["x", 1]}"#, "/a/1", "type"),
      (#"{"additionalProperties": false}"#, #"{"secret name": 1}"#, "/*", "additionalProperties"),
      (#"{"additionalProperties": {"type": "null"}}"#, #"{"x": 1}"#, "/*", "type"),
      (#"{"properties": {"a b": {"type": "null"}}}"#, #"{"a b": 1}"#, "/*", "type"),
      (#"{"properties": {"größe": {"maximum": 1}}}"#, #"{"größe": 2}"#, "/größe", "maximum"),
      (#"{"anyOf": [{"type": "null"}, {"const": 2}]}"#, "1", "", "anyOf"),
      (#"{"allOf": [true, {"prefixItems": [{"enum": [1]}]}]}"#, "[2]", "/0", "enum"),
      (#"{"contains": {"const": 1}, "minContains": 2}"#, "[1]", "", "minContains"),
      (#"{"if": {"const": 1}, "then": false}"#, "1", "", "then"),
      (#"{"propertyNames": {"maxLength": 1}}"#, #"{"ab": 1}"#, "", "propertyNames"),
      ("false", "1", "", "false"),
    ])
  func places(schema: String, value: String, pointer: String, keyword: String) throws {
    #expect(try fault(schema, value) == SchemaFault(pointer: pointer, keyword: keyword, missing: nil))
  }

  @Test("name a missing member, which is the schema's own word")
  func missing() throws {
    let schema = #"{"items": {"required": ["a", "b"]}}"#
    #expect(
      try fault(schema, #"[{"a": 1}]"#) == SchemaFault(pointer: "/0", keyword: "required", missing: "b"))
  }

  @Test(
    "compare numbers by their exact value",
    arguments: [
      (#"{"type": "integer"}"#, "1.0", true), (#"{"type": "integer"}"#, "1e400", true),
      (#"{"type": "integer"}"#, "1.5", false), (#"{"enum": [1]}"#, "1.0", true),
      (#"{"const": 10}"#, "1e1", true),
      (#"{"multipleOf": 0.1}"#, "0.3", true), (#"{"multipleOf": 0.01}"#, "4.35", true),
      (#"{"multipleOf": 0.01}"#, "19.999", false), (#"{"multipleOf": 3}"#, "1e400", false),
      (#"{"multipleOf": 0.5}"#, "1e308", true), (#"{"multipleOf": 7e-3}"#, "-0.049", true),
      (#"{"multipleOf": 999999999999999999}"#, "999999999999999998000000000000000001", true),
      (#"{"maximum": 9007199254740992}"#, "9007199254740993", false),
      (#"{"exclusiveMinimum": 0.1}"#, "0.10", false), (#"{"minimum": -1e-400}"#, "0", true),
      (#"{"minimum": 1e-400}"#, "0", false), (#"{"maximum": -2}"#, "-3", true),
      (#"{"uniqueItems": true}"#, "[1, 1.0]", false), (#"{"uniqueItems": true}"#, "[1, true, \"1\"]", true),
    ])
  func numbers(schema: String, value: String, fits: Bool) throws {
    #expect(try (fault(schema, value) == nil) == fits)
  }

  @Test("count lengths in Unicode scalars and tell names apart by them")
  func scalars() throws {
    #expect(try fault(#"{"maxLength": 1}"#, #""e\u0301""#)?.keyword == "maxLength")
    #expect(try fault(#"{"maxLength": 1}"#, #""😀""#) == nil)
    #expect(try fault(#"{"required": ["é"]}"#, #"{"e\u0301": 1}"#)?.keyword == "required")
  }

  @Test("that branch without end are given up in bounded time, and then nothing fits, not even under `not`")
  func explosion() throws {
    let defs = (0..<40).map { number in
      let next = ##"{"$ref": "#/$defs/d\##(number + 1)"}"##
      return #""d\#(number)": {"anyOf": [\#(next), \#(next)]}"#
    }
    let text = #"{"$defs": {\#(defs.joined(separator: ",")), "d40": false}, "ROOT"}"#
    for root in [##""$ref": "#/$defs/d0""##, ##""not": {"$ref": "#/$defs/d0"}"##] {
      let schema = text.replacing("\"ROOT\"", with: root)
      #expect(try fault(schema, "1")?.keyword == SchemaFault.tooComplex)
    }
  }

  @Test("that refer to themselves follow a value down, to a bounded depth")
  func recursion() throws {
    let schema = ##"{"type": "object", "additionalProperties": {"$ref": "#"}}"##
    func nested(_ depth: Int, _ inside: String) -> String {
      String(repeating: #"{"a":"#, count: depth) + inside + String(repeating: "}", count: depth)
    }
    #expect(try fault(schema, nested(20, "{}")) == nil)
    #expect(try fault(schema, nested(20, "1"))?.keyword == "type")
    #expect(try fault(schema, nested(400, "{}"))?.keyword == SchemaFault.tooComplex)
  }

  @Test(
    "from outside are applied as far as they can be",
    arguments: [
      (#"{"type": "dict", "required": ["a"]}"#, "{}", false), (#"{"type": "dict"}"#, "[]", false),
      (#"{"type": "float"}"#, "1", true), (#"{"type": "float"}"#, #""1""#, false),
      (#"{"type": "tuple", "items": {"type": "int"}}"#, "[1.5]", false), (#"{"type": "any"}"#, "null", true),
      (#"{"type": "String"}"#, "1", false), (#"{"type": ["string", "any"]}"#, "1", true),
      (#"{"type": "string", "nullable": true}"#, "null", true),
      (#"{"type": 3, "minLength": "x"}"#, "1", true),
      (#"{"pattern": "(?!x)", "maxLength": 1}"#, #""ab""#, false),
      (#"{"$ref": "http://x", "const": 1}"#, "2", false),
      (##"{"$ref": "#/definitions/a", "definitions": {"a": {"const": 1}}}"##, "2", false),
      (#"{"required": ["a", "a", 3]}"#, "{}", false), (#"{"required": true}"#, "{}", true),
      (##"{"$ref": "#"}"##, "1", false), (#"["not a schema"]"#, "1", true),
      (#"{"items": [{"const": 1}]}"#, "[2]", true),
    ])
  func foreign(schema: String, value: String, fits: Bool) throws {
    #expect(try read(schema, .foreign).1.isEmpty)
    #expect(try (fault(schema, value, .foreign) == nil) == fits)
  }

  @Test("tell whether an object can fit")
  func allowsObjects() throws {
    for (text, allows) in [
      ("true", true), ("false", false), (#"{"type": "array"}"#, false), ("{}", true),
      (#"{"type": ["null", "object"]}"#, true),
    ] {
      #expect(try read(text).0?.allowsObjects == allows)
    }
  }
}
