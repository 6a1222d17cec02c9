import RouterCore
import Testing
import Wire

@testable import Candidates

@Suite("A provider's stream")
struct ProviderStreamTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var format: ProviderFormat
    var body: String
    var text = ""
    var calls: [String] = []
    var tokens = [5, 3]
    var isCut = false
    var isRefusal = false
    var testDescription: String { "\(format) \(body.prefix(50))" }
  }

  static let whole: [Case] = [
    Case(
      format: .ollamaGenerate,
      body: """
        {"response":"{\\"label\\":","done":false}
        {"response":"","logprobs":[],"done":false}

        {"response":"\\"é","thinking":"t","done":false}\r
        {"response":"€\\"}","done":false}
        {"response":"","done":true,"done_reason":"length","prompt_eval_count":5,"eval_count":3}

        """, text: #"{"label":"é€"}"#, isCut: true),
    Case(
      format: .ollamaChat,
      body: """
        {"message":{"role":"assistant","content":"a"},"done":false}
        {"message":{"content":"","tool_calls":[{"function":{"name":"f","arguments":{"k":1}}}]},"done":false}
        {"message":{"content":"b"},"done":true,"prompt_eval_count":5,"eval_count":3}
        """, text: "ab", calls: [#"f{"k":1}"#]),
    Case(
      format: .openAI,
      body: """
        : comment\r
        data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\r
        \r
        data:{"choices":[{"delta":{"content":"é"},\r
        data: "finish_reason":null}]}\r
        \r
        id: 7\r
        data: {"choices":[{"delta":{"content":"b"},"finish_reason":null}]}\r
        \r
        data: {"choices":[{"delta":{},"finish_reason":"length"}]}\r
        \r
        data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3}}\r
        \r
        data: [DONE]\r
        \r

        """, text: "éb", isCut: true),
    Case(
      format: .openAI,
      body: """
        \u{FEFF}data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]}}]}

        data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"k\\""}}]}}]}

        data: {"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"name":"g"}}]}}]}

        data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}

        data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":5,"completion_tokens":3}}
        """, calls: [#"f{"k":1}"#, "g{}"]),
    Case(
      format: .openAI,
      body: """
        data: {"choices":[{"delta":{"refusal":"I can"}}]}

        data: {"choices":[{"delta":{"refusal":"not"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":3}}

        data: [DONE]
        """, text: "I cannot", isRefusal: true),
    Case(
      format: .llamaCpp,
      body: """
        data: {"index":0,"content":"a","stop":false}

        data: {"index":0,"content":"é","stop":false}

        data: {"index":0,"content":"","stop":true,"stop_type":"eos","tokens_evaluated":5,"tokens_predicted":3}

        data: {"content":"never read","stop":true}

        """, text: "aé"),
    Case(
      format: .anthropic,
      body: """
        event: message_start
        data: {"type":"message_start","message":{"content":[],"usage":{"input_tokens":5,"output_tokens":1}}}

        event: ping
        data: {"type":"ping"}

        event: content_block_start
        data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}

        event: content_block_start
        data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Sure."}}

        event: content_block_start
        data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"give_answer","input":{}}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\\"label\\":\\"é\\""}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":",\\"confidence\\":0.5}"}}

        event: content_block_stop
        data: {"type":"content_block_stop","index":2}

        event: unheard_of
        data: {"type":"unheard_of"}

        event: message_delta
        data: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":3}}

        event: message_stop
        data: {"type":"message_stop"}

        """, text: #"{"label":"é","confidence":0.5}"#),
  ]

  @Test("gives one reply", arguments: whole)
  func reads(example: Case) throws {
    let reply = try ProviderSample.streamed(example.format, [Array(example.body.utf8)])
    #expect(reply.text == example.text)
    #expect(reply.toolCalls.map { $0.name + $0.arguments.jsonText } == example.calls)
    #expect([reply.inputTokens, reply.outputTokens] == example.tokens)
    #expect(reply.isCut == example.isCut && reply.isRefusal == example.isRefusal)
    #expect(!reply.tokensAreEstimates)
  }

  @Test("gives the same reply however the bytes were cut", arguments: whole)
  func cuts(example: Case) throws {
    let bytes = Array(example.body.utf8)
    let expected = try ProviderSample.streamed(example.format, [bytes]).summary
    for place in 0...bytes.count {
      let reply = try ProviderSample.streamed(
        example.format, [Array(bytes[..<place]), Array(bytes[place...])])
      #expect(reply.summary == expected)
    }
    for size in [1, 2, 3, 7, 64] {
      let pieces = stride(from: 0, to: bytes.count, by: size).map {
        Array(bytes[$0..<min($0 + size, bytes.count)])
      }
      #expect(try ProviderSample.streamed(example.format, pieces).summary == expected)
    }
  }

  @Test("a stream that ends early, wherever, is incomplete and nothing else", arguments: whole)
  func truncated(example: Case) throws {
    // The end mark is in the last lines; what stands behind it may be missing.
    let marks = ["\"done\":true", "finish_reason\":\"", "\"stop\":true", "event: message_stop"]
    let ends = marks.compactMap { mark in example.body.firstRange(of: mark)?.lowerBound }
    let end = try #require(ends.min())
    let bytes = Array(example.body[..<end].utf8)
    for count in 0...bytes.count {
      let fault = ProviderSample.fault { () throws(AskFault) in
        try ProviderSample.streamed(example.format, [Array(bytes[..<count])])
      }
      #expect(fault == .streamIncomplete, "after \(count) bytes")
    }
  }

  @Test(
    "an error after the 200 is named",
    arguments: [
      (
        .ollamaGenerate, #"{"response":"a","done":false}\#n{"error":"an error was encountered"}\#n"#,
        .streamError
      ),
      (
        .openAI, #"data: {"choices":[{"delta":{"content":"a"}}]}\#n\#ndata: {"error":{"message":"x"}}\#n\#n"#,
        .streamError
      ),
      (.llamaCpp, #"data: {"content":"a","stop":false}\#n\#nerror: {"code":500}\#n\#n"#, .streamError),
      (.llamaCpp, #"data: {"error":{"code":500}}\#n\#n"#, .streamError),
      (
        .anthropic, #"event: error\#ndata: {"type":"error","error":{"type":"overloaded_error"}}\#n\#n"#,
        .streamError
      ),
      (.anthropic, #"data: {"type":"error","error":{"type":"overloaded_error"}}\#n\#n"#, .streamError),
      (.ollamaGenerate, "<html>\n", .badResponse), (.openAI, "data: nonsense\n\n", .badResponse),
      (.openAI, "<html></html>\n\n", .streamIncomplete), (.openAI, "", .streamIncomplete),
    ] as [(ProviderFormat, String, AskFault)])
  func faults(format: ProviderFormat, body: String, fault: AskFault) {
    #expect(
      ProviderSample.fault { () throws(AskFault) in try ProviderSample.streamed(format, [Array(body.utf8)]) }
        == fault)
  }

  @Test("both faults of a stream speak against the server")
  func breaker() {
    #expect(AskFault.streamError.countsForBreaker && AskFault.streamIncomplete.countsForBreaker)
    #expect(
      [AskFault.streamError.cause, AskFault.streamIncomplete.cause] == ["stream_error", "stream_incomplete"])
  }

  @Test("a stream without end is given up, whatever it holds", arguments: ProviderSample.formats)
  func bounded(format: ProviderFormat) {
    for piece in ["x", ": comment\n", "\n", "data: x\ndata: "] {
      var stream = ProviderStream(format, to: ProviderSample.question(), style: AskStyle(), limit: 10_000)
      let bytes = Array(String(repeating: piece, count: 100).utf8)
      var fault: AskFault?
      for _ in 0..<200 where fault == nil {
        do throws(AskFault) { _ = try stream.feed(bytes.span) } catch { fault = error }
      }
      #expect(fault == .responseTooLarge || fault == .badResponse)
    }
  }

  @Test("every recorded stream is read alike in one piece and in many, or refused by name")
  func recorded() throws {
    guard let lines = try ProviderSample.lines("data/wire/exchanges.jsonl.gz", for: "recorded streams") else {
      return
    }
    var read = 0
    var refused: [String] = []
    for line in lines {
      guard let format = ProviderReplyTests.format(line), let text = line["response_text"]?.stringValue else {
        continue
      }
      let bytes = Array(text.utf8)
      do throws(AskFault) {
        let reply = try ProviderSample.streamed(format, [bytes])
        read += 1
        let pieces = stride(from: 0, to: bytes.count, by: 13).map {
          Array(bytes[$0..<min($0 + 13, bytes.count)])
        }
        #expect(try ProviderSample.streamed(format, pieces).summary == reply.summary)
        #expect(!reply.text.isEmpty || !reply.toolCalls.isEmpty || (reply.outputTokens ?? 0) > 0)
      } catch {
        refused.append("\(error.cause) \(line["file"]?.stringValue?.split(separator: "/").last ?? "")")
      }
    }
    print("recorded streams: \(read) read; refused: \(refused.sorted())")
    #expect(read > 40 && refused.count <= 4)
  }
}
