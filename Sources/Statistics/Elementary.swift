import Glibc

/// The few functions of the C library that the statistics stand on.
package enum Elementary {
  package static func log(_ x: Double) -> Double { Glibc.log(x) }
  static func log1p(_ x: Double) -> Double { Glibc.log1p(x) }
  package static func exp(_ x: Double) -> Double { Glibc.exp(x) }
  static func expm1(_ x: Double) -> Double { Glibc.expm1(x) }
  static func erfc(_ x: Double) -> Double { Glibc.erfc(x) }

  /// log Γ(x) for x > 0.
  static func logGamma(_ x: Double) -> Double {
    // The sign that the re-entrant form reports is always plus here.
    var sign: Int32 = 0
    return unsafe lgamma_r(x, &sign)
  }

  /// log(exp(a) + exp(b)) without overflow.
  static func logSum(_ a: Double, _ b: Double) -> Double {
    let high = max(a, b)
    guard high > -.infinity else { return -.infinity }
    return high + log1p(exp(min(a, b) - high))
  }
}

/// Point probabilities by saddle-point expansion (C. Loader, "Fast and Accurate Computation of Binomial
/// Probabilities", 2000): the difference of two large logarithms never appears, so ten million trials cost no digits.
enum PointProbability {
  /// C(n, k) pᵏ qⁿ⁻ᵏ, also for k and n that are not whole; q is 1 − p, given apart to keep its digits.
  static func binomial(_ k: Double, of n: Double, p: Double, q: Double) -> Double {
    if p == 0 { return k == 0 ? 1 : 0 }
    if q == 0 { return k == n ? 1 : 0 }
    if k == 0 { return Elementary.exp(n * (p < 0.1 ? Elementary.log1p(-p) : Elementary.log(q))) }
    if k == n { return Elementary.exp(n * (q < 0.1 ? Elementary.log1p(-q) : Elementary.log(p))) }
    guard k > 0, k < n else { return 0 }
    let rest = n - k
    let exponent =
      stirlingError(n) - stirlingError(k) - stirlingError(rest) - deviance(k, n * p) - deviance(rest, n * q)
    return Elementary.exp(exponent) * (n / (2 * .pi * k * rest)).squareRoot()
  }

  /// The chance of `k` marked ones when `n` are drawn, without putting back, from `population` with `marked`.
  static func hypergeometric(_ k: Int, drawn n: Int, marked: Int, of population: Int) -> Double {
    guard k >= 0, k <= min(n, marked), n - k <= population - marked else { return 0 }
    guard n > 0, population > 0 else { return 1 }
    let p = Double(n) / Double(population)
    let q = Double(population - n) / Double(population)
    return binomial(Double(k), of: Double(marked), p: p, q: q)
      * binomial(Double(n - k), of: Double(population - marked), p: p, q: q)
      / binomial(Double(n), of: Double(population), p: p, q: q)
  }

  /// log n! − log(√(2πn) (n/e)ⁿ).
  private static func stirlingError(_ n: Double) -> Double {
    if n < 16 {
      return Elementary.logGamma(n + 1) - (n + 0.5) * Elementary.log(n) + n - 0.5 * Elementary.log(2 * .pi)
    }
    let square = n * n
    let tail =
      (1.0 / 1260 - (1.0 / 1680 - (1.0 / 1188 - 691.0 / 360_360 / square) / square) / square) / square
    return (1.0 / 12 - (1.0 / 360 - tail) / square) / n
  }

  /// x log(x/m) + m − x, without cancellation where x is near m.
  private static func deviance(_ x: Double, _ mean: Double) -> Double {
    guard abs(x - mean) < 0.1 * (x + mean) else { return x * Elementary.log(x / mean) + mean - x }
    let ratio = (x - mean) / (x + mean)
    var sum = (x - mean) * ratio
    var term = 2 * x * ratio
    for j in 1..<1_000 {
      term *= ratio * ratio
      let next = sum + term / Double(2 * j + 1)
      if next == sum { break }
      sum = next
    }
    return sum
  }
}
