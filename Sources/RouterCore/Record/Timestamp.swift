/// Times as records carry them: RFC 3339, UTC, milliseconds, always 24 characters.
///
/// Keeps the last second it wrote, because a log's neighbours share it. Years outside 0...9999
/// are written as the nearest instant that fits.
package struct Timestamp: Sendable {
  private var second = Int64.min
  private var text: [UInt8] = []

  package init() {}

  /// `2026-11-21T03:53:01.042Z`
  package static let length = 24

  /// The instants that four digits of year can write, in milliseconds since 1970.
  private static let writable: ClosedRange<Int64> = -62_167_219_200_000...253_402_300_799_999

  /// Appends the time of `milliseconds` since 1970, without quotes.
  package mutating func append(_ milliseconds: Int64, to buffer: inout [UInt8]) {
    let clamped = min(max(milliseconds, Self.writable.lowerBound), Self.writable.upperBound)
    let (second, rest) = clamped.dividedFlooring(by: 1000)
    if second != self.second { remember(second) }
    buffer.append(contentsOf: text)
    Self.appendDigits(Int(rest), 3, to: &buffer)
    buffer.append(UInt8(ascii: "Z"))
  }

  package static func string(_ milliseconds: Int64) -> String {
    var buffer: [UInt8] = []
    var stamp = Timestamp()
    stamp.append(milliseconds, to: &buffer)
    return String(decoding: buffer, as: UTF8.self)
  }

  /// Reads what ``append(_:to:)`` writes, also with no fraction or one of up to nine digits (cut to milliseconds).
  ///
  /// - Returns: Milliseconds since 1970, or nil where it is no such time: an offset other than `Z`, a
  ///   day that the month does not have, a leap second.
  package static func parse(_ text: Span<UInt8>) -> Int64? {
    guard text.count >= 20, text[text.count - 1] == UInt8(ascii: "Z"),
      text[4] == UInt8(ascii: "-"), text[7] == UInt8(ascii: "-"), text[10] == UInt8(ascii: "T"),
      text[13] == UInt8(ascii: ":"), text[16] == UInt8(ascii: ":"),
      let year = number(text, 0..<4), let month = number(text, 5..<7), let day = number(text, 8..<10),
      let hour = number(text, 11..<13), let minute = number(text, 14..<16),
      let second = number(text, 17..<19),
      let milliseconds = fraction(text),
      let date = CivilDate(year: year, month: month, day: day), hour < 24, minute < 60, second < 60
    else { return nil }
    let seconds = date.daysSince1970 * 86_400 + Int64(hour * 3600 + minute * 60 + second)
    return seconds * 1000 + Int64(milliseconds)
  }

  package static func parse(_ text: String) -> Int64? {
    let bytes = Array(text.utf8)
    return parse(bytes.span)
  }

  private static func fraction(_ text: Span<UInt8>) -> Int? {
    if text.count == 20 { return 0 }
    let count = text.count - 21
    guard text[19] == UInt8(ascii: "."), 1...9 ~= count, let value = number(text, 20..<20 + count) else {
      return nil
    }
    var milliseconds = value
    for _ in 0..<max(0, 3 - count) { milliseconds *= 10 }
    for _ in 0..<max(0, count - 3) { milliseconds /= 10 }
    return milliseconds
  }

  private static func number(_ text: Span<UInt8>, _ range: Range<Int>) -> Int? {
    var value = 0
    for index in range {
      guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= text[index] else { return nil }
      value = value * 10 + Int(text[index] - UInt8(ascii: "0"))
    }
    return value
  }

  private mutating func remember(_ second: Int64) {
    let (day, rest) = second.dividedFlooring(by: 86_400)
    let date = CivilDate(daysSince1970: day)
    text.removeAll(keepingCapacity: true)
    Self.appendDigits(date.year, 4, to: &text)
    text.append(UInt8(ascii: "-"))
    Self.appendDigits(date.month, 2, to: &text)
    text.append(UInt8(ascii: "-"))
    Self.appendDigits(date.day, 2, to: &text)
    text.append(UInt8(ascii: "T"))
    Self.appendDigits(Int(rest / 3600), 2, to: &text)
    text.append(UInt8(ascii: ":"))
    Self.appendDigits(Int(rest / 60 % 60), 2, to: &text)
    text.append(UInt8(ascii: ":"))
    Self.appendDigits(Int(rest % 60), 2, to: &text)
    text.append(UInt8(ascii: "."))
    self.second = second
  }

  fileprivate static func appendDigits(_ value: Int, _ width: Int, to buffer: inout [UInt8]) {
    var divisor = 1
    for _ in 1..<width { divisor *= 10 }
    while divisor > 0 {
      buffer.append(UInt8(ascii: "0") + UInt8(value / divisor % 10))
      divisor /= 10
    }
  }
}

/// A week by ISO 8601: from Monday 00:00 UTC, named for the year that holds its Thursday.
package struct ISOWeek: Hashable, Comparable, Sendable {
  // Counted from the week that holds 1970-01-01, so that weeks order and step as numbers do.
  private let index: Int64

  private static let milliseconds: Int64 = 7 * 86_400_000
  // 1970-01-01 was a Thursday: its week began three days earlier.
  private static let origin: Int64 = -3 * 86_400_000

  /// The week of a time in milliseconds since 1970.
  package init(containing milliseconds: Int64) {
    index = (milliseconds - Self.origin).dividedFlooring(by: Self.milliseconds).quotient
  }

  private init(index: Int64) { self.index = index }

  /// Reads `2026-W47`; nil where it is no such name, or the year has no such week.
  package init?(name: String) {
    let parts = name.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0].count == 4, parts[1].count == 3, parts[1].first == UInt8(ascii: "W"),
      let year = Self.number(parts[0]), let week = Self.number(parts[1].dropFirst()), week >= 1,
      // 4 January is always in week 1.
      let early = CivilDate(year: year, month: 1, day: 4)
    else { return nil }
    let first = ISOWeek(containing: early.daysSince1970 * 86_400_000)
    self.init(index: first.index + Int64(week) - 1)
    guard yearAndWeek.year == year else { return nil }
  }

  /// First millisecond of the week.
  package var start: Int64 { Self.origin + index * Self.milliseconds }

  /// First millisecond after the week.
  package var end: Int64 { start + Self.milliseconds }

  package var next: ISOWeek { ISOWeek(index: index + 1) }
  package var previous: ISOWeek { ISOWeek(index: index - 1) }

  /// `2026-W47`
  package var name: String {
    let (year, week) = yearAndWeek
    var text: [UInt8] = []
    Timestamp.appendDigits(year, 4, to: &text)
    text += [UInt8(ascii: "-"), UInt8(ascii: "W")]
    Timestamp.appendDigits(week, 2, to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  package static func < (left: ISOWeek, right: ISOWeek) -> Bool { left.index < right.index }

  private var yearAndWeek: (year: Int, week: Int) {
    let thursday = index * 7
    let year = CivilDate(daysSince1970: thursday).year
    let newYear = CivilDate.days(year: year, month: 1, day: 1)
    return (year, Int((thursday - newYear) / 7) + 1)
  }

  private static func number(_ digits: some Collection<UInt8>) -> Int? {
    var value = 0
    for digit in digits {
      guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= digit else { return nil }
      value = value * 10 + Int(digit - UInt8(ascii: "0"))
    }
    return value
  }
}

/// A day of the proleptic Gregorian calendar. The arithmetic is Howard Hinnant's
/// (http://howardhinnant.github.io/date_algorithms.html): years that begin in March, eras of 400 years.
struct CivilDate {
  let year: Int
  let month: Int
  let day: Int

  init(daysSince1970 days: Int64) {
    let (era, dayOfEra) = (days + 719_468).dividedFlooring(by: 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    day = Int(dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    month = Int(marchMonth < 10 ? marchMonth + 3 : marchMonth - 9)
    year = Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0)
  }

  /// nil where there is no such day.
  init?(year: Int, month: Int, day: Int) {
    guard 1...12 ~= month, 1...31 ~= day else { return nil }
    self.init(daysSince1970: Self.days(year: year, month: month, day: day))
    guard self.month == month, self.day == day else { return nil }
  }

  var daysSince1970: Int64 { Self.days(year: year, month: month, day: day) }

  static func days(year: Int, month: Int, day: Int) -> Int64 {
    let marchYear = Int64(month <= 2 ? year - 1 : year)
    let (era, yearOfEra) = marchYear.dividedFlooring(by: 400)
    let marchMonth = Int64(month > 2 ? month - 3 : month + 9)
    let dayOfYear = (153 * marchMonth + 2) / 5 + Int64(day) - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }
}

extension Int64 {
  /// Quotient towards minus infinity and a remainder that is never negative: times before 1970 need both.
  fileprivate func dividedFlooring(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
  }
}
