import Foundation
import PolicyLanguage
import PolicyYAML
import RouterCore
import Testing

/// A policy under Tests/Policies that says in comments what is to be said about it.
///
/// `# expect: LINE:COL: fragment` an error (all of them are listed), `# warn:` and `# note:` likewise where any is
/// listed; `# strict` and `# today: DAY` are options.
struct PolicyCase: CustomTestStringConvertible, Sendable {
  let name: String
  let text: String
  var testDescription: String { name }

  static let all: [PolicyCase] = {
    let folder = Places.root.appending(path: "Tests/Policies")
    let files =
      (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
    return files.filter { $0.pathExtension == "yaml" }.sorted { $0.path < $1.path }.map { file in
      PolicyCase(
        name: file.deletingPathExtension().lastPathComponent,
        text: (try? String(contentsOf: file, encoding: .utf8)) ?? "")
    }
  }()

  func remarks(_ name: String) -> [(place: String, fragment: String)] {
    text.split(separator: "\n").compactMap { line in
      let prefix = "# \(name): "
      guard line.hasPrefix(prefix) else { return nil }
      let parts = line.dropFirst(prefix.count).split(separator: ": ", maxSplits: 1)
      return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
    }
  }

  var options: PolicyReadingOptions {
    let today = text.split(separator: "\n").first { $0.hasPrefix("# today: ") }?.dropFirst(9)
    let isStrict = text.split(separator: "\n").contains("# strict")
    return PolicyReadingOptions(today: today.map(String.init), isStrict: isStrict)
  }
}

@Suite("Policy cases")
struct PolicyCaseTests {
  @Test("are found") func areFound() { #expect(PolicyCase.all.count > 25) }

  @Test("yield exactly the problems they announce, at their places", arguments: PolicyCase.all)
  func yield(_ policyCase: PolicyCase) {
    let reading = PolicyReading(policyCase.text, policyCase.options)
    let wanted: [(PolicyProblem.Severity, String)] = [
      (.error, "expect"), (.warning, "warn"), (.note, "note"),
    ]
    for (severity, name) in wanted {
      let expected = policyCase.remarks(name)
      let got = reading.problems.filter { $0.severity == severity }
      if expected.isEmpty, severity != .error { continue }
      let shown = got.map { "\($0.mark.line):\($0.mark.column): \($0.message)" }
      #expect(got.count == expected.count, "\(name): \(shown.joined(separator: "\n"))")
      var rest = shown
      for (place, fragment) in expected {
        let index = rest.firstIndex { $0.hasPrefix("\(place): ") && $0.contains(fragment) }
        #expect(index != nil, "\(name) \(place): \(fragment)\nis not in\n\(rest.joined(separator: "\n"))")
        if let index { rest.remove(at: index) }
      }
    }
    #expect((reading.policy == nil) == !reading.errors.isEmpty)
    #expect(policyCase.name.hasPrefix("bad-") == !reading.errors.isEmpty, "\(reading.lines)")
  }

  @Test("sort their problems by place, and never show a secret or a long value", arguments: PolicyCase.all)
  func sort(_ policyCase: PolicyCase) {
    let reading = PolicyReading(policyCase.text, policyCase.options)
    let places = reading.problems.map { ($0.mark.line, $0.mark.column) }
    #expect(zip(places, places.dropFirst()).allSatisfy { $0 <= $1 })
    for problem in reading.problems {
      #expect(!problem.message.contains("not-shown") && !problem.message.contains("hunter2"))
      #expect(problem.message.unicodeScalars.count < 400)
    }
  }
}

@Suite("A long value")
struct LongValueTests {
  @Test(
    "is cut in messages",
    arguments: ["impact", "owner", "labels", "model", "capture", "stop_signals", "nonsense"])
  func isCut(key: String) {
    let value = String(repeating: "long ", count: 500)
    let reading = PolicyReading("tasks: {a: {local: true, min_confidence: 1, \(key): \"\(value)\"}}")
    #expect(!reading.errors.isEmpty)
    #expect(reading.problems.allSatisfy { $0.message.utf8.count < 500 })
  }
}
