/// Days and moments as a policy writes them.
package enum PolicyDate {
  /// Whether the text is a day that exists, as `YYYY-MM-DD`.
  package static func isDay(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard bytes.count == 10, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
      let year = number(bytes, 0..<4), let month = number(bytes, 5..<7), let day = number(bytes, 8..<10)
    else { return false }
    return year > 0 && (1...12).contains(month) && (1...days(in: month, of: year)).contains(day)
  }

  /// Whether the text is a day, or a moment as RFC 3339 writes it.
  package static func isMoment(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard bytes.count > 10 else { return isDay(text) }
    guard isDay(String(decoding: bytes[..<10], as: UTF8.self)), "Tt ".utf8.contains(bytes[10]) else {
      return false
    }
    return isTime(bytes[11...])
  }

  /// `hh:mm:ss[.fff]` and `Z` or an offset.
  private static func isTime(_ bytes: ArraySlice<UInt8>) -> Bool {
    let time = Array(bytes)
    guard time.count >= 9, time[2] == UInt8(ascii: ":"), time[5] == UInt8(ascii: ":"),
      let hour = number(time, 0..<2), let minute = number(time, 3..<5), let second = number(time, 6..<8),
      hour < 24, minute < 60, second <= 60
    else { return false }
    var zone = time[8...]
    if zone.first == UInt8(ascii: ".") {
      let digits = zone.dropFirst().prefix { isDigit($0) }
      guard !digits.isEmpty else { return false }
      zone = zone.dropFirst(digits.count + 1)
    }
    return isZone(Array(zone))
  }

  private static func isZone(_ zone: [UInt8]) -> Bool {
    if zone == [UInt8(ascii: "Z")] || zone == [UInt8(ascii: "z")] { return true }
    guard zone.count == 6, zone[0] == UInt8(ascii: "+") || zone[0] == UInt8(ascii: "-"),
      zone[3] == UInt8(ascii: ":"),
      let hour = number(zone, 1..<3), let minute = number(zone, 4..<6)
    else { return false }
    return hour < 24 && minute < 60
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  private static func number(_ bytes: [UInt8], _ range: Range<Int>) -> Int? {
    guard bytes[range].allSatisfy(isDigit) else { return nil }
    return bytes[range].reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
  }

  private static func days(in month: Int, of year: Int) -> Int {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }
}
