package import Wire

/// One tool call, by whichever provider.
package struct ToolCall: Sendable, Equatable {
  package var name: String
  package var arguments: JSONValue

  package init(name: String, arguments: JSONValue) {
    self.name = name
    self.arguments = arguments
  }
}

/// What the frontier answered, read out of an `answer` frame: from `output`, or from the provider's own body.
package struct FrontierAnswer: Sendable {
  /// The answer as text; compact JSON where `output` was not a string; empty where only tools were called.
  package var text = ""
  /// `output` where it was not a string.
  package var value: JSONValue?
  /// The label that the agent gave beside the answer.
  package var label: String?
  package var toolCalls: [ToolCall] = []
  package var model: String?
  package var inputTokens: Int?
  package var outputTokens: Int?
  package var latencyMs: Double?
  package var costUSD: Double?
  /// Why there is no answer; nil where there is one.
  package var error: String?

  package init() {}
}

/// What the candidate said, after validation found it to be the object asked for.
package struct CandidateAnswer: Sendable {
  package var label: String?
  /// String or object; the label where the candidate gave none.
  package var answer: JSONValue
  package var toolCall: ToolCall?

  package init(label: String?, answer: JSONValue, toolCall: ToolCall? = nil) {
    self.label = label
    self.answer = answer
    self.toolCall = toolCall
  }
}
