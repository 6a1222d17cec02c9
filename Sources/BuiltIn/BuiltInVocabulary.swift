/// The n-grams a model knows, with their weights against frequency, as a table that is quick to ask.
struct BuiltInVocabulary: Sendable {
  /// Ascending, without repetition; a feature is its place here.
  let keys: [UInt32]
  /// Inverse document frequency of each feature, in steps of ``idfStep`` above 1.
  let rarity: [UInt8]
  /// What one step of ``rarity`` is worth; the rarest feature possible has 255 steps.
  let idfStep: Float
  /// ``rarity`` as a number, feature by feature.
  let idf: [Float]

  /// Open addressing: the key above, the feature plus one below; zero is a free slot.
  private let slots: [UInt64]
  private let slotShift: UInt64

  /// - Parameter keys: ascending and without repetition; as many as `rarity`.
  init(keys: [UInt32], rarity: [UInt8], idfStep: Float) {
    self.keys = keys
    self.rarity = rarity
    self.idfStep = idfStep
    idf = rarity.map { 1 + Float($0) * idfStep }
    var bits: UInt64 = 4
    while 1 << bits < keys.count * 2 { bits += 1 }
    slotShift = 64 - bits
    var slots = [UInt64](repeating: 0, count: 1 << Int(bits))
    for (feature, key) in keys.enumerated() {
      var place = Self.place(key, shift: slotShift)
      while slots[place] != 0 { place = (place + 1) & (slots.count - 1) }
      slots[place] = UInt64(key) << 32 | UInt64(feature + 1)
    }
    self.slots = slots
  }

  /// The feature of a key, or nil when training never saw it.
  @inline(__always)
  func feature(of key: UInt32) -> Int? {
    var place = Self.place(key, shift: slotShift)
    while true {
      let slot = slots[place]
      if slot == 0 { return nil }
      if slot >> 32 == UInt64(key) { return Int(slot & 0xFFFF_FFFF) &- 1 }
      place = (place &+ 1) & (slots.count &- 1)
    }
  }

  /// Hashed again: a hostile file may choose its keys, and one long run of taken slots must not follow from equal
  /// low bits.
  @inline(__always)
  private static func place(_ key: UInt32, shift: UInt64) -> Int {
    Int(truncatingIfNeeded: (UInt64(key) &* 0x9E37_79B9_7F4A_7C15) &>> shift)
  }
}
