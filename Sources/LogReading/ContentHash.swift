/// 128 bits that stand for an id of the log: a call's or a run's.
///
/// Ids are up to 128 characters and there may be millions; what the report keeps of each is 16 bytes. Two ids are taken
/// for one only by a collision, which at 2 million ids has a chance of about 1e-26. Not keyed: ids come from the agent
/// that is being measured, who has nothing to gain.
public struct ContentHash: Hashable, Sendable, BitwiseCopyable {
  public let high: UInt64
  public let low: UInt64

  package init(_ bytes: Span<UInt8>) {
    var high: UInt64 = 0x9e37_79b9_7f4a_7c15 ^ UInt64(bytes.count)
    var low: UInt64 = 0xd6e8_feb8_6659_fd93
    let whole = bytes.count & ~7
    for start in stride(from: 0, to: whole, by: 8) {
      // Inside by the loop's bound; eight bytes at once, because every id and name of every record comes through here.
      unsafe Self.mix(&high, &low, bytes.bytes.unsafeLoadUnaligned(fromByteOffset: start, as: UInt64.self))
    }
    var rest: UInt64 = 0
    for index in whole..<bytes.count { rest = rest << 8 | UInt64(bytes[index]) }
    if whole < bytes.count { Self.mix(&high, &low, rest) }
    Self.mix(&high, &low, 0x5851_f42d_4c95_7f2d)
    self.high = high
    self.low = low
  }

  /// Of what this stands for together with a number.
  package func with(_ number: Int) -> ContentHash { ContentHash(self, number) }

  private init(_ hash: ContentHash, _ number: Int) {
    var (high, low) = (hash.high, hash.low)
    Self.mix(&high, &low, UInt64(truncatingIfNeeded: number))
    self.high = high
    self.low = low
  }

  @inline(__always)
  private static func mix(_ high: inout UInt64, _ low: inout UInt64, _ word: UInt64) {
    let first = (high ^ word).multipliedFullWidth(by: 0xa076_1d64_78bd_642f)
    let second = (low ^ word).multipliedFullWidth(by: 0xe703_7ed1_a0b4_28db)
    high = first.high ^ first.low ^ low
    low = (second.high ^ second.low) &+ high
  }

  @inlinable public static func == (left: Self, right: Self) -> Bool {
    left.low == right.low && left.high == right.high
  }

  /// Half of it, where millions are kept.
  package var short: UInt64 { low }

  /// The hash is its own bits: hashing them again would cost more than it gives.
  public func hash(into hasher: inout Hasher) { hasher.combine(low) }
}

/// Small numbers for texts that repeat: task types, models, labels. Texts beyond `limit` share one number, ``overflow``.
package struct Interner: Sendable {
  package internal(set) var texts: [String] = []
  private var hashes: [ContentHash] = []
  /// Number plus one; 0 is free. Always a power of two, at most half full.
  private var slots = [UInt32](repeating: 0, count: 64)
  private let limit: Int
  package static let overflow = "(others)"

  package init(limit: Int) { self.limit = limit }

  /// One of the same limit, with these ``texts``.
  func restored(_ texts: [String]) -> Interner {
    var names = Interner(limit: limit)
    for text in texts.prefix(limit) { _ = names.number(text) }
    if texts.count > limit { names.texts.append(Self.overflow) }
    return names
  }

  package mutating func number(_ bytes: Span<UInt8>) -> Int {
    let hash = ContentHash(bytes)
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash.low) & mask
    while slots[slot] != 0 {
      let number = Int(slots[slot]) - 1
      if hashes[number] == hash { return number }
      slot = (slot + 1) & mask
    }
    // The number after the last regular one stands for all that came too late; they are not kept apart.
    guard hashes.count < limit else {
      if texts.count == limit { texts.append(Self.overflow) }
      return limit
    }
    texts.append(bytes.text)
    hashes.append(hash)
    slots[slot] = UInt32(hashes.count)
    if hashes.count * 2 > slots.count { grow() }
    return hashes.count - 1
  }

  private mutating func grow() {
    slots = [UInt32](repeating: 0, count: slots.count * 2)
    let mask = slots.count - 1
    for (number, hash) in hashes.enumerated() {
      var slot = Int(truncatingIfNeeded: hash.low) & mask
      while slots[slot] != 0 { slot = (slot + 1) & mask }
      slots[slot] = UInt32(number + 1)
    }
  }

  package mutating func number(_ text: String) -> Int { number(Array(text.utf8).span) }

  package subscript(number: Int) -> String { texts[number] }
}
