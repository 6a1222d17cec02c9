import RouterCore
import Wire

/// Anthropic's `/v1/messages`. It has no log-probabilities and no seed.
///
/// The answer is asked for as the input of one tool that the model must call: the only way to a schema that every
/// version of the interface has.
enum Anthropic {
  private static let toolName = "give_answer"

  static func request(_ question: Question, model: ModelPolicy, style: AskStyle) -> [JSONMember] {
    let prompt = Prompt(question, style: style)
    var messages = [OpenAI.message("user", prompt.input)]
    if let correction = prompt.correction {
      messages += [
        OpenAI.message("assistant", correction.answer), OpenAI.message("user", correction.demand),
      ]
    }
    let tool: JSONValue = [
      "name": .string(toolName), "description": "Gives the answer.",
      "input_schema": AnswerSchema.schema(question, confidence: .init(model)),
    ]
    return [
      JSONMember("model", .string(model.name)),
      JSONMember("max_tokens", .number(JSONNumber(model.maxOutputTokens))),
      JSONMember("system", .string(prompt.instructions)),
      JSONMember("messages", .array(messages)),
      JSONMember("tools", [tool]),
      JSONMember(
        "tool_choice",
        ["type": "tool", "name": .string(toolName), "disable_parallel_tool_use": true]),
      JSONMember("temperature", style.temperature),
      JSONMember("stream", .bool(model.stream)),
    ]
  }

  // MARK: - Reading

  static func read(_ value: JSONValue, into parts: inout ReplyParts) throws(AskFault) {
    guard value["type"]?.stringValue != "error", let blocks = value["content"]?.arrayValue else {
      throw .badResponse
    }
    for (place, block) in blocks.enumerated() { try readBlock(block, at: place, into: &parts) }
    try readEnd(value, into: &parts)
    readUsage(value["usage"], into: &parts)
    takeAnswer(&parts)
  }

  /// An event of a stream.
  static func readPiece(_ value: JSONValue, into parts: inout ReplyParts) throws(AskFault) {
    switch value["type"]?.stringValue {
    case "message_start": readUsage(value["message"]?["usage"], into: &parts)
    case "content_block_start":
      guard let block = value.present("content_block") else { throw .badResponse }
      try readBlock(block, at: try place(of: value), into: &parts)
    case "content_block_delta":
      guard let delta = value.present("delta") else { throw .badResponse }
      if delta["type"]?.stringValue == "text_delta" {
        parts.text += try delta.optionalString("text") ?? ""
      } else if delta["type"]?.stringValue == "input_json_delta",
        let piece = try delta.optionalString("partial_json"), !piece.isEmpty
      {
        let place = try place(of: value)
        // Pieces of the server's own tools are of no interest here.
        guard parts.calls.contains(where: { $0.place == place }) else { return }
        try parts.add(callAt: place, argumentsText: piece)
      }
    case "message_delta":
      if let delta = value.present("delta") { try readEnd(delta, into: &parts) }
      readUsage(value["usage"], into: &parts)
    case "message_stop":
      parts.hasEnded = true
      takeAnswer(&parts)
    default: break
    }
  }

  private static func place(of event: JSONValue) throws(AskFault) -> Int {
    guard let place = event.count("index") else { throw .badResponse }
    return place
  }

  /// Blocks of other types, such as thinking and the server's own tools, are left out.
  private static func readBlock(
    _ block: JSONValue, at place: Int, into parts: inout ReplyParts
  ) throws(AskFault) {
    switch block["type"]?.stringValue {
    case "text": parts.text += try block.optionalString("text") ?? ""
    case "tool_use":
      guard let name = block["name"]?.stringValue else { throw .badResponse }
      try parts.add(callAt: place, name: name, arguments: block.present("input"))
    case nil: throw .badResponse
    default: break
    }
  }

  private static func readEnd(_ value: JSONValue, into parts: inout ReplyParts) throws(AskFault) {
    switch try value.optionalString("stop_reason") {
    case "refusal": parts.isRefusal = true
    case "max_tokens", "model_context_window_exceeded", "pause_turn": parts.isCut = true
    default: break
    }
  }

  /// Input read from a cache and written to it counts like any other.
  private static func readUsage(_ usage: JSONValue?, into parts: inout ReplyParts) {
    guard let usage else { return }
    if let input = usage.count("input_tokens") {
      parts.inputTokens = ["cache_creation_input_tokens", "cache_read_input_tokens"].reduce(input) {
        let (sum, isOver) = $0.addingReportingOverflow(usage.count($1) ?? 0)
        return isOver ? $0 : sum
      }
    }
    parts.outputTokens = usage.count("output_tokens") ?? parts.outputTokens
  }

  /// What was given to our own tool is the answer, and what stands beside it is not.
  private static func takeAnswer(_ parts: inout ReplyParts) {
    let answers = parts.calls.filter { $0.name == toolName }
    guard !answers.isEmpty else { return }
    parts.calls.removeAll { $0.name == toolName }
    // A string is what could not be read as JSON: a reply that was cut.
    parts.text = answers.map { $0.value.stringValue ?? $0.value.jsonText }.joined(separator: "\n")
  }
}
