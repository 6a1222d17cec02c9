/// How one request of a question is put, beyond what policy and text say.
package struct AskStyle: Sendable, Equatable {
  /// Asks for the log-probabilities of the answer's tokens, where the provider has them.
  package var wantsLogProbabilities: Bool
  /// 0: greedy, with the fixed seed. Above: that sample, with a seed of its own and a temperature above 0.
  package var sample = 0
  /// The answer before and what was wrong with it, where the model is asked once more.
  package var correction: Correction?

  package struct Correction: Sendable, Equatable {
    package var answer: String
    package var fault: String
    package init(answer: String, fault: String) {
      self.answer = answer
      self.fault = fault
    }
  }

  package init(wantsLogProbabilities: Bool = true, sample: Int = 0, correction: Correction? = nil) {
    self.wantsLogProbabilities = wantsLogProbabilities
    self.sample = sample
    self.correction = correction
  }
}
