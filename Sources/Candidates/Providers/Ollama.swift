import RouterCore
import Wire

/// Ollama's `/api/generate` and `/api/chat`.
///
/// The shapes follow Ollama's Go types (`GenerateRequest`, `ChatResponse`): every metric may be absent.
enum Ollama {
  static func generate(_ question: Question, model: ModelPolicy, style: AskStyle) -> [JSONMember] {
    let prompt = Prompt(question, style: style)
    return [JSONMember("model", .string(model.name)), JSONMember("prompt", .string(prompt.text))]
      + common(question, model, style, .ollamaGenerate)
  }

  static func chat(_ question: Question, model: ModelPolicy, style: AskStyle) -> [JSONMember] {
    [JSONMember("model", .string(model.name)), JSONMember("messages", OpenAI.messages(question, style))]
      + common(question, model, style, .ollamaChat)
  }

  private static func common(
    _ question: Question, _ model: ModelPolicy, _ style: AskStyle, _ format: ProviderFormat
  ) -> [JSONMember] {
    var members = [
      JSONMember("format", AnswerSchema.schema(question, confidence: .init(model))),
      JSONMember("stream", .bool(model.stream)),
      JSONMember("think", false),
      // Calls of a task may be minutes apart, and loading a model takes longer than an answer may.
      JSONMember("keep_alive", "30m"),
      // A server that has these refuses a prompt that is too long instead of dropping its beginning.
      JSONMember("truncate", false),
      JSONMember("shift", false),
      // Without an output limit a small model may write until its context is full.
      JSONMember(
        "options",
        [
          "temperature": style.temperature, "seed": style.seed,
          "num_predict": .number(JSONNumber(model.maxOutputTokens)),
        ]),
    ]
    if format.asksLogProbabilities(question, style: style) {
      members += [JSONMember("logprobs", true), JSONMember("top_logprobs", 20)]
    }
    return members
  }

  // MARK: - Reading

  static func read(_ value: JSONValue, isChat: Bool, into parts: inout ReplyParts) throws(AskFault) {
    guard value["done"]?.boolValue != false else { throw .badResponse }
    if isChat, value.present("message")?.members == nil { throw .badResponse }
    if !isChat, value["response"]?.stringValue == nil { throw .badResponse }
    try readPiece(value, isChat: isChat, into: &parts)
  }

  /// A line of a stream, or a whole body, which has the same shape.
  static func readPiece(_ value: JSONValue, isChat: Bool, into parts: inout ReplyParts) throws(AskFault) {
    if isChat {
      if let message = value.present("message") {
        parts.text += try message.optionalString("content") ?? ""
        for call in try message.optionalArray("tool_calls") { try readCall(call, into: &parts) }
      }
    } else {
      parts.text += try value.optionalString("response") ?? ""
    }
    GeneratedToken.read(value["logprobs"], into: &parts.tokens)
    guard value["done"]?.boolValue != false else { return }
    parts.hasEnded = value["done"]?.boolValue == true
    parts.isCut = value["done_reason"]?.stringValue == "length"
    parts.inputTokens = value.count("prompt_eval_count")
    parts.outputTokens = value.count("eval_count")
  }

  private static func readCall(_ call: JSONValue, into parts: inout ReplyParts) throws(AskFault) {
    guard let function = call.present("function"), let name = function["name"]?.stringValue else {
      throw .badResponse
    }
    try parts.add(callAt: parts.calls.count, name: name, arguments: function.present("arguments"))
  }
}
