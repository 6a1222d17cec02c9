package import LogReading

/// Whether a log can be believed: what is missing from it, and what never reached it.
package struct LogHealth: Sendable {
  /// Time of the newest record, in milliseconds since 1970.
  package private(set) var last: Int64 = 0
  /// When the newest passed drill of the kill switch was recorded.
  package private(set) var lastDrill: Int64?
  private var lastSeq: Int?
  private var lastLog: [UInt8] = []
  /// Numbers that are missing so far without a `gap` record.
  private var holes: [(from: Int, to: Int, at: Int64)] = []
  private var damage: [Int64] = []
  private var stops: [(received: Int, lost: Int, at: Int64)] = []
  private var gaps: [(from: Int, to: Int, at: Int64)] = []

  /// One record, in the order of the log.
  mutating func saw(_ line: inout LogLine, _ text: Span<UInt8>, at ms: Int64) {
    last = max(last, ms)
    if let seq = line.int(.seq, in: text) { follow(seq, &line, text, at: ms) }
    switch line.kind {
    case .stop:
      let lost = (line.int(.shed, in: text) ?? 0) + (line.int(.lostBySender, in: text) ?? 0)
      stops.append((line.int(.received, in: text) ?? 0, lost, ms))
    case .gap:
      let (from, to) = (line.int(.from, in: text) ?? 0, line.int(.to, in: text) ?? 0)
      if from <= to { gaps.append((from, to, ms)) }
    case .drill:
      if line.bool(.passed, in: text) == true { lastDrill = ms }
    default: break
    }
  }

  private mutating func follow(_ seq: Int, _ line: inout LogLine, _ text: Span<UInt8>, at ms: Int64) {
    if line.holds(.log, lastLog, in: text) {
      if let lastSeq, seq > lastSeq + 1 { holes.append((lastSeq + 1, seq - 1, ms)) }
    } else {
      line.copy(.log, in: text, to: &lastLog)
    }
    lastSeq = seq
  }

  mutating func sawDamage() { damage.append(last) }

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

// MARK: - What is stored

extension LogHealth: StoredMembers {
  package static var blank: LogHealth { LogHealth() }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&last)
    try state.member(&lastDrill)
    try state.member(&lastSeq)
    try state.member(bytesOf: &lastLog)
    try Self.triples(&holes, &state)
    try state.member(&damage)
    try Self.triples(&stops, &state)
    try Self.triples(&gaps, &state)
  }

  private static func triples<Triple>(
    _ list: inout [Triple], _ state: inout StateCoder, from: (Triple) -> (Int, Int, Int64),
    to: (Int, Int, Int64) -> Triple
  ) throws(StateFault) {
    var numbers = list.flatMap { triple -> [Int64] in
      let (one, two, at) = from(triple)
      return [Int64(one), Int64(two), at]
    }
    try state.member(bytesOf: &numbers)
    guard state.isReading else { return }
    guard numbers.count.isMultiple(of: 3) else { throw .unusable }
    list = stride(from: 0, to: numbers.count, by: 3).map {
      to(Int(numbers[$0]), Int(numbers[$0 + 1]), numbers[$0 + 2])
    }
  }

  private static func triples(
    _ list: inout [(from: Int, to: Int, at: Int64)], _ state: inout StateCoder
  ) throws(StateFault) {
    try triples(&list, &state, from: { ($0.from, $0.to, $0.at) }, to: { ($0, $1, $2) })
  }

  private static func triples(
    _ list: inout [(received: Int, lost: Int, at: Int64)], _ state: inout StateCoder
  ) throws(StateFault) {
    try triples(&list, &state, from: { ($0.received, $0.lost, $0.at) }, to: { ($0, $1, $2) })
  }
}
