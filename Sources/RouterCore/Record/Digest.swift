internal import CSHA256

/// 32 bytes of SHA-256, or of HMAC-SHA-256.
package struct SHA256Digest: Hashable, Sendable {
  // Big-endian words, so that `first` is the digest's first eight bytes read as a number.
  private var first: UInt64
  private var second: UInt64
  private var third: UInt64
  private var fourth: UInt64

  /// All bits zero: the `prev` of a log's first record.
  package static let zero = SHA256Digest(0, 0, 0, 0)

  private init(_ first: UInt64, _ second: UInt64, _ third: UInt64, _ fourth: UInt64) {
    self.first = first
    self.second = second
    self.third = third
    self.fourth = fourth
  }

  init(state: [8 of UInt32]) {
    func pair(_ index: Int) -> UInt64 { UInt64(state[index]) << 32 | UInt64(state[index + 1]) }
    self.init(pair(0), pair(2), pair(4), pair(6))
  }

  /// Reads 64 lower-case hex digits; nil for anything else, upper case included: one digest has one spelling.
  package init?(hex: Span<UInt8>) {
    guard hex.count == Self.hexCount else { return nil }
    var words: [4 of UInt64] = [0, 0, 0, 0]
    for index in 0..<Self.hexCount {
      guard let nibble = Self.nibble(hex[index]) else { return nil }
      words[index / 16] = words[index / 16] << 4 | UInt64(nibble)
    }
    self.init(words[0], words[1], words[2], words[3])
  }

  package static let byteCount = 32
  package static let hexCount = 64

  /// The first eight bytes as a big-endian number: uniform over all of UInt64 under HMAC, so usable as a draw.
  package var leadingBits: UInt64 { first }

  /// 32 bytes in the standard's order.
  package var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.byteCount)
    for word in [first, second, third, fourth] {
      for shift in stride(from: 56, through: 0, by: -8) {
        bytes.append(UInt8(truncatingIfNeeded: word >> shift))
      }
    }
    return bytes
  }

  /// 64 lower-case hex digits.
  package var hex: String {
    var digits: [UInt8] = []
    appendHex(to: &digits)
    return String(decoding: digits, as: UTF8.self)
  }

  /// Appends 64 lower-case hex digits; allocates only where `buffer` has no room left.
  package func appendHex(to buffer: inout [UInt8]) {
    let digits = hexWords
    // One copy of 64 bytes: appending them one by one costs more than the rest of a log line.
    unsafe digits.span.withUnsafeBytes { unsafe buffer.append(contentsOf: $0) }
  }

  /// Whether `line` has exactly this digest's 64 lower-case digits at `offset`.
  package func isSpelled(in line: Span<UInt8>, at offset: Int) -> Bool {
    guard offset >= 0, offset + Self.hexCount <= line.count else { return false }
    let digits = hexWords
    for word in 0..<8 {
      var expected = UInt64(littleEndian: digits[word])
      for index in 0..<8 {
        guard line[offset + word * 8 + index] == UInt8(truncatingIfNeeded: expected) else { return false }
        expected >>= 8
      }
    }
    return true
  }

  /// The digits as they stand in memory, eight to a word.
  private var hexWords: [8 of UInt64] {
    func high(_ word: UInt64) -> UInt64 { Self.spell(UInt32(truncatingIfNeeded: word >> 32)) }
    func low(_ word: UInt64) -> UInt64 { Self.spell(UInt32(truncatingIfNeeded: word)) }
    return [
      high(first), low(first), high(second), low(second), high(third), low(third), high(fourth), low(fourth),
    ]
  }

  /// Eight hex digits of a word at once, the most significant first in memory.
  private static func spell(_ word: UInt32) -> UInt64 {
    var nibbles = UInt64(word)
    nibbles = (nibbles | nibbles << 16) & 0x0000_FFFF_0000_FFFF
    nibbles = (nibbles | nibbles << 8) & 0x00FF_00FF_00FF_00FF
    nibbles = (nibbles | nibbles << 4) & 0x0F0F_0F0F_0F0F_0F0F
    let letters = (nibbles &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
    return (nibbles &+ 0x3030_3030_3030_3030 &+ letters &* 0x27).bigEndian
  }

  private static func nibble(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    default: nil
    }
  }
}

/// SHA-256 (FIPS 180-4), in one go or piece by piece.
package struct SHA256: Sendable {
  private var state: [8 of UInt32]
  private var block: [64 of UInt8] = .init(repeating: 0)
  private var filled = 0
  private var count: UInt64 = 0
  private let portable: Bool

  /// - Parameter portable: Leaves the processor's SHA instructions aside; for tests.
  package init(portable: Bool = false) {
    state = [
      0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
    ]
    self.portable = portable
  }

  package static func hash(_ bytes: Span<UInt8>) -> SHA256Digest {
    var hasher = SHA256()
    hasher.update(bytes)
    return hasher.finalize()
  }

  package static func hash(_ bytes: [UInt8]) -> SHA256Digest { hash(bytes.span) }

  package mutating func update(_ bytes: [UInt8]) { update(bytes.span) }

  package mutating func update(_ bytes: Span<UInt8>) {
    count &+= UInt64(bytes.count)
    var start = 0
    if filled > 0 {
      start = min(64 - filled, bytes.count)
      fill(bytes, 0..<start)
      guard filled == 64 else { return }
      compressBlock()
    }
    let whole = (bytes.count - start) / 64
    if whole > 0 {
      compress(bytes.extracting(start..<start + whole * 64))
      start += whole * 64
    }
    fill(bytes, start..<bytes.count)
  }

  /// The digest of everything given so far. The hasher itself is unchanged and may go on.
  package func finalize() -> SHA256Digest {
    var last = self
    last.block[last.filled] = 0x80
    for index in last.filled + 1..<64 { last.block[index] = 0 }
    if last.filled >= 56 {
      last.compressBlock()
      last.block = .init(repeating: 0)
    }
    let bits = count &* 8
    for index in 0..<8 {
      last.block[56 + index] = UInt8(truncatingIfNeeded: bits >> (56 - 8 * UInt64(index)))
    }
    last.compressBlock()
    return SHA256Digest(state: last.state)
  }

  private mutating func fill(_ bytes: Span<UInt8>, _ range: Range<Int>) {
    for index in range {
      block[filled] = bytes[index]
      filled += 1
    }
  }

  private mutating func compressBlock() {
    let full = block
    compress(full.span)
    filled = 0
  }

  /// - Parameter blocks: A whole number of blocks of 64 bytes.
  private mutating func compress(_ blocks: Span<UInt8>) {
    let portable = portable
    var words = state.mutableSpan
    unsafe words.withUnsafeMutableBufferPointer { words in
      unsafe blocks.withUnsafeBufferPointer { bytes in
        if portable {
          unsafe csha256_blocks_portable(words.baseAddress, bytes.baseAddress, bytes.count / 64)
        } else {
          unsafe csha256_blocks(words.baseAddress, bytes.baseAddress, bytes.count / 64)
        }
      }
    }
  }
}

/// A key of HMAC-SHA-256 (RFC 2104) with both padded blocks already hashed: two block operations less a text.
package struct HMACSHA256Key: Sendable {
  private let inner: SHA256
  private let outer: SHA256

  /// - Parameter key: Any length; over 64 bytes it stands for its own digest, as the RFC says.
  package init(_ key: [UInt8]) {
    let short = key.count > 64 ? SHA256.hash(key).bytes : key
    let padded = short + [UInt8](repeating: 0, count: 64 - short.count)
    var inner = SHA256()
    inner.update(padded.map { $0 ^ 0x36 })
    var outer = SHA256()
    outer.update(padded.map { $0 ^ 0x5c })
    self.inner = inner
    self.outer = outer
  }

  package func authenticate(_ text: Span<UInt8>) -> SHA256Digest {
    var inner = inner
    inner.update(text)
    var outer = outer
    outer.update(inner.finalize().bytes)
    return outer.finalize()
  }

  package func authenticate(_ text: [UInt8]) -> SHA256Digest { authenticate(text.span) }
}
