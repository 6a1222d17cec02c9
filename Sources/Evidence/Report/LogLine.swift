internal import Glibc
internal import Wire

/// Reads one record of the log without making a tree of it: where each known member stands.
///
/// Its memory is used again from line to line; the text is passed along because it is not kept.
struct LogLine {
  private var outline = JSONOutline(LogField.allCases.map(\.name))
  private var scratch: [UInt8] = []

  /// Longest record that the log may hold, in bytes.
  static let limitBytes = 65_536

  /// - Returns: Whether the line is a record: one JSON object with a `kind`, of a version that is known.
  mutating func read(_ text: Span<UInt8>) -> Bool {
    guard text.count <= Self.limitBytes, outline.read(text) else { return false }
    return member(.kind)?.kind == .string && int(.v, in: text) == 1
  }

  @inline(__always)
  private func member(_ field: LogField) -> JSONPlace? {
    let place = outline.places[field.rawValue]
    return place.reading == outline.reading ? place : nil
  }

  /// The decoded bytes of a string, passed to `body`; nil where there is no string.
  mutating func withBytes<R>(_ field: LogField, in text: Span<UInt8>, _ body: (Span<UInt8>) -> R) -> R? {
    guard let member = member(field), member.kind == .string else { return nil }
    if !member.hasEscapes {
      return body(text.extracting(Int(member.start) + 1..<Int(member.end) - 1))
    }
    scratch.removeAll(keepingCapacity: true)
    JSONIndex.unescape(text, member.range, into: &scratch)
    return body(scratch.span)
  }

  func string(_ field: LogField, in text: Span<UInt8>) -> String? {
    guard let member = member(field), member.kind == .string else { return nil }
    return JSONIndex.string(text, member.range)
  }

  /// Whether the string has exactly these bytes; the text must not need escapes.
  func isString(_ field: LogField, _ expected: StaticString, in text: Span<UInt8>) -> Bool {
    guard let member = member(field), member.kind == .string else { return false }
    return text.extracting(Int(member.start) + 1..<Int(member.end) - 1).equals(expected)
  }

  func int(_ field: LogField, in text: Span<UInt8>) -> Int? {
    guard let member = member(field), member.kind == .number else { return nil }
    return JSONIndex.int(text, member.range)
  }

  func double(_ field: LogField, in text: Span<UInt8>) -> Double? {
    guard let member = member(field), member.kind == .number else { return nil }
    return DecimalText.double(text.extracting(member.range))
  }

  func bool(_ field: LogField, in text: Span<UInt8>) -> Bool? {
    guard let member = member(field), member.kind == .bool else { return nil }
    return text[Int(member.start)] == UInt8(ascii: "t")
  }

  /// Whether a `review` says something of the candidate's answer: not one of the challenger's answer, nor one of a
  /// planted item, which says something of the reviewer.
  func isAboutCandidate(_ text: Span<UInt8>) -> Bool {
    !isString(.subject, "challenger", in: text) && !isString(.stream, "planted", in: text)
  }

  /// A tree of one member: for the few that are structured, and rare.
  func value(_ field: LogField, in text: Span<UInt8>) -> JSONValue? {
    guard let member = member(field) else { return nil }
    return try? JSONValue(parsing: text.extracting(member.range))
  }

  /// Whether the member is an array or object with something in it.
  func isFilled(_ field: LogField) -> Bool {
    guard let member = member(field), member.kind == .array || member.kind == .object else { return false }
    return member.end - member.start > 2
  }
}

/// Numbers as they stand in JSON.
enum DecimalText {
  /// Exact for the plain decimals that the log holds; everything else goes the slow way round.
  static func double(_ text: Span<UInt8>) -> Double? {
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
  func equals(_ expected: StaticString) -> Bool {
    guard count == expected.utf8CodeUnitCount else { return false }
    return unsafe withUnsafeBufferPointer { bytes in
      guard let base = bytes.baseAddress else { return true }
      return unsafe memcmp(base, expected.utf8Start, bytes.count) == 0
    }
  }
}
