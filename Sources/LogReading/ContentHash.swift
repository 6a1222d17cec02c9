/// 128 bits that stand for an id of the log: a call's or a run's.
///
/// Ids are up to 128 characters and there may be millions; what the report keeps of each is 16 bytes. Two ids are taken
/// for one only by a collision, which at 2 million ids has a chance of about 1e-26. Not keyed: ids come from the agent
/// that is being measured, who has nothing to gain.
public struct ContentHash: Hashable, Sendable {
  public let high: UInt64
  public let low: UInt64

  public init(_ bytes: Span<UInt8>) {
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

  @inline(__always)
  private static func mix(_ high: inout UInt64, _ low: inout UInt64, _ word: UInt64) {
    let first = (high ^ word).multipliedFullWidth(by: 0xa076_1d64_78bd_642f)
    let second = (low ^ word).multipliedFullWidth(by: 0xe703_7ed1_a0b4_28db)
    high = first.high ^ first.low ^ low
    low = (second.high ^ second.low) &+ high
  }

  /// Half of it, where millions are kept.
  package var short: UInt64 { low }

  /// The hash is its own bits: hashing them again would cost more than it gives.
  public func hash(into hasher: inout Hasher) { hasher.combine(low) }
}

/// Small numbers for texts that repeat: task types, models, labels. Texts beyond `limit` share one number, ``overflow``.
public struct Interner: Sendable {
  public private(set) var texts: [String] = []
  private var numbers: [ContentHash: Int] = [:]
  private let limit: Int
  public static let overflow = "(others)"

  public init(limit: Int) { self.limit = limit }

  public mutating func number(_ bytes: Span<UInt8>) -> Int {
    let hash = ContentHash(bytes)
    if let known = numbers[hash] { return known }
    // The number after the last regular one stands for all that came too late; they are not kept apart.
    guard texts.count < limit else {
      if texts.count == limit { texts.append(Self.overflow) }
      return limit
    }
    texts.append(bytes.text)
    numbers[hash] = texts.count - 1
    return texts.count - 1
  }

  public mutating func number(_ text: String) -> Int { number(Array(text.utf8).span) }

  public subscript(number: Int) -> String { texts[number] }
}
