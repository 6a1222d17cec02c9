import Foundation
import JSONSchema
import TestData
import Testing
import Wire

/// The official cases of JSON Schema 2020-12.
@Suite("The official cases of JSON Schema")
struct OfficialCasesTests {
  /// Told here a second time and from the keywords' specification, so that the compiler is not its own judge.
  private enum Support {
    private static let maps: Set<String> = [
      "properties", "patternProperties", "$defs", "dependentSchemas",
    ]
    private static let inner: Set<String> = [
      "additionalProperties", "propertyNames", "items", "contains", "not", "if", "then", "else",
      "unevaluatedItems", "unevaluatedProperties",
    ]
    private static let lists: Set<String> = ["prefixItems", "allOf", "anyOf", "oneOf"]
    private static let plain: Set<String> = [
      "type", "enum", "const", "required", "minProperties", "maxProperties", "minContains", "maxContains",
      "minItems", "maxItems", "uniqueItems", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
      "multipleOf", "minLength", "maxLength", "dependentRequired", "$anchor", "title", "description",
      "default",
      "examples", "$comment", "deprecated", "readOnly", "writeOnly", "format", "contentEncoding",
      "contentMediaType", "contentSchema",
    ]

    /// The first thing in a schema that is not supported.
    static func obstacle(_ schema: JSONValue) -> String? {
      for member in schema.members ?? [] {
        if let found = obstacle(member) { return found }
      }
      return nil
    }

    private static func obstacle(_ member: JSONMember) -> String? {
      let value = member.value
      switch member.name {
      case "$ref": return value.stringValue?.hasPrefix("#") == true ? nil : "$ref to elsewhere"
      case "$schema": return value == "https://json-schema.org/draft/2020-12/schema" ? nil : "$schema"
      case "pattern": return value.stringValue?.contains("\\p") == true ? "\\p{…} in pattern" : nil
      case let name where maps.contains(name):
        if name == "patternProperties", value.members?.contains(where: { $0.name.contains("\\p") }) == true {
          return "\\p{…} in pattern"
        }
        return value.members?.lazy.compactMap { obstacle($0.value) }.first
      case let name where inner.contains(name): return obstacle(value)
      case let name where lists.contains(name):
        return value.arrayValue?.lazy.compactMap { obstacle($0) }.first
      case let name: return plain.contains(name) ? nil : name
      }
    }
  }

  private static func files() -> [(name: String, bytes: [UInt8])]? {
    let folder = SharedData.folder.appendingPathComponent("suites/json-schema-2020-12")
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder.path) else {
      print("SKIPPED: official cases of JSON Schema: no \(folder.path); set SHADOW_ROUTER_SHARED")
      return nil
    }
    return names.filter { $0.hasSuffix(".json") }.sorted().compactMap { name in
      (try? Data(contentsOf: folder.appendingPathComponent(name))).map { (name, [UInt8]($0)) }
    }
  }

  @Test("pass where their keywords are supported, and are refused where not")
  func cases() throws {
    guard let files = Self.files() else { return }
    var passed = 0
    var refused: [String: Int] = [:]
    for file in files {
      for group in try #require(JSONValue(parsing: file.bytes).arrayValue) {
        let tests = try #require(group["tests"]?.arrayValue)
        let schema = try #require(group["schema"])
        let place = "\(file.name): \(group["description"]?.stringValue ?? "")"
        var problems: [SchemaProblem] = []
        let compiled = Schema.read(schema, problems: &problems)
        if let obstacle = Support.obstacle(schema) {
          #expect(compiled == nil && !problems.isEmpty, "\(place) uses \(obstacle)")
          refused[obstacle, default: 0] += tests.count
          continue
        }
        guard let compiled else {
          Issue.record("\(place) is refused: \(problems)")
          continue
        }
        for test in tests {
          let fault = compiled.fault(in: try #require(test["data"]))
          let isValid = test["valid"]?.boolValue == true
          #expect(
            (fault == nil) == isValid, "\(place): \(test["description"]?.stringValue ?? ""): \(fault as Any)")
          passed += 1
        }
      }
    }
    #expect(passed > 1_000)
    print("JSON Schema cases: \(passed) run, \(refused.values.reduce(0, +)) refused at compile")
    for (obstacle, count) in refused.sorted(by: { $0.key < $1.key }) {
      print("JSON Schema cases: refused for \(obstacle): \(count)")
    }
  }
}
