/// Whether a log can be believed: what is missing from it, and what never reached it.
package struct LogHealth: Sendable {
  /// Time of the newest record, in milliseconds since 1970.
  package private(set) var last: Int64 = 0
  /// When the newest passed drill of the kill switch was recorded.
  package var lastDrill: Int64?
  private var lastSeq: Int?
  private var lastLog: String?
  /// Numbers that are missing so far without a `gap` record.
  private var holes: [(from: Int, to: Int, at: Int64)] = []
  private var damage: [Int64] = []
  private var stops: [(received: Int, lost: Int, at: Int64)] = []
  private var gaps: [(from: Int, to: Int, at: Int64)] = []

  mutating func saw(seq: Int?, log: String?, at ms: Int64) {
    last = max(last, ms)
    guard let seq else { return }
    if let lastSeq, lastLog == log, seq > lastSeq + 1 { holes.append((lastSeq + 1, seq - 1, ms)) }
    (lastSeq, lastLog) = (seq, log)
  }

  mutating func sawDamage() { damage.append(last) }

  mutating func stopped(received: Int, lost: Int, at ms: Int64) { stops.append((received, lost, ms)) }

  mutating func gap(from: Int, to: Int, at ms: Int64) {
    if from <= to { gaps.append((from, to, ms)) }
  }

  /// Why the evidence since a time cannot be believed; nil: it can.
  package func problem(since start: Int64) -> String? {
    let damaged = damage.count { $0 >= start }
    if damaged > 0 { return "\(damaged) lines of the log cannot be read" }
    let unnamed = holes.filter { hole in
      hole.at >= start && !gaps.contains { $0.from <= hole.from && $0.to >= hole.to }
    }
    return unnamed.isEmpty ? nil : "the log has \(unnamed.count) holes that no `gap` record names"
  }

  /// Frames that came, as far as the log tells, and what was shed, lost by senders or fell into a gap since a time.
  package func losses(since start: Int64) -> (received: Int, lost: Int) {
    let ended = stops.filter { $0.at >= start }
    return (
      ended.reduce(0) { $0 + $1.received },
      ended.reduce(0) { $0 + $1.lost }
        + gaps.filter { $0.at >= start }.reduce(0) { $0 + $1.to - $1.from + 1 }
    )
  }
}
