import RouterCore
import Wire

/// The `/completion` of llama.cpp's server.
///
/// The schema goes as `json_schema`: the server makes the grammar itself, also of a policy's own schema.
enum LlamaCpp {
  static func request(_ question: Question, model: ModelPolicy, style: AskStyle) -> [JSONMember] {
    let schema = AnswerSchema.schema(question, confidence: .init(model))
    var members = [
      JSONMember("model", .string(model.name)),
      JSONMember("prompt", .string(Prompt(question, style: style).text)),
      JSONMember("json_schema", schema),
      JSONMember("n_predict", .number(JSONNumber(model.maxOutputTokens))),
      JSONMember("temperature", style.temperature),
      JSONMember("seed", style.seed),
      JSONMember("cache_prompt", true),
      JSONMember("stream", .bool(model.stream)),
    ]
    if ProviderFormat.llamaCpp.asksLogProbabilities(question, style: style) {
      members.append(JSONMember("n_probs", 20))
    }
    return members
  }

  // MARK: - Reading

  static func read(_ value: JSONValue, into parts: inout ReplyParts) throws(AskFault) {
    guard value["content"]?.stringValue != nil, value["stop"]?.boolValue != false else { throw .badResponse }
    try readPiece(value, into: &parts)
  }

  /// An event of a stream, or a whole body, which has the same shape.
  static func readPiece(_ value: JSONValue, into parts: inout ReplyParts) throws(AskFault) {
    parts.text += try value.optionalString("content") ?? ""
    if let tokens = value.present("completion_probabilities"), tokens.arrayValue?.isEmpty != true {
      // In a stream the last event repeats the tokens of all before it.
      if value["stop"]?.boolValue == true, parts.tokens?.isEmpty == false { parts.tokens = [] }
      GeneratedToken.read(tokens, into: &parts.tokens)
    }
    guard value["stop"]?.boolValue != false else { return }
    // The server dropped a part of the prompt to make room: whatever it answered, it was not our question.
    guard value["truncated"]?.boolValue != true else { throw .badResponse }
    parts.hasEnded = value["stop"]?.boolValue == true
    parts.isCut = value["stop_type"]?.stringValue == "limit" || value["stopped_limit"]?.boolValue == true
    parts.inputTokens = value.count("tokens_evaluated")
    parts.outputTokens = value.count("tokens_predicted")
  }

  // MARK: - The label's probabilities after the grammar

  /// Continues the reply up to its label and asks for the one token that comes next.
  ///
  /// A whole reply's log-probabilities are those before the grammar, and its greedy sampling leaves a probability of 1
  /// after it. With the temperature alone as sampler, and that at 1, they are the model's own.
  static func labelProbe(
    _ reply: CandidateReply, _ question: Question, model: ModelPolicy, style: AskStyle
  ) -> [JSONMember]? {
    let labels = question.task.labels.map(\.name)
    guard let place = LabelPlace(in: reply.text), labels.contains(place.label) else { return nil }
    let start = String(decoding: Array(reply.text.utf8)[..<place.range.lowerBound], as: UTF8.self)
    let choices = labels.map { "\"" + grammarEscaped(LabelProbabilities.ending(of: $0)) + "\"" }
    return [
      JSONMember("model", .string(model.name)),
      JSONMember("prompt", .string(Prompt(question, style: style).text + start)),
      JSONMember("grammar", .string("root ::= " + choices.joined(separator: " | "))),
      JSONMember("n_predict", 1),
      JSONMember("n_probs", .number(JSONNumber(min(max(20, 4 * labels.count), 200)))),
      JSONMember("post_sampling_probs", true),
      JSONMember("samplers", ["temperature"]),
      JSONMember("temperature", 1),
      JSONMember("top_k", 0),
      JSONMember("top_p", 1),
      JSONMember("min_p", 0),
      JSONMember("seed", 7),
      JSONMember("cache_prompt", true),
      JSONMember("stream", false),
    ]
  }

  /// As it stands inside the quotes of a GBNF literal.
  private static func grammarEscaped(_ text: [UInt8]) -> String {
    var result: [UInt8] = []
    for byte in text {
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { result.append(UInt8(ascii: "\\")) }
      result.append(byte)
    }
    return String(decoding: result, as: UTF8.self)
  }

  static func measured(_ reply: CandidateReply, _ value: JSONValue, _ question: Question) -> CandidateReply {
    var reply = reply
    if let input = value.count("tokens_evaluated") { reply.inputTokens = (reply.inputTokens ?? 0) &+ input }
    if let output = value.count("tokens_predicted") {
      reply.outputTokens = (reply.outputTokens ?? 0) &+ output
    }
    guard let choices = TokenChoice.list(value["completion_probabilities"]?[0]?["top_probs"], .share),
      let place = LabelPlace(in: reply.text),
      let measured = LabelProbabilities.measure(
        next: choices, label: place.label, labels: question.task.labels.map(\.name))
    else { return reply }
    reply.measured = measured
    return reply
  }
}
