package import Statistics

/// The acceptance bar of a candidate: every figure with its limit.
package struct AcceptanceBar: Sendable {
  package struct Line: Sendable {
    package let name: String
    package let value: String
    package let number: Double
    package let limit: String
    package let isMet: Bool
  }

  package static let leastAccepted = 30
  /// A smaller distance between what the confidence says and what is right is not spoken of.
  package static let noise = 0.05

  package let lines: [Line]
  private let confidence: String?
  package var isMet: Bool { lines.allSatisfy(\.isMet) }

  package init(_ evaluation: Evaluation) {
    let quality = evaluation.quality
    confidence = quality.count > 0 ? Self.words(quality) : nil
    let upper = evaluation.wrongUpper
    lines = [
      Line(
        name: "JSON validity",
        value: "\(Figures.percent(evaluation.validity)) of \(Figures.count(evaluation.asked)) asked",
        number: evaluation.validity, limit: "at least 99 %", isMet: evaluation.validity >= 0.99),
      Line(
        name: "label accuracy",
        value: "\(Figures.percent(evaluation.accuracy)) of \(Figures.count(evaluation.judged)) valid",
        number: evaluation.accuracy, limit: "at least 95 %", isMet: evaluation.accuracy >= 0.95),
      Line(
        name: "frontier cases accepted", value: Figures.count(evaluation.acceptedOfFrontier),
        number: Double(evaluation.acceptedOfFrontier), limit: "none",
        isMet: evaluation.acceptedOfFrontier == 0),
      Line(
        name: "wrong among accepted",
        value: "\(Figures.count(evaluation.acceptedWrong)) of \(Figures.count(evaluation.acceptedJudged)), "
          + "below \(Figures.bound(upper)) with 95 % confidence",
        number: upper, limit: "bound at most \(Figures.percent(evaluation.limit))",
        isMet: upper <= evaluation.limit),
      Line(
        name: "accepted",
        value: "\(Figures.count(evaluation.accepted)) of \(Figures.count(evaluation.cases.count))",
        number: Double(evaluation.accepted), limit: "at least \(Self.leastAccepted)",
        isMet: evaluation.accepted >= Self.leastAccepted),
    ]
  }

  /// One line: whether it is met, and, where not, why.
  package var verdict: String {
    let failed = lines.filter { !$0.isMet }.map { "\($0.name) \($0.value) (\($0.limit))" }
    guard !failed.isEmpty else {
      return "met: " + lines.map { "\($0.name) \($0.value)" }.joined(separator: "; ")
    }
    return "NOT met: " + (failed + [confidence].compactMap(\.self)).joined(separator: "; ")
  }

  /// What the confidence is, in a clause.
  package static func words(_ quality: CalibrationQuality) -> String {
    let points = Int((abs(quality.overconfidence) * 100).rounded())
    let mean = "confidence says \(Figures.fixed(quality.meanConfidence, 2)) on average"
    if abs(quality.overconfidence) < noise { return "\(mean), about as often as it is right" }
    return "\(mean): \(quality.overconfidence > 0 ? "over" : "under")confident by \(points) points"
  }
}
