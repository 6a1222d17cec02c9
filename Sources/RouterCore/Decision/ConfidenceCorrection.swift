/// Corrects one source of confidence of one model for one task, as fitted by `calibrate` on labelled cases.
///
/// With a distribution over labels: each probability is divided by the label's prior and the rest is a softmax at the
/// temperature. With a single number: its log-odds, shifted and divided by the temperature.
package struct ConfidenceCorrection: Sendable, Equatable {
  package var task: String
  package var modelID: String
  /// Of the model it was fitted on; nil where its server names none.
  package var modelDigest: String?
  package var promptRevision: String?
  package var source: Decision.ConfidenceSource
  /// Over 0; 1 changes nothing.
  package var temperature: Double
  /// Label → how probable the model finds it with no content at all; empty where it was fitted on single numbers.
  package var prior: [String: Double]
  /// Subtracted from the log-odds of a single number.
  package var shift: Double

  package init(
    task: String, modelID: String, modelDigest: String?, promptRevision: String?,
    source: Decision.ConfidenceSource, temperature: Double, prior: [String: Double] = [:], shift: Double = 0
  ) {
    self.task = task
    self.modelID = modelID
    self.modelDigest = modelDigest
    self.promptRevision = promptRevision
    self.source = source
    self.temperature = temperature
    self.prior = prior
    self.shift = shift
  }
}
