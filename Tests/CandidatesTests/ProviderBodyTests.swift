import RouterCore
import Testing
import Wire

@testable import Candidates

@Suite("A provider's request")
struct ProviderBodyTests {
  @Test("is chosen by provider and path")
  func choice() throws {
    for format in ProviderSample.formats {
      #expect(ProviderFormat(try ProviderSample.model(format)) == format)
    }
    let chat = try ProviderSample.model(.openAI) { $0.provider = .llamacpp }
    #expect(ProviderFormat(chat) == .openAI)
    #expect(ProviderFormat(try ProviderSample.model(.openAI) { $0.endpoint = nil }) == nil)
  }

  @Test("asks for structure, a limit, temperature 0 and a fixed seed, each in its provider's words")
  func fields() throws {
    let question = ProviderSample.question()
    let range = AnswerSchema.schema(question, confidence: .range)
    let steps = AnswerSchema.schema(question, confidence: .hundredths)
    let wanted: [(ProviderFormat, [(String, JSONValue)])] = [
      (
        .ollamaGenerate,
        [
          ("/model", "m:1b"), ("/format", steps), ("/stream", false), ("/think", false),
          ("/keep_alive", "30m"),
          ("/options", ["temperature": 0, "seed": 7, "num_predict": 64]), ("/logprobs", true),
          ("/top_logprobs", 20),
          ("/truncate", false), ("/prompt", .string(Prompt(question).text)),
        ]
      ),
      (
        .ollamaChat,
        [
          ("/format", steps), ("/options/num_predict", 64), ("/messages/0/role", "system"),
          ("/messages/1/role", "user"), ("/messages/1/content", .string(Prompt(question).input)),
          ("/logprobs", true),
        ]
      ),
      (
        .openAI,
        [
          (
            "/response_format",
            ["type": "json_schema", "json_schema": ["name": "answer", "strict": true, "schema": steps]]
          ),
          ("/max_tokens", 64), ("/temperature", 0), ("/seed", 7), ("/logprobs", true), ("/top_logprobs", 20),
          ("/messages/0/content", .string(Prompt(question).instructions)),
        ]
      ),
      (
        .llamaCpp,
        [
          ("/json_schema", steps), ("/n_predict", 64), ("/temperature", 0), ("/seed", 7),
          ("/cache_prompt", true),
          ("/n_probs", 20), ("/prompt", .string(Prompt(question).text)),
        ]
      ),
      (
        .anthropic,
        [
          ("/max_tokens", 64), ("/temperature", 0), ("/tools/0/input_schema", range),
          ("/tool_choice/type", "tool"),
          ("/system", .string(Prompt(question).instructions)), ("/messages/0/role", "user"),
        ]
      ),
    ]
    for (format, members) in wanted {
      let body = try ProviderSample.body(format, question)
      for (pointer, value) in members { #expect(body.pointer(pointer) == value, "\(format) \(pointer)") }
    }
    let anthropic = try ProviderSample.body(.anthropic, question)
    #expect(anthropic.pointer("/tool_choice/name") == anthropic.pointer("/tools/0/name"))
    #expect(ProviderFormat.anthropic.headers["anthropic-version"] == "2023-06-01")
  }

  @Test("a sample has a temperature and a seed of its own", arguments: ProviderSample.formats)
  func samples(format: ProviderFormat) throws {
    let body = try ProviderSample.body(format, ProviderSample.question(), style: AskStyle(sample: 2))
    let place = body["options"] ?? body
    #expect(place["temperature"]?.doubleValue == 0.7)
    if format != .anthropic { #expect(place["seed"] == 9) }
  }

  @Test(
    "log-probabilities are asked for only where they are wanted and of use", arguments: ProviderSample.formats
  )
  func logProbabilities(format: ProviderFormat) throws {
    for (question, style) in [
      (ProviderSample.question(), AskStyle(wantsLogProbabilities: false)),
      (ProviderSample.question(labels: []), AskStyle()),
      (ProviderSample.question(labels: ["one"]), AskStyle()),
    ] {
      let body = try ProviderSample.body(format, question, style: style)
      #expect(body["logprobs"] == nil && body["top_logprobs"] == nil && body["n_probs"] == nil)
      #expect(!format.asksLogProbabilities(question, style: style))
    }
  }

  @Test("a stream is asked for where the policy says so, with its usage", arguments: ProviderSample.formats)
  func streams(format: ProviderFormat) throws {
    let body = try ProviderSample.body(format, ProviderSample.question(), stream: true)
    #expect(body["stream"] == true)
    #expect(body.pointer("/stream_options/include_usage") == (format == .openAI ? true : nil))
  }

  @Test(
    "OpenAI's own hosts get the name of the limit that their newer models demand",
    arguments: [
      ("https://api.openai.com", "max_completion_tokens"),
      ("https://eu.api.openai.com", "max_completion_tokens"),
      ("https://x.openai.azure.com", "max_completion_tokens"), ("http://127.0.0.1:8000", "max_tokens"),
      ("https://notopenai.com", "max_tokens"),
    ])
  func limits(host: String, name: String) throws {
    let body = try ProviderSample.body(.openAI, ProviderSample.question(), host: host)
    #expect(body[name] == 64)
    #expect((body["max_tokens"] == nil) != (body["max_completion_tokens"] == nil))
    let confidence = body.pointer("/response_format/json_schema/schema/properties/confidence")
    #expect((confidence?["enum"] == nil) == (name == "max_completion_tokens"))
  }

  @Test(
    "a correction goes on with the conversation, or stands behind the input",
    arguments: ProviderSample.formats)
  func corrections(format: ProviderFormat) throws {
    let style = AskStyle(correction: .init(answer: #"{"label":"x"}"#, fault: "label_not_in_set"))
    let body = try ProviderSample.body(format, ProviderSample.question(), style: style)
    if let messages = body["messages"]?.arrayValue {
      #expect(messages.suffix(2).map { $0["role"] } == ["assistant", "user"])
      #expect(messages.suffix(2).first?["content"] == #"{"label":"x"}"#)
      #expect(messages.last?["content"]?.stringValue?.contains("label_not_in_set") == true)
    } else {
      let prompt = try #require(body["prompt"]?.stringValue)
      #expect(
        prompt.contains(#"{"label":"x"}"#) && prompt.contains("label_not_in_set")
          && prompt.hasSuffix("Answer:"))
    }
  }

  @Test(
    "what OpenAI cannot enforce is not asked for as strict",
    arguments: [
      (
        #"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}"#,
        true
      ),
      (#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}"#, false),
      (#"{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}"#, false),
      (#"{"type":"object"}"#, false), ("{}", false), ("true", false),
      (#"{"type":"array","items":{"type":["object","null"]}}"#, false),
      (#"{"type":"array","items":{"anyOf":[{"type":"string"},{"type":"null"}]},"minItems":1}"#, true),
      (#"{"type":"string","minLength":2}"#, false), (#"{"allOf":[{"type":"string"}]}"#, false),
      (##"{"$defs":{"x":{"type":"object"}},"$ref":"#/$defs/x"}"##, false),
    ])
  func strict(schema: String, isStrict: Bool) throws {
    let outputSchema = try JSONValue(parsing: schema)
    let question = ProviderSample.question(labels: []) {
      $0.output = .json
      $0.outputSchema = outputSchema
    }
    let body = try ProviderSample.body(.openAI, question)
    #expect(body.pointer("/response_format/json_schema/strict") == .bool(isStrict))
  }
}
