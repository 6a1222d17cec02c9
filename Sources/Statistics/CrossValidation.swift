/// A fit, and what it is worth on cases that it has not seen.
package struct CalibrationStudy: Sendable {
  package enum Refusal: Error, Equatable, Sendable {
    case tooFewCases(Int)
    /// Nothing to tell right from wrong by.
    case oneSided(right: Int, wrong: Int)
  }

  package static let leastCases = 30
  package static let folds = 5

  /// On all cases.
  package let fit: ConfidenceFit
  package let before: [Graded]
  /// Each case corrected by a fit to the other folds.
  package let after: [Graded]

  package var qualityBefore: CalibrationQuality { CalibrationQuality(before) }
  package var qualityAfter: CalibrationQuality { CalibrationQuality(after) }
  /// Held-out log-loss did not get worse.
  package var helps: Bool { qualityAfter.logLoss <= qualityBefore.logLoss }

  /// - Parameter cases: In call order.
  package init(_ cases: [ConfidenceCase], prior: [String: Double] = [:]) throws(Refusal) {
    guard cases.count >= Self.leastCases else { throw .tooFewCases(cases.count) }
    let right = cases.count(where: \.isCorrect)
    guard right > 0, right < cases.count else { throw .oneSided(right: right, wrong: cases.count - right) }
    fit = ConfidenceFit(cases, prior: prior)
    before = cases.map { ($0.confidence, $0.isCorrect) }
    let fold = Self.assignment(cases)
    let fits = (0..<Self.folds).map { number in
      ConfidenceFit(cases.indices.filter { fold[$0] != number }.map { cases[$0] }, prior: prior)
    }
    after = cases.indices.map { (fits[fold[$0]].corrected(cases[$0]), cases[$0].isCorrect) }
  }

  /// The right and the wrong in turns, so that each fold has its share of both.
  private static func assignment(_ cases: [ConfidenceCase]) -> [Int] {
    var seen = (right: 0, wrong: 0)
    return cases.map { item in
      if item.isCorrect {
        seen.right += 1
        return seen.right % folds
      }
      seen.wrong += 1
      return seen.wrong % folds
    }
  }
}
