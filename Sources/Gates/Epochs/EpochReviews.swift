import LogReading

/// People's labels of one subject's answers, by call, and what they made of planted items.
struct EpochReviews: Sendable {
  fileprivate struct Planted: Hashable, Sendable {
    var call: UInt64
    var reviewer: String
  }

  private(set) var labels: [UInt64: CallLabels] = [:]
  fileprivate var planted: [Planted: ReviewLabel] = [:]

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

// MARK: - What is stored

extension EpochReviews: StoredMembers {
  static var blank: EpochReviews { EpochReviews() }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&labels)
    try state.member(&planted)
  }
}

extension EpochReviews.Planted: StoredMembers, Comparable {
  static var blank: Self { Self(call: 0, reviewer: "") }

  static func < (left: Self, right: Self) -> Bool {
    (left.call, left.reviewer) < (right.call, right.reviewer)
  }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&call)
    try state.member(&reviewer)
  }
}
