import LogReading

/// People's labels of one subject's answers, by call, and what they made of planted items.
struct EpochReviews: Sendable {
  private struct Planted: Hashable, Sendable {
    let call: UInt64
    let reviewer: String
  }

  private(set) var labels: [UInt64: CallLabels] = [:]
  private var planted: [Planted: ReviewLabel] = [:]

  /// - Parameter call: ``ContentHash/short`` of its id.
  mutating func add(_ record: ReviewRecord, to call: UInt64) {
    guard record.isPlanted else {
      labels[call, default: CallLabels()].add(record.entry, by: record.reviewer)
      return
    }
    planted[Planted(call: call, reviewer: record.reviewer)] = record.entry?.label
  }

  /// Planted items, and how many of them reviewers caught.
  var catches: (planted: Int, caught: Int) {
    (planted.count, planted.values.count { $0 != .accept })
  }
}
