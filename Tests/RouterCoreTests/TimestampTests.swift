import Foundation
import Testing

@testable import RouterCore

@Suite("Timestamps")
struct TimestampTests {
  @Test(
    "are RFC 3339 in UTC with milliseconds",
    arguments: [
      (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
      (951_782_400_000, "2000-02-29T00:00:00.000Z"), (1_795_233_181_042, "2026-11-21T03:53:01.042Z"),
      (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"), (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ] as [(Int64, String)])
  func table(milliseconds: Int64, text: String) {
    #expect(Timestamp.string(milliseconds) == text)
    #expect(Timestamp.parse(text) == milliseconds)
  }

  @Test("outside four digits of year become the nearest that fits")
  func clamped() {
    #expect(Timestamp.string(.max) == "9999-12-31T23:59:59.999Z")
    #expect(Timestamp.string(.min) == "0000-01-01T00:00:00.000Z")
  }

  @Test("agree with Foundation and come back the same, whatever second was written before")
  func roundTrip() {
    var generator = SystemRandomNumberGenerator()
    let formatter = ISO8601DateFormatter()
    formatter.formatOptions = [.withInternetDateTime]
    var stamp = Timestamp()
    for _ in 0..<2000 {
      let milliseconds = Int64.random(in: -2_000_000_000_000...20_000_000_000_000, using: &generator)
      var buffer: [UInt8] = []
      stamp.append(milliseconds, to: &buffer)
      #expect(buffer.count == Timestamp.length)
      let back = Timestamp.parse(buffer.span)
      #expect(back == milliseconds)
      let second = Int64((Double(milliseconds) / 1000).rounded(.down))
      let expected = formatter.string(from: Date(timeIntervalSince1970: Double(second))).dropLast()
      #expect(String(decoding: buffer, as: UTF8.self).hasPrefix(expected))
    }
  }

  @Test(
    "are read with any fraction up to nine digits",
    arguments: [
      ("2026-11-21T03:53:01Z", 1_795_233_181_000), ("2026-11-21T03:53:01.5Z", 1_795_233_181_500),
      ("2026-11-21T03:53:01.123456789Z", 1_795_233_181_123),
    ] as [(String, Int64)])
  func fractions(text: String, milliseconds: Int64) { #expect(Timestamp.parse(text) == milliseconds) }

  @Test(
    "are refused where they are no such time",
    arguments: [
      "", "2026-11-21", "2026-11-21T03:53:01", "2026-11-21T03:53:01+00:00", "2026-13-01T00:00:00Z",
      "2026-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T03:60:01Z",
      "2026-11-21T03:53:60Z", "2026-11-21 03:53:01Z", "2026-11-21T03:53:01.Z",
      "2026-11-21T03:53:01.1234567890Z",
      "2026-11-21T03:53:0xZ", "2026-00-10T00:00:00Z", "2026-01-00T00:00:00Z",
    ])
  func refused(text: String) { #expect(Timestamp.parse(text) == nil) }

  @Test(
    "lie in the week that ISO 8601 gives them",
    arguments: [
      ("2026-11-21T03:53:01.042Z", "2026-W47"), ("2027-01-03T23:59:59.999Z", "2026-W53"),
      ("2027-01-04T00:00:00.000Z", "2027-W01"), ("2024-12-30T00:00:00.000Z", "2025-W01"),
      ("2021-01-03T00:00:00.000Z", "2020-W53"), ("1970-01-01T00:00:00.000Z", "1970-W01"),
      ("1969-12-28T23:59:59.999Z", "1969-W52"),
    ])
  func weeks(text: String, name: String) throws {
    let milliseconds = try #require(Timestamp.parse(text))
    let week = ISOWeek(containing: milliseconds)
    #expect(week.name == name)
    #expect(ISOWeek(name: name) == week)
    #expect(week.start <= milliseconds && milliseconds < week.end)
    #expect(week.next.start == week.end && week.previous.end == week.start)
  }

  @Test("agree with Foundation's ISO calendar on every day of forty years")
  func calendar() throws {
    var calendar = Calendar(identifier: .iso8601)
    calendar.timeZone = try #require(TimeZone(identifier: "UTC"))
    for day in 0..<14_610 {
      let parts = calendar.dateComponents(
        [.yearForWeekOfYear, .weekOfYear], from: Date(timeIntervalSince1970: Double(day) * 86_400))
      let expected = String(format: "%04d-W%02d", parts.yearForWeekOfYear ?? 0, parts.weekOfYear ?? 0)
      #expect(ISOWeek(containing: Int64(day) * 86_400_000).name == expected)
    }
  }

  @Test(
    "have no week of a wrong name",
    arguments: ["2026-W54", "2025-W53", "2026-W00", "2026W47", "26-W47", "2026-W4", ""])
  func wrongWeeks(name: String) { #expect(ISOWeek(name: name) == nil) }
}
