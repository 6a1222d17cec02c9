import Foundation
import PolicyLanguage
import PolicyYAML
import RouterCore
import Testing
import Wire

@Suite("yaml-test-suite")
struct YAMLSuiteTests {
  private struct Input {
    let id: String
    let bytes: [UInt8]
    let isError: Bool
    let hasJSON: Bool

    init?(_ line: Substring) {
      guard let value = try? JSONValue(parsing: String(line)), let id = value["id"]?.stringValue,
        let base64 = value["base64"]?.stringValue, let data = Data(base64Encoded: base64)
      else { return nil }
      self.id = id
      bytes = Array(data)
      isError = value["error"]?.boolValue == true
      hasJSON = value["json"]?.stringValue != nil
    }
  }

  @Test("none crashes, and none that is wrong is taken")
  func suite() throws {
    guard let url = Places.shared("suites/yaml-test-suite.ndjson", for: "the YAML test suite") else { return }
    let inputs = try String(contentsOf: url, encoding: .utf8).split(separator: "\n").compactMap(Input.init)
    #expect(inputs.count == 402)
    var counts: [String: Int] = [:]
    var taken: [String] = []
    for input in inputs {
      let tree = PolicyText.tree(input.bytes)
      let isTaken = tree.root != nil && tree.problems.isEmpty
      let outcome = isTaken ? "tree" : tree.problems.first.map(Self.kind) ?? "nothing"
      counts["\(input.isError ? "wrong" : "right"): \(outcome)", default: 0] += 1
      if input.isError, isTaken { taken.append(input.id) }
      #expect(input.isError || !outcome.hasSuffix("layout"), "\(input.id) is right, but: \(tree.problems)")
      #expect(isTaken || !tree.problems.isEmpty, "\(input.id) yields neither tree nor problem")
      #expect(tree.problems.allSatisfy { $0.mark.line >= 1 && $0.mark.column >= 1 })
      let reading = PolicyFile.read(input.bytes)
      #expect(reading.policy == nil, "\(input.id) was taken as a policy")
      #expect(!reading.errors.isEmpty)
    }
    print("yaml-test-suite: \(inputs.count) inputs")
    for (outcome, count) in counts.sorted(by: { $0.key < $1.key }) { print("  \(outcome) \(count)") }
    #expect(taken.isEmpty, "wrong YAML taken for a tree: \(taken)")
  }

  private static func kind(_ problem: PolicyProblem) -> String {
    for (start, kind) in [
      ("YAML:", "syntax"), ("an anchor", "anchor"), ("an alias", "alias"), ("a tag", "tag"),
      ("a list,", "key"),
      ("a blank key", "key"), ("the key", "duplicate"), ("a second", "documents"),
      ("a directive", "directive"),
      ("the file is empty", "empty"), ("a merge", "merge"), ("this line", "layout"), ("a comment", "layout"),
      ("a dash", "layout"), ("a blank line", "layout"),
    ] where problem.message.hasPrefix(start) { return "refused, \(kind)" }
    return "refused, characters"
  }
}
