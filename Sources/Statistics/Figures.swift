import RouterCore

/// Figures as people read them. Not localised: the same log has to give the same bytes everywhere.
package enum Figures {
  /// `12,345`.
  package static func count(_ value: Int) -> String {
    let digits = String(value.magnitude)
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { text += "," }
      text.append(digit)
    }
    return value < 0 ? "-" + text : text
  }

  /// `1 call`, `2 calls`.
  package static func counted(_ value: Int, _ thing: String) -> String {
    "\(count(value)) \(thing)\(value == 1 ? "" : "s")"
  }

  /// Amounts whose rounded terms add up to their rounded sum, which is the last of them: the largest term takes the rest.
  package static func sum(_ terms: [Double]) -> [String] {
    let total = terms.reduce(0, +)
    let least = terms.filter { $0 != 0 }.map(abs).min() ?? 1
    let decimals = least < 0.001 ? 6 : least < 0.1 ? 4 : 2
    let unit = power(decimals)
    guard (terms + [total]).allSatisfy({ $0.isFinite && abs($0) < 1e11 }) else {
      return (terms + [total]).map(usd)
    }
    var units = terms.map { ($0 * unit).rounded() }
    let largest = units.indices.max { abs(units[$0]) < abs(units[$1]) }
    if let largest { units[largest] += (total * unit).rounded() - units.reduce(0, +) }
    return (units + [units.reduce(0, +)]).map { value in
      value == 0 ? "$0" : (value < 0 ? "-$" : "$") + fixed(abs(value) / unit, decimals)
    }
  }

  /// A fraction as `6.9 %`: two significant digits below ten per cent, so that small rates do not look like none.
  package static func percent(_ fraction: Double) -> String {
    let value = fraction * 100
    if value == 0 || value == 100 { return "\(Int(value)) %" }
    // Rounding must never turn "some" into "none", or "not quite all" into "all".
    if value > 99.9 { return ">99.9 %" }
    return fixed(value, value < 0.01 ? 4 : value < 0.1 ? 3 : value < 1 ? 2 : 1) + " %"
  }

  /// An upper bound: rounded away from zero, because a bound that was rounded down is none.
  package static func bound(_ fraction: Double) -> String {
    if fraction >= 1 { return "100 %" }
    let value = fraction * 100
    let decimals = value < 0.1 ? 4 : value < 1 ? 3 : 2
    let scale = power(decimals)
    return fixed((value * scale).rounded(.up) / scale, decimals) + " %"
  }

  package static func optionalPercent(_ fraction: Double?) -> String { fraction.map(percent) ?? "–" }

  /// `$12.30`, with more digits for amounts below a dollar.
  package static func usd(_ value: Double) -> String {
    if value == 0 { return "$0" }
    let magnitude = abs(value)
    let decimals = magnitude >= 1 ? 2 : magnitude >= 0.01 ? 4 : 6
    return (value < 0 ? "-$" : "$") + fixed(magnitude, decimals)
  }

  package static func milliseconds(_ value: Double) -> String {
    switch value {
    case 10_000...: fixed(value / 1_000, 1) + " s"
    case 1_000...: fixed(value / 1_000, 2) + " s"
    default: fixed(value, value >= 10 ? 0 : 1) + " ms"
    }
  }

  package static func confidence(_ value: Double) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "–" }
    return ConfidenceText.cut(value)
  }

  /// A share that is asked for: up to three decimals, rounded up, so that it suffices.
  package static func share(_ value: Double) -> String {
    let text = fixed((value * 1_000 - 1e-9).rounded(.up) / 1_000, 3)
    let short = text.reversed().drop { $0 == "0" }.drop { $0 == "." }
    return short.isEmpty ? "0" : String(short.reversed())
  }

  /// Decimal digits after the point, halves away from zero.
  package static func fixed(_ value: Double, _ decimals: Int) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "–" }
    let scaled = (abs(value) * power(decimals)).rounded()
    let whole = UInt64(scaled)
    let unit = UInt64(power(decimals))
    let sign = value < 0 && whole > 0 ? "-" : ""
    guard decimals > 0 else { return sign + String(whole) }
    let rest = String(whole % unit)
    return sign + String(whole / unit) + "." + String(repeating: "0", count: decimals - rest.count) + rest
  }

  private static func power(_ decimals: Int) -> Double {
    (0..<decimals).reduce(1.0) { power, _ in power * 10 }
  }
}
