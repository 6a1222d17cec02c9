import Foundation
import PolicyLanguage
import PolicyYAML
import RouterCore
import Testing
import Wire

@Suite("The brief")
struct PolicyBriefTests {
  private func policy() throws -> Policy {
    try #require(PolicyFile.read(try Places.policy("every-key")).policy)
  }

  @Test("opens with who reviewed it, then the waivers")
  func opening() throws {
    let lines = PolicyBrief.text(try policy(), today: "2027-06-01").split(separator: "\n").map(String.init)
    #expect(lines[0].hasPrefix("Policy sha256:"))
    #expect(lines[1] == "Reviewed by platform, security on 2026-11-20.")
    #expect(lines[2] == "The next review was due on 2027-05-20: OVERDUE.")
    #expect(lines[3] == "Waivers")
    #expect(
      lines[4].hasPrefix(
        "  \"scope\" for summarize_note until 2027-02-20, by security: scope of work, not of rights [ENDED"))
  }

  @Test("says which host receives the text of which task, the challenger's included")
  func hosts() throws {
    let text = PolicyBrief.text(try policy(), today: "2026-11-21")
    #expect(text.contains("  this process: triage_ticket\n"))
    #expect(
      text.contains("  http://127.0.0.1:11434: triage_ticket, extract_order, pick_tool, summarize_note\n"))
    #expect(text.contains("  http://127.0.0.1:8080: triage_ticket\n"))
    #expect(!text.contains("https://models.example.com"), "no task asks it")
  }

  @Test("is a page", arguments: ["router-policy", "every-key"])
  func page(name: String) throws {
    let policy = try #require(PolicyFile.read(try Places.policy(name)).policy)
    let lines = PolicyBrief.text(policy, today: "2026-11-21").split(
      separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count <= 90)
    #expect(lines.allSatisfy { $0.count <= 130 })
  }

  @Test("says the same as JSON")
  func json() throws {
    let json = PolicyBrief.json(try policy(), today: "2026-11-21")
    #expect(json.pointer("/waivers/0/term") == "scope")
    #expect(json.pointer("/tasks/0/task") == "triage_ticket")
    #expect(
      json.pointer("/tasks/0/hosts") == ["this process", "http://127.0.0.1:11434", "http://127.0.0.1:8080"])
    #expect(json.pointer("/tasks/0/gate/profile") == "strict")
    #expect(json.pointer("/reviewed/overdue") == false)
  }
}

@Suite("The difference of two policies")
struct PolicyDifferenceTests {
  private static let base = """
    models:
      small: {provider: ollama, name: one, endpoint: "http://127.0.0.1:11434/api/generate"}
      other: {provider: ollama, name: two, endpoint: "http://127.0.0.1:11434/api/generate"}
    tasks:
      a: {local: true, model: small, min_confidence: 0.8, labels: [x, y, z], escalate_labels: [z], stop_signals: [novel_input]}
      b: {local: false}
    hard_stops:
      security: [alpha, beta]
      waive: [{term: alpha, task: a, reason: r, by: b, until: 2030-01-01}]
    """

  struct Change: CustomTestStringConvertible, Sendable {
    let from: String
    let to: String
    let effect: PolicyDifference.Effect
    let line: String
    var testDescription: String { "\(from) → \(to)" }

    init(_ from: String, _ to: String, _ effect: PolicyDifference.Effect, _ line: String) {
      (self.from, self.to, self.effect, self.line) = (from, to, effect, line)
    }
  }

  @Test(
    "says what each change does to the evidence",
    arguments: [
      Change("0.8,", "0.9,", .keeps, "min_confidence: 0.8 → 0.9"),
      Change("0.8,", "0.7,", .restarts, "min_confidence: 0.8 → 0.7"),
      Change("0.8,", "0.8, max_input_chars: 100,", .keeps, "max_input_chars: 8000 → 100"),
      Change("0.8,", "0.8, max_output_chars: 5000,", .restarts, "max_output_chars: 4000 → 5000"),
      Change("[z]", "[z, y]", .keeps, "escalate_labels: + y"),
      Change("[z]", "[y]", .restarts, "escalate_labels: + y, − z"),
      Change("[novel_input]", "[novel_input, risky_migration]", .keeps, "stop_signals: + risky_migration"),
      Change("[novel_input]", "[]", .restarts, "stop_signals: − novel_input"),
      Change("[alpha, beta]", "[alpha, beta, gamma]", .keeps, "hard stops: + security: gamma"),
      Change("[alpha, beta]", "[alpha, Beta]", .keeps, ""),
      Change("[alpha, beta]", "[alpha]", .restarts, "hard stops: − security: beta"),
      Change(
        "task: a, reason: r, by: b, until: 2030-01-01", "task: b, reason: r, by: b, until: 2030-01-01",
        .keeps, "hard stops: + security: alpha"),
      Change("term: alpha", "term: beta", .restarts, "hard stops: + security: alpha, − security: beta"),
      Change("hard_stops:", "hard_stops:\n  builtin: false", .restarts, "hard stops: "),
      Change("0.8,", "0.8, owner: me, upkeep_usd_per_month: 3,", .keeps, "owner: nobody → me"),
      Change("model: small", "model: other", .restarts, "candidate: small (ollama one) → other (ollama two)"),
      Change("name: one,", "name: one, timeout_ms: 5,", .keeps, ""),
      Change(
        "name: one,", "name: 'one:q8',", .restarts, "candidate: small (ollama one) → small (ollama one:q8)"),
      Change("[x, y, z]", "[x, y, z, w]", .restarts, "labels: x, y, z → x, y, z, w"),
      Change("0.8,", "0.8, prompt: Do it.,", .restarts, "prompt: none → Do it."),
      Change("0.8,", "0.8, gate: {alpha: 0.1},", .restarts, "gate: "),
      Change("local: true", "local: false", .leaves, "local: true → false"),
      Change("0.8,", "0.8, impact: high,", .leaves, "impact: low → high"),
    ])
  func effects(change: Change) throws {
    #expect(Self.base.contains(change.from))
    let old = try #require(PolicyReading(Self.base).policy)
    let reading = PolicyReading(Self.base.replacing(change.from, with: change.to, maxReplacements: 1))
    let new = try #require(reading.policy, "\(reading.lines)")
    let task = try #require(PolicyDifference.between(old, new).tasks.first { $0.task == "a" })
    #expect(task.effect == change.effect)
    #expect(
      change.line.isEmpty ? task.lines.isEmpty : task.lines.contains { $0.hasPrefix(change.line) },
      "\(task.lines)")
    // What the log calls the task's part of the policy says the same.
    let isSame = TaskRevision.of("a", in: old) == TaskRevision.of("a", in: new)
    let isTightened = TaskRevision.isTightened("a", from: old, to: new)
    if change.effect == .keeps { #expect(isSame || isTightened) }
    if change.effect == .restarts { #expect(!isSame && !isTightened) }
  }

  @Test("names tasks that come, go, and start")
  func tasks() throws {
    let old = try #require(PolicyReading("tasks: {gone: {local: false}, here: {local: false}}").policy)
    let live = "models: {m: {provider: builtin, file: f}}\n"
    let new = try #require(
      PolicyReading(
        live + "tasks: {here: {local: true, min_confidence: 1}, new: {local: true, min_confidence: 1}}"
      ).policy)
    let difference = PolicyDifference.between(old, new)
    #expect(difference.tasks.map(\.task) == ["here", "new", "gone"])
    #expect(difference.tasks.map(\.effect) == [.starts, .starts, .keeps])
    #expect(PolicyDifference.between(new, old).tasks.map(\.effect) == [.keeps, .leaves, .leaves])
    #expect(difference.text.contains("new: starts its evidence\n  new; may be answered locally\n"))
    #expect(difference.json.pointer("/tasks/0/evidence") == "starts its evidence")
  }

  @Test("of a policy with itself is empty")
  func nothing() throws {
    let policy = try #require(PolicyFile.read(try Places.policy("every-key")).policy)
    #expect(PolicyDifference.between(policy, policy).isEmpty)
  }
}

@Suite("The schema")
struct PolicySchemaTests {
  @Test("describes every key and allows no other")
  func keys() {
    let schema = PolicySchema.document()
    #expect(schema["$schema"] == "https://json-schema.org/draft/2020-12/schema")
    #expect(schema["required"] == ["tasks"] && schema["additionalProperties"] == false)
    #expect(schema.pointer("/properties/tasks/additionalProperties/required") == ["local"])
    #expect(schema.pointer("/properties/defaults/required") == nil)
    #expect(schema.pointer("/properties/defaults/properties/owner") == nil)
    #expect(schema.pointer("/properties/defaults/properties/frontier") != nil)
    #expect(schema.pointer("/properties/tasks/additionalProperties/properties/frontier") == nil)
    #expect(
      schema.pointer("/properties/models/additionalProperties/properties/timeout_ms/maximum") == 600_000)
    Self.everyKey(schema) { name, property in
      #expect((property["description"]?.stringValue ?? "").count > 8, "\(name) has no description")
    }
  }

  @Test("is what Tests/Policies/policy.schema.json holds, for validators outside")
  func golden() throws {
    let url = Places.root.appending(path: "Tests/Policies/policy.schema.json")
    var writer = JSONWriter()
    writer.value(PolicySchema.document())
    if Places.isRecording { try Places.record(writer.bytes, at: url) }
    let kept = try JSONValue(parsing: Places.bytes(at: url))
    let isSame = kept == PolicySchema.document()
    #expect(isSame, "run the tests with SHADOW_ROUTER_RECORD=1 and look at the difference")
  }

  private static func everyKey(_ schema: JSONValue, _ visit: (String, JSONValue) -> Void) {
    for property in schema["properties"]?.members ?? [] {
      visit(property.name, property.value)
      everyKey(property.value, visit)
    }
    for part in (schema["anyOf"]?.arrayValue ?? [])
      + [schema["items"], schema["additionalProperties"]].compactMap(\.self)
    {
      everyKey(part, visit)
    }
  }
}
