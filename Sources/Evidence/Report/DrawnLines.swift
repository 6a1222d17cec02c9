internal import LogReading

/// Lines kept until they are asked for, by call; of too many, the oldest go.
struct DrawnLines: Sendable {
  private var lines: [Int: [UInt8]] = [:]
  private var order: [Int] = []
  private var oldest = 0
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  mutating func keep(_ text: Span<UInt8>, for call: Int) {
    lines[call] = text.copied
    order.append(call)
    while lines.count > limit, oldest < order.count {
      lines[order[oldest]] = nil
      oldest += 1
    }
    // Entries that were taken meanwhile are dropped with the rest, so that this list stays short too.
    if order.count > 4 * limit {
      order = order[oldest...].filter { lines[$0] != nil }
      oldest = 0
    }
  }

  mutating func take(_ call: Int) -> [UInt8]? { lines.removeValue(forKey: call) }
}

extension DrawnLines: Stored {
  /// Takes the limit of whatever it is read into.
  static var blank: DrawnLines { DrawnLines(limit: 0) }

  mutating func pass(_ state: inout StateCoder) throws(StateFault) {
    var calls = order[oldest...].filter { lines[$0] != nil }
    try state.bulk(&calls)
    var kept: [Int: [UInt8]] = [:]
    for call in calls {
      var line = lines[call] ?? []
      try state.bulk(&line)
      kept[call] = line
    }
    guard state.isReading else { return }
    (lines, order, oldest) = (kept, calls, 0)
  }
}
