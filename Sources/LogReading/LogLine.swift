package import Wire

/// Reads one record of the log without making a tree of it: where each known member stands.
///
/// Its memory is used again from line to line; the text is passed along because it is not kept.
package struct LogLine {
  private var members: [JSONMemberRange] = []
  /// Index into `members` by ``LogField``, or −1.
  private var places = [Int16](repeating: -1, count: LogField.allCases.count)
  private var elements: [JSONElementRange] = []
  private var scratch: [UInt8] = []
  private let names = FieldNames()

  package init() {}

  /// Longest record that the log may hold, in bytes.
  package static let limitBytes = 65_536

  /// - Returns: Whether the line is a record: one JSON object with a `kind`, of a version that is known.
  package mutating func read(_ text: Span<UInt8>) -> Bool {
    guard text.count <= Self.limitBytes else { return false }
    do { try JSONIndex.members(of: text, into: &members) } catch { return false }
    for index in places.indices { places[index] = -1 }
    for (index, member) in members.enumerated() {
      guard let field = names.find(text.extracting(member.key)) else { continue }
      places[field] = Int16(truncatingIfNeeded: index)
    }
    return member(.kind)?.kind == .string && int(.v, in: text) == 1
  }

  private func member(_ field: LogField) -> JSONMemberRange? {
    let place = places[field.rawValue]
    return place >= 0 ? members[Int(place)] : nil
  }

  /// The decoded bytes of a string, passed to `body`; nil where there is no string.
  package mutating func withBytes<R>(_ field: LogField, in text: Span<UInt8>, _ body: (Span<UInt8>) -> R)
    -> R?
  {
    guard let member = member(field), member.kind == .string else { return nil }
    if !member.hasEscapes {
      return body(text.extracting(member.value.lowerBound + 1..<member.value.upperBound - 1))
    }
    scratch.removeAll(keepingCapacity: true)
    JSONIndex.unescape(text, member.value, into: &scratch)
    return body(scratch.span)
  }

  package func string(_ field: LogField, in text: Span<UInt8>) -> String? {
    guard let member = member(field), member.kind == .string else { return nil }
    return JSONIndex.string(text, member.value)
  }

  /// Whether the string has exactly these bytes; the text must not need escapes.
  package func isString(_ field: LogField, _ expected: StaticString, in text: Span<UInt8>) -> Bool {
    guard let member = member(field), member.kind == .string else { return false }
    return text.extracting(member.value.lowerBound + 1..<member.value.upperBound - 1).equals(expected)
  }

  package func int(_ field: LogField, in text: Span<UInt8>) -> Int? {
    guard let member = member(field), member.kind == .number else { return nil }
    return JSONIndex.int(text, member.value)
  }

  package func double(_ field: LogField, in text: Span<UInt8>) -> Double? {
    guard let member = member(field), member.kind == .number else { return nil }
    return DecimalText.double(text.extracting(member.value))
  }

  package func bool(_ field: LogField, in text: Span<UInt8>) -> Bool? {
    guard let member = member(field), member.kind == .bool else { return nil }
    return text[member.value.lowerBound] == UInt8(ascii: "t")
  }

  /// A tree of one member: for the few that are structured, and rare.
  package func value(_ field: LogField, in text: Span<UInt8>) -> JSONValue? {
    guard let member = member(field) else { return nil }
    return try? JSONValue(parsing: text.extracting(member.value))
  }

  /// Whether the member is an array or object with something in it.
  package func isFilled(_ field: LogField) -> Bool {
    guard let member = member(field), member.kind == .array || member.kind == .object else { return false }
    return member.value.count > 2
  }
}

/// Field numbers by name: open addressing over hashes that were worked out once.
private struct FieldNames {
  private var slots: [(hash: UInt64, field: Int16)]
  private static let mask = 511

  init() {
    slots = Array(repeating: (0, -1), count: Self.mask + 1)
    for field in LogField.allCases {
      let name = Array(field.name.utf8)
      let hash = Self.hash(name.span)
      var slot = Int(truncatingIfNeeded: hash) & Self.mask
      while slots[slot].field >= 0 { slot = (slot + 1) & Self.mask }
      slots[slot] = (hash, Int16(field.rawValue))
    }
  }

  @inline(__always)
  func find(_ name: Span<UInt8>) -> Int? {
    let hash = Self.hash(name)
    var slot = Int(truncatingIfNeeded: hash) & Self.mask
    while slots[slot].field >= 0 {
      if slots[slot].hash == hash { return Int(slots[slot].field) }
      slot = (slot + 1) & Self.mask
    }
    return nil
  }

  /// FNV-1a, folded so that the low bits depend on all of it.
  @inline(__always)
  private static func hash(_ name: Span<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for index in 0..<name.count { hash = (hash ^ UInt64(name[index])) &* 0x100_0000_01b3 }
    return hash ^ hash >> 29
  }
}

/// Numbers as they stand in JSON.
package enum DecimalText {
  /// Exact for the plain decimals that the log holds; everything else goes the slow way round.
  package static func double(_ text: Span<UInt8>) -> Double? {
    var mantissa: UInt64 = 0
    var decimals = 0
    var isAfterPoint = false
    let isNegative = text.count > 0 && text[0] == UInt8(ascii: "-")
    for index in (isNegative ? 1 : 0)..<text.count {
      let byte = text[index]
      if byte == UInt8(ascii: "."), !isAfterPoint {
        isAfterPoint = true
        continue
      }
      guard byte &- 0x30 < 10, index < 15 else { return Double(text.text) }
      mantissa = mantissa * 10 + UInt64(byte &- 0x30)
      if isAfterPoint { decimals += 1 }
    }
    // Both are below 2⁵³ and so exact; one division rounds once.
    let magnitude = Double(mantissa) / powers[decimals]
    return isNegative ? -magnitude : magnitude
  }

  private static let powers: [Double] = [
    1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
  ]
}

extension Span<UInt8> {
  package func equals(_ expected: StaticString) -> Bool {
    guard count == expected.utf8CodeUnitCount else { return false }
    for index in 0..<count where unsafe self[index] != expected.utf8Start[index] { return false }
    return true
  }
}
