import Foundation
import TestData
import Testing
import Wire

@testable import RouterCore

@Suite("Tool calls as answers")
struct ToolCallTests {
  private static let definitions: JSONValue = [
    [
      "type": "function",
      "function": [
        "name": "find_order",
        "parameters": [
          "type": "object", "required": ["number"],
          "properties": [
            "number": ["type": "integer"], "note": ["type": "string"], "unit": ["enum": ["kg", "lb"]],
          ],
        ],
      ],
    ],
    ["name": "weather.get", "input_schema": ["type": "dict", "properties": ["days": ["type": "float"]]]],
    ["type": "function", "name": "ping"],
    ["type": "web_search"],
  ]

  private func judge(
    _ reply: CandidateReply, tools: JSONValue? = definitions, text: String = "where is my order",
    change: (inout TaskPolicy) -> Void = { _ in }
  ) -> Decision {
    var task = TaskPolicy(name: "pick", mark: Mark(line: 1, column: 1))
    task.local = true
    task.output = .toolCall
    task.minConfidence = 0.5
    change(&task)
    var policy = Policy()
    policy.tasks = [task]
    let prepared = PreparedPolicy(policy, generation: 1)
    var call = Call(callID: "c")
    call.taskType = "pick"
    call.text = CallText(text)
    call.toolDefinitions = tools
    var scratch = Engine.Scratch()
    let context = DecisionContext(today: "2026-11-21")
    let screening = Engine.screen(call, policy: prepared, context: context, scratch: &scratch)
    return Engine.judge(
      screening, call: call, outcome: .said(reply), policy: prepared, context: context, scratch: &scratch)
  }

  private func judge(_ answer: String, tools: JSONValue? = definitions, text: String = "where is my order")
    -> Decision
  {
    judge(CandidateReply(text: answer), tools: tools, text: text)
  }

  @Test(
    "are read in every form that models write",
    arguments: [
      #""answer": {"name": "find_order", "arguments": {"number": 7}}"#,
      #""answer": {"name": "find_order", "arguments": "{\"number\": 7}"}"#,
      #""answer": {"tool_calls": [{"name": "find_order", "arguments": {"number": 7}}]}"#,
      #""answer": {"tool_calls": [{"type": "function", "function": {"name": "find_order", "arguments": "{\"number\": 7}"}}]}"#,
      #""answer": [{"name": "find_order", "arguments": {"number": 7}}]"#,
      #""answer": "[{\"name\": \"find_order\", \"arguments\": {\"number\": 7.0}}]""#,
      #""answer": "{\"tool_calls\": [{\"name\": \"find_order\", \"arguments\": {\"number\": 7}}]}""#,
      #""tool_calls": [{"name": "find_order", "arguments": {"number": 7}}]"#,
    ])
  func forms(members: String) throws {
    let decision = judge("{\(members), \"confidence\": 0.9}")
    #expect(decision.isLocal && decision.detail == nil, "\(decision.detail ?? "")")
    let call = try #require(decision.answer?.toolCall)
    #expect(call.name == "find_order" && call.arguments == ["number": 7])
    #expect(decision.answer?.answer == ["name": "find_order", "arguments": ["number": 7]])
    #expect(decision.confidence == 0.9 && decision.confidenceSource == .selfReported)
  }

  @Test(
    "that are not one defined call with fitting arguments are refused, and say why",
    arguments: [
      (#"{"name": "find_order", "arguments": {}}"#, "arguments_invalid:required:/number"),
      (#"{"name": "find_order", "arguments": {"number": "7"}}"#, "arguments_invalid:type:/number"),
      (
        #"{"name": "find_order", "arguments": {"number": 7, "colour": 1}}"#,
        "arguments_invalid:additionalProperties:/*"
      ),
      (#"{"name": "find_order", "arguments": {"number": 7, "unit": "t"}}"#, "arguments_invalid:enum:/unit"),
      (#"{"name": "find_order", "arguments": [7]}"#, "arguments_invalid:type"),
      (#"{"name": "find_order", "arguments": "seven"}"#, "arguments_invalid:type"),
      (#"{"name": "weather.get", "arguments": {"days": "2"}}"#, "arguments_invalid:type:/days"),
      (#"{"name": "weather.get", "arguments": {"town": 1}}"#, "arguments_invalid:additionalProperties:/*"),
      (#"{"name": "weather.get", "arguments": {"days": 2}}"#, nil),
      (#"{"name": "ping", "arguments": {}}"#, nil),
      (#"{"name": "ping", "arguments": {"x": 1}}"#, "arguments_invalid:additionalProperties:/*"),
      (#"{"name": "weather_get", "arguments": {}}"#, "tool_not_defined"),
      (#"{"name": "web_search", "arguments": {}}"#, "tool_not_defined"),
      (#"[]"#, "no_tool_call"), (#"{"tool_calls": []}"#, "no_tool_call"),
      (#""I would look it up""#, "no_tool_call"),
      (#"{"name": "", "arguments": {}}"#, "no_tool_call"), ("null", "no_tool_call"), ("7", "no_tool_call"),
      (#"[{"ping": {}}, {"ping": {}}]"#, "more_than_one_tool_call"),
    ] as [(String, String?)])
  func faults(answer: String, detail: String?) {
    let decision = judge(#"{"answer": \#(answer), "confidence": 0.9}"#)
    #expect(decision.reason == (detail == nil ? nil : .schemaInvalid) && decision.detail == detail)
  }

  @Test("with names by the hundred, and names that differ in their scalars alone, are told apart")
  func manyNames() {
    let names = (1000..<1100).map { "field\($0)" } + ["caf\u{e9}"]
    let properties = JSONValue.object(names.map { JSONMember($0, ["type": "integer"]) })
    let tools: JSONValue = [["name": "wide", "parameters": ["type": "object", "properties": properties]]]
    let unknown = "arguments_invalid:additionalProperties:/*"
    for (more, detail) in [("caf\u{e9}", nil), ("cafe\u{301}", unknown), ("field1100", unknown)]
      as [(String, String?)]
    {
      let arguments = (names.dropLast() + [more]).map { #""\#($0)": 1"# }.joined(separator: ",")
      let decision = judge(
        #"{"answer": {"name": "wide", "arguments": {\#(arguments)}}, "confidence": 0.9}"#, tools: tools)
      #expect(decision.detail == detail && decision.isLocal == (detail == nil), "\(more)")
    }
  }

  @Test("by the server's own means have no confidence but a measured one")
  func native() {
    var reply = CandidateReply(text: "I look it up.")
    reply.toolCalls = [ToolCall(name: "find_order", arguments: "{\"number\": 7}")]
    let unsure = judge(reply)
    #expect(unsure.reason == .confidenceLow && unsure.detail == "absent")
    #expect(unsure.answer?.toolCall?.arguments == ["number": 7])
    reply.measured = MeasuredConfidence(source: .samples, value: 0.8)
    #expect(judge(reply).isLocal && judge(reply).confidenceSource == .samples)
    reply.toolCalls.append(reply.toolCalls[0])
    #expect(judge(reply).detail == "more_than_one_tool_call")
  }

  @Test(
    "without definitions must stand in the text as a whole word",
    arguments: [
      ("use search.query here", "search.query", true), ("use search.query.", "search.query", true),
      (#"[{"name": "query"}]"#, "query", true), ("use search.query here", "query", false),
      ("use search.query here", "search", false), ("my_query", "query", false), ("querying", "query", false),
      ("re-query", "query", false), ("übquery", "query", false), ("querying, then query", "query", true),
      ("", "query", false),
      ("it is \(String(repeating: "q", count: 256))", String(repeating: "q", count: 256), true),
      ("it is \(String(repeating: "q", count: 257))", String(repeating: "q", count: 257), false),
    ])
  func undefined(text: String, name: String, stands: Bool) {
    let decision = judge(
      #"{"answer": {"name": "\#(name)", "arguments": {"anything": 1}}, "confidence": 0.9}"#, tools: nil,
      text: text)
    #expect(decision.detail == (stands ? "tools_undefined" : "tool_not_defined,tools_undefined"))
    #expect(decision.isLocal == stands)
  }

  @Test(
    "are stopped by a term anywhere in them, however the arguments were written",
    arguments: [
      (#"{"name": "delete_order", "arguments": {}}"#, Reason.hardStopProduction),
      (
        #"{"name": "find_order", "arguments": {"number": 7, "note": "with the password"}}"#, .hardStopSecurity
      ),
      (
        #"{"name": "find_order", "arguments": {"number": 7, "note": {"a": [{"token": 1}]}}}"#, .hardStopAccess
      ),
      (
        #"{"name": "find_order", "arguments": "{\"number\": 7, \"note\": \"pass\\u0077ord\"}"}"#,
        .hardStopSecurity
      ),
      (
        #"[{"name": "a", "arguments": {}}, {"name": "b", "arguments": {"x": "password"}}]"#, .hardStopSecurity
      ),
    ])
  func hardStops(answer: String, reason: Reason) {
    let decision = judge(#"{"answer": \#(answer), "confidence": 0.9}"#)
    #expect(decision.reason == reason && decision.hits.allSatisfy { $0.place == .answer })
  }

  @Test("that are several native calls are scanned for terms as well")
  func hardStopsInNative() {
    var reply = CandidateReply(text: "")
    reply.toolCalls = [
      ToolCall(name: "a", arguments: []), ToolCall(name: "b", arguments: ["x": ["y": "a secret"]]),
    ]
    #expect(judge(reply).reason == .hardStopSecurity)
  }

  @Test("as recorded models made them are accepted by the recorded definitions where they were right")
  func recorded() throws {
    let what = "recorded tool calls"
    guard let data = SharedData.file("events/public/bfcl_results.ndjson", for: what) else { return }
    var counts: [String: Int] = [:]
    var refusedThoughRight = 0
    for line in data.split(separator: 0x0A) {
      let event = try JSONValue(parsing: [UInt8](line))
      let prompt = try #require(event["prompt"]?.stringValue)
      let said = try #require(event["weak"]?["answer"]?.stringValue)
      let tools = try #require(prompt.ranges(of: "\n\nTools:\n").last?.upperBound)
      // The prompt's own words stop many calls; here only the answer counts.
      let decision = judge(
        #"{"answer": \#(JSONValue.string(said).jsonText), "confidence": 1}"#,
        tools: try JSONValue(parsing: String(prompt[tools...])))
      let isRight = event["weak"]?["correct"]?.boolValue == true
      let isRefused = decision.checks[.schemaInvalid] == .fail
      let fault = (decision.validatorResult ?? "").split(separator: ":").dropFirst().first.map(String.init)
      counts["\(isRight ? "right" : "wrong"): \(isRefused ? fault ?? "" : "accepted")", default: 0] += 1
      if isRight, isRefused, fault?.contains("arguments") == true || fault?.contains("not_defined") == true {
        refusedThoughRight += 1
      }
    }
    for (kind, count) in counts.sorted(by: { $0.key < $1.key }) {
      print("BFCL validation: \(kind): \(count)")
    }
    // Texts where the definition says number, list or Boolean (`"800"`): those who judged them took that for the same.
    #expect(refusedThoughRight <= 20 && counts["right: accepted", default: 0] > 300)
  }

  @Test("are kept by the decoder only where a policy needs them")
  func decoding() throws {
    let frame = Array(
      #"{"kind":"call","call_id":"c","request":{"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]}}"#
        .utf8)
    var decoder = FrameDecoder()
    func tools(_ decoder: inout FrameDecoder) throws -> JSONValue? {
      guard case .call(let call) = try decoder.decode(frame.span) else { return nil }
      #expect(call.tools == ["f"])
      return call.toolDefinitions
    }
    #expect(try tools(&decoder) == nil)
    decoder.keepsTools = true
    #expect(try tools(&decoder)?[0]?["function"]?["name"] == "f")
  }
}

@Suite("Answers of a schema")
struct AnswerSchemaTests {
  private func judge(_ reply: CandidateReply, schema: JSONValue) -> Decision {
    var task = TaskPolicy(name: "extract", mark: Mark(line: 1, column: 1))
    task.local = true
    task.output = .json
    task.outputSchema = schema
    task.minConfidence = 0.5
    var policy = Policy()
    policy.tasks = [task]
    let prepared = PreparedPolicy(policy, generation: 1)
    var call = Call(callID: "c")
    call.taskType = "extract"
    var scratch = Engine.Scratch()
    let context = DecisionContext(today: "2026-11-21")
    let screening = Engine.screen(call, policy: prepared, context: context, scratch: &scratch)
    return Engine.judge(
      screening, call: call, outcome: .said(reply), policy: prepared, context: context, scratch: &scratch)
  }

  private let schema: JSONValue = [
    "type": "object", "required": ["number"], "additionalProperties": false,
    "properties": ["number": ["type": "integer"], "lines": ["items": ["required": ["sku"]]]],
  ]

  @Test(
    "are held against it, and the detail says nothing of the answer",
    arguments: [
      (#"{"number": 7}"#, nil), (#"{"number": 7.0}"#, nil), (#"{}"#, "answer_blank"),
      (#"{"lines": []}"#, "answer_schema:required:/number"),
      (#"{"number": "x"}"#, "answer_schema:type:/number"),
      (#"{"number": 7, "my secret": 1}"#, "answer_schema:additionalProperties:/*"),
      (#"{"number": 7, "lines": [{"sku": 1}, {}]}"#, "answer_schema:required:/lines/1/sku"),
      (#""seven""#, "answer_not_an_object"),
    ] as [(String, String?)])
  func details(answer: String, detail: String?) {
    let decision = judge(CandidateReply(text: #"{"answer": \#(answer), "confidence": 0.9}"#), schema: schema)
    #expect(decision.checks[.schemaInvalid] == (detail == nil ? .pass : .fail))
    if decision.reason == .schemaInvalid { #expect(decision.detail == detail) }
  }

  @Test("a schema that cannot be compiled accepts nothing")
  func unusable() {
    let decision = judge(
      CandidateReply(text: #"{"answer": {"a": 1}, "confidence": 1}"#), schema: ["minimun": 1])
    #expect(decision.detail == "answer_schema:false")
  }

  @Test("the detail is bounded, however deep the place")
  func bounded() {
    var (schema, answer): (JSONValue, JSONValue) = (["type": "null"], 1)
    for _ in 0..<20 {
      schema = ["properties": ["a_rather_long_name": schema]]
      answer = ["a_rather_long_name": answer]
    }
    let decision = judge(
      CandidateReply(text: #"{"answer": \#(answer.jsonText), "confidence": 1}"#), schema: schema)
    #expect(decision.detail?.hasPrefix("answer_schema:type:/a_rather") == true)
    #expect((decision.detail ?? "").count < 130)
  }

  @Test("what the server says of a reply comes before what stands in it")
  func serverWords() {
    var reply = CandidateReply(text: #"{"answer": {"number": 7}, "confidence": 0.9}"#)
    reply.isCut = true
    #expect(judge(reply, schema: schema).isLocal)
    reply.text = #"{"answer": {"number": 7}} x"#
    #expect(judge(reply, schema: schema).detail == "truncated_json")
    reply.isRefusal = true
    #expect(judge(reply, schema: schema).detail == "refusal")
    reply.text = "the password"
    #expect(judge(reply, schema: schema).reason == .hardStopSecurity)
  }
}
