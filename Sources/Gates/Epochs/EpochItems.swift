/// The would-accepts of an epoch: each call once, found by its key.
///
/// In pieces, so that a million more never means a copy of the million before, and a copy of the whole shares them.
struct EpochItems: Sendable {
  private var pieces: [[EpochItem]] = []
  /// Number of an item plus one; 0 is free. Always a power of two, at most three quarters full.
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
      if self[Int(slots[slot]) - 1].call == item.call { return false }
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
    slots[slot] = UInt32(count)
    return true
  }

  func number(ofCall call: UInt64) -> Int? {
    var slot = place(call)
    while slots[slot] != 0 {
      let number = Int(slots[slot]) - 1
      if self[number].call == call { return number }
      slot = (slot + 1) & (slots.count - 1)
    }
    return nil
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
      slots[slot] = UInt32(number + 1)
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

  subscript(call: UInt64) -> InputFeatures? { features[call] }
}
