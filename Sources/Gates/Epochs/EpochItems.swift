internal import LogReading

/// The would-accepts of an epoch: each call once, found by its key.
struct EpochItems: Sendable {
  private var table = CompactTable<EpochItem>()
  private var drawnNumbers: [UInt32] = []

  var count: Int { table.rows.count }
  /// Numbers of the drawn ones.
  var drawn: some RandomAccessCollection<Int> { drawnNumbers.lazy.map { Int($0) } }

  /// - Returns: False for a call that is there already.
  @discardableResult
  mutating func append(_ item: EpochItem) -> Bool {
    guard number(ofCall: item.call) == nil else { return false }
    let number = table.insert(item)
    if item.isDrawn { drawnNumbers.append(UInt32(truncatingIfNeeded: number)) }
    return true
  }

  func number(ofCall call: UInt64) -> Int? { table.find(call) { $0.low == call } }

  subscript(number: Int) -> EpochItem {
    get { table[number] }
    _modify { yield &table[number] }
  }

  func visit(_ body: (EpochItem) -> Void) {
    for item in table.rows { body(item) }
  }
}

/// The input features of the latest calls, for challenges: their records carry none, and come in no promised order to
/// their decisions.
struct RecentFeatures: Sendable {
  private var features: [UInt64: InputFeatures] = [:]
  private var order: [UInt64] = []
  /// As far back as the router tells one call from another.
  private static let limit = 100_000

  mutating func keep(_ new: InputFeatures, of call: UInt64) {
    guard features.updateValue(new, forKey: call) == nil else { return }
    order.append(call)
    guard order.count >= 2 * Self.limit else { return }
    for old in order.prefix(Self.limit) { features[old] = nil }
    order.removeFirst(Self.limit)
  }

  subscript(call: UInt64) -> InputFeatures? { features.isEmpty ? nil : features[call] }
}

// MARK: - What is stored

extension EpochItems: StoredMembers {
  static var blank: EpochItems { EpochItems() }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(table: &table)
    try state.member(bytesOf: &drawnNumbers)
    guard !state.isReading || drawnNumbers.allSatisfy({ $0 < count }) else { throw .unusable }
  }
}

extension RecentFeatures: StoredMembers {
  static var blank: RecentFeatures { RecentFeatures() }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    // Only what is in `order` is there; each in three numbers.
    var inputs = order.map { features[$0]?.input ?? 0 }
    var details = order.map { call -> UInt64 in
      guard let known = features[call] else { return 0 }
      return UInt64(known.inputChars) << 16 | UInt64(known.signals) << 8 | (known.input == nil ? 1 : 3)
    }
    try state.bulk(&inputs)
    try state.bulk(&details)
    state.leaveOut()  // features: told above
    try state.member(bytesOf: &order)
    guard state.isReading else { return }
    guard inputs.count == order.count, details.count == order.count else { throw .unusable }
    features = [:]
    for (index, call) in order.enumerated() where details[index] & 1 == 1 {
      features[call] = InputFeatures(
        input: details[index] & 2 == 2 ? inputs[index] : nil,
        inputChars: UInt32(truncatingIfNeeded: details[index] >> 16),
        signals: UInt8(truncatingIfNeeded: details[index] >> 8))
    }
  }
}
