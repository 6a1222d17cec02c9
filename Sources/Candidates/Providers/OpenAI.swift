import RouterCore
import Wire

/// Chat completions (`/v1/chat/completions`), as OpenAI has them and most local servers understand them.
enum OpenAI {
  static func request(_ question: Question, model: ModelPolicy, style: AskStyle) -> [JSONMember] {
    let schema = AnswerSchema.schema(question, confidence: .init(model))
    var members = [
      JSONMember("model", .string(model.name)),
      JSONMember("messages", messages(question, style)),
      JSONMember(
        "response_format",
        [
          "type": "json_schema",
          "json_schema": ["name": "answer", "strict": .bool(StrictSchema.holds(schema)), "schema": schema],
        ]),
      JSONMember(limitName(model), .number(JSONNumber(model.maxOutputTokens))),
      JSONMember("temperature", style.temperature),
      JSONMember("seed", style.seed),
      JSONMember("stream", .bool(model.stream)),
    ]
    if model.stream { members.append(JSONMember("stream_options", ["include_usage": true])) }
    if ProviderFormat.openAI.asksLogProbabilities(question, style: style) {
      members += [JSONMember("logprobs", true), JSONMember("top_logprobs", 20)]
    }
    return members
  }

  /// Every server knows `max_tokens`, but OpenAI's own newer models refuse it; its newer name is unknown to servers
  /// that would then write without a limit; both at once OpenAI refuses too. So the host decides.
  private static func limitName(_ model: ModelPolicy) -> String {
    isHosted(model) ? "max_completion_tokens" : "max_tokens"
  }

  /// Whether the model runs at OpenAI itself.
  static func isHosted(_ model: ModelPolicy) -> Bool {
    let host = "." + (model.endpoint?.host ?? "")
    return [".openai.com", ".openai.azure.com"].contains(where: host.hasSuffix)
  }

  static func messages(_ question: Question, _ style: AskStyle) -> JSONValue {
    let prompt = Prompt(question, style: style)
    var messages = [message("system", prompt.instructions), message("user", prompt.input)]
    if let correction = prompt.correction {
      messages += [message("assistant", correction.answer), message("user", correction.demand)]
    }
    return .array(messages)
  }

  static func message(_ role: JSONValue, _ content: String) -> JSONValue {
    ["role": role, "content": .string(content)]
  }

  // MARK: - Reading

  static func read(_ value: JSONValue, into parts: inout ReplyParts) throws(AskFault) {
    guard let choice = value["choices"]?[0], let message = choice.present("message"), message.members != nil
    else { throw .badResponse }
    try readMessage(message, into: &parts)
    if let call = message.present("function_call") { try readFunction(call, at: -1, into: &parts) }
    try readEnd(choice, into: &parts)
    readUsage(value, into: &parts)
  }

  /// An event of a stream.
  static func readPiece(_ value: JSONValue, into parts: inout ReplyParts) throws(AskFault) {
    readUsage(value, into: &parts)
    // The last one has the usage and no choice.
    guard let choice = try value.optionalArray("choices").first else { return }
    if let delta = choice.present("delta") { try readMessage(delta, into: &parts) }
    try readEnd(choice, into: &parts)
  }

  /// A message or a piece of one. What a model thought stands in members of other names.
  private static func readMessage(_ message: JSONValue, into parts: inout ReplyParts) throws(AskFault) {
    switch message.present("content") {
    case nil: break
    case .string(let text): parts.text += text
    case .array(let blocks):
      for block in blocks where block["type"]?.stringValue == "text" {
        parts.text += try block.optionalString("text") ?? ""
      }
    default: throw .badResponse
    }
    if let refusal = try message.optionalString("refusal"), !refusal.isEmpty {
      parts.isRefusal = true
      parts.text += refusal
    }
    for (place, call) in try message.optionalArray("tool_calls").enumerated() {
      guard let function = call.present("function") else { throw .badResponse }
      try readFunction(function, at: call["index"]?.intValue ?? place, into: &parts)
    }
  }

  private static func readFunction(
    _ function: JSONValue, at place: Int, into parts: inout ReplyParts
  ) throws(AskFault) {
    let name = try function.optionalString("name") ?? ""
    switch function.present("arguments") {
    case nil: try parts.add(callAt: place, name: name)
    case .string(let text): try parts.add(callAt: place, name: name, argumentsText: text)
    case .some(let value): try parts.add(callAt: place, name: name, arguments: value)
    }
  }

  private static func readEnd(_ choice: JSONValue, into parts: inout ReplyParts) throws(AskFault) {
    GeneratedToken.read(choice["logprobs"]?["content"], into: &parts.tokens)
    guard let reason = try choice.optionalString("finish_reason") else { return }
    parts.hasEnded = true
    if reason == "length" { parts.isCut = true }
    if reason == "content_filter" { parts.isRefusal = true }
  }

  private static func readUsage(_ value: JSONValue, into parts: inout ReplyParts) {
    guard let usage = value.present("usage") else { return }
    parts.inputTokens = usage.count("prompt_tokens") ?? parts.inputTokens
    parts.outputTokens = usage.count("completion_tokens") ?? parts.outputTokens
  }
}

/// What OpenAI asks of a schema that is to be enforced; another one is refused with a 400 unless `strict` is false.
enum StrictSchema {
  private static let keywords: Set<String> = [
    "$defs", "$ref", "additionalProperties", "anyOf", "const", "definitions", "description", "enum",
    "exclusiveMaximum", "exclusiveMinimum", "format", "items", "maxItems", "maximum", "minItems", "minimum",
    "multipleOf", "pattern", "properties", "required", "title", "type",
  ]

  static func holds(_ schema: JSONValue) -> Bool {
    guard let members = schema.members, members.allSatisfy({ keywords.contains($0.name) }) else {
      return false
    }
    guard ["type", "enum", "const", "anyOf", "$ref"].contains(where: { schema[$0] != nil }) else {
      return false
    }
    let properties = schema["properties"]?.members ?? []
    if isObject(schema) {
      let required = schema["required"]?.arrayValue ?? []
      guard schema["additionalProperties"]?.boolValue == false,
        properties.allSatisfy({ required.contains(.string($0.name)) })
      else { return false }
    }
    var inner = properties.map(\.value) + (schema["anyOf"]?.arrayValue ?? [])
    for name in ["$defs", "definitions"] { inner += schema[name]?.members?.map(\.value) ?? [] }
    if let items = schema["items"] { inner.append(items) }
    return inner.allSatisfy(holds)
  }

  private static func isObject(_ schema: JSONValue) -> Bool {
    schema["properties"] != nil || schema["type"] == "object"
      || schema["type"]?.arrayValue?.contains("object") == true
  }
}
