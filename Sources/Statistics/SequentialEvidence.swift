/// Evidence that may be looked at as often as one likes.
package enum SequentialEvidence {
  /// Fractions of the limit that the mixture bets on, and how much on each.
  private static let bets: [(fraction: Double, weight: Double)] = [
    (0, 0.5), (1.0 / 16, 0.125), (1.0 / 8, 0.125), (1.0 / 4, 0.125), (1.0 / 2, 0.125),
  ]

  /// log E(k, n; limit): the mixture e-process against "the rate is at least `limit`".
  ///
  /// Valid at every look (Ville): promote when it reaches log(1/alpha).
  ///
  /// - Parameters:
  ///   - k: Items found false, or not yet labelled, of the `n` drawn.
  ///   - limit: The rate under test, inside 0…1; outside it, nothing is ever shown (−∞).
  package static func logE(_ k: Int, of n: Int, limit: Double) -> Double {
    guard limit > 0, limit < 1 else { return -.infinity }
    var total = -Double.infinity
    for bet in bets {
      let loss = k == 0 ? 0 : bet.fraction == 0 ? -.infinity : Double(k) * Elementary.log(bet.fraction)
      let gain = Elementary.log1p(-bet.fraction * limit) - Elementary.log1p(-limit)
      total = Elementary.logSum(total, Elementary.log(bet.weight) + loss + Double(n - k) * gain)
    }
    return total
  }

  /// The upper bound of the rate at confidence 1 − alpha, valid at every look: sup{p : E(k, n; p) < 1/alpha}.
  ///
  /// The running minimum over earlier looks, which may be lower, is for the caller to keep.
  package static func upper(_ k: Int, of n: Int, alpha: Double = 0.05) -> Double {
    guard n > 0, k < n else { return 1 }
    let bar = -Elementary.log(alpha)
    var low = Double(k) / Double(n)
    var high = 1.0
    for _ in 0..<200 {
      let middle = (low + high) / 2
      if logE(k, of: n, limit: middle) < bar { low = middle } else { high = middle }
      if high - low <= 1e-16 * high { break }
    }
    return high
  }
}

/// Bernoulli CUSUM: raises an alarm soon after a rate has risen from `usual` to `raised`.
package struct RateAlarm: Sendable {
  /// log-likelihood ratio so far, never below zero; compare with the limit that the average run length asks for.
  package private(set) var level = 0.0
  private let up: Double
  private let down: Double

  /// - Parameters: Rates inside 0…1, `usual` < `raised`.
  package init(usual: Double, raised: Double) {
    up = Elementary.log(raised / usual)
    down = Elementary.log1p(-raised) - Elementary.log1p(-usual)
  }

  /// One more answer was looked at.
  package mutating func saw(fault: Bool) { level = max(0, level + (fault ? up : down)) }
}
