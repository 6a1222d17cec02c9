import RouterCore
import Wire

/// What has been read of a model's reply, from one body or from the events of a stream.
struct ReplyParts: Sendable {
  var text = ""
  /// Tools called by the server's own means, by their place in the reply.
  var calls: [Call] = []
  var isRefusal = false
  var isCut = false
  /// The format's own mark of a whole reply was seen.
  var hasEnded = false
  var inputTokens: Int?
  var outputTokens: Int?
  /// Every token with its alternatives; nil once any of it could not be read.
  var tokens: [GeneratedToken]? = []

  /// A tool's call; of a stream its arguments come in pieces of JSON text.
  struct Call: Sendable {
    var place: Int
    var name: String
    var arguments: JSONValue?
    var argumentsText = ""

    /// What cannot be read as JSON stays text, for validation to refuse.
    var value: JSONValue {
      if argumentsText.isEmpty { return arguments ?? .object([]) }
      return (try? JSONValue(parsing: argumentsText)) ?? .string(argumentsText)
    }
  }

  /// Adds to the call at this place, which is a new one where none is there.
  mutating func add(
    callAt place: Int, name: String = "", arguments: JSONValue? = nil, argumentsText: String = ""
  ) throws(AskFault) {
    if let known = calls.lastIndex(where: { $0.place == place }) {
      calls[known].name += name
      calls[known].argumentsText += argumentsText
    } else {
      // No task wants more than one; a list without end is not worth reading.
      guard calls.count < 64 else { throw .badResponse }
      calls.append(Call(place: place, name: name, arguments: arguments, argumentsText: argumentsText))
    }
  }

  func reply(to question: Question, style: AskStyle) -> CandidateReply {
    var reply = CandidateReply(text: text, inputTokens: inputTokens, outputTokens: outputTokens)
    reply.toolCalls = calls.map { ToolCall(name: $0.name, arguments: $0.value) }
    reply.isRefusal = isRefusal
    reply.isCut = isCut
    estimateTokens(of: &reply, question, style)
    if !question.task.labels.isEmpty, let tokens, !tokens.isEmpty {
      reply.measured = LabelProbabilities.measure(
        text: text, tokens: tokens, labels: question.task.labels.map(\.name))
    }
    return reply
  }

  /// Four bytes of UTF-8 a token, rounded up, where the server gives no count.
  ///
  /// Against recorded counts, 0.85 to 1.25 of the truth for answers of 200 bytes and more. Input is low by what a chat
  /// template adds, some seven tokens a message.
  private func estimateTokens(of reply: inout CandidateReply, _ question: Question, _ style: AskStyle) {
    if inputTokens == nil {
      reply.inputTokens = Self.estimate(bytes: Prompt(question, style: style).byteCount)
      reply.tokensAreEstimates = true
    }
    if outputTokens == nil {
      let written = calls.reduce(text.utf8.count) { $0 + $1.name.utf8.count + $1.value.jsonBytes.count }
      reply.outputTokens = Self.estimate(bytes: written)
      reply.tokensAreEstimates = true
    }
  }

  static func estimate(bytes: Int) -> Int { (bytes + 3) / 4 }
}

extension JSONValue {
  /// The member where it is there and not null.
  func present(_ name: String) -> JSONValue? {
    guard let value = self[name], !value.isNull else { return nil }
    return value
  }

  /// The string; nil where the member is absent or null.
  func optionalString(_ name: String) throws(AskFault) -> String? {
    guard let value = present(name) else { return nil }
    guard let text = value.stringValue else { throw .badResponse }
    return text
  }

  /// The elements; none where the member is absent or null.
  func optionalArray(_ name: String) throws(AskFault) -> [JSONValue] {
    guard let value = present(name) else { return [] }
    guard let elements = value.arrayValue else { throw .badResponse }
    return elements
  }
}
