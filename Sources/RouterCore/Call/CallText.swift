/// The text of a call: its parts, joined by one line feed in document order (contract, section 2).
///
/// It is what is scanned, hashed, counted, previewed and given to the candidate. UTF-8, valid.
package struct CallText: Sendable, Equatable {
  package private(set) var bytes: [UInt8] = []
  /// The places of the parts in ``bytes``, ascending; what lies between two is one line feed.
  package private(set) var parts: [Range<Int>] = []

  package init() {}

  package init(_ text: String) {
    appendPart { bytes in bytes.append(contentsOf: text.utf8) }
  }

  /// Adds a part; `write` appends its bytes to what it is given and changes nothing before them. An empty one adds nothing.
  package mutating func appendPart<E: Error>(_ write: (inout [UInt8]) throws(E) -> Void) throws(E) {
    if !parts.isEmpty { bytes.append(UInt8(ascii: "\n")) }
    let start = bytes.count
    try write(&bytes)
    if bytes.count > start {
      parts.append(start..<bytes.count)
    } else if !parts.isEmpty {
      bytes.removeLast()
    }
  }

  package mutating func reserve(_ count: Int) { bytes.reserveCapacity(count) }

  /// The text without the parts for which `isExempt` holds: what is scanned and counted.
  ///
  /// The rest is joined as if the exempt parts had never been there, so that a term may span the gap:
  /// the safe side.
  package func without(_ isExempt: (Range<Int>) -> Bool) -> [UInt8]? {
    guard parts.contains(where: isExempt) else { return nil }
    var rest: [UInt8] = []
    rest.reserveCapacity(bytes.count)
    var isFirst = true
    for part in parts where !isExempt(part) {
      if !isFirst { rest.append(UInt8(ascii: "\n")) }
      isFirst = false
      rest.append(contentsOf: bytes[part])
    }
    return rest
  }
}

/// Unicode scalars in valid UTF-8: the bytes that do not continue a scalar.
package func scalarCount(_ text: Span<UInt8>) -> Int {
  let bytes = unsafe text.bytes
  var continuations = 0
  var at = 0
  while at &+ 8 <= text.count {
    let word = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: UInt64.self)
    // The top bit set and the next one clear; then one bit a byte, added up by one multiplication.
    let marks = word & (~word &<< 1) & 0x8080_8080_8080_8080
    if marks != 0 { continuations &+= Int((marks &>> 7 &* 0x0101_0101_0101_0101) &>> 56) }
    at &+= 8
  }
  while at < text.count {
    if text[at] & 0xC0 == 0x80 { continuations &+= 1 }
    at &+= 1
  }
  return text.count - continuations
}
