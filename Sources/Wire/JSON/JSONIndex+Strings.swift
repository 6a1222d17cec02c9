extension JSONIndex {
  /// Appends the text of a string value, its escapes decoded.
  ///
  /// - Parameters:
  ///   - text: The text that the value was found in.
  ///   - value: The whole value with its quotes, as an index lists it. Places that do not hold a checked string
  ///     give some bytes or none, but never a fault.
  package static func unescape(_ text: Span<UInt8>, _ value: Range<Int>, into output: inout [UInt8]) {
    guard value.count >= 2 else { return }
    unescape(contents: value.lowerBound + 1..<value.upperBound - 1, of: text, into: &output)
  }

  /// Appends what stands inside the quotes of a string, such as a member's name, its escapes decoded.
  package static func unescape(
    contents: Range<Int>, of text: Span<UInt8>, into output: inout [UInt8]
  ) {
    let contents = contents.clamped(to: 0..<text.count)
    // With nothing to add the library writes to the storage that all empty arrays share.
    guard !contents.isEmpty else { return }
    output.append(addingCapacity: contents.count) { (space: inout OutputSpan<UInt8>) in
      unsafe space.withUnsafeMutableBufferPointer { (buffer, count) in
        unsafe count = decode(contents, of: text, to: buffer)
      }
    }
  }

  /// Writes decoded text and returns its length.
  ///
  /// No escape is shorter than what it stands for. So what was written is never longer than what was read, and
  /// a whole word may be stored wherever a whole word could be read: room for `contents` is enough.
  @inline(__always)
  private static func decode(
    _ contents: Range<Int>, of text: Span<UInt8>, to buffer: UnsafeMutableBufferPointer<UInt8>
  ) -> Int {
    guard let start = buffer.baseAddress else { return 0 }
    let bytes = UnsafeMutableRawPointer(start)
    var at = contents.lowerBound
    var count = 0
    while true {
      unsafe copyPlain(text, &at, before: contents.upperBound, to: bytes, &count)
      guard at < contents.upperBound else { return count }
      let escape = escape(text, at, before: contents.upperBound)
      at &+= escape.length
      for shift in 0..<escape.utf8Count {
        let byte = UInt8(truncatingIfNeeded: escape.utf8 >> UInt32(shift &* 8))
        unsafe bytes.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count &+= 1
      }
    }
  }

  /// Copies up to the next backslash or the end. Whole words are stored; what of them is not text is
  /// overwritten by what follows.
  @inline(__always)
  private static func copyPlain(
    _ text: Span<UInt8>, _ at: inout Int, before end: Int, to bytes: UnsafeMutableRawPointer,
    _ count: inout Int
  ) {
    while at &+ 16 <= end {
      let first = ByteWords.load(text, at)
      let second = ByteWords.load(text, at &+ 8)
      unsafe bytes.storeBytes(of: first.littleEndian, toByteOffset: count, as: UInt64.self)
      unsafe bytes.storeBytes(of: second.littleEndian, toByteOffset: count &+ 8, as: UInt64.self)
      let inFirst = ByteWords.equal(first, 0x5C5C_5C5C_5C5C_5C5C)
      let inSecond = ByteWords.equal(second, 0x5C5C_5C5C_5C5C_5C5C)
      if inFirst | inSecond != 0 {
        let plain = inFirst != 0 ? ByteWords.firstByte(inFirst) : 8 &+ ByteWords.firstByte(inSecond)
        at &+= plain
        count &+= plain
        return
      }
      at &+= 16
      count &+= 16
    }
    while at < end, text[at] != UInt8(ascii: "\\") {
      unsafe bytes.storeBytes(of: text[at], toByteOffset: count, as: UInt8.self)
      at &+= 1
      count &+= 1
    }
  }

  private struct Escape {
    /// In the text.
    var length: Int
    /// What it stands for, the first byte lowest.
    var utf8: UInt32
    var utf8Count: Int
  }

  /// The escape at `at`. One that is malformed stands for nothing or for its second byte.
  @inline(__always)
  private static func escape(_ text: Span<UInt8>, _ at: Int, before end: Int) -> Escape {
    guard at &+ 1 < end else { return Escape(length: 1, utf8: 0, utf8Count: 0) }
    let byte = text[at &+ 1]
    switch byte {
    case UInt8(ascii: "n"): return Escape(length: 2, utf8: 0x0A, utf8Count: 1)
    case UInt8(ascii: "t"): return Escape(length: 2, utf8: 0x09, utf8Count: 1)
    case UInt8(ascii: "r"): return Escape(length: 2, utf8: 0x0D, utf8Count: 1)
    case UInt8(ascii: "b"): return Escape(length: 2, utf8: 0x08, utf8Count: 1)
    case UInt8(ascii: "f"): return Escape(length: 2, utf8: 0x0C, utf8Count: 1)
    case UInt8(ascii: "u"):
      guard let escape = try? JSONScanner.unicodeEscape(text, at), at &+ escape.length <= end else {
        return Escape(length: 2, utf8: 0, utf8Count: 0)
      }
      let encoded = UTF8Sequence.encoded(escape.scalar)
      return Escape(length: escape.length, utf8: encoded.bytes, utf8Count: encoded.count)
    default: return Escape(length: 2, utf8: UInt32(byte), utf8Count: 1)
    }
  }

  /// The text of a string value.
  package static func string(_ text: Span<UInt8>, _ value: Range<Int>) -> String {
    var bytes: [UInt8] = []
    unescape(text, value, into: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The value of a number that is written as a plain integer and fits; nil for anything else.
  package static func int(_ text: Span<UInt8>, _ value: Range<Int>) -> Int? {
    var at = value.lowerBound
    guard at < value.upperBound, value.upperBound <= text.count else { return nil }
    let isNegative = text[at] == UInt8(ascii: "-")
    if isNegative { at += 1 }
    guard at < value.upperBound else { return nil }
    var result = 0
    while at < value.upperBound {
      guard text[at].isDigit else { return nil }
      let digit = Int(text[at] &- UInt8(ascii: "0"))
      let (scaled, overflow) = result.multipliedReportingOverflow(by: 10)
      // Counted downwards, because the least integer has no positive counterpart.
      let (sum, carry) = scaled.subtractingReportingOverflow(digit)
      guard !overflow, !carry else { return nil }
      result = sum
      at += 1
    }
    if isNegative { return result }
    return result == Int.min ? nil : -result
  }
}

extension JSONMemberRange {
  /// Whether the member's name is this one, however it is escaped.
  @inline(__always)
  package func isNamed(_ name: StaticString, in text: Span<UInt8>) -> Bool {
    guard !keyHasEscapes else { return isNamedWithEscapes(name, in: text) }
    let count = name.utf8CodeUnitCount
    guard key.count == count else { return false }
    for offset in 0..<count {
      guard unsafe text[key.lowerBound &+ offset] == name.utf8Start[offset] else { return false }
    }
    return true
  }

  @inline(never)
  package func isNamedWithEscapes(_ name: StaticString, in text: Span<UInt8>) -> Bool {
    var bytes: [UInt8] = []
    JSONIndex.unescape(contents: key, of: text, into: &bytes)
    return unsafe bytes.elementsEqual(
      UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
  }
}

/// The names of an object's members, as an index lists them.
enum JSONNames {
  /// Up to this many names are compared with each other; more go through a table, because a sender could
  /// make the comparison take the square of a megabyte.
  private static let comparedDirectly = 24

  static func refuseRepeated(_ text: Span<UInt8>, _ members: [JSONMemberRange]) throws(JSONError) {
    guard members.count <= comparedDirectly, !members.contains(where: \.keyHasEscapes) else {
      return try refuseRepeatedByTable(text, members)
    }
    for later in members.indices.dropFirst() {
      let name = members[later].key
      for earlier in 0..<later where members[earlier].key.count == name.count {
        guard !isSame(text, members[earlier].key.lowerBound, name) else {
          throw JSONError(.duplicateName, at: name.lowerBound)
        }
      }
    }
  }

  @inline(__always)
  private static func isSame(_ text: Span<UInt8>, _ first: Int, _ second: Range<Int>) -> Bool {
    for offset in 0..<second.count where text[first &+ offset] != text[second.lowerBound &+ offset] {
      return false
    }
    return true
  }

  private static func refuseRepeatedByTable(
    _ text: Span<UInt8>, _ members: [JSONMemberRange]
  ) throws(JSONError) {
    var seen = Set<[UInt8]>(minimumCapacity: members.count)
    for member in members {
      var name: [UInt8] = []
      JSONIndex.unescape(contents: member.key, of: text, into: &name)
      guard seen.insert(name).inserted else { throw JSONError(.duplicateName, at: member.key.lowerBound) }
    }
  }
}

extension [UInt8] {
  /// Appends a part of a text in one copy.
  @inline(__always)
  mutating func append(copying text: Span<UInt8>, _ range: Range<Int>) {
    let part = text.extracting(range)
    unsafe part.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
  }
}
