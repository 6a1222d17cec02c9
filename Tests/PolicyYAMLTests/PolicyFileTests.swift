import Foundation
import PolicyLanguage
import PolicyYAML
import RouterCore
import TestData
import Testing
import Wire

@Suite("The policies that ship")
struct ShippedPolicyTests {
  @Test("load without errors or warnings", arguments: ["router-policy", "every-key"])
  func load(name: String) throws {
    let reading = PolicyFile.read(
      try Places.policy(name), options: PolicyReadingOptions(today: "2026-11-21", isStrict: true))
    #expect(
      reading.problems.filter { $0.severity != .note }.isEmpty, "\(reading.lines.joined(separator: "\n"))")
    #expect(reading.policy != nil)
  }

  @Test("the starter keeps the risky work with the frontier, and tests every task")
  func starter() throws {
    let policy = try #require(PolicyFile.read(try Places.policy("router-policy")).policy)
    let local = policy.tasks.filter(\.mayBeLocal).map(\.name)
    #expect(local == ["classify_request", "label_issue", "triage_log", "extract_fields", "summarize_short"])
    #expect(
      policy.tasks.allSatisfy { task in task.owner != nil && policy.tests.contains { $0.task == task.name } })
    #expect(policy.tasks.filter(\.mayBeLocal).allSatisfy { $0.model == "local_default" })
    #expect(policy.frontier == "frontier_default")
    #expect(policy.model("local_default")?.endpoint?.authority == "127.0.0.1:11434")
  }

  @Test("every-key shows every key of the table")
  func everyKey() throws {
    let root = try #require(PolicyText.tree(try Places.policy("every-key")).root)
    var wanted: Set<String> = []
    var shown: Set<String> = []
    Self.compare(PolicySchema.document(), [root], "", &wanted, &shown)
    // What may stand in the defaults may be shown there.
    let inTasks = Set(shown.map { $0.replacing(/^\.defaults/, with: ".tasks.*") })
    let missing = wanted.filter {
      !shown.contains($0) && !inTasks.contains($0) && !$0.hasPrefix(".defaults.")
    }
    #expect(missing.isEmpty, "not shown: \(missing.sorted())")
    #expect(wanted.count > 120)
  }

  /// Walks schema and nodes side by side, collecting the paths of keys.
  private static func compare(
    _ schema: JSONValue, _ nodes: [PolicyNode], _ path: String, _ wanted: inout Set<String>,
    _ shown: inout Set<String>
  ) {
    for part in schema["anyOf"]?.arrayValue ?? [] { compare(part, nodes, path, &wanted, &shown) }
    if let items = schema["items"] {
      let inside = nodes.flatMap { node -> [PolicyNode] in
        if case .sequence(let items) = node.content { items } else { [] }
      }
      compare(items, inside, path, &wanted, &shown)
    }
    let entries = nodes.flatMap { node -> [PolicyEntry] in
      if case .mapping(let entries) = node.content { entries } else { [] }
    }
    if let rest = schema["additionalProperties"], rest.boolValue == nil {
      compare(rest, entries.map(\.value), path + ".*", &wanted, &shown)
    }
    for property in schema["properties"]?.members ?? [] {
      let name = "\(path).\(property.name)"
      wanted.insert(name)
      let values = entries.filter { $0.key == property.name }.map(\.value)
      if !values.isEmpty { shown.insert(name) }
      compare(property.value, values, name, &wanted, &shown)
    }
  }
}

@Suite("A policy that is read")
struct PolicyValueTests {
  @Test("has every value of every-key where the engine looks for it")
  func values() throws {
    let bytes = try Places.policy("every-key")
    let policy = try #require(PolicyFile.read(bytes).policy)
    #expect(policy.revision == "sha256:" + SHA256.hash(bytes).hex)
    #expect(policy.reviewed.by == ["platform", "security"] && policy.reviewed.due == "2027-05-20")
    #expect(
      policy.models.map(\.id) == [
        "tiny", "small", "server", "hosted", "hosted_too", "frontier", "frontier_spare",
      ])
    #expect(policy.frontier == "frontier")
    let small = try #require(policy.model("small"))
    #expect(small.retry.retryOn == [.rateLimit, .serverError, .timeout] && small.retry.maxAttempts == 2)
    #expect(small.price.usdPerHour == 0.12 && small.breaker.cooldownMs == 5000)
    #expect(
      policy.model("tiny")?.file == "demo/models/ci_triage.model" && policy.model("tiny")?.name == "tiny")
    #expect(policy.model("frontier_spare")?.provider == .other("somewhere-else"))
    let task = try #require(policy.task("triage_ticket"))
    #expect(task.model == "tiny" && task.cascade == ["tiny", "small"] && task.challenger == "server")
    #expect(task.labels.map(\.name) == ["billing", "crash", "account", "other"])
    #expect(task.labels[0].description == "invoices and refunds" && task.labels[2].description == nil)
    #expect(task.minConfidence == 0.9 && task.output == .label && task.impact == .medium)
    #expect(
      task.hardStops == [.security: ["pen test"], .access: ["guest list"], .production: ["night shift"]])
    #expect(task.stopSignals == RiskSignal.allCases)
    #expect(task.agreement.by == .label && task.agreement.map == ["payments": "billing", "bug": "crash"])
    #expect(task.gate.profile == .strict && task.gate.minWeeks == 1, "the defaults name min_weeks")
    #expect(task.capture == .window(until: "2026-12-24", sample: 0.1, maxMB: 64))
    #expect(task.budgets.map(\.tenant) == ["acme", nil] && task.upkeepUSDPerMonth == 40)
    #expect(task.examples[0].answer["confidence"]?.doubleValue == 0.97)
    let order = try #require(policy.task("extract_order"))
    #expect(order.model == "small" && order.output == .json && order.agreement.by == .json)
    #expect(order.outputSchema?["required"] == ["number"] && order.capture == .sampled)
    #expect(order.budgets.map(\.callsPerDay) == [20_000] && order.advice.onExhausted == .error)
    #expect(
      policy.task("pick_tool")?.agreement.by == .toolCall && policy.task("pick_tool")?.citeArtifacts == true)
    #expect(policy.task("write_patch")?.model == nil)
    #expect(policy.hardStops.waivers[0].term == "scope" && policy.hardStops.reviewed.count == 1)
    #expect(policy.classifier.map(\.task) == ["triage_ticket", "extract_order", "summarize_note"])
    #expect(policy.privacy.redact.count == 1)
    #expect(policy.tests[0].expect.reason == .some(nil))
    #expect(policy.tests[1].signals == [.novelInput] && policy.tests[1].expect.next == "frontier")
  }

  @Test("merges defaults key by key, wherever they stand")
  func defaults() throws {
    let text = try String(
      contentsOf: Places.root.appending(path: "Tests/Policies/good-defaults-below.yaml"), encoding: .utf8)
    let policy = try #require(PolicyReading(text).policy)
    let gate = policy.tasks[0].gate
    #expect(gate.alpha == 0.02 && gate.profile == .strict && gate.minWeeks == 4 && gate.windowDays == 56)
    #expect(policy.tasks[0].model == "two" && policy.tasks[0].minConfidence == 0.9)
  }

  @Test(
    "mutated at random is refused or taken, never both, and never crashes",
    arguments: ["every-key", "router-policy"])
  func mutations(name: String) throws {
    let bytes = try Places.policy(name)
    var generator = SeededGenerator(seed: 7)
    var taken = 0
    for _ in 0..<400 {
      var text = bytes
      for _ in 0..<Int.random(in: 1...4, using: &generator) { Self.mutate(&text, &generator) }
      let reading = PolicyFile.read(text, options: PolicyReadingOptions(today: "2026-11-21"))
      #expect((reading.policy == nil) == !reading.errors.isEmpty)
      if let policy = reading.policy {
        taken += 1
        _ = PolicyBrief.text(policy, today: "2026-11-21")
      }
    }
    print("\(name): \(taken) of 400 mutations were taken")
  }

  private static let tokens = [
    "local", "true", "{", "}", "[", "]", ": ", "- ", "~", "\"", "&a ", "*a", "!!x ", "<<: ", "0x1", "\n",
    "  ", "\t", "#", "é", "👩‍🔬", "tasks:", "|", ">", "?", ",", "\u{0}",
  ]

  private static func mutate(_ text: inout [UInt8], _ generator: inout SeededGenerator) {
    guard !text.isEmpty else { return }
    let start = Int.random(in: 0..<text.count, using: &generator)
    let end = min(text.count, start + Int.random(in: 0...12, using: &generator))
    switch Int.random(in: 0..<5, using: &generator) {
    case 0: text.removeSubrange(start..<end)
    case 1: text[start] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    case 2:
      text.insert(
        contentsOf: Self.tokens.randomElement(using: &generator).map { Array($0.utf8) } ?? [], at: start)
    case 3: text.insert(contentsOf: text[start..<end], at: Int.random(in: 0...text.count, using: &generator))
    default: text.removeSubrange(start...)
    }
  }
}
