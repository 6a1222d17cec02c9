import Posix
import RouterCore
import Wire

/// Ollama's `/api/generate`, without streaming.
///
/// The shapes follow Ollama's Go types (`GenerateRequest`, `GenerateResponse`): every metric may be absent.
struct OllamaGenerate: ~Copyable {
  private let model: ModelPolicy
  private var client: HTTPClient

  init(_ model: ModelPolicy, at url: HTTPURL) {
    self.model = model
    client = HTTPClient(url)
  }

  mutating func ask(_ question: Question, isStopping: () -> Bool) throws(AskFault) -> CandidateReply {
    let response = try client.post(
      body(question), headers: ["Content-Type": "application/json", "Accept": "application/json"],
      deadline: question.deadline, isStopping: isStopping)
    guard response.status == 200 else { throw .status(response.status) }
    guard let value = try? JSONValue(parsing: response.body), let text = value["response"]?.stringValue,
      value["error"] == nil, value["done"]?.boolValue != false
    else { throw .badResponse }
    return CandidateReply(
      text: text, inputTokens: value.count("prompt_eval_count"),
      outputTokens: value.count("eval_count"))
  }

  private func body(_ question: Question) -> [UInt8] {
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
