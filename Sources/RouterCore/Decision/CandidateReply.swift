/// What a model wrote, with what its server said about it.
package struct CandidateReply: Sendable {
  /// The answer as the model wrote it, thinking left out where the server tells the two apart.
  package var text: String
  /// Tools called by the server's own means rather than in the text.
  package var toolCalls: [ToolCall] = []
  /// The server says that the model declined.
  package var isRefusal = false
  /// The answer ended at the output limit.
  package var isCut = false
  package var inputTokens: Int?
  package var outputTokens: Int?
  /// The server gave no counts: they are estimates from the lengths of the texts.
  package var tokensAreEstimates = false
  /// How sure the model is, from somewhere better than its own word.
  package var measured: MeasuredConfidence?

  package init(text: String, inputTokens: Int? = nil, outputTokens: Int? = nil) {
    self.text = text
    self.inputTokens = inputTokens
    self.outputTokens = outputTokens
  }
}

/// A confidence that was measured rather than written: from log-probabilities or from agreeing samples.
package struct MeasuredConfidence: Sendable, Equatable {
  package var source: Decision.ConfidenceSource
  /// Of the answer that was given, 0…1.
  package var value: Double
  /// Label → probability over the whole set, the sum 1; empty where only the value is known.
  package var byLabel: [String: Double]

  package init(source: Decision.ConfidenceSource, value: Double, byLabel: [String: Double] = [:]) {
    self.source = source
    self.value = value
    self.byLabel = byLabel
  }
}
