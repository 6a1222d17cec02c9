import Foundation
import Testing
import Wire

/// The public conformance suite of N. Seriot, "Parsing JSON is a minefield".
@Suite("JSON conformance")
struct JSONSuiteTests {
  private struct Case {
    let name: String
    let expect: String
    let text: [UInt8]
  }

  private static var shared: URL {
    if let folder = ProcessInfo.processInfo.environment["SHADOW_ROUTER_SHARED"] {
      return URL(fileURLWithPath: folder)
    }
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return package.deletingLastPathComponent().appendingPathComponent("shared")
  }

  private static func cases() throws -> [Case]? {
    let file = shared.appendingPathComponent("suites/json-test-suite.ndjson")
    guard let data = try? Data(contentsOf: file) else {
      print("SKIPPED: JSON conformance suite, no file \(file.path)")
      return nil
    }
    return try data.split(separator: 0x0A).map { line in
      let value = try JSONValue(parsing: [UInt8](line))
      let base64 = try #require(value["base64"]?.stringValue)
      return Case(
        name: try #require(value["name"]?.stringValue), expect: try #require(value["expect"]?.stringValue),
        text: [UInt8](try #require(Data(base64Encoded: base64))))
    }
  }

  /// Two of the suite's good cases repeat a name, which RFC 8259 lets a reader refuse.
  private static func treeAccepts(_ text: [UInt8]) -> Bool {
    (try? JSONValue(parsing: text, options: JSONOptions(allowsRepeatedNames: true))) != nil
  }

  /// As part of a frame. Only in good texts are line breaks certain to be white space.
  private static func indexAccepts(_ one: Case) -> Bool {
    let line = one.expect == "good" ? one.text.map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 } : one.text
    var members: [JSONMemberRange] = []
    let frame = [UInt8]("{\"v\":1,\"x\":".utf8) + line + [UInt8]("}".utf8)
    return (try? JSONIndex.members(of: frame.span, into: &members)) != nil
  }

  @Test("every good text is read and every bad one refused, by the tree and by the index")
  func conformance() throws {
    guard let cases = try Self.cases() else { return }
    var accepted: [String: Int] = [:]
    var refused: [String: Int] = [:]
    for one in cases {
      let verdicts = [("tree", Self.treeAccepts(one.text)), ("index", Self.indexAccepts(one))]
      for (reader, isAccepted) in verdicts {
        accepted["\(one.expect) \(reader)", default: 0] += isAccepted ? 1 : 0
        refused["\(one.expect) \(reader)", default: 0] += isAccepted ? 0 : 1
        if one.expect == "good" { #expect(isAccepted, "\(reader) refuses \(one.name)") }
        if one.expect == "bad" { #expect(!isAccepted, "\(reader) accepts \(one.name)") }
      }
    }
    #expect(cases.count > 300)
    for key in accepted.keys.sorted() {
      print("JSON suite: \(key): \(accepted[key] ?? 0) accepted, \(refused[key] ?? 0) refused")
    }
  }
}
