import RouterCore
import TestData
import TestLogs
import Testing
import Text
import Wire

@testable import Evidence
@testable import LogReading
@testable import Simulations

@Suite("Simulation")
struct SimulationTests {
  /// One call with what its candidate answers, whatever policy asks.
  struct Case {
    var call: Call
    var outcome: CandidateOutcome
  }

  private static let mark = Mark(line: 1, column: 1)
  private static let days = ["2026-03-02", "2026-03-09"]

  private static func base(_ change: (inout Policy) -> Void = { _ in }) -> Policy {
    var policy = Policy()
    policy.revision = "sha256:base"
    var small = ModelPolicy(id: "small", mark: mark, provider: .ollama, name: "small")
    small.timeoutMs = 1_000
    policy.models = [small]
    var triage = TaskPolicy(name: "triage", mark: mark)
    triage.local = true
    triage.model = "small"
    triage.labels = [.init("billing"), .init("crash"), .init("other")]
    triage.output = .label
    triage.escalateLabels = ["other"]
    triage.minConfidence = 0.7
    triage.maxInputChars = 60
    triage.stopSignals = [.securitySensitive]
    var text = TaskPolicy(name: "sum", mark: mark)
    text.local = true
    text.model = "small"
    text.minConfidence = 0.5
    text.maxOutputChars = 30
    var code = TaskPolicy(name: "code", mark: mark)
    code.model = "small"
    code.minConfidence = 0.5
    policy.tasks = [triage, text, code]
    change(&policy)
    return policy
  }

  private static func cases(_ count: Int, seed: UInt64) -> [Case] {
    var dice = Dice(seed: seed)
    let words = [
      "rename", "the", "token", "invoice", "crashes", "deploy", "password", "E401", "again", "customer",
      "refund",
      "ledger",
    ]
    let answers = [
      "short", "refund the customer", "I'm sorry, but I can't.", "the token is gone", "see file.txt now",
    ]
    return (0..<count).map { number in
      var call = Call(callID: "c\(number)")
      call.taskType =
        [
          "triage", "triage", "triage", "sum", "sum", "code", "new_task", nil,
        ][dice.below(8)]
      call.text = CallText(
        (0..<1 + dice.below(9)).map { _ in words[dice.below(words.count)] }.joined(separator: " "))
      if dice.below(6) == 0 { call.signals[RiskSignal.allCases[dice.below(6)]] = true }
      call.agent = ["fixer", "triager", nil][dice.below(3)]
      call.artifacts = dice.below(2) == 0 ? ["file.txt"] : []
      return Case(call: call, outcome: outcome(&dice, answers))
    }
  }

  private static func outcome(_ dice: inout Dice, _ answers: [String]) -> CandidateOutcome {
    if dice.below(12) == 0 { return .unavailable(cause: "timeout") }
    if dice.below(15) == 0 { return .said(CandidateReply(text: "no json")) }
    let label = ["billing", "crash", "other", "elsewhere"][dice.below(4)]
    let confidence = Double(dice.below(101)) / 100
    let answer = answers[dice.below(answers.count)]
    let object: JSONValue = [
      "label": .string(label), "answer": .string(answer),
      "confidence": dice.below(10) == 0 ? .null : JSONNumber(confidence).map { .number($0) } ?? .null,
    ]
    return .said(CandidateReply(text: object.jsonText))
  }

  /// What the engine decides, its record, and whether the candidate was asked.
  private static func decide(
    _ item: Case, _ policy: PreparedPolicy, day: String, killed: Bool
  ) -> (decision: Decision, record: [UInt8]) {
    var scratch = Engine.Scratch()
    let context = DecisionContext(override: killed ? "kill_switch" : nil, today: day)
    let screening = Engine.screen(item.call, policy: policy, context: context, scratch: &scratch)
    let decision =
      screening.reason == nil
      ? Engine.judge(
        screening, call: item.call, outcome: item.outcome, policy: policy, context: context, scratch: &scratch
      )
      : Engine.withoutCandidate(screening)
    let record = DecisionRecord(
      call: item.call, screening: screening,
      candidate: CandidateRecord(task: screening.task, decision: decision),
      policy: policy, decideUs: 1)
    let seal = TextSeal(keyID: "k1", key: HMACSHA256Key([1]), privacy: policy.policy.privacy)
    let head = "{\"v\":1,\"log\":\"l\",\"seq\":1,\"ts\":\"\(day)T10:00:00.000Z\",\"kind\":\"decision\","
    return (
      decision,
      Array(head.utf8) + record.body(sealedBy: seal).bytes + Array(",\"prev\":\"\",\"h\":\"\"}".utf8)
    )
  }

  private static func read(_ record: [UInt8]) throws -> RecordedCall {
    var line = LogLine()
    let isRecord = line.read(record.span)
    try #require(isRecord)
    let call = RecordedCall(line, in: record.span)
    return try #require(call)
  }

  /// How a policy differs from ``base``, and whether what it opens can only be told with the text.
  struct Difference: CustomTestStringConvertible, Sendable {
    var name: String
    /// Causes that may be given, beside `notAsked`.
    var opens: Set<Redecision.Cause> = []
    var change: @Sendable (inout Policy) -> Void
    var testDescription: String { name }
  }

  private static let differences: [Difference] = [
    Difference(name: "nothing") { _ in },
    Difference(name: "stricter threshold") { $0.tasks[0].minConfidence = 0.9 },
    Difference(name: "looser threshold") { $0.tasks[0].minConfidence = 0.3 },
    Difference(name: "another label escalated") { $0.tasks[0].escalateLabels = ["other", "crash"] },
    Difference(name: "no label escalated") { $0.tasks[0].escalateLabels = [] },
    Difference(name: "a label gone") { $0.tasks[0].labels.removeLast() },
    Difference(name: "a label more", opens: [.answer]) { $0.tasks[0].labels.append(.init("elsewhere")) },
    Difference(name: "shorter input") { $0.tasks[0].maxInputChars = 20 },
    Difference(name: "longer input") { $0.tasks[0].maxInputChars = 600 },
    Difference(name: "shorter answer", opens: [.answer]) { $0.tasks[1].maxOutputChars = 10 },
    Difference(name: "longer answer", opens: [.answer]) { $0.tasks[1].maxOutputChars = 300 },
    Difference(name: "refusals taken", opens: [.answer]) { $0.tasks[1].rejectRefusals = false },
    Difference(name: "citations asked for", opens: [.answer]) { $0.tasks[1].citeArtifacts = true },
    Difference(name: "other signals") { $0.tasks[0].stopSignals = [.novelInput, .riskyMigration] },
    Difference(name: "task to the frontier") { $0.tasks[0].local = false },
    Difference(name: "task to the candidate") { $0.tasks[2].local = true },
    Difference(name: "high impact") { $0.tasks[1].impact = .high },
    Difference(name: "term added", opens: [.term]) { $0.hardStops.terms[.production] = ["ledger"] },
    Difference(name: "term of one task added", opens: [.term]) {
      $0.tasks[0].hardStops[.access] = ["invoice"]
    },
    Difference(name: "built-in terms off") { $0.hardStops.builtin = false },
    Difference(name: "term waived") {
      $0.hardStops.waivers = [.init(term: "token", task: "sum", reason: "r", by: "b", until: "2026-03-05")]
    },
    Difference(name: "task added") { policy in
      var task = policy.tasks[1]
      task.name = "new_task"
      policy.tasks.append(task)
    },
    Difference(name: "task gone") { $0.tasks.removeFirst() },
    Difference(name: "rule by agent added") { policy in
      var rule = ClassifierRule(task: "sum")
      rule.agent = "fixer"
      policy.classifier = [rule]
    },
    Difference(name: "rule by text added", opens: [.classifier]) { policy in
      var rule = ClassifierRule(task: "sum")
      rule.textContains = "refund"
      policy.classifier = [rule]
    },
    Difference(name: "longer patience", opens: [.candidate]) { $0.models[0].timeoutMs = 5_000 },
    Difference(name: "another model", opens: [.candidate]) { $0.models[0].name = "other" },
    Difference(name: "another prompt", opens: [.question]) { $0.tasks[0].prompt = "Be brief." },
  ]

  @Test("decides as the engine does, or says that it cannot tell", arguments: differences)
  func bruteForce(difference: Difference) throws {
    var new = Self.base(difference.change)
    new.revision = "sha256:new"
    let old = Self.base()
    let (before, after) = (PreparedPolicy(old, generation: 1), PreparedPolicy(new, generation: 2))
    var told = 0
    var certain = 0
    for (number, item) in Self.cases(1_000, seed: 11).enumerated() {
      let day = Self.days[number % 2]
      let (was, record) = Self.decide(item, before, day: day, killed: number % 40 == 0)
      let (now, _) = Self.decide(item, after, day: day, killed: number % 40 == 0)
      let call = try Self.read(record)
      var replay = PolicyReplay(new, earlier: [old])
      switch replay.decide(call).outcome {
      case .accepted:
        told += 1
        #expect(now.reason == nil, "\(item.call.callID): \(was.detail ?? "")")
      case .stopped(let reason, let isCertain):
        told += 1
        let found = try #require(now.reason, "\(item.call.callID) stops for \(reason)")
        #expect(!isCertain || found == reason, "\(item.call.callID)")
        certain += isCertain ? 1 : 0
      case .open(let cause):
        #expect(cause == .notAsked || difference.opens.contains(cause), "\(item.call.callID): \(cause)")
        if cause == .notAsked { #expect(was.checks[.localUnavailable] == .skipped) }
      }
    }
    #expect(told > 400 && certain > 250)
  }

  @Test("changes nothing where the policy says the same", arguments: [UInt64(1), 2, 3])
  func same(seed: UInt64) {
    let simulation = simulate(Self.base { $0.revision = "sha256:other" }, cases: Self.cases(500, seed: seed))
    #expect(simulation.tasks.allSatisfy { $0.changes.isEmpty && $0.openCalls == 0 })
    #expect(simulation.tasks.allSatisfy { $0.acceptsBefore == $0.acceptsAfter && $0.costChange == 0 })
    #expect(simulation.tasks.reduce(0) { $0 + $1.calls } == 500)
    #expect(simulation.tasks.contains { $0.acceptsBefore > 0 })
    #expect(!simulation.hasMoreFalse)
  }

  @Test("a higher threshold only keeps out", arguments: stride(from: 0.7, through: 1.0, by: 0.05).map(\.self))
  func tightening(threshold: Double) {
    let new = Self.base { policy in
      policy.revision = "sha256:new"
      policy.tasks[0].minConfidence = threshold
    }
    let simulation = simulate(new, cases: Self.cases(1_000, seed: 5))
    #expect(simulation.tasks.allSatisfy { $0.letIn == 0 && $0.openCalls == 0 })
    #expect(simulation.tasks.allSatisfy { $0.acceptsAfter == $0.acceptsBefore - $0.keptOut })
  }

  private func simulate(_ new: Policy, cases: [Case]) -> Simulation {
    let before = PreparedPolicy(Self.base(), generation: 1)
    var simulation = PolicySimulation(new, earlier: [Self.base()])
    for (number, item) in cases.enumerated() {
      let (_, record) = Self.decide(item, before, day: Self.days[number % 2], killed: false)
      simulation.add(record.span)
    }
    return simulation.simulation()
  }

  @Test("is not told anything by a policy that is not at hand, but for what the new one alone decides")
  func missingPolicy() throws {
    let before = PreparedPolicy(Self.base(), generation: 1)
    var closed = Self.base { $0.tasks[0].local = false }
    closed.revision = "sha256:new"
    var simulation = PolicySimulation(closed, earlier: [])
    for item in Self.cases(300, seed: 9) {
      let (_, record) = Self.decide(item, before, day: "2026-03-02", killed: false)
      simulation.add(record.span)
    }
    let result = simulation.simulation()
    #expect(result.missingPolicies == [Report.Count(name: "sha256:base", count: 300)])
    let triage = try #require(result.tasks.first { $0.name == "triage" })
    #expect(triage.acceptsAfter == 0 && triage.acceptsOpen == 0)
    let sum = try #require(result.tasks.first { $0.name == "sum" })
    #expect(sum.acceptsAfter == 0 && sum.openCalls == sum.calls)
  }

  // MARK: False accepts and money

  private func recorded(_ id: String, label: String, confidence: Double, _ policy: Policy) -> [UInt8] {
    var call = Call(callID: id)
    call.taskType = "triage"
    call.text = CallText("rename it")
    let answer: JSONValue = [
      "label": .string(label), "confidence": JSONNumber(confidence).map { .number($0) } ?? .null,
    ]
    let item = Case(call: call, outcome: .said(CandidateReply(text: answer.jsonText)))
    return Self.decide(item, PreparedPolicy(policy, generation: 1), day: "2026-03-02", killed: false).record
  }

  @Test("counts what is known and suspected to be false as let in, kept out or staying")
  func flows() throws {
    let old = Self.base()
    var simulation = PolicySimulation(
      Self.base { policy in
        policy.revision = "sha256:new"
        policy.tasks[0].minConfidence = 0.5
        policy.tasks[0].escalateLabels = ["crash"]
      }, earlier: [old])
    // 0.6: let in; crash: kept out; billing at 0.9: stays.
    for (id, label, confidence) in [
      ("in", "billing", 0.6), ("in2", "billing", 0.6), ("in3", "billing", 0.6), ("out", "crash", 0.9),
      ("stays", "billing", 0.9),
    ] {
      let text = recorded(id, label: label, confidence: confidence, old)
      simulation.add(text.span)
    }
    var log = SampleLog()
    log.comparison("in", "disagree", cost: 0.01)
    log.comparison("in2", "disagree", cost: 0.01)
    log.comparison("out", "disagree", cost: 0.03)
    log.comparison("stays", "agree")
    log.review("in2", "accept")
    log.review("in3", "escalate", reviewer: "ana")
    log.review("in3", "accept", reviewer: "bo")
    log.review("out", "escalate")
    log.review("stays", "escalate")
    log.review("stays", "accept")
    for line in log.lines { simulation.add(line.span) }
    let result = simulation.simulation()
    let task = try #require(result.tasks.first)
    #expect(task.knownFalse == Simulation.Flow(letIn: 1, keptOut: 1, stay: 0, open: 0))
    #expect(task.suspected == Simulation.Flow(letIn: 1, keptOut: 0, stay: 0, open: 0))
    #expect(task.cleared == Simulation.Flow(letIn: 1, keptOut: 0, stay: 1, open: 0))
    #expect(task.letIn == 3 && task.keptOut == 1 && task.acceptsAfter == 4)
    #expect(abs(task.frontierCostChange - (0.03 - 0.02)) < 1e-6)
    #expect(task.uncosted == 1)
    #expect(result.hasMoreFalse)
  }

  // MARK: Cascades

  @Test(
    "tells of a cascade what its record tells",
    arguments: [
      // Accepted at step 1; a higher threshold asks the next model, which was not asked then.
      (0.8, 1, 2, nil, 0.9, Redecision.open(.cascade)),
      (0.8, 2, 2, nil, 0.9, .stopped(.confidenceLow, isCertain: true)),
      (0.8, 2, 2, nil, 0.7, .accepted), (0.8, 1, 2, nil, 0.75, .accepted),
      // A lower one might have accepted the first step, of which the record says nothing.
      (0.8, 2, 2, nil, 0.6, .open(.cascade)), (0.8, 1, 2, nil, 0.6, .accepted),
      (0.5, 2, 2, Reason.confidenceLow, 0.9, .stopped(.confidenceLow, isCertain: true)),
    ] as [(Double, Int, Int, Reason?, Double, Redecision)])
  func cascade(
    confidence: Double, step: Int, length: Int, reason: Reason?, threshold: Double, expected: Redecision
  ) {
    let old = Self.base { $0.tasks[0].cascade = ["small", "large"] }
    let new = Self.base { policy in
      policy.revision = "sha256:new"
      policy.tasks[0].cascade = ["small", "large"]
      policy.tasks[0].minConfidence = threshold
    }
    var call = RecordedCall()
    call.policyRevision = old.revision
    call.taskType = "triage"
    call.taskTypeSource = .given
    call.label = "billing"
    call.confidence = confidence
    call.reason = reason
    call.checks = [.localUnavailable: .pass, .schemaInvalid: .pass]
    call.validatorResult = "passed schema, confidence"
    call.cascadeStep = step
    call.cascadeLength = length
    var replay = PolicyReplay(new, earlier: [old])
    #expect(replay.decide(call).outcome == expected)
  }
}
