/// How the chance of one wrong promotion is divided over all the epochs in which promotion of a task is asked for.
package enum AlphaSpending {
  /// Kept back for the bound of the reviewers' catch rate.
  package static let onCatchRate = 0.01

  /// α_j of the `attempt`-th epoch, from 1. All of them together, with ``onCatchRate``, come to `alpha`.
  ///
  /// - Returns: 0 where `alpha` leaves nothing to spend; no evidence is enough then.
  package static func alpha(attempt: Int, of alpha: Double) -> Double {
    let j = Double(max(1, attempt))
    return max(0, alpha - onCatchRate) * 6 / (Double.pi * Double.pi * j * j)
  }
}

extension SequentialEvidence {
  /// Whether E(k, n; limit) ≥ 1/alpha.
  package static func isEnough(_ k: Int, of n: Int, limit: Double, alpha: Double) -> Bool {
    guard alpha > 0 else { return false }
    return logE(k, of: n, limit: limit) >= -Elementary.log(alpha)
  }

  /// The smallest n with E(k, n; limit) ≥ 1/alpha.
  ///
  /// - Returns: `Int.max` where 2⁴⁰ are not enough.
  package static func needed(false k: Int = 0, limit: Double, alpha: Double) -> Int {
    guard limit > 0, alpha > 0 else { return .max }
    var high = max(1, k)
    while !isEnough(k, of: high, limit: limit, alpha: alpha) {
      guard high < 1 << 40 else { return .max }
      high *= 2
    }
    var low = k
    while low < high {
      let middle = (low + high) / 2
      if isEnough(k, of: middle, limit: limit, alpha: alpha) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}

/// The anytime upper bound over several looks: it never rises again, because each look is valid together with the others.
package struct AnytimeBound: Sendable, Equatable {
  private let alpha: Double
  package private(set) var upper = 1.0

  package init(alpha: Double) { self.alpha = alpha }

  /// One more look: `k` false, or not yet labelled, of `n` drawn.
  package mutating func look(_ k: Int, of n: Int) {
    guard alpha > 0 else { return }
    upper = min(upper, SequentialEvidence.upper(k, of: n, alpha: alpha))
  }
}
