/// The regularised incomplete beta function I_x(a, b) and its inverse, for a and b > 0 up to about 1e7.
enum IncompleteBeta {
  /// I_x(a, b); x is clamped to 0…1.
  static func value(_ x: Double, _ a: Double, _ b: Double) -> Double {
    guard x > 0 else { return 0 }
    guard x < 1 else { return 1 }
    // The fraction converges fast only left of the mean; right of it, the other tail is the small one.
    if x <= (a + 1) / (a + b + 2) { return min(1, front(x, a, b) * fraction(x, a, b) / a) }
    return max(0, 1 - front(1 - x, b, a, complement: x) * fraction(1 - x, b, a) / b)
  }

  /// The x with I_x(a, b) = p; 0 and 1 for p outside 0…1.
  ///
  /// Newton's steps inside a bracket that every evaluation narrows, so that it cannot run away.
  static func inverse(_ p: Double, _ a: Double, _ b: Double) -> Double {
    guard p > 0 else { return 0 }
    guard p < 1 else { return 1 }
    var low = 0.0
    var high = 1.0
    var x = a / (a + b)
    for _ in 0..<200 {
      let error = value(x, a, b) - p
      if error == 0 { return x }
      if error > 0 { high = x } else { low = x }
      let slope = front(x, a, b) / (x * (1 - x))
      let step = slope > 0 ? x - error / slope : .nan
      // The bracket's own middle where Newton leaves it; geometric near zero, where small bounds live.
      let next =
        step > low && step < high
        ? step : (low > 0 && high / low > 4 ? (low * high).squareRoot() : (low + high) / 2)
      if abs(next - x) <= 1e-15 * x || high - low <= 1e-16 * high { return next }
      x = next
    }
    return x
  }

  /// xᵃ (1−x)ᵇ / B(a, b).
  private static func front(_ x: Double, _ a: Double, _ b: Double, complement: Double? = nil) -> Double {
    a * b / (a + b) * PointProbability.binomial(a, of: a + b, p: x, q: complement ?? 1 - x)
  }

  /// The continued fraction by Lentz's method.
  private static func fraction(_ x: Double, _ a: Double, _ b: Double) -> Double {
    let tiny = 1e-300
    var c = 1.0
    var d = 1 - (a + b) * x / (a + 1)
    if abs(d) < tiny { d = tiny }
    d = 1 / d
    var result = d
    // About √max(a, b) rounds are needed at worst.
    for round in 1..<100_000 {
      let m = Double(round)
      let even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
      result *= step(even, &c, &d, tiny)
      let odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
      let change = step(odd, &c, &d, tiny)
      result *= change
      if abs(change - 1) < 1e-16 { break }
    }
    return result
  }

  private static func step(_ term: Double, _ c: inout Double, _ d: inout Double, _ tiny: Double) -> Double {
    d = 1 + term * d
    if abs(d) < tiny { d = tiny }
    c = 1 + term / c
    if abs(c) < tiny { c = tiny }
    d = 1 / d
    return d * c
  }
}
