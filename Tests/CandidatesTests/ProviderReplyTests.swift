import RouterCore
import Testing
import Wire

@testable import Candidates

@Suite("A provider's reply")
struct ProviderReplyTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var format: ProviderFormat
    var body: String
    var text = ""
    var calls: [String] = []
    var isRefusal = false
    var isCut = false
    /// Input and output; nil: estimated.
    var tokens: [Int]?

    var testDescription: String { "\(format) \(body.prefix(60))" }
  }

  static let answer = #"{\"label\":\"bug\",\"confidence\":0.8}"#
  static let plain = #"{"label":"bug","confidence":0.8}"#

  static let cases: [Case] = [
    Case(
      format: .ollamaGenerate,
      body:
        #"{"model":"m","response":"\#(answer)","done":true,"done_reason":"stop","prompt_eval_count":96,"eval_count":14}"#,
      text: plain, tokens: [96, 14]),
    Case(format: .ollamaGenerate, body: #"{"response":"x","thinking":"hm"}"#, text: "x"),
    Case(
      format: .ollamaGenerate, body: #"{"response":"x","done":true,"done_reason":"length","eval_count":3}"#,
      text: "x",
      isCut: true),
    Case(
      format: .ollamaChat,
      body:
        #"{"message":{"role":"assistant","content":"\#(answer)","thinking":"…"},"done":true,"prompt_eval_count":9,"eval_count":4}"#,
      text: plain, tokens: [9, 4]),
    Case(
      format: .ollamaChat,
      body:
        #"{"message":{"role":"assistant","content":"","tool_calls":[{"id":"c","function":{"index":0,"name":"f","arguments":{"k":1}}}]},"done":true,"prompt_eval_count":9,"eval_count":4}"#,
      calls: [#"f{"k":1}"#], tokens: [9, 4]),
    Case(
      format: .openAI,
      body:
        #"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"\#(answer)","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":90,"completion_tokens":8,"total_tokens":98}}"#,
      text: plain, tokens: [90, 8]),
    Case(
      format: .openAI,
      body:
        #"{"error":null,"choices":[{"message":{"content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"k\":1}"}},{"function":{"name":"g","arguments":""}},{"function":{"name":"h","arguments":"{k"}},{"function":{"name":"i","arguments":{"k":2}}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
      calls: [#"f{"k":1}"#, "g{}", #"h"{k""#, #"i{"k":2}"#], tokens: [1, 2]),
    Case(
      format: .openAI,
      body: #"{"choices":[{"message":{"content":null,"refusal":"I can't."},"finish_reason":"stop"}]}"#,
      text: "I can't.", isRefusal: true),
    Case(
      format: .openAI, body: #"{"choices":[{"message":{"content":"a"},"finish_reason":"content_filter"}]}"#,
      text: "a",
      isRefusal: true),
    Case(
      format: .openAI,
      body: #"{"choices":[{"message":{"content":"a","reasoning":"b"},"finish_reason":"length"}]}"#,
      text: "a", isCut: true),
    Case(
      format: .openAI,
      body:
        #"{"choices":[{"message":{"content":[{"type":"thinking","thinking":"t"},{"type":"text","text":"a"}]},"finish_reason":"stop"}]}"#,
      text: "a"),
    Case(
      format: .openAI, body: #"{"choices":[{"message":{"function_call":{"name":"f","arguments":"{}"}}}]}"#,
      calls: ["f{}"]),
    Case(
      format: .llamaCpp,
      body:
        #"{"index":0,"content":"\#(answer)","stop":true,"tokens_predicted":12,"tokens_evaluated":80,"truncated":false,"stop_type":"eos"}"#,
      text: plain, tokens: [80, 12]),
    Case(
      format: .llamaCpp,
      body: #"{"content":"{","stop":true,"stop_type":"limit","tokens_predicted":12,"tokens_evaluated":80}"#,
      text: "{",
      isCut: true, tokens: [80, 12]),
    Case(
      format: .anthropic,
      body:
        #"{"type":"message","content":[{"type":"text","text":"\#(answer)"}],"stop_reason":"end_turn","usage":{"input_tokens":80,"output_tokens":6,"cache_creation_input_tokens":3,"cache_read_input_tokens":4}}"#,
      text: plain, tokens: [87, 6]),
    Case(
      format: .anthropic,
      body:
        #"{"content":[{"type":"thinking","thinking":"t"},{"type":"text","text":"Sure."},{"type":"tool_use","id":"t","name":"give_answer","input":{"label":"bug","confidence":0.8}}],"stop_reason":"tool_use","usage":{"input_tokens":80,"output_tokens":6}}"#,
      text: plain, tokens: [80, 6]),
    Case(
      format: .anthropic,
      body:
        #"{"content":[{"type":"server_tool_use","id":"s","name":"web","input":{}},{"type":"tool_use","id":"t","name":"f","input":{"k":1}},{"type":"future"}],"stop_reason":"max_tokens","usage":{"input_tokens":80,"output_tokens":6}}"#,
      calls: [#"f{"k":1}"#], isCut: true, tokens: [80, 6]),
    Case(
      format: .anthropic,
      body: #"{"content":[],"stop_reason":"refusal","usage":{"input_tokens":80,"output_tokens":0}}"#,
      isRefusal: true, tokens: [80, 0]),
  ]

  @Test("is read in every shape that the wire has", arguments: cases)
  func reads(example: Case) throws {
    let reply = try ProviderSample.reply(example.format, example.body)
    #expect(reply.text == example.text)
    #expect(reply.toolCalls.map { $0.name + $0.arguments.jsonText } == example.calls)
    #expect(reply.isRefusal == example.isRefusal && reply.isCut == example.isCut)
    #expect(reply.tokensAreEstimates == (example.tokens == nil))
    if let tokens = example.tokens { #expect([reply.inputTokens, reply.outputTokens] == tokens) }
  }

  @Test("without counts, four bytes are a token")
  func estimates() throws {
    let reply = try ProviderSample.reply(.ollamaGenerate, #"{"response":"12345","done":true}"#)
    #expect(reply.outputTokens == 2)
    #expect(reply.inputTokens == (Prompt(ProviderSample.question()).byteCount + 3) / 4)
  }

  @Test(
    "what is not of the format is a bad response",
    arguments: [
      ("", ProviderSample.formats), ("{", ProviderSample.formats), ("[]", ProviderSample.formats),
      ("null", ProviderSample.formats), ("<html></html>", ProviderSample.formats),
      ("{}", ProviderSample.formats),
      (#"{"x":NaN}"#, ProviderSample.formats), (#"{"error":"model 'x' not found"}"#, ProviderSample.formats),
      (#"{"response":"a","error":"x"}"#, [.ollamaGenerate]),
      (#"{"response":"a","done":false}"#, [.ollamaGenerate]),
      (#"{"response":{"oops":"a"},"done":true}"#, [.ollamaGenerate]),
      (#"{"response":null}"#, [.ollamaGenerate]),
      (#"{"message":"a","done":true}"#, [.ollamaChat]), (#"{"message":{"content":{}}}"#, [.ollamaChat]),
      (#"{"message":{"tool_calls":[{"function":{"name":7}}]}}"#, [.ollamaChat]),
      (#"{"choices":[]}"#, [.openAI]), (#"{"choices":[null]}"#, [.openAI]), (#"{"choices":{}}"#, [.openAI]),
      (#"{"choices":[{"message":{"content":{"oops":1}}}]}"#, [.openAI]),
      (#"{"choices":[{"message":{"tool_calls":[7]}}]}"#, [.openAI]),
      (#"{"choices":[{"message":{"content":"a"}}],"error":{"message":"x"}}"#, [.openAI]),
      (#"{"content":"a","stop":false}"#, [.llamaCpp]),
      (#"{"content":"a","stop":true,"truncated":true}"#, [.llamaCpp]),
      (#"{"content":7}"#, [.llamaCpp]), (#"{"content":"a"}"#, [.anthropic]),
      (#"{"content":[7]}"#, [.anthropic]),
      (#"{"type":"error","error":{"type":"overloaded_error"}}"#, [.anthropic]),
      (#"{"content":[{"type":"tool_use","name":null}]}"#, [.anthropic]),
    ] as [(String, [ProviderFormat])])
  func refuses(body: String, formats: [ProviderFormat]) {
    for format in formats {
      let fault = ProviderSample.fault { () throws(AskFault) in try ProviderSample.reply(format, body) }
      #expect(fault == .badResponse, "\(format)")
    }
  }

  @Test("any part replaced by anything gives a reply or a bad response, whole and streamed", arguments: cases)
  func survives(example: Case) throws {
    let body = try JSONValue(parsing: example.body)
    let others: [JSONValue] = [.null, true, -1, "x", [], ["x"], .object([]), ["type": "text", "text": 7]]
    var read = 0
    for changed in others.flatMap({ body.everywhere($0) }) {
      let fault = ProviderSample.fault { () throws(AskFault) in
        try example.format.reply(changed.jsonBytes, to: ProviderSample.question(), style: AskStyle())
      }
      #expect(fault == nil || fault == .badResponse)
      if fault == nil { read += 1 }
      let line = example.format == .ollamaChat || example.format == .ollamaGenerate ? "" : "data: "
      let streamed = ProviderSample.fault { () throws(AskFault) in
        try ProviderSample.streamed(example.format, [Array("\(line)\(changed.jsonText)\n\n".utf8)])
      }
      #expect(
        streamed == nil || [.badResponse, .streamError, .streamIncomplete].contains(streamed),
        "\(changed.jsonText)")
    }
    #expect(read > 0)
  }

  // MARK: - Recorded exchanges

  @Test("shapes of Ollama's official client are read, and others refused by name")
  func ollamaShapes() throws {
    guard
      let lines = try ProviderSample.lines(
        "data/wire/ollama_client_test_shapes.jsonl", for: "Ollama's shapes")
    else { return }
    var read = 0
    var refused = 0
    for line in lines {
      guard let response = line["response"], let path = line["uri"]?.stringValue else { continue }
      let format: ProviderFormat = path == "/api/chat" ? .ollamaChat : .ollamaGenerate
      let text = response.pointer("/message/content")?.stringValue ?? response["response"]?.stringValue
      if let text {
        let reply = try format.reply(response.jsonBytes, to: ProviderSample.question(), style: AskStyle())
        #expect(reply.text == text)
        read += 1
      } else {
        let fault = ProviderSample.fault { () throws(AskFault) in
          try format.reply(response.jsonBytes, to: ProviderSample.question(), style: AskStyle())
        }
        #expect(fault == .badResponse)
        refused += 1
      }
    }
    print("Ollama's shapes: \(read) read, \(refused) refused")
    #expect(read > 0 && refused > 0)
  }

  @Test("every recorded exchange is read to the same text and counts, or refused by name")
  func recorded() throws {
    guard let lines = try ProviderSample.lines("data/wire/exchanges.jsonl.gz", for: "recorded exchanges")
    else { return }
    var read = 0
    var refused = 0
    var ratios: [Double] = []
    for line in lines {
      guard let format = Self.format(line), let response = line["response"], response.members != nil else {
        continue
      }
      let question = ProviderSample.question()
      guard Self.isReply(response, format) else {
        let fault = ProviderSample.fault { () throws(AskFault) in
          try format.reply(response.jsonBytes, to: question, style: AskStyle())
        }
        #expect(fault == .badResponse, "\(line["file"]?.stringValue ?? "")")
        refused += 1
        continue
      }
      let reply = try format.reply(response.jsonBytes, to: question, style: AskStyle())
      read += 1
      #expect(reply.text == Self.text(of: response, format), "\(line["file"]?.stringValue ?? "")")
      let usage = response["usage"]
      let output = usage?.count("completion_tokens") ?? usage?.count("output_tokens")
      if let output { #expect(reply.outputTokens == output) }
      let isPlain =
        reply.toolCalls.isEmpty && !(usage?.jsonText.contains("reasoning_tokens\":") ?? false)
        && response.jsonText.firstRange(of: #""type":"thinking""#) == nil
        && response.jsonText.firstRange(of: "server_tool_use\"") == nil
        && response.jsonText.firstRange(of: #""reasoning":"#) == nil
      if let output, output > 0, isPlain, reply.text.utf8.count >= 200 {
        ratios.append(Double(ReplyParts.estimate(bytes: reply.text.utf8.count)) / Double(output))
      }
    }
    ratios.sort()
    let range = ratios.isEmpty ? "none" : "\(ratios[0]) to \(ratios[ratios.count - 1])"
    print("recorded replies: \(read) read, \(refused) refused; estimate / count of \(ratios.count): \(range)")
    #expect(read > 100 && refused > 0)
    #expect(!ratios.isEmpty && ratios.allSatisfy { (0.8...1.3).contains($0) })
  }

  static func format(_ line: JSONValue) -> ProviderFormat? {
    switch line["shape"]?.stringValue {
    case "openai.chat": .openAI
    case "anthropic.messages": .anthropic
    default: nil
    }
  }

  private static func isReply(_ response: JSONValue, _ format: ProviderFormat) -> Bool {
    guard response.present("error") == nil else { return false }
    return format == .openAI
      ? response.pointer("/choices/0/message") != nil : response["content"]?.arrayValue != nil
  }

  private static func text(of response: JSONValue, _ format: ProviderFormat) -> String {
    if format == .openAI { return response.pointer("/choices/0/message/content")?.stringValue ?? "" }
    let blocks = response["content"]?.arrayValue ?? []
    return blocks.filter { $0["type"] == "text" }.compactMap { $0["text"]?.stringValue }.joined()
  }
}

extension JSONValue {
  /// The value with each of its parts, in turn, replaced by another.
  func everywhere(_ other: JSONValue) -> [JSONValue] {
    var results = [other]
    switch self {
    case .array(let elements):
      for place in elements.indices {
        for changed in elements[place].everywhere(other) {
          var copy = elements
          copy[place] = changed
          results.append(.array(copy))
        }
      }
    case .object(let members):
      for place in members.indices {
        for changed in members[place].value.everywhere(other) {
          var copy = members
          copy[place].value = changed
          results.append(.object(copy))
        }
      }
    default: break
    }
    return results
  }
}
