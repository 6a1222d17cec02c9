package import LogReading

/// What a report that is about another time needs to know of one segment of the log.
package struct LogStretch: Sendable {
  package internal(set) var segment = 0
  package internal(set) var records = 0
  /// Lines that are no records.
  var unreadable = 0
  /// Comparisons, reviews and challenges that name no call.
  var callless = 0
  /// Numbers missing between its records.
  var holes = 0
  /// Times of its records, in milliseconds since 1970.
  package internal(set) var earliest = Int64.max
  package internal(set) var latest = Int64.min
  /// Number and log of its first record that has one.
  var first: Int?
  var firstLog: [UInt8] = []
  var last = LastRecord()

  package init() {}

  mutating func saw(at ms: Int64) {
    records += 1
    earliest = min(earliest, ms)
    latest = max(latest, ms)
  }

  mutating func saw(_ seq: Int, hole: Int, _ head: LastRecord) {
    if first == nil {
      first = seq
      firstLog = head.log
    } else {
      holes += hole
    }
  }

  func isOutside(_ window: ReportWindow) -> Bool {
    records == 0 || (window.from.map { latest < $0 } ?? false) || (window.to.map { $0 <= earliest } ?? false)
  }

  /// Whether none of its records is outside.
  package func isInside(_ window: ReportWindow) -> Bool {
    records == 0 || ((window.from.map { $0 <= earliest } ?? true) && (window.to.map { latest < $0 } ?? true))
  }
}

extension LogStretch: StoredMembers {
  package static var blank: LogStretch { LogStretch() }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&segment)
    try state.member(&records)
    try state.member(&unreadable)
    try state.member(&callless)
    try state.member(&holes)
    try state.member(&earliest)
    try state.member(&latest)
    try state.member(&first)
    try state.member(bytesOf: &firstLog)
    try state.member(&last)
  }
}
