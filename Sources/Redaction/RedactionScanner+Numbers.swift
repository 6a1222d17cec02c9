/// Numbers that belong to a person: cards, telephones, social security and others.
extension RedactionScanner {
  /// A number or the telephone number that begins here with `+` or `(`.
  mutating func number(_ text: Span<UInt8>, at start: Int) -> Int? {
    guard isNumberStart(text, start) else { return nil }
    let digits = DigitGroups(text, start, limit)
    guard digits.count >= 6 else { return nil }
    if let end = coded(text, start, digits) { return end }
    for groups in stride(from: digits.groups, to: 0, by: -1) {
      let candidate = digits.prefix(groups)
      guard isClear(text, after: candidate.end, isWhole: groups == 1) else { continue }
      guard let kind = kind(of: candidate, text, start) else { continue }
      return redact(start, candidate.end, kind)
    }
    return nil
  }

  /// Numbers within names, paths, versions and fractions are none.
  private func isNumberStart(_ text: Span<UInt8>, _ start: Int) -> Bool {
    let first = text[start]
    if first == ascii("+") || first == ascii("(") {
      let next = byte(text, start + 1)
      guard isDigit(next) || (first == ascii("+") && next == ascii("(")) else { return false }
    }
    switch byte(text, start - 1) {
    case ascii("."), ascii("/"), ascii("\\"), ascii("%"): return false
    case ascii("-"), ascii("+"): return !isAlphanumeric(byte(text, start - 2))
    case let before: return !isAlphanumeric(before) && before != ascii("_")
    }
  }

  private func isClear(_ text: Span<UInt8>, after end: Int, isWhole: Bool) -> Bool {
    let next = byte(text, end)
    if isAlphanumeric(next) || next == ascii("_") { return false }
    let goesOn = next == ascii(".") || next == ascii(":") || next == ascii("-") || next == ascii("/")
    return !goesOn || !isAlphanumeric(byte(text, end + 1))
  }

  private func kind(of digits: DigitGroups, _ text: Span<UInt8>, _ start: Int) -> RedactionKind? {
    if text[start] == ascii("+") { return (8...15).contains(digits.count) ? .phone : nil }
    if digits.isCard { return .card }
    if digits.isDate { return SecretName.isBirthNear(text, before: start) ? .dateOfBirth : nil }
    if digits.isSocialSecurity { return .ssn }
    if digits.isNationalId { return .id }
    if digits.isPhone { return .phone }
    return digits.isLongNumber ? digits.isMobile ? .phone : .number : nil
  }

  /// National ids that join digits by a mark and go on with letters: `131052-308T`.
  private mutating func coded(_ text: Span<UInt8>, _ start: Int, _ digits: DigitGroups) -> Int? {
    guard digits.firstCount == 6, byte(text, start + 6) == ascii("-") || byte(text, start + 6) == ascii("+")
    else { return nil }
    guard isFinnish(text, start) else { return nil }
    return redact(start, start + 11, .id)
  }

  func isFinnish(_ text: Span<UInt8>, _ start: Int) -> Bool {
    guard !isAlphanumeric(byte(text, start + 11)) else { return false }
    var value = 0
    for index in 0..<10 where index != 6 {
      guard isDigit(byte(text, start + index)) else { return false }
      value = value * 10 + Int(text[start + index] - 48)
    }
    return PaperChecks.finnish[value % 31] == lowered(byte(text, start + 10))
  }
}

/// Digits in groups, as a person writes a number.
struct DigitGroups {
  private var digits: InlineArray<24, UInt8> = .init(repeating: 0)
  private var lengths: InlineArray<8, UInt8> = .init(repeating: 0)
  private var ends: InlineArray<8, Int> = .init(repeating: 0)
  /// Separator before each group but the first: the byte, or a parenthesis where one is among several.
  private var separators: InlineArray<8, UInt8> = .init(repeating: 0)
  private(set) var count = 0
  private(set) var groups = 0
  private var isOpen = false

  /// Reads up to 24 digits in up to 8 groups.
  init(_ text: Span<UInt8>, _ start: Int, _ limit: Int) {
    var position = start
    while position < limit, text[position] == ascii("+") || text[position] == ascii("(") {
      if text[position] == ascii("(") { isOpen = true }
      position += 1
    }
    while groups < 8 {
      let first = position
      while position < limit, count < 24, (48...57).contains(text[position]) {
        digits[count] = text[position] - 48
        count += 1
        position += 1
      }
      guard position > first else { return }
      lengths[groups] = UInt8(position - first)
      ends[groups] = position
      groups += 1
      guard groups < 8, let separator = DigitGroups.separator(text, &position, limit) else { return }
      separators[groups] = separator
    }
  }

  /// One space, dash, dot, slash or colon; or a parenthesis with a space beside it.
  private static func separator(_ text: Span<UInt8>, _ position: inout Int, _ limit: Int) -> UInt8? {
    var last: UInt8?
    var next = position
    while next < limit, next - position < 3 {
      let byte = text[next]
      let isParenthesis = byte == ascii("(") || byte == ascii(")")
      let isOther =
        byte == 32 || byte == ascii("-") || byte == ascii(".") || byte == ascii("/") || byte == ascii(":")
      if !isParenthesis && !isOther { break }
      if isOther, let last, last != ascii("("), last != ascii(")") { return nil }
      if isParenthesis { last = ascii("(") } else if last == nil { last = byte }
      next += 1
    }
    guard last != nil, next < limit, (48...57).contains(text[next]) else { return nil }
    position = next
    return last
  }

  /// The first `groups` of them.
  func prefix(_ groups: Int) -> DigitGroups {
    var result = self
    result.groups = groups
    result.count = 0
    for index in 0..<groups { result.count += Int(lengths[index]) }
    return result
  }

  var end: Int { groups > 0 ? ends[groups - 1] : 0 }
  var firstCount: Int { Int(lengths[0]) }

  private func has(_ shape: Int...) -> Bool {
    guard groups == shape.count else { return false }
    for (index, length) in shape.enumerated() where Int(lengths[index]) != length { return false }
    return true
  }

  /// The one separator between all groups, nil where they differ.
  private var separator: UInt8? {
    guard groups > 1 else { return nil }
    for index in 1..<groups where separators[index] != separators[1] { return nil }
    return separators[1]
  }

  private var isSpacedOrDashed: Bool { separator == 32 || separator == ascii("-") }

  private func value(_ range: Range<Int>) -> Int {
    var value = 0
    for index in range { value = value * 10 + Int(digits[index]) }
    return value
  }

  // MARK: Forms

  /// ISO/IEC 7812: 13 to 19 digits, the last a check digit by Luhn's formula.
  var isCard: Bool {
    guard (13...19).contains(count), (2...6).contains(digits[0]), groups == 1 || isSpacedOrDashed else {
      return false
    }
    if groups > 1 {
      guard lengths[0] == 4 else { return false }
      for index in 1..<groups where !(1...6).contains(lengths[index]) { return false }
    }
    return isLuhn
  }

  private var isLuhn: Bool {
    var sum = 0
    for index in 0..<count {
      let digit = Int(digits[count - 1 - index])
      sum += index % 2 == 0 ? digit : digit < 5 ? 2 * digit : 2 * digit - 9
    }
    return sum % 10 == 0 && sum > 0
  }

  /// Year, month and day in one of the usual orders, or the beginning of a time stamp.
  var isDate: Bool {
    guard groups == 3, separator == ascii("-") || separator == ascii(".") || separator == ascii("/") else {
      return false
    }
    let (a, b, c) = (lengths[0], lengths[1], lengths[2])
    return a == 4 && b <= 2 && c <= 2 || a <= 2 && b <= 2 && (c == 4 || c == 2)
  }

  /// United States: area, group and serial number, or a tax number (ITIN) of the same shape.
  var isSocialSecurity: Bool {
    guard has(3, 2, 4), separator == 32 || separator == ascii("-") || separator == ascii(".") else {
      return false
    }
    let (area, group, serial) = (value(0..<3), value(3..<5), value(5..<9))
    if area >= 900 { return isTaxGroup(group) }
    return area != 0 && area != 666 && group != 0 && serial != 0
  }

  private func isTaxGroup(_ group: Int) -> Bool {
    (50...65).contains(group) || (70...88).contains(group) || (90...99).contains(group)
  }

  /// Shapes of other countries: with check digits where they have one, or too peculiar to be anything else.
  var isNationalId: Bool {
    if has(6, 7), separator == ascii("-") { return isDayFirst }
    if has(6, 4) || has(8, 4), separator == ascii("-") { return count == 12 ? isDayFirst8 : isLuhn }
    // A tax number of the United States with one dash left out.
    if has(3, 6), separator == ascii("-") { return value(0..<3) >= 900 && isTaxGroup(value(3..<5)) }
    if has(3, 3, 3), isSpacedOrDashed { return isLuhn || isAustralianCompany }
    if has(4, 4, 4), separator == 32 || separator == ascii("-") || separator == ascii(":") {
      return digits[0] >= 2
    }
    if has(2, 3, 3, 3), separator == 32 { return isAustralianBusiness }
    if has(4, 5, 1), separator == 32 { return (2...6).contains(digits[0]) }
    if has(3, 2, 5), separator == ascii("-") { return true }
    if has(2, 2, 6, 2), isSpacedOrDashed { return true }
    if has(4, 3, 3), isSpacedOrDashed { return isHealthProvider }
    if has(4, 4, 1), separator == ascii("-") { return isRoutingNumber }
    if has(2, 3, 4) || has(3, 3, 5) || has(3, 4, 4), separator == ascii("/") { return true }
    return false
  }

  /// YYMMDD at the front.
  private var isDayFirst: Bool { (1...12).contains(value(2..<4)) && (1...31).contains(value(4..<6)) }

  /// YYYYMMDD at the front.
  private var isDayFirst8: Bool { (1...12).contains(value(4..<6)) && (1...31).contains(value(6..<8)) }

  private var isAustralianCompany: Bool {
    var sum = 0
    for index in 0..<8 { sum += (8 - index) * Int(digits[index]) }
    return (10 - sum % 10) % 10 == Int(digits[8])
  }

  /// United States: Luhn's formula over the number and the prefix 80840.
  private var isHealthProvider: Bool {
    var sum = 24
    for index in 0..<10 {
      let digit = Int(digits[9 - index])
      sum += index % 2 == 0 ? digit : digit < 5 ? 2 * digit : 2 * digit - 9
    }
    return (1...2).contains(digits[0]) && sum % 10 == 0
  }

  /// United States: a bank's nine digits, weighted 3, 7, 1.
  private var isRoutingNumber: Bool {
    var sum = 0
    for index in 0..<9 { sum += [3, 7, 1][index % 3] * Int(digits[index]) }
    return sum % 10 == 0 && sum > 0
  }

  private var isAustralianBusiness: Bool {
    let weights: InlineArray<11, Int> = [10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]
    var sum = -weights[0]
    for index in 0..<11 { sum += weights[index] * Int(digits[index]) }
    return sum % 89 == 0
  }

  /// National telephone numbers as they are usually grouped.
  var isPhone: Bool {
    guard groups >= 2, (9...13).contains(count), !hasColon, !prefix(min(3, groups)).isDate else {
      return false
    }
    if isOpen { return lengths[0] >= 2 && lengths[0] <= 5 }
    let isSlashed = separator == ascii("/")
    if has(3, 3, 4) { return !isSlashed && (digits[0] >= 2 && digits[3] >= 2 || separator == ascii("-")) }
    if has(1, 3, 3, 4) || has(2, 3, 3, 4) {
      return !isSlashed && separator != 32 || separator == 32 && digits[0] == 1
    }
    if has(3, 3, 2, 2) { return digits[0] >= 2 }
    if has(3, 4, 4), separator == ascii("-") { return true }
    if has(3, 4, 4), separator == 32 { return digits[0] == 1 || digits[0] == 0 }
    guard digits[0] == 0, separator != ascii("."), groups <= 5, (2...5).contains(lengths[0]) else {
      return false
    }
    for index in 1..<groups where !(2...8).contains(lengths[index]) { return false }
    return true
  }

  /// As times have.
  private var hasColon: Bool {
    for index in 1..<max(1, groups) where separators[index] == ascii(":") { return true }
    return false
  }

  /// An unbroken number of nine digits or more: an account, a person, an order. Times are kept.
  var isLongNumber: Bool {
    guard groups == 1, (9...19).contains(count) else { return false }
    return !isEpoch && !(isTimestamp && !isSwedish) && !isRound
  }

  /// Seconds, milli-, micro- or nanoseconds since 1970, from 2001 to 2033.
  private var isEpoch: Bool {
    guard count == 10 || count == 13 || count == 16 || count == 19 else { return false }
    return digits[0] == 1 && (3...9).contains(digits[1])
  }

  /// YYYYMMDD, then hours and more.
  private var isTimestamp: Bool {
    guard count >= 10, [19, 20].contains(value(0..<2)) else { return false }
    return (1...12).contains(value(4..<6)) && (1...31).contains(value(6..<8)) && value(8..<10) < 24
  }

  /// YYYYMMDD and four digits, of which the last checks all but the century.
  private var isSwedish: Bool {
    guard count == 12 else { return false }
    var short = self
    short.count = 10
    for index in 0..<10 { short.digits[index] = digits[index + 2] }
    return short.isLuhn
  }

  private var isRound: Bool {
    for index in max(0, count - 6)..<count where digits[index] != 0 { return false }
    return true
  }

  /// Mobile numbers written without a break: China, and countries that put a zero first.
  var isMobile: Bool {
    count == 11 && (digits[0] == 1 && digits[1] >= 3 || digits[0] == 0)
  }
}
