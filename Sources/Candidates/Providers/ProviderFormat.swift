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
    case .llamacpp: self = endpoint.path.hasSuffix("/chat/completions") ? .openAI : .llamaCpp
    case .anthropic: self = .anthropic
    case .builtin, .other: return nil
    }
  }

  /// The request's body.
  package func body(_ question: Question, model: ModelPolicy, style: AskStyle) -> [UInt8] {
    let members =
      switch self {
      case .ollamaGenerate: Ollama.generate(question, model: model, style: style)
      case .ollamaChat: Ollama.chat(question, model: model, style: style)
      case .openAI: OpenAI.request(question, model: model, style: style)
      case .llamaCpp: LlamaCpp.request(question, model: model, style: style)
      case .anthropic: Anthropic.request(question, model: model, style: style)
      }
    return JSONValue.object(members).jsonBytes
  }

  /// Headers beyond those of the connection and the key.
  package var headers: HTTPHeaders {
    var headers: HTTPHeaders = ["Content-Type": "application/json", "Accept": "application/json"]
    if self == .anthropic { headers.add("anthropic-version", "2023-06-01") }
    return headers
  }

  /// Whether the request of this question asks for log-probabilities: only a label's are of use.
  package func asksLogProbabilities(_ question: Question, style: AskStyle) -> Bool {
    self != .anthropic && style.wantsLogProbabilities && question.task.labels.count > 1
  }

  /// Reads the body of a 200 answer to a request without `stream`.
  ///
  /// - Throws: ``AskFault/badResponse`` for whatever is not a whole reply of this format.
  package func reply(_ body: [UInt8], to question: Question, style: AskStyle) throws(AskFault)
    -> CandidateReply
  {
    guard let value = try? JSONValue(parsing: body, options: Self.options), value.members != nil,
      value.present("error") == nil
    else { throw .badResponse }
    var parts = ReplyParts()
    switch self {
    case .ollamaGenerate, .ollamaChat: try Ollama.read(value, isChat: self == .ollamaChat, into: &parts)
    case .openAI: try OpenAI.read(value, into: &parts)
    case .llamaCpp: try LlamaCpp.read(value, into: &parts)
    case .anthropic: try Anthropic.read(value, into: &parts)
    }
    return parts.reply(to: question, style: style)
  }

  /// What reads the body of a 200 answer to a request with `stream`.
  package func stream(to question: Question, style: AskStyle) -> ProviderStream {
    ProviderStream(self, to: question, style: style)
  }

  /// Servers' own trees are shallow; an answer inside is text.
  static let options = JSONOptions(maximumDepth: 64)
}

// MARK: - A second request for the label's probabilities

extension ProviderFormat {
  /// The body of a second request, to the same address, that gives better probabilities of the reply's label.
  ///
  /// - Returns: nil where the server has none to give, or the reply no label to ask about.
  package func followUp(
    _ reply: CandidateReply, to question: Question, model: ModelPolicy, style: AskStyle,
    capabilities: ModelCapabilities
  ) -> [UInt8]? {
    guard self == .llamaCpp, capabilities.returnsPostSamplingProbabilities == true,
      asksLogProbabilities(question, style: style)
    else { return nil }
    return LlamaCpp.labelProbe(reply, question, model: model, style: style).map {
      JSONValue.object($0).jsonBytes
    }
  }

  /// The reply with what the second request's answer adds: its tokens, and the measured confidence where it tells one.
  package func measured(
    _ reply: CandidateReply, followUp body: [UInt8], to question: Question
  ) throws(AskFault) -> CandidateReply {
    guard self == .llamaCpp, let value = try? JSONValue(parsing: body, options: Self.options),
      value.members != nil, value.present("error") == nil
    else { throw .badResponse }
    return LlamaCpp.measured(reply, value, question)
  }
}

extension AskStyle {
  /// 0 for the one greedy answer.
  var temperature: JSONValue {
    sample > 0 ? JSONNumber(0.7).map(JSONValue.number) ?? 1 : 0
  }

  var seed: JSONValue { .number(JSONNumber(7 + sample)) }
}
