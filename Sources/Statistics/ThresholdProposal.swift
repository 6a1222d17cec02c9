/// What one `min_confidence` would let through.
package struct ThresholdStep: Sendable, Equatable {
  package let threshold: Double
  package let accepted: Int
  package let wrong: Int

  /// Share of the accepted that is wrong; nil where nothing is accepted.
  package var wrongRate: Double? { accepted > 0 ? Double(wrong) / Double(accepted) : nil }
  /// Exact one-sided bound of it at 95 %; 1 where nothing is accepted.
  package var wrongUpper: Double { RateBounds.upper(wrong, of: accepted) }
}

/// The lowest threshold that labelled cases speak for: Learn-then-Test over a fixed sequence, strictest first.
///
/// Valid for cases that were not used to choose anything else, and such cases never feed a gate.
package struct ThresholdProposal: Sendable, Equatable {
  /// 0.99 to 0.50 by 0.01.
  package static let grid: [Double] = (50...99).reversed().map { Double($0) / 100 }
  /// The chance of proposing a threshold whose true rate is above the limit.
  package static let risk = 0.05

  /// One a grid point, strictest first.
  package let steps: [ThresholdStep]
  /// nil: not even the strictest one is shown to be safe.
  package let threshold: Double?

  /// - Parameters:
  ///   - cases: Those that their confidence alone decides; `correct`: accepting would be right.
  ///   - limit: The rate of wrong among accepted that must not be exceeded.
  package init(_ cases: [Graded], limit: Double) {
    let steps = Self.grid.map { Self.step($0, cases) }
    self.steps = steps
    threshold =
      steps.prefix { RateBounds.atMost($0.wrong, of: $0.accepted, rate: limit) <= Self.risk }.last?.threshold
  }

  package static func step(_ threshold: Double, _ cases: [Graded]) -> ThresholdStep {
    var accepted = 0
    var wrong = 0
    for item in cases where item.confidence >= threshold {
      accepted += 1
      if !item.correct { wrong += 1 }
    }
    return ThresholdStep(threshold: threshold, accepted: accepted, wrong: wrong)
  }
}
