import Wire

/// Reads the answer out of a provider's response body: OpenAI chat and responses, Anthropic messages.
enum ProviderResponse {
  /// Fills in what the body says; what it does not say stays as it was.
  ///
  /// A body of no known shape gives an empty answer with an `error` that says so: it can be counted, not compared.
  static func read(_ body: JSONValue, into answer: inout FrontierAnswer) {
    if let text = body.stringValue {
      answer.text = text
      return
    }
    if let model = body["model"]?.stringValue { answer.model = String(model.prefix(256)) }
    readUsage(body, into: &answer)
    if let error = body["error"], !error.isNull {
      answer.error = error["type"]?.stringValue ?? error["code"]?.stringValue ?? "error"
    } else if let choices = body["choices"]?.arrayValue {
      readChat(choices, into: &answer)
    } else if let output = body["output"]?.arrayValue {
      readResponses(output, into: &answer)
    } else if let content = body["content"]?.arrayValue {
      readAnthropic(content, into: &answer)
    } else {
      answer.error = "unknown_response_shape"
    }
  }

  private static func readUsage(_ body: JSONValue, into answer: inout FrontierAnswer) {
    guard let usage = body["usage"] else { return }
    answer.inputTokens = usage["prompt_tokens"]?.intValue ?? usage["input_tokens"]?.intValue
    answer.outputTokens = usage["completion_tokens"]?.intValue ?? usage["output_tokens"]?.intValue
  }

  private static func readChat(_ choices: [JSONValue], into answer: inout FrontierAnswer) {
    guard let message = choices.first?["message"] else { return }
    answer.text = message["content"]?.stringValue ?? joined(message["content"]?.arrayValue ?? [])
    for call in message["tool_calls"]?.arrayValue ?? [] {
      guard let function = call["function"], let name = function["name"]?.stringValue else { continue }
      answer.toolCalls.append(ToolCall(name: name, arguments: arguments(function["arguments"])))
    }
    if answer.text.isEmpty, message["refusal"]?.stringValue != nil { answer.error = "refusal" }
  }

  private static func readResponses(_ output: [JSONValue], into answer: inout FrontierAnswer) {
    for item in output {
      switch item["type"]?.stringValue {
      case "message":
        answer.text += (answer.text.isEmpty ? "" : "\n") + joined(item["content"]?.arrayValue ?? [])
      case "function_call":
        guard let name = item["name"]?.stringValue else { continue }
        answer.toolCalls.append(ToolCall(name: name, arguments: arguments(item["arguments"])))
      default: continue
      }
    }
  }

  private static func readAnthropic(_ content: [JSONValue], into answer: inout FrontierAnswer) {
    answer.text = joined(content)
    for block in content where block["type"]?.stringValue == "tool_use" {
      guard let name = block["name"]?.stringValue else { continue }
      answer.toolCalls.append(ToolCall(name: name, arguments: block["input"] ?? .object([])))
    }
  }

  /// The text blocks, joined by a line feed; others are passed over.
  private static func joined(_ blocks: [JSONValue]) -> String {
    blocks.compactMap { block in
      switch block["type"]?.stringValue {
      case "text", "output_text": block["text"]?.stringValue
      default: nil
      }
    }.joined(separator: "\n")
  }

  /// OpenAI sends arguments as text; text that is not JSON stays a string.
  private static func arguments(_ value: JSONValue?) -> JSONValue {
    guard let text = value?.stringValue else { return value ?? .object([]) }
    return (try? JSONValue(parsing: text)) ?? .string(text)
  }
}
