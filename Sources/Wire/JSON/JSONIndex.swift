/// What a JSON value is, told from its first byte.
package enum JSONKind: UInt8, Sendable {
  case null, bool, number, string, array, object
}

/// One member of an object, as places in the text it was found in.
package struct JSONMemberRange: Sendable, Equatable {
  /// The name, inside its quotes, as written.
  package var key: Range<Int>
  package var keyHasEscapes: Bool
  /// The whole value; of a string with its quotes.
  package var value: Range<Int>
  package var kind: JSONKind
  /// Whether the value is a string that holds escapes.
  package var hasEscapes: Bool
}

/// One element of an array, as places in the text it was found in.
package struct JSONElementRange: Sendable, Equatable {
  /// The whole value; of a string with its quotes.
  package var value: Range<Int>
  package var kind: JSONKind
  /// Whether the value is a string that holds escapes.
  package var hasEscapes: Bool
}

/// Finds the parts of a JSON text without copying any of it: the way a frame is read.
///
/// Every function checks the whole of what it is given as strictly as ``JSONValue`` does and never recurses;
/// nothing is allocated once the caller's list has grown. Repeated names are refused among the members that
/// are listed, not in objects further inside.
package enum JSONIndex {
  /// Levels of nesting accepted, the outermost value being the first.
  package static let maximumDepth = 512

  /// Lists the members of a text that is exactly one object, in their order.
  ///
  /// - Throws: What is wrong with the text, wherever in it; the list then holds the members before. A repeated name is
  ///   found last: the list holds all members then, and what stands behind the object has not been looked at.
  package static func members(
    of text: Span<UInt8>, into list: inout [JSONMemberRange]
  ) throws(JSONError) {
    var strings = LongStrings()
    try members(of: text, into: &list, noting: &strings)
  }

  /// The same, noting where long strings end, wherever in the text: those who look at nested values need not read
  /// through them again.
  package static func members(
    of text: Span<UInt8>, into list: inout [JSONMemberRange], noting strings: inout LongStrings
  ) throws(JSONError) {
    list.removeAll(keepingCapacity: true)
    strings.forget()
    var at = try JSONScanner.begin(text)
    try object(text, &at, into: &list, &strings)
    try JSONScanner.end(text, at)
    strings.isComplete = true
  }

  /// Lists the members of an object inside a text, as found by an earlier call.
  package static func members(
    of text: Span<UInt8>, in value: Range<Int>, into list: inout [JSONMemberRange],
    knowing strings: LongStrings = LongStrings()
  ) throws(JSONError) {
    list.removeAll(keepingCapacity: true)
    var at = value.lowerBound
    var strings = strings
    try object(text, &at, into: &list, &strings)
  }

  /// Lists the elements of an array inside a text, as found by an earlier call.
  package static func elements(
    of text: Span<UInt8>, in value: Range<Int>, into list: inout [JSONElementRange],
    knowing strings: LongStrings = LongStrings()
  ) throws(JSONError) {
    list.removeAll(keepingCapacity: true)
    var at = value.lowerBound
    var strings = strings
    try array(text, &at, into: &list, &strings)
  }

  private static func object(
    _ text: Span<UInt8>, _ at: inout Int, into list: inout [JSONMemberRange], _ strings: inout LongStrings
  ) throws(JSONError) {
    guard try JSONScanner.token(text, &at) == UInt8(ascii: "{") else {
      throw JSONError(.notAnObject, at: at)
    }
    at &+= 1
    if try JSONScanner.token(text, &at) == UInt8(ascii: "}") {
      at &+= 1
      return
    }
    while true {
      let name = try name(text, &at)
      let value = try value(text, &at, &strings)
      list.append(
        JSONMemberRange(
          key: name.range, keyHasEscapes: name.hasEscapes, value: value.value, kind: value.kind,
          hasEscapes: value.hasEscapes))
      switch try JSONScanner.token(text, &at) {
      case UInt8(ascii: ","):
        at &+= 1
      case UInt8(ascii: "}"):
        at &+= 1
        return try JSONNames.refuseRepeated(text, list)
      default: throw JSONError(.unexpectedByte, at: at)
      }
    }
  }

  private static func array(
    _ text: Span<UInt8>, _ at: inout Int, into list: inout [JSONElementRange], _ strings: inout LongStrings
  ) throws(JSONError) {
    guard try JSONScanner.token(text, &at) == UInt8(ascii: "[") else {
      throw JSONError(.notAnArray, at: at)
    }
    at &+= 1
    if try JSONScanner.token(text, &at) == UInt8(ascii: "]") {
      at &+= 1
      return
    }
    while true {
      list.append(try value(text, &at, &strings))
      switch try JSONScanner.token(text, &at) {
      case UInt8(ascii: ","):
        at &+= 1
      case UInt8(ascii: "]"):
        at &+= 1
        return
      default: throw JSONError(.unexpectedByte, at: at)
      }
    }
  }

  /// A member's name and the colon after it.
  @inline(__always)
  private static func name(
    _ text: Span<UInt8>, _ at: inout Int
  ) throws(JSONError) -> (range: Range<Int>, hasEscapes: Bool) {
    guard try JSONScanner.token(text, &at) == UInt8(ascii: "\"") else {
      throw JSONError(.unexpectedByte, at: at)
    }
    let start = at &+ 1
    let hasEscapes = try JSONScanner.string(text, &at)
    let end = at &- 1
    guard try JSONScanner.token(text, &at) == UInt8(ascii: ":") else {
      throw JSONError(.unexpectedByte, at: at)
    }
    at &+= 1
    return (start..<end, hasEscapes)
  }

  /// Any value directly inside the outermost one.
  @inline(__always)
  private static func value(
    _ text: Span<UInt8>, _ at: inout Int, _ strings: inout LongStrings
  ) throws(JSONError) -> JSONElementRange {
    let first = try JSONScanner.token(text, &at)
    let start = at
    var hasEscapes = false
    let kind: JSONKind
    switch first {
    case UInt8(ascii: "\""):
      hasEscapes = try string(text, &at, &strings)
      kind = .string
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      try container(text, &at, &strings)
      kind = first == UInt8(ascii: "{") ? .object : .array
    default:
      kind = try scalar(text, &at, first)
    }
    return JSONElementRange(value: start..<at, kind: kind, hasEscapes: hasEscapes)
  }

  /// A string value: jumped over where it is known.
  @inline(__always)
  private static func string(
    _ text: Span<UInt8>, _ at: inout Int, _ strings: inout LongStrings
  ) throws(JSONError) -> Bool {
    if let known = strings.known(at: at) {
      at = known.end
      return known.hasEscapes
    }
    let start = at
    let hasEscapes = try JSONScanner.string(text, &at)
    strings.note(start, at, hasEscapes)
    return hasEscapes
  }

  /// A number, `true`, `false` or `null`.
  @inline(__always)
  static func scalar(
    _ text: Span<UInt8>, _ at: inout Int, _ first: UInt8
  ) throws(JSONError) -> JSONKind {
    switch first {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
      try JSONScanner.number(text, &at)
      return .number
    case UInt8(ascii: "t"):
      try JSONScanner.literal(text, &at, "true")
      return .bool
    case UInt8(ascii: "f"):
      try JSONScanner.literal(text, &at, "false")
      return .bool
    case UInt8(ascii: "n"):
      try JSONScanner.literal(text, &at, "null")
      return .null
    default:
      throw JSONError(.unexpectedByte, at: at)
    }
  }

  /// As ``container(_:_:_:)``, directly inside the outermost object.
  static func skipContainer(_ text: Span<UInt8>, _ at: inout Int) throws(JSONError) {
    var strings = LongStrings()
    try container(text, &at, &strings)
  }

  /// A whole object or array with everything in it: `at` on its bracket.
  private static func container(
    _ text: Span<UInt8>, _ at: inout Int, _ strings: inout LongStrings
  ) throws(JSONError) {
    var levels = OpenLevels()
    repeat {
      // Here stands a value.
      let first = try JSONScanner.token(text, &at)
      switch first {
      case UInt8(ascii: "\""):
        _ = try string(text, &at, &strings)
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        let isObject = first == UInt8(ascii: "{")
        try levels.open(isObject: isObject, at: at)
        at &+= 1
        if try JSONScanner.token(text, &at) == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
          at &+= 1
          levels.close()
          break
        }
        if isObject { _ = try name(text, &at) }
        continue
      default:
        _ = try scalar(text, &at, first)
      }
      try afterValue(text, &at, &levels)
    } while levels.count > 0
  }

  /// Closes what ends here, and goes to the next value if one follows.
  @inline(__always)
  private static func afterValue(
    _ text: Span<UInt8>, _ at: inout Int, _ levels: inout OpenLevels
  ) throws(JSONError) {
    while levels.count > 0 {
      let byte = try JSONScanner.token(text, &at)
      if byte == UInt8(ascii: ",") {
        at &+= 1
        if levels.innermostIsObject { _ = try name(text, &at) }
        return
      }
      guard byte == (levels.innermostIsObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else {
        throw JSONError(.unexpectedByte, at: at)
      }
      at &+= 1
      levels.close()
    }
  }
}

/// The containers that are open below the outermost one, one bit each: 1 for an object.
private struct OpenLevels {
  private var bits = [8 of UInt64](repeating: 0)
  private(set) var count = 0
  private(set) var innermostIsObject = false

  @inline(__always)
  mutating func open(isObject: Bool, at offset: Int) throws(JSONError) {
    // The outermost container, whose members are being listed, is a level too.
    guard count &+ 1 < JSONIndex.maximumDepth else { throw JSONError(.tooDeep, at: offset) }
    let mask: UInt64 = 1 << UInt64(truncatingIfNeeded: count & 63)
    if isObject { bits[count &>> 6] |= mask } else { bits[count &>> 6] &= ~mask }
    count &+= 1
    innermostIsObject = isObject
  }

  @inline(__always)
  mutating func close() {
    count &-= 1
    guard count > 0 else { return }
    let last = count &- 1
    innermostIsObject = bits[last &>> 6] >> UInt64(truncatingIfNeeded: last & 63) & 1 == 1
  }
}
