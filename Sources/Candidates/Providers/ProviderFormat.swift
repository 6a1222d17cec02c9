package import RouterCore
package import Wire

/// One provider's way of asking and answering. Pure: values and bytes in, bytes and values out.
package enum ProviderFormat: Sendable, Equatable {
  case ollamaGenerate
  case ollamaChat
  case openAI
  case llamaCpp
  case anthropic

  /// nil where the model has no endpoint or a provider that is never asked.
  package init?(_ model: ModelPolicy) {
    guard let endpoint = model.endpoint else { return nil }
    switch model.provider {
    case .ollama: self = endpoint.path.hasSuffix("/api/chat") ? .ollamaChat : .ollamaGenerate
    case .openai: self = .openAI
    case .llamacpp: self = .llamaCpp
    case .anthropic: self = .anthropic
    case .builtin, .other: return nil
    }
  }

  /// The request's body.
  package func body(_ question: Question, model: ModelPolicy, style: AskStyle) -> [UInt8] {
    switch self {
    case .ollamaGenerate: OllamaGenerate.body(question, model: model, style: style)
    case .ollamaChat, .openAI, .llamaCpp, .anthropic: []
    }
  }

  /// Headers beyond those of the connection and the key.
  package var headers: HTTPHeaders { ["Content-Type": "application/json", "Accept": "application/json"] }

  /// Reads the body of a 200 answer.
  package func reply(_ body: [UInt8], to question: Question, style: AskStyle) throws(AskFault)
    -> CandidateReply
  {
    switch self {
    case .ollamaGenerate: try OllamaGenerate.reply(body)
    case .ollamaChat, .openAI, .llamaCpp, .anthropic: throw .unsupported
    }
  }
}
