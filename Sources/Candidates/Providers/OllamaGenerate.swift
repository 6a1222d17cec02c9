import RouterCore
import Wire

/// Ollama's `/api/generate`.
///
/// The shapes follow Ollama's Go types (`GenerateRequest`, `GenerateResponse`): every metric may be absent.
enum OllamaGenerate {
  static func reply(_ body: [UInt8]) throws(AskFault) -> CandidateReply {
    guard let value = try? JSONValue(parsing: body), let text = value["response"]?.stringValue,
      value["error"] == nil, value["done"]?.boolValue != false
    else { throw .badResponse }
    return CandidateReply(
      text: text, inputTokens: value.count("prompt_eval_count"), outputTokens: value.count("eval_count"))
  }

  static func body(_ question: Question, model: ModelPolicy, style: AskStyle) -> [UInt8] {
    let prompt = Prompt.text(task: question.task, input: String(decoding: question.text, as: UTF8.self))
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("model")
    writer.string(model.name)
    writer.key("prompt")
    writer.string(prompt)
    writer.key("format")
    writer.value(Prompt.schema(task: question.task))
    writer.key("stream")
    writer.bool(false)
    writer.key("think")
    writer.bool(false)
    writer.key("options")
    // Without an output limit a small model may write until its context is full.
    writer.value([
      "temperature": 0, "seed": 7, "num_predict": .number(JSONNumber(model.maxOutputTokens)),
    ])
    writer.endObject()
    return writer.bytes
  }
}
