/// A confidence, and whether what it was said of is right.
package typealias Graded = (confidence: Double, correct: Bool)

/// Cases whose confidence lies in one interval.
package struct ReliabilityBin: Sendable, Equatable {
  package var from: Double
  /// The interval ends before it; the last one holds 1 as well.
  package var to: Double
  package var count = 0
  package var correct = 0
  package var sum = 0.0

  /// nil where the bin is empty.
  package var meanConfidence: Double? { count > 0 ? sum / Double(count) : nil }
  package var accuracy: Double? { count > 0 ? Double(correct) / Double(count) : nil }
  /// Exact, two-sided, at 95 %.
  package var interval: RateInterval { RateBounds.clopperPearson(correct, of: count) }
}

/// How far confidences can be believed, in figures.
package struct CalibrationQuality: Sendable, Equatable {
  package let count: Int
  package let meanConfidence: Double
  package let accuracy: Double
  /// Over 15 bins of equal mass, ties by call order.
  package let expectedError: Double
  package let brier: Double
  /// Nats a case.
  package let logLoss: Double

  /// - Parameter cases: In call order; not empty, or every figure is 0.
  package init(_ cases: [Graded]) {
    let number = Double(max(1, cases.count))
    count = cases.count
    meanConfidence = cases.reduce(0) { $0 + $1.confidence } / number
    accuracy = Double(cases.count { $0.correct }) / number
    expectedError = Calibration.expectedError(cases)
    brier = Calibration.brier(cases)
    logLoss = Calibration.logLoss(cases)
  }

  /// Over 0: more confident than right.
  package var overconfidence: Double { meanConfidence - accuracy }
}

extension Calibration {
  /// What a certainty that is wrong costs would be infinite: probabilities count as at least so far from 0 and 1.
  package static let least = 1e-12

  /// Mean negative logarithm of the probability given to what was true, in nats; 0 for none.
  package static func logLoss(_ cases: [Graded]) -> Double {
    guard !cases.isEmpty else { return 0 }
    let sum = cases.reduce(0.0) { sum, item in
      let given = min(max(item.confidence, least), 1 - least)
      return sum - (item.correct ? Elementary.log(given) : Elementary.log1p(-given))
    }
    return sum / Double(cases.count)
  }

  /// Bins of equal width over 0…1, empty ones too.
  package static func reliability(_ cases: [Graded], bins count: Int = 10) -> [ReliabilityBin] {
    guard count > 0 else { return [] }
    var bins = (0..<count).map { index in
      ReliabilityBin(from: Double(index) / Double(count), to: Double(index + 1) / Double(count))
    }
    for item in cases where item.confidence >= 0 && item.confidence <= 1 {
      // 0.29 × 100 is a little less than 29; the nudge keeps every hundredth in its own bin.
      let place = min(count - 1, Int(item.confidence * Double(count) + 1e-9))
      bins[place].count += 1
      bins[place].sum += item.confidence
      if item.correct { bins[place].correct += 1 }
    }
    return bins
  }
}
