import Glibc

/// The confidence that counts, out of those that a reply gives.
struct ConfidenceChoice {
  /// As it came from its source.
  var raw: Double?
  /// Corrected, where a correction was fitted for the source.
  var value: Double?
  var source: Decision.ConfidenceSource?

  /// What was measured, else what the model says of itself.
  ///
  /// - Parameter label: The answer's; nil where it has none.
  init(
    selfReported: Double?, measured: MeasuredConfidence?, label: String?, corrections: [ConfidenceCorrection]
  ) {
    guard let measured else {
      self.init(selfReported, .selfReported, label: nil, in: [:], corrections)
      return
    }
    var value: Double? = measured.value
    if measured.source == .logprob, !measured.byLabel.isEmpty {
      // A label that the distribution does not know was not measured.
      value = label.flatMap { measured.byLabel[$0] }
    }
    self.init(value, measured.source, label: label, in: measured.byLabel, corrections)
  }

  init(builtin confidence: Double, corrections: [ConfidenceCorrection]) {
    self.init(confidence, .builtin, label: nil, in: [:], corrections)
  }

  private init(
    _ raw: Double?, _ source: Decision.ConfidenceSource, label: String?, in byLabel: [String: Double],
    _ corrections: [ConfidenceCorrection]
  ) {
    // Figures that were computed may lie a rounding fault outside.
    guard let raw, !raw.isNaN else { return }
    let clamped = min(max(raw, 0), 1)
    self.raw = clamped
    self.source = source
    let correction = corrections.first { $0.source == source }
    value = correction?.corrected(clamped, label: label, byLabel: byLabel) ?? clamped
  }
}

extension ConfidenceCorrection {
  /// Corrects a confidence. Finite, from 0 to 1, and never falling where `confidence` rises.
  ///
  /// - Parameters:
  ///   - confidence: As it came from its source, 0…1.
  ///   - label: The answer's, where it has one.
  ///   - byLabel: The distribution that `confidence` was taken from; empty where only the number is known.
  package func corrected(
    _ confidence: Double, label: String? = nil, byLabel: [String: Double] = [:]
  ) -> Double {
    // A temperature that cannot be divided by, which no fit gives: nothing is certain then.
    guard temperature > 0, temperature.isFinite, shift.isFinite, !confidence.isNaN else { return 0 }
    if !prior.isEmpty, let label, byLabel[label] != nil { return softmax(label, byLabel) }
    let clamped = min(max(confidence, 0), 1)
    if temperature == 1, shift == 0 { return clamped }
    let inside = min(max(clamped, Self.least), 1 - Self.least)
    let odds = (log(inside) - log1p(-inside) - shift) / temperature
    return 1 / (1 + exp(-odds))
  }

  /// Servers write a probability of zero in ways of their own, and a logarithm needs something.
  private static let least = 1e-12

  private func softmax(_ label: String, _ byLabel: [String: Double]) -> Double {
    // A label that the fit did not know counts like the others on average.
    let usual = 1 / Double(max(prior.count, 1))
    let scores = byLabel.map { name, share in
      let probable = share.isNaN ? Self.least : min(max(share, Self.least), 1)
      let expected = prior[name].map { $0.isNaN ? usual : min(max($0, Self.least), 1) } ?? usual
      return (name: name, score: log(probable) - log(expected))
    }
    guard let highest = scores.map(\.score).max() else { return 0 }
    var sum = 0.0
    var own = 0.0
    // In the order of names: sums of doubles depend on theirs.
    for (name, score) in scores.sorted(by: { $0.name < $1.name }) {
      let weight = exp((score - highest) / temperature)
      sum += weight
      if name == label { own = weight }
    }
    return min(max(own / sum, 0), 1)
  }
}
