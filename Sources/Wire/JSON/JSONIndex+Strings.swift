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
    let end = min(contents.upperBound, text.count)
    var at = contents.lowerBound
    output.reserveCapacity(output.count + contents.count)
    while at < end {
      let stop = ByteWords.first(UInt8(ascii: "\\"), in: text, from: at, to: end)
      output.append(copying: text, at..<stop)
      at = stop
      guard at < end else { return }
      at &+= appendEscape(text, at, to: &output)
    }
  }

  /// Decodes the escape at `at`. Returns its length.
  @inline(__always)
  static func appendEscape(_ text: Span<UInt8>, _ at: Int, to output: inout [UInt8]) -> Int {
    guard at &+ 1 < text.count else { return 1 }
    let byte = text[at &+ 1]
    switch byte {
    case UInt8(ascii: "n"): output.append(0x0A)
    case UInt8(ascii: "t"): output.append(0x09)
    case UInt8(ascii: "r"): output.append(0x0D)
    case UInt8(ascii: "b"): output.append(0x08)
    case UInt8(ascii: "f"): output.append(0x0C)
    case UInt8(ascii: "u"):
      guard let escape = try? JSONScanner.unicodeEscape(text, at) else { return 2 }
      UTF8Sequence.append(escape.scalar, to: &output)
      return escape.length
    default: output.append(byte)
    }
    return 2
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
