import RouterCore

/// Times of the log as reports write them: milliseconds since 1970, UTC. No clock is read here.
package enum LogTime {
  package static let dayMs: Int64 = 86_400_000

  package static func parse(_ text: String) -> Int64? { Timestamp.parse(text) }
  package static func parse(_ text: Span<UInt8>) -> Int64? { Timestamp.parse(text) }

  /// `2026-03-02T10:00:00.000Z`.
  package static func format(_ ms: Int64) -> String { Timestamp.string(ms) }

  /// `2026-03-02`.
  package static func date(_ ms: Int64) -> String { String(format(ms).prefix(10)) }

  /// `2026-03-02 10:00`.
  package static func minute(_ ms: Int64) -> String {
    let text = format(ms)
    return "\(text.prefix(10)) \(text.dropFirst(11).prefix(5))"
  }

  /// The Monday, 00:00, on which an ISO week such as `2026-W47` begins; nil for a week that does not exist.
  package static func weekStart(_ name: String) -> Int64? { ISOWeek(name: name)?.start }
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

  package func contains(_ ms: Int64) -> Bool {
    (from.map { $0 <= ms } ?? true) && (to.map { ms < $0 } ?? true)
  }
}
