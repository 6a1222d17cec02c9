/// Times of the log: milliseconds since 1970, UTC, in the proleptic Gregorian calendar. No clock is read here.
package enum LogTime {
  static let dayMs: Int64 = 86_400_000

  /// Reads RFC 3339 in UTC, with or without a fraction; nil for anything else.
  package static func parse(_ text: String) -> Int64? { parse(Array(text.utf8).span) }

  static func parse(_ text: Span<UInt8>) -> Int64? {
    guard text.count >= 20, text[4] == UInt8(ascii: "-"), text[7] == UInt8(ascii: "-"),
      text[10] | 0x20 == 0x74,
      text[13] == UInt8(ascii: ":"), text[16] == UInt8(ascii: ":"), text[text.count - 1] | 0x20 == 0x7A,
      let year = digits(text, 0..<4), let month = digits(text, 5..<7), let day = digits(text, 8..<10),
      let hour = digits(text, 11..<13), let minute = digits(text, 14..<16),
      let second = digits(text, 17..<19),
      (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second <= 60,
      let fraction = milliseconds(text)
    else { return nil }
    return days(year, month, day) * dayMs + Int64((hour * 60 + minute) * 60 + second) * 1_000 + fraction
  }

  /// `2026-03-02T10:00:00.000Z`.
  package static func format(_ ms: Int64) -> String {
    let day = ms.flooredDivision(dayMs)
    let rest = Int(ms - day * dayMs)
    let clock = [rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60].map { padded($0, 2) }
    return "\(date(ms))T\(clock.joined(separator: ":")).\(padded(rest % 1_000, 3))Z"
  }

  /// `2026-03-02`.
  package static func date(_ ms: Int64) -> String {
    let (year, month, day) = civil(ms.flooredDivision(dayMs))
    return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
  }

  /// `2026-03-02 10:00`.
  static func minute(_ ms: Int64) -> String {
    let text = format(ms)
    return "\(text.prefix(10)) \(text.dropFirst(11).prefix(5))"
  }

  /// The Monday, 00:00, on which an ISO week such as `2026-W47` begins; nil for a week that does not exist.
  package static func weekStart(_ name: String) -> Int64? {
    let text = Array(name.utf8)
    guard text.count == 8, text[4] == UInt8(ascii: "-"), text[5] | 0x20 == UInt8(ascii: "w"),
      let year = digits(text.span, 0..<4), let week = digits(text.span, 6..<8), week >= 1
    else { return nil }
    let first = firstMonday(year)
    let start = first + Int64(week - 1) * 7
    return start < firstMonday(year + 1) ? start * dayMs : nil
  }

  /// The day number of the Monday of week 1: the week that holds 4 January.
  private static func firstMonday(_ year: Int) -> Int64 {
    let fourth = days(year, 1, 4)
    // 1970-01-01 was a Thursday, three days after a Monday.
    let weekday = (fourth + 3) - (fourth + 3).flooredDivision(7) * 7
    return fourth - weekday
  }

  /// Days since 1970 (H. Hinnant's days_from_civil).
  private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int64 {
    let year = Int64(month <= 2 ? year - 1 : year)
    let era = year.flooredDivision(400)
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * Int64(month + (month > 2 ? -3 : 9)) + 2) / 5 + Int64(day) - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  private static func civil(_ days: Int64) -> (Int, Int, Int) {
    let shifted = days + 719_468
    let era = shifted.flooredDivision(146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = Int(shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9)
    let year = Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0)
    return (year, month, Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1))
  }

  private static func milliseconds(_ text: Span<UInt8>) -> Int64? {
    if text.count == 20 { return 0 }
    guard text[19] == UInt8(ascii: "."), text.count > 21 else { return nil }
    var value: Int64 = 0
    var scale: Int64 = 100
    for index in 20..<text.count - 1 {
      guard let digit = digits(text, index..<index + 1) else { return nil }
      value += Int64(digit) * scale
      scale /= 10
    }
    return value
  }

  private static func digits(_ text: Span<UInt8>, _ range: Range<Int>) -> Int? {
    var value = 0
    for index in range {
      let digit = text[index] &- 0x30
      guard digit < 10 else { return nil }
      value = value * 10 + Int(digit)
    }
    return value
  }

  private static func padded(_ value: Int, _ width: Int) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, width - text.count)) + text
  }
}

extension Int64 {
  fileprivate func flooredDivision(_ divisor: Int64) -> Int64 {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? quotient - 1 : quotient
  }
}

/// Which decisions a report is about: those with `from` ≤ `ts` < `to`. An absent end is open.
///
/// What belongs to such a decision (its comparison, reviews, outcome) counts whenever it came.
package struct ReportWindow: Sendable, Equatable {
  /// Milliseconds since 1970, UTC.
  package var from: Int64?
  package var to: Int64?
  /// How a person would name it; the command that makes the report again says the same.
  package var name: String

  package init(from: Int64? = nil, to: Int64? = nil, name: String = "the whole log") {
    self.from = from
    self.to = to
    self.name = name
  }

  /// An ISO week such as `2026-W47`, Monday to Sunday, UTC.
  package init?(week: String) {
    guard let start = LogTime.weekStart(week) else { return nil }
    self.init(from: start, to: start + 7 * LogTime.dayMs, name: "week \(week)")
  }

  func contains(_ ms: Int64) -> Bool { (from.map { $0 <= ms } ?? true) && (to.map { ms < $0 } ?? true) }
}
