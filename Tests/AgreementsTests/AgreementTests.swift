import RouterCore
import TestData
import Testing
import Text
import Wire

@testable import Agreements

@Suite("Agreement")
struct AgreementTests {
  private func task(_ by: AgreementPolicy.Method, labels: [String] = []) -> TaskPolicy {
    var task = TaskPolicy(name: "t", mark: Mark(line: 1, column: 1))
    task.labels = labels.map { TaskPolicy.Label($0) }
    task.agreement.by = by
    return task
  }

  private func frontier(_ text: String, label: String? = nil, value: JSONValue? = nil) -> FrontierAnswer {
    var answer = FrontierAnswer()
    answer.text = text
    answer.label = label
    answer.value = value
    return answer
  }

  private let labels = ["billing", "crash", "account", "account_closed", "other"]

  @Test(
    "reads the frontier's label wherever it stands",
    arguments: [
      ("crash", "agree", "label_equal", "crash"),
      ("  Crash.\n", "agree", "label_equal", "crash"),
      ("**crash**", "agree", "label_equal", "crash"),
      ("\"crash\"", "agree", "label_equal", "crash"),
      ("billing", "disagree", "label_differs", "billing"),
      ("{\"label\": \"crash\", \"why\": \"billing failed\"}", "agree", "label_equal", "crash"),
      ("Here:\n```json\n{\"label\":\"billing\"}\n```", "disagree", "label_differs", "billing"),
      ("This is clearly a crash, nothing else.", "agree", "label_equal", "crash"),
      ("The account_closed case.", "disagree", "label_differs", "account_closed"),
      ("Either billing or crash.", "unknown", "ambiguous_label", nil),
      ("crash, I repeat: CRASH", "agree", "label_equal", "crash"),
      ("The crashes are many", "unknown", "no_label_found", nil),
      ("I cannot say what this is about.", "unknown", "no_label_found", nil),
      ("out_of_scope", "disagree", "frontier_label_outside_set", "out_of_scope"),
      ("{\"label\":\"unknown\"}", "disagree", "frontier_label_outside_set", "unknown"),
      ("   ", "unknown", "frontier_empty", nil),
    ] as [(String, String, String, String?)])
  func label(text: String, verdict: String, detail: String, label: String?) {
    let result = Agreement.compare(
      candidate: CandidateAnswer(label: "crash", answer: "crash"), frontier: frontier(text),
      task: task(.label, labels: labels))
    #expect(result.verdict.rawValue == verdict)
    #expect(result.detail == detail)
    #expect(result.frontierLabel == label)
  }

  @Test("the agent's own label comes first, and an error or nothing is unknown")
  func explicit() {
    let task = task(.label, labels: labels)
    let ours = CandidateAnswer(label: "crash", answer: "crash")
    #expect(
      Agreement.compare(candidate: ours, frontier: frontier("billing", label: "crash"), task: task).verdict
        == .agree)
    let outside = Agreement.compare(
      candidate: ours, frontier: frontier("crash", label: "spam mail"), task: task)
    #expect(outside.verdict == .disagree)
    #expect(outside.detail == "frontier_label_outside_set")
    var failed = frontier("crash")
    failed.error = "rate limit"
    #expect(Agreement.compare(candidate: ours, frontier: failed, task: task).detail == "frontier_error")
  }

  @Test("a label outside the set shows its word only where it is short and plain")
  func outsideIsBounded() {
    let long = String(repeating: "secret ", count: 30)
    let result = Agreement.compare(
      candidate: CandidateAnswer(label: "crash", answer: "crash"), frontier: frontier("x", label: long),
      task: task(.label, labels: labels))
    #expect(result.verdict == .disagree)
    #expect(result.frontierLabel == nil)
  }

  @Test("without a set of labels every word is compared, and shown only where it is short and plain")
  func anyLabelIsBounded() {
    let long = String(repeating: "ab ", count: 40) + "x"
    for (label, shown) in [("crash", "crash"), (long, nil), ("<b>crash", nil), ("\u{fffd}", nil)]
      as [(String, String?)]
    {
      for own in [label, label + "y"] {
        let result = Agreement.compare(
          candidate: CandidateAnswer(label: own, answer: .string(own)), frontier: frontier("", label: label),
          task: task(.label))
        #expect(result.verdict == (own == label ? .agree : .disagree), "\(label)")
        #expect(result.frontierLabel == shown, "\(label)")
      }
    }
  }

  @Test("where the policy says how to read the label, that is how")
  func from() throws {
    var task = task(.label, labels: labels)
    let ours = CandidateAnswer(label: "crash", answer: "crash")
    task.agreement.from = .pointer("/result/kind")
    task.agreement.map = ["bug": "crash", "money": "billing"]
    #expect(
      Agreement.compare(candidate: ours, frontier: frontier("{\"result\":{\"kind\":\"BUG\"}}"), task: task)
        .verdict
        == .agree)
    task.agreement.from = .pattern(try Pattern("(?i)category: *([a-z_]+)"))
    let result = Agreement.compare(
      candidate: ours, frontier: frontier("Not a crash at all.\nCategory: money\n"), task: task)
    #expect(result.verdict == .disagree)
    #expect(result.frontierLabel == "billing")
    #expect(
      Agreement.compare(candidate: ours, frontier: frontier("It is a bug."), task: task).verdict == .agree)
  }

  @Test(
    "compares JSON by value",
    arguments: [
      ("{\"a\":1,\"b\":\"x\"}", "{\"b\":\" x \",\"a\":1.0,\"c\":true}", "agree", 1.0, "fields_equal"),
      ("{\"a\":1,\"b\":\"x\"}", "{\"a\":2,\"b\":\"x\"}", "disagree", 0.5, "fields_differ: 1"),
      ("{\"a\":null}", "{}", "agree", 1.0, "fields_equal"),
      ("{\"a\":[1,{\"b\":2}]}", "```\n{\"a\":[1,{\"b\":2e0}]}\n```", "agree", 1.0, "fields_equal"),
      ("{}", "{\"a\":1}", "disagree", 0, "fields_differ"),
      ("{\"a\":1}", "no JSON", "unknown", nil, "frontier_not_json"),
    ] as [(String, String, String, Double?, String)])
  func json(ours: String, theirs: String, verdict: String, score: Double?, detail: String) throws {
    let result = Agreement.compare(
      candidate: CandidateAnswer(label: nil, answer: try JSONValue(parsing: ours)),
      frontier: frontier(theirs),
      task: task(.json))
    #expect(result.verdict.rawValue == verdict)
    #expect(result.score == score)
    #expect(result.detail == detail)
  }

  @Test("names only fields that the policy names")
  func fields() throws {
    var task = task(.json)
    task.agreement.fields = ["amount", "/customer/id"]
    let ours = try JSONValue(parsing: "{\"amount\":5,\"customer\":{\"id\":7},\"note\":\"a\"}")
    let result = Agreement.compare(
      candidate: CandidateAnswer(label: nil, answer: ours),
      frontier: frontier("{\"amount\":5,\"customer\":{\"id\":8},\"note\":\"b\"}"), task: task)
    #expect(result.detail == "fields_differ: /customer/id")
    #expect(result.score == 0.5)
  }

  @Test(
    "compares texts by their words",
    arguments: [
      ("42", "42.", "agree"), ("42", "-42", "disagree"), ("1,000", "1000", "agree"),
      ("3.14", "3.15", "disagree"),
      ("The build failed in the compile step", "the build FAILED, in the compile step!", "agree"),
      ("The build failed in the compile step", "All tests passed on the second try", "disagree"),
      ("payment failed today", "payment not failed today", "disagree"), ("Größe", "GRÖSSE", "disagree"),
      ("ÜBER ALLES gut", "über alles gut", "agree"), ("部署失败", "部署失败。", "agree"), ("don't", "dont", "agree"),
    ])
  func text(ours: String, theirs: String, verdict: String) {
    let result = Agreement.compare(
      candidate: CandidateAnswer(label: nil, answer: .string(ours)), frontier: frontier(theirs),
      task: task(.text))
    #expect(result.verdict.rawValue == verdict)
  }

  @Test("compares tool calls by name and arguments")
  func tools() throws {
    let call = { (name: String, arguments: JSONValue) in ToolCall(name: name, arguments: arguments) }
    let compare = { (ours: ToolCall?, theirs: [ToolCall]) in
      var frontier = FrontierAnswer()
      frontier.text = "text"
      frontier.toolCalls = theirs
      return Agreement.compare(
        candidate: CandidateAnswer(label: nil, answer: "x", toolCall: ours), frontier: frontier,
        task: self.task(.toolCall))
    }
    let search = call("search", ["q": "a", "n": 3])
    #expect(compare(search, [call("search", "{\"n\":3.0,\"q\":\"a\"}")]).verdict == .agree)
    #expect(compare(search, [call("search", ["q": "a"])]).detail == "arguments_differ: 1")
    #expect(compare(search, [call("find", ["q": "a", "n": 3])]).detail == "tool_name_differs")
    #expect(compare(search, []).detail == "frontier_called_no_tool")
    #expect(compare(nil, [search]).detail == "candidate_called_no_tool")
    #expect(compare(search, [search, search]).detail == "tool_count_differs")
    #expect(compare(nil, []).verdict == .unknown)
  }

  @Test(
    "reads the frontier's tool calls where it wrote them as text",
    arguments: [
      (#"[{"a_b": "{\"n\": 5}"}]"#, "tool_call_equal"), (#"[{"a.b": {"n": 5.0}}]"#, "tool_call_equal"),
      (#"[{"name": "a_b", "arguments": {"n": 5}}]"#, "tool_call_equal"),
      (#"{"name": "a.b", "arguments": "{\"n\": 5}"}"#, "tool_call_equal"),
      ("```json\n{\"tool_calls\": [{\"name\": \"a.b\", \"arguments\": {\"n\": 5}}]}\n```", "tool_call_equal"),
      (#"[{"a_b": {"n": "5"}}]"#, "arguments_differ: 1"),
      (#"[{"a_b": {"n": 5, "m": 1}}]"#, "arguments_differ: 1"),
      (#"[{"a_c": {"n": 5}}]"#, "tool_name_differs"),
      (#"[{"a.b": {"n": 5}}, {"a.b": {"n": 6}}]"#, "tool_count_differs"),
      ("I cannot call a.b.", "frontier_called_no_tool"), ("[]", "frontier_called_no_tool"),
      (#"{"n": 5}"#, "frontier_called_no_tool"),
    ])
  func toolsInText(text: String, detail: String) {
    let ours = ToolCall(name: "a.b", arguments: ["n": 5])
    let candidate = CandidateAnswer(label: nil, answer: ours.json, toolCall: ours)
    let value = text.hasPrefix("`") ? nil : try? JSONValue(parsing: text)
    for answer in [frontier(text), frontier(text, value: value)] {
      #expect(
        Agreement.compare(candidate: candidate, frontier: answer, task: task(.toolCall)).detail == detail)
    }
  }

  @Test("reads both sides of recorded tool calls")
  func recordedTools() throws {
    let path = "data/events/public/bfcl_results.ndjson"
    guard let bytes = SharedData.read(path, for: "recorded tool calls") else { return }
    var counts: [String: Int] = [:]
    for line in bytes.split(separator: 0x0A) {
      let event = try JSONValue(parsing: Array(line))
      let theirs = event["strong"]?["answer"]?.stringValue ?? ""
      let ours = event["weak"]?["answer"]?.stringValue ?? ""
      // One answer on each side is cut off.
      if theirs.hasPrefix("[{"), let list = (try? JSONValue(parsing: theirs))?.arrayValue {
        #expect(ToolCall.read(.array(list))?.count == list.count)
      }
      guard let calls = ToolCall.read(.string(ours)), calls.count == 1 else {
        counts["not one call", default: 0] += 1
        continue
      }
      let result = Agreement.compare(
        candidate: CandidateAnswer(label: nil, answer: calls[0].json, toolCall: calls[0]),
        frontier: frontier(theirs), task: task(.toolCall))
      counts[String(result.detail.prefix { $0 != ":" }), default: 0] += 1
    }
    for (detail, count) in counts.sorted(by: { $0.key < $1.key }) { print("BFCL: \(detail): \(count)") }
    #expect(counts["tool_call_equal", default: 0] > 150)
    #expect(counts.values.reduce(0, +) == 800)
  }

  @Test("details come from the closed list, whatever the answers hold")
  func closedVocabulary() {
    let known = Set(AgreementDetail.allCases.map(\.rawValue))
    let texts = [
      "", "secret-text", "{\"label\":\"x\"}", "crash billing", "[1,2]", "{\"secret\":1}", "```\n{\n```",
    ]
    for method in AgreementPolicy.Method.allCases {
      for ours in texts {
        for theirs in texts {
          let result = Agreement.compare(
            candidate: CandidateAnswer(label: nil, answer: .string(ours)), frontier: frontier(theirs),
            task: task(method, labels: labels))
          let code = String(result.detail.prefix { $0 != ":" })
          #expect(known.contains(code))
          #expect(!result.detail.contains("secret"))
        }
      }
    }
  }

  @Test("prose of a megabyte is read in a moment")
  func longProse() {
    let text = String(repeating: "billings crashed accounting ", count: 40_000)
    let many = (0..<150).map { "card_\($0)" } + labels
    let clock = ContinuousClock()
    let time = clock.measure {
      _ = Agreement.compare(
        candidate: CandidateAnswer(label: "crash", answer: "crash"), frontier: frontier(text),
        task: task(.label, labels: many))
    }
    #expect(time < .seconds(2))
  }
}
