internal import LogReading

/// The would-accepts of an epoch: each call once, found by its key.
///
/// In pieces, so that a million more never means a copy of the million before, and a copy of the whole shares them.
struct EpochItems: Sendable {
  private var pieces: [[EpochItem]] = []
  /// Number of an item plus one, above it bits of its key; 0 is free. Always a power of two, at most three quarters full.
  private var slots = [UInt32](repeating: 0, count: 64)
  private(set) var count = 0
  /// Numbers of the drawn ones.
  private(set) var drawn: [Int] = []

  private static let pieceShift = 12
  private static let pieceMask = 1 << pieceShift - 1

  /// - Returns: False for a call that is there already.
  @discardableResult
  mutating func append(_ item: EpochItem) -> Bool {
    if (count + 1) * 4 > slots.count * 3 { grow() }
    var slot = place(item.call)
    while slots[slot] != 0 {
      if number(in: slots[slot], of: item.call) != nil { return false }
      slot = (slot + 1) & (slots.count - 1)
    }
    if count & Self.pieceMask == 0 {
      var piece: [EpochItem] = []
      // The first piece grows by itself: most epochs are small.
      if count > 0 { piece.reserveCapacity(1 << Self.pieceShift) }
      pieces.append(piece)
    }
    pieces[pieces.count - 1].append(item)
    if item.isDrawn { drawn.append(count) }
    count += 1
    slots[slot] = UInt32(count) | tag(item.call)
    return true
  }

  func number(ofCall call: UInt64) -> Int? {
    var slot = place(call)
    while slots[slot] != 0 {
      if let number = number(in: slots[slot], of: call) { return number }
      slot = (slot + 1) & (slots.count - 1)
    }
    return nil
  }

  /// Bits of the key above the number of an item, where a slot has room for them: most slots of other items are told
  /// without looking at the item.
  private func tag(_ call: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: call >> 32) & ~UInt32(truncatingIfNeeded: slots.count - 1)
  }

  private func number(in slot: UInt32, of call: UInt64) -> Int? {
    let mask = UInt32(truncatingIfNeeded: slots.count - 1)
    guard slot & ~mask == tag(call) else { return nil }
    let number = Int(slot & mask) - 1
    return number >= 0 && self[number].call == call ? number : nil
  }

  subscript(number: Int) -> EpochItem {
    get { pieces[number >> Self.pieceShift][number & Self.pieceMask] }
    _modify { yield &pieces[number >> Self.pieceShift][number & Self.pieceMask] }
  }

  func visit(_ body: (EpochItem) -> Void) {
    for piece in pieces { for item in piece { body(item) } }
  }

  private func place(_ call: UInt64) -> Int { Int(truncatingIfNeeded: call) & (slots.count - 1) }

  private mutating func grow() {
    slots = [UInt32](repeating: 0, count: slots.count * 2)
    for number in 0..<count {
      var slot = place(self[number].call)
      while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
      slots[slot] = UInt32(number + 1) | tag(self[number].call)
    }
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
    var pieceCount = pieces.count
    try pieceCount.pass(&state)
    if state.isReading { pieces = Array(repeating: [], count: max(0, min(pieceCount, 1 << 20))) }
    for index in pieces.indices {
      if state.isReading {
        try state.bulk(&pieces[index])
      } else {
        var piece = pieces[index]
        try state.bulk(&piece)
      }
    }
    state.leaveOut()  // pieces: told above
    try state.member(bytesOf: &slots)
    try state.member(&count)
    try state.member(&drawn)
    guard !state.isReading || isConsistent else { throw .unusable }
  }

  private var isConsistent: Bool {
    let isEven = pieces.dropLast().allSatisfy { $0.count == Self.pieceMask + 1 }
    return isEven && pieces.reduce(0) { $0 + $1.count } == count
      && slots.count >= 64 && slots.count & (slots.count - 1) == 0 && count * 4 <= slots.count * 3
      && slots.allSatisfy { $0 & UInt32(slots.count - 1) <= UInt32(count) }
      && drawn.allSatisfy { 0..<count ~= $0 }
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
