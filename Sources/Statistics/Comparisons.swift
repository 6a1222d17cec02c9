/// Two raters over the same items: `table[i][j]` items that the first put in class i and the second in class j.
package struct RaterAgreement: Sendable {
  private let table: [[Double]]
  private let total: Double

  /// - Parameter table: Square; counts.
  package init(_ table: [[Int]]) {
    self.table = table.map { $0.map(Double.init) }
    total = Double(table.reduce(0) { $0 + $1.reduce(0, +) })
  }

  private var observed: Double { table.indices.reduce(0) { $0 + table[$1][$1] } / total }

  private func marginal(_ index: Int) -> (first: Double, second: Double) {
    (table[index].reduce(0, +) / total, table.reduce(0) { $0 + $1[index] } / total)
  }

  /// Cohen's kappa; NaN where chance alone would agree always.
  package var kappa: Double {
    let chance = table.indices.reduce(0) { sum, index in
      let share = marginal(index)
      return sum + share.first * share.second
    }
    return (observed - chance) / (1 - chance)
  }

  /// Gwet's AC1: does not collapse where nearly all items are of one class.
  package var ac1: Double {
    let chance =
      table.indices.reduce(0) { sum, index in
        let share = marginal(index)
        let mean = (share.first + share.second) / 2
        return sum + mean * (1 - mean)
      } / Double(table.count - 1)
    return (observed - chance) / (1 - chance)
  }

  /// Prevalence- and bias-adjusted kappa.
  package var pabak: Double {
    let classes = Double(table.count)
    return (classes * observed - 1) / (classes - 1)
  }
}

package enum PairedComparison {
  /// The exact McNemar test: two-sided p of the two discordant counts.
  package static func mcNemar(_ first: Int, _ second: Int) -> Double {
    let n = first + second
    guard n > 0 else { return 1 }
    return min(1, 2 * RateBounds.atMost(min(first, second), of: n, rate: 0.5))
  }
}

package enum Drift {
  /// Population stability index of shares over the same bins, each floored at 1e-4.
  package static func psi(reference: [Double], now: [Double]) -> Double {
    zip(reference, now).reduce(0) { sum, pair in
      let expected = max(pair.0, 1e-4)
      let actual = max(pair.1, 1e-4)
      return sum + (actual - expected) * Elementary.log(actual / expected)
    }
  }
}

/// What a stated confidence is worth, over cases in call order.
package enum Calibration {
  /// Mean squared distance of confidence and truth; 0 for none.
  package static func brier(_ cases: [(confidence: Double, correct: Bool)]) -> Double {
    guard !cases.isEmpty else { return 0 }
    let sum = cases.reduce(0.0) { sum, item in
      let distance = item.confidence - (item.correct ? 1 : 0)
      return sum + distance * distance
    }
    return sum / Double(cases.count)
  }

  /// Expected calibration error over bins of equal mass; ties stay in call order.
  package static func expectedError(_ cases: [(confidence: Double, correct: Bool)], bins: Int = 15) -> Double
  {
    guard !cases.isEmpty, bins > 0 else { return 0 }
    let order = cases.indices.sorted { (cases[$0].confidence, $0) < (cases[$1].confidence, $1) }
    var sum = 0.0
    for bin in 0..<bins {
      let members = order[order.count * bin / bins..<order.count * (bin + 1) / bins]
      let gap = members.reduce(0.0) { $0 + cases[$1].confidence - (cases[$1].correct ? 1 : 0) }
      sum += abs(gap)
    }
    return sum / Double(cases.count)
  }
}
