/// A JSON number, kept as it was written so that nothing is lost by reading it.
///
/// Two numbers are equal when their values are, exactly and not as doubles: 1, 1.0 and 1e0 are one number,
/// 9007199254740992 and 9007199254740993 are two. In scientific form an exponent beyond ±10¹⁵ counts as that.
package struct JSONNumber: Sendable, Equatable, CustomStringConvertible {
  /// As RFC 8259 asks, such as `-1.50e3`.
  package let literal: String

  package init(_ value: Int) { literal = String(value) }
  package init(_ value: UInt64) { literal = String(value) }

  /// - Returns: nil for an infinity or not-a-number, which JSON cannot write.
  package init?(_ value: Double) {
    guard value.isFinite else { return nil }
    literal = Self.shortest(value)
  }

  init(checkedLiteral: String) { literal = checkedLiteral }

  /// The nearest double; ±infinity where the value is out of range.
  package var double: Double { Double(literal) ?? .nan }

  /// The value, where it is integral and fits: 7 for `7`, `7.0` and `70e-1`.
  package var int: Int? {
    if let plain = Int(literal) { return plain }
    let decimal = JSONDecimal(literal)
    if decimal.digits.isEmpty { return 0 }
    guard decimal.exponent >= 0, decimal.digits.count + decimal.exponent <= 19 else { return nil }
    return Int(decimal.plainInteger)
  }

  package var description: String { literal }

  /// The same text for every way to write the same value.
  package var canonicalLiteral: String { JSONDecimal(literal).canonicalLiteral }

  package static func == (left: Self, right: Self) -> Bool {
    left.literal == right.literal || JSONDecimal(left.literal) == JSONDecimal(right.literal)
  }

  /// The shortest text that reads back as this finite number.
  static func shortest(_ value: Double) -> String {
    let text = value.description
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }
}

/// The exact value of a number's literal: digits × 10^exponent, digits without zeros at either end.
///
/// Zero has no digits, exponent 0 and no sign.
struct JSONDecimal: Equatable {
  private(set) var isNegative = false
  /// 0…9 each, the most significant first.
  private(set) var digits: [UInt8] = []
  private(set) var exponent = 0

  private static let exponentLimit = 1_000_000_000_000_000

  init(_ literal: String) {
    var isFraction = false
    var rest = literal.utf8[...]
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "-"): isNegative = true
      case UInt8(ascii: "."): isFraction = true
      case UInt8(ascii: "e"), UInt8(ascii: "E"):
        exponent += Self.exponent(rest)
        rest = rest.suffix(0)
      default:
        if isFraction { exponent -= 1 }
        if byte != UInt8(ascii: "0") || !digits.isEmpty { digits.append(byte - UInt8(ascii: "0")) }
      }
    }
    normalize()
  }

  private static func exponent(_ text: Substring.UTF8View) -> Int {
    var value = 0
    for byte in text where byte.isDigit {
      // Room for the digits, which move it.
      value = min(value * 10 + Int(byte - UInt8(ascii: "0")), 2 * exponentLimit)
    }
    return text.first == UInt8(ascii: "-") ? -value : value
  }

  private mutating func normalize() {
    while digits.last == 0 {
      digits.removeLast()
      exponent += 1
    }
    guard !digits.isEmpty else {
      isNegative = false
      exponent = 0
      return
    }
    let scientific = exponent + digits.count - 1
    exponent += min(max(scientific, -Self.exponentLimit), Self.exponentLimit) - scientific
  }

  /// The value without point or exponent. `exponent` must not be negative and should be small.
  var plainInteger: String {
    (isNegative ? "-" : "") + text(digits[...]) + String(repeating: "0", count: exponent)
  }

  /// Plain from 1e-6 up to below 1e21, with an exponent otherwise: the form of ECMAScript and RFC 8785.
  var canonicalLiteral: String {
    guard !digits.isEmpty else { return "0" }
    let sign = isNegative ? "-" : ""
    let point = digits.count + exponent
    if exponent >= 0, point <= 21 { return plainInteger }
    if point > 0, point <= 21 { return sign + text(digits[..<point]) + "." + text(digits[point...]) }
    if point > -6, point <= 0 {
      return sign + "0." + String(repeating: "0", count: -point) + text(digits[...])
    }
    let fraction = digits.count > 1 ? "." + text(digits[1...]) : ""
    return sign + text(digits[..<1]) + fraction + "e" + (point > 0 ? "+" : "") + String(point - 1)
  }

  private func text(_ digits: ArraySlice<UInt8>) -> String {
    String(decoding: digits.map { $0 + UInt8(ascii: "0") }, as: UTF8.self)
  }
}
