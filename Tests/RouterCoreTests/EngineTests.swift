import Testing
import Text
import Wire

@testable import RouterCore

@Suite("Decisions")
struct EngineTests {
  private static func policy(_ change: (inout Policy) -> Void = { _ in }) -> PreparedPolicy {
    var policy = Policy()
    var triage = TaskPolicy(name: "triage", mark: Mark(line: 1, column: 1))
    triage.local = true
    triage.labels = [.init("billing"), .init("crash"), .init("other")]
    triage.escalateLabels = ["other"]
    triage.minConfidence = 0.7
    triage.maxInputChars = 40
    triage.stopSignals = [.securitySensitive]
    var text = TaskPolicy(name: "sum", mark: Mark(line: 1, column: 1))
    text.local = true
    text.minConfidence = 0.5
    text.maxOutputChars = 20
    var code = TaskPolicy(name: "code", mark: Mark(line: 1, column: 1))
    code.local = false
    policy.tasks = [triage, text, code]
    change(&policy)
    return PreparedPolicy(policy, generation: 1)
  }

  private func screen(
    _ text: String, task: String? = "triage", _ policy: PreparedPolicy = policy(),
    context: DecisionContext = DecisionContext(today: "2026-11-21"), change: (inout Call) -> Void = { _ in }
  ) -> Screening {
    var call = Call(callID: "c")
    call.taskType = task
    call.text = CallText(text)
    change(&call)
    var scratch = Engine.Scratch()
    return Engine.screen(call, policy: policy, context: context, scratch: &scratch)
  }

  private func judge(
    _ answer: String, task: String = "triage", _ policy: PreparedPolicy = policy(), artifacts: [String] = []
  ) -> Decision {
    var call = Call(callID: "c")
    call.taskType = task
    call.text = CallText("a plain text")
    call.artifacts = artifacts
    var scratch = Engine.Scratch()
    let context = DecisionContext(today: "2026-11-21")
    let screening = Engine.screen(call, policy: policy, context: context, scratch: &scratch)
    return Engine.judge(
      screening, call: call, outcome: .said(CandidateReply(text: answer)), policy: policy, context: context,
      scratch: &scratch)
  }

  @Test(
    "before any model take the first reason that applies",
    arguments: [
      ("fine", "triage", nil), ("fine", nil, Reason.unknownTask), ("fine", "elsewhere", .unknownTask),
      ("token", "elsewhere", .unknownTask), ("the token", "code", .policyRequiresFrontier),
      ("password and token", "triage", .hardStopSecurity), ("a token", "triage", .hardStopAccess),
      ("deploy it", "triage", .hardStopProduction),
      (String(repeating: "x", count: 41), "triage", .inputTooLarge),
      (String(repeating: "é", count: 40), "triage", nil), ("", "triage", nil),
    ] as [(String, String?, Reason?)])
  func order(text: String, task: String?, reason: Reason?) {
    #expect(screen(text, task: task).reason == reason)
  }

  @Test("record every failed check, not only the first")
  func allChecks() {
    let screening = screen("password token deploy " + String(repeating: "x", count: 40)) { call in
      call.signals = [.securitySensitive: true]
    }
    let failed = Reason.allCases.filter { screening.checks[$0] == .fail }
    #expect(failed == [.hardStopSecurity, .hardStopAccess, .hardStopProduction, .riskSignal, .inputTooLarge])
    #expect(screening.hits.map(\.term) == ["password*", "token", "deploy*"])
    #expect(screening.checks[.confidenceLow] == .skipped)
  }

  @Test("under the kill switch need nothing else")
  func override() {
    let context = DecisionContext(override: "kill_file", today: "2026-11-21")
    let screening = screen("password", task: nil, context: context)
    #expect(screening.reason == .manualOverride && screening.detail == "kill_file" && screening.hits.isEmpty)
    #expect(screening.checks[.unknownTask] == .skipped)
  }

  @Test("impact high keeps a local task on the frontier")
  func impact() {
    let policy = Self.policy { $0.tasks[0].impact = .high }
    #expect(screen("fine", policy).reason == .policyRequiresFrontier)
  }

  @Test("a waiver lifts one term for one task until its day")
  func waiver() {
    let policy = Self.policy {
      $0.hardStops.waivers = [.init(term: "token", task: "triage", reason: "r", by: "b", until: "2026-11-21")]
    }
    #expect(screen("token", policy).reason == nil)
    #expect(screen("tokens", policy).reason == .hardStopAccess)
    #expect(screen("token", task: "sum", policy).reason == .hardStopAccess)
    #expect(screen("token", policy, context: DecisionContext(today: "2026-11-22")).reason == .hardStopAccess)
  }

  @Test("extra terms hold for their task alone")
  func taskTerms() {
    let policy = Self.policy { $0.tasks[0].hardStops = [.production: ["blue green"]] }
    #expect(screen("Blue-Green", policy).reason == .hardStopProduction)
    #expect(screen("Blue-Green", task: "sum", policy).reason == nil)
    #expect(screen("Blue-Green", task: "elsewhere", policy).checks[.hardStopProduction] == .pass)
  }

  @Test("reviewed parts are neither scanned nor counted")
  func reviewed() {
    let constant = "you may use the token"
    let policy = Self.policy {
      $0.hardStops.reviewed = [
        .init(sha256: SHA256.hash(Array(constant.utf8)).hex, what: "w", by: "b", on: "o")
      ]
    }
    var text = CallText(constant)
    text.appendPart { $0 += Array("hello".utf8) }
    let screening = screen("", policy) { $0.text = text }
    #expect(screening.reason == nil && screening.inputChars == 5)
    #expect(screen("").inputChars == 0)
    #expect(screen("", change: { $0.text = text }).reason == .hardStopAccess)
  }

  @Test("a rule gives a task type where the agent does not")
  func classifier() {
    let policy = Self.policy {
      var rule = ClassifierRule(task: "triage")
      rule.agent = "support"
      rule.textContains = "order"
      $0.classifier = [ClassifierRule(task: "code"), rule]
    }
    let fits = screen("my order", task: nil, policy) { $0.agent = "support" }
    #expect(fits.taskType == "triage" && fits.taskTypeSource == .rule)
    #expect(screen("my order", task: nil, policy).taskType == nil)
    #expect(screen("my order", task: "sum", policy) { $0.agent = "support" }.taskTypeSource == .given)
  }

  @Test(
    "after the model take the first reason that applies",
    arguments: [
      (#"{"label":"billing","confidence":0.7}"#, nil, nil),
      (#"{"label":"billing","confidence":0.69}"#, Reason.confidenceLow, "below"),
      (#"{"label":"billing"}"#, .confidenceLow, "absent"),
      (#"{"label":"billing","confidence":null}"#, .confidenceLow, "absent"),
      (#"{"label":"billing","confidence":"0.9"}"#, .schemaInvalid, "confidence_not_a_number"),
      (#"{"label":"billing","confidence":1.1}"#, .schemaInvalid, "confidence_out_of_range"),
      (#"{"label":"billing","confidence":1e999}"#, .schemaInvalid, "confidence_out_of_range"),
      (#"{"label":"tax","confidence":0.9}"#, .schemaInvalid, "label_not_in_set"),
      (#"{"confidence":0.9}"#, .schemaInvalid, "label_missing"),
      (#"{"label":"other","confidence":0.9}"#, .labelEscalated, "other"),
      (#"{"label":"other","confidence":0.1}"#, .labelEscalated, "other"),
      (#"{"label":"billing","confidence":0.9,"answer":"see the token"}"#, .hardStopAccess, nil),
      (#"{"label":"billing","confidence":0.9,"answer":7}"#, .schemaInvalid, "answer_wrong_type"),
      (#"{"label":"billing","confidence":0.9,"answer":"I'm sorry, but no"}"#, .schemaInvalid, "refusal"),
      ("", .schemaInvalid, "empty"), ("billing", .schemaInvalid, "not_json"),
      (#"{"label":"billing","confidence":0.9} {}"#, .schemaInvalid, "more_than_one_value"),
      (#"["billing"]"#, .schemaInvalid, "not_an_object"),
      ("The token is a matter of billing.", .hardStopAccess, nil),
      (#"{"label":"billing","confi"#, .schemaInvalid, "truncated_json"),
      ("```json\n{\"label\":\"billing\",\"confidence\":0.9}\n```", nil, "fence"),
      ("<think>hm {}</think>\n{\"label\":\"billing\",\"confidence\":0.9}", nil, "thinking"),
      ("Sure! {\"label\":\"billing\",\"confidence\":0.9}", .schemaInvalid, "not_json"),
    ] as [(String, Reason?, String?)])
  func validation(answer: String, reason: Reason?, detail: String?) {
    let decision = judge(answer)
    #expect(decision.reason == reason)
    #expect(decision.detail == detail)
  }

  @Test("a label is as much the candidate's answer as the words beside it")
  func labelWithStopTerm() {
    let policy = Self.policy { $0.tasks[0].labels.append(.init("token_reset")) }
    let decision = judge(
      #"{"label":"token_reset","answer":"a plain word","confidence":0.9}"#, task: "triage", policy)
    #expect(decision.reason == .hardStopAccess)
    #expect(decision.hits.map(\.term) == ["token"] && decision.hits.first?.place == .answer)
  }

  @Test(
    "without labels need an answer that says something",
    arguments: [
      (#"{"answer":"short","confidence":0.9}"#, nil), (#"{"confidence":0.9}"#, "answer_missing"),
      (#"{"answer":null,"confidence":0.9}"#, "answer_missing"),
      (#"{"answer":"  ","confidence":0.9}"#, "answer_blank"),
      (#"{"answer":"I'm sorry, no","confidence":0.9}"#, "refusal"),
      (#"{"answer":"I won't do that","confidence":0.9}"#, "refusal"),
      (#"{"answer":{"t":"I can't do"},"confidence":0.9}"#, "refusal"),
      (#"{"answer":"Sadly: I can't","confidence":0.9}"#, "refusal"),
      (#"{"answer":"Sadly I slept","confidence":0.9}"#, nil),
      (#"{"answer":{},"confidence":0.9}"#, "answer_blank"),
      (#"{"answer":"\u200b","confidence":0.9}"#, "answer_blank"),
      (#"{"answer":"this is far too long for it","confidence":0.9}"#, "answer_too_long"),
    ] as [(String, String?)])
  func texts(answer: String, detail: String?) {
    #expect(judge(answer, task: "sum").detail == detail)
  }

  @Test("an answer must cite an artifact where the policy asks for it")
  func citation() {
    let policy = Self.policy { $0.tasks[1].citeArtifacts = true }
    #expect(
      judge(#"{"answer":"see a.txt","confidence":0.9}"#, task: "sum", policy, artifacts: ["a.txt"]).isLocal)
    #expect(
      judge(#"{"answer":"see b","confidence":0.9}"#, task: "sum", policy, artifacts: ["a.txt"]).detail
        == "uncited_artifact")
    #expect(
      judge(#"{"answer":"see aa.txt","confidence":0.9}"#, task: "sum", policy, artifacts: ["a.txt"]).detail
        == "uncited_artifact")
  }

  @Test(
    "an answer that declines is told by its opening, behind regrets as well",
    arguments: [
      ("Unfortunately, as an AI language model I cannot help with that.", true),
      ("Unfortunately I can't say.", true), ("I’m afraid that I cannot do this.", true),
      ("My apologies, but I am unable to help.", true), ("Regrettably, I won't.", true),
      ("Unfortunately, the build failed at link time.", false),
      ("Apologies are due: the importer loses a line.", false), ("I'm afraid the disk is full.", false),
      ("But I cannot reproduce it", false), ("Sadly", false), ("", false),
    ])
  func refusals(answer: String, isRefusal: Bool) {
    #expect(Refusal.begins(answer) == isRefusal)
  }

  @Test("the built-in's novelty is a confidence fault, never an acceptance")
  func novel() {
    var call = Call(callID: "c")
    call.taskType = "triage"
    var scratch = Engine.Scratch()
    let policy = Self.policy()
    let context = DecisionContext(today: "2026-11-21")
    let screening = Engine.screen(call, policy: policy, context: context, scratch: &scratch)
    let decision = Engine.judge(
      screening, call: call, outcome: .classified(label: "billing", confidence: 1, isNovel: true),
      policy: policy,
      context: context, scratch: &scratch)
    #expect(decision.reason == .confidenceLow && decision.detail == "novel")
  }

  @Test("a switch thrown while the model thinks counts")
  func killedMeanwhile() {
    var call = Call(callID: "c")
    call.taskType = "triage"
    var scratch = Engine.Scratch()
    let policy = Self.policy()
    let screening = Engine.screen(
      call, policy: policy, context: DecisionContext(today: "2026-11-21"), scratch: &scratch)
    let decision = Engine.judge(
      screening, call: call, outcome: .said(CandidateReply(text: #"{"label":"billing","confidence":1}"#)),
      policy: policy, context: DecisionContext(override: "kill_switch", today: "2026-11-21"),
      scratch: &scratch)
    #expect(decision.reason == .manualOverride && decision.detail == "kill_switch")
  }

  @Test("codes are the contract's and all different")
  func codes() {
    #expect(Set(Reason.allCases.map(\.code)) == Set(1...12))
    #expect(Reason.allCases.map(\.order) == Array(0..<12))
  }

  @Test("tests inside a policy say what they expected and got")
  func policyTests() {
    func problems(_ change: (inout PolicyTest) -> Void) -> [String] {
      let policy = Self.policy {
        var test = PolicyTest(name: "t", mark: Mark(line: 9, column: 3), input: "a token")
        test.task = "triage"
        change(&test)
        $0.tests = [test]
      }
      return PolicyTests.run(policy, today: "2026-11-21").map(\.message)
    }
    #expect(problems { $0.expect.reason = .hardStopAccess }.isEmpty)
    #expect(
      problems { $0.expect.reason = .some(nil) } == [
        "test \"t\" failed: expected reason null, got hard_stop_access"
      ])
    #expect(problems { $0.expect.routeCandidate = "frontier" }.isEmpty)
    let unanswered = problems {
      $0.input = "fine"
      $0.expect.routeCandidate = "local"
    }
    #expect(unanswered.count == 1 && unanswered[0].contains("give an `answer`"))
    #expect(
      problems {
        $0.input = "fine"
        $0.answer = (try? JSONValue(parsing: #"{"label":"crash","confidence":0.9}"#))
        $0.expect.routeCandidate = "local"
      }.isEmpty)
  }
}
