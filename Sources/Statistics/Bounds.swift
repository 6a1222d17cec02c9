/// A lower and an upper bound of a rate, each from 0 to 1.
package struct RateInterval: Sendable, Equatable {
  package let lower: Double
  package let upper: Double
}

/// What k of n says about the rate behind it. Exact binomial bounds unless named otherwise.
///
/// Counts outside 0 ≤ k ≤ n are clamped; of nothing (n = 0) nothing is known: 0…1. Good to n = 1e7.
package enum RateBounds {
  /// The one-sided Clopper-Pearson upper bound at confidence 1 − alpha.
  package static func upper(_ k: Int, of n: Int, alpha: Double = 0.05) -> Double {
    guard n > 0, k < n else { return 1 }
    // Closed form: the commonest case by far, and the one where a digit lost would be noticed.
    if k <= 0 { return -Elementary.expm1(Elementary.log(alpha) / Double(n)) }
    return IncompleteBeta.inverse(1 - alpha, Double(k + 1), Double(n - k))
  }

  /// The one-sided Clopper-Pearson lower bound at confidence 1 − alpha.
  package static func lower(_ k: Int, of n: Int, alpha: Double = 0.05) -> Double {
    guard n > 0, k > 0 else { return 0 }
    if k >= n { return Elementary.exp(Elementary.log(alpha) / Double(n)) }
    return IncompleteBeta.inverse(alpha, Double(k), Double(n - k + 1))
  }

  /// The two-sided Clopper-Pearson interval at confidence 1 − alpha.
  package static func clopperPearson(_ k: Int, of n: Int, alpha: Double = 0.05) -> RateInterval {
    RateInterval(lower: lower(k, of: n, alpha: alpha / 2), upper: upper(k, of: n, alpha: alpha / 2))
  }

  /// Wilson's score interval: for drawing, where the exact one would look too wide.
  package static func wilson(_ k: Int, of n: Int, alpha: Double = 0.05) -> RateInterval {
    guard n > 0 else { return RateInterval(lower: 0, upper: 1) }
    let z = Normal.quantile(1 - alpha / 2)
    let count = Double(n)
    let rate = Double(min(max(k, 0), n)) / count
    let scale = 1 + z * z / count
    let centre = (rate + z * z / (2 * count)) / scale
    let half = z / scale * (rate * (1 - rate) / count + z * z / (4 * count * count)).squareRoot()
    return RateInterval(
      lower: k <= 0 ? 0 : max(0, centre - half), upper: k >= n ? 1 : min(1, centre + half))
  }

  /// The smallest n for which zero of n puts the one-sided upper bound at or below `limit`.
  ///
  /// - Returns: 1 for a limit that any observation meets; `Int.max` for a limit of zero or less.
  package static func needed(forUpper limit: Double, alpha: Double = 0.05) -> Int {
    guard limit > 0 else { return .max }
    guard limit < 1 else { return 1 }
    let exact = Elementary.log(alpha) / Elementary.log1p(-limit)
    return exact < 1e15 ? max(1, Int(exact.rounded(.up))) : .max
  }

  /// P(Binomial(n, p) ≤ k).
  package static func atMost(_ k: Int, of n: Int, rate p: Double) -> Double {
    guard k >= 0 else { return 0 }
    guard k < n else { return 1 }
    return IncompleteBeta.value(1 - p, Double(n - k), Double(k + 1))
  }
}

/// The finite form of a bound: at most M of these N.
package enum Hypergeometric {
  /// P(X ≤ k) for X marked ones among n drawn from `population` that holds `marked`.
  package static func atMost(_ k: Int, drawn n: Int, marked: Int, of population: Int) -> Double {
    guard k >= 0 else { return 0 }
    guard k < min(n, marked) else { return 1 }
    let mode = Int((Double(n + 1) * Double(marked + 1) / Double(population + 2)).rounded(.down))
    let least = max(0, n - (population - marked))
    // Terms are summed away from the mode, where they only shrink; past it the other tail is the short one.
    if k <= mode { return sum(from: k, to: least, by: -1, n, marked, population) }
    return 1 - sum(from: k + 1, to: min(n, marked), by: 1, n, marked, population)
  }

  /// The largest M with P(X ≤ k | population, M, n) > alpha: at most so many of all are marked.
  package static func upper(_ k: Int, drawn n: Int, of population: Int, alpha: Double = 0.05) -> Int {
    guard n > 0, population > 0 else { return max(0, population) }
    var low = min(max(k, 0), population)
    var high = max(low, population - n + min(k, n))
    while low < high {
      let middle = low + (high - low + 1) / 2
      if atMost(k, drawn: n, marked: middle, of: population) > alpha {
        low = middle
      } else {
        high = middle - 1
      }
    }
    return low
  }

  private static func sum(from: Int, to: Int, by step: Int, _ n: Int, _ marked: Int, _ population: Int)
    -> Double
  {
    var total = 0.0
    for k in stride(from: from, through: to, by: step) {
      let term = PointProbability.hypergeometric(k, drawn: n, marked: marked, of: population)
      total += term
      if term <= total * 1e-18 { break }
    }
    return min(1, total)
  }
}

/// The standard normal distribution.
package enum Normal {
  /// Φ(z).
  package static func cumulative(_ z: Double) -> Double { Elementary.erfc(-z / 2.squareRoot()) / 2 }

  /// The z with Φ(z) = p, for 0 < p < 1.
  package static func quantile(_ p: Double) -> Double {
    guard p > 0 else { return -.infinity }
    guard p < 1 else { return .infinity }
    // Bisection first: no table of coefficients to get wrong, and it is asked a few times a report.
    var low = -40.0
    var high = 40.0
    while high - low > 1e-3 {
      let middle = (low + high) / 2
      if cumulative(middle) < p { low = middle } else { high = middle }
    }
    var z = (low + high) / 2
    for _ in 0..<4 {
      let density = Elementary.exp(-z * z / 2) / (2 * Double.pi).squareRoot()
      z -= (cumulative(z) - p) / density
    }
    return z
  }
}
