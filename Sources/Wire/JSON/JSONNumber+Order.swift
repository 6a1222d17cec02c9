/// Order and divisibility by exact value: 0.3 is a multiple of 0.1, as it is on paper and is not among doubles.
extension JSONNumber: Comparable {
  package static func < (left: Self, right: Self) -> Bool {
    JSONDecimal(left.literal).isLess(than: JSONDecimal(right.literal))
  }

  /// Without a fraction, however it is written: 7, 7.0, 70e-1.
  package var isIntegral: Bool { JSONDecimal(literal).exponent >= 0 }

  /// Most significant digits that ``isMultiple(of:)`` takes in a divisor.
  package static let divisorDigits = 18

  /// Significant digits: zeros at either end do not count.
  package var significantDigits: Int { JSONDecimal(literal).digits.count }

  /// - Parameter divisor: Not zero, at most ``divisorDigits`` significant digits; false for any other.
  package func isMultiple(of divisor: Self) -> Bool {
    JSONDecimal(literal).isMultiple(of: JSONDecimal(divisor.literal))
  }
}

extension JSONDecimal {
  fileprivate func isLess(than other: Self) -> Bool {
    if isNegative != other.isNegative { return isNegative }
    return isNegative
      ? other.isMagnitudeLess(than: self) : isMagnitudeLess(than: other)
  }

  private func isMagnitudeLess(than other: Self) -> Bool {
    if digits.isEmpty || other.digits.isEmpty { return digits.isEmpty && !other.digits.isEmpty }
    // Digits begin with none that is zero, so the place of the first one decides.
    let (place, otherPlace) = (digits.count + exponent, other.digits.count + other.exponent)
    return place != otherPlace ? place < otherPlace : digits.lexicographicallyPrecedes(other.digits)
  }

  fileprivate func isMultiple(of divisor: Self) -> Bool {
    guard (1...JSONNumber.divisorDigits).contains(divisor.digits.count) else { return false }
    if digits.isEmpty { return true }
    // Its last digit is not zero: no power of ten left in the divisor can go into it.
    guard exponent >= divisor.exponent else { return false }
    let modulus = divisor.digits.reduce(0 as UInt64) { $0 * 10 + UInt64($1) }
    let rest = digits.reduce(0 as UInt64) { ($0.multiplied(by: 10, modulo: modulus) + UInt64($1)) % modulus }
    let power = UInt64(10).raised(to: exponent - divisor.exponent, modulo: modulus)
    return rest.multiplied(by: power, modulo: modulus) == 0
  }
}

extension UInt64 {
  fileprivate func multiplied(by factor: UInt64, modulo modulus: UInt64) -> UInt64 {
    let product = multipliedFullWidth(by: factor)
    return modulus.dividingFullWidth((product.high % modulus, product.low)).remainder
  }

  fileprivate func raised(to exponent: Int, modulo modulus: UInt64) -> UInt64 {
    var (result, base, exponent) = (1 % modulus, self % modulus, exponent)
    while exponent > 0 {
      if exponent & 1 == 1 { result = result.multiplied(by: base, modulo: modulus) }
      base = base.multiplied(by: base, modulo: modulus)
      exponent >>= 1
    }
    return result
  }
}
