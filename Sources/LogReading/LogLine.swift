internal import Glibc
package import Wire

/// Reads one record of the log without making a tree of it: where each known member stands.
///
/// Its memory is used again from line to line; the text is passed along because it is not kept.
package struct LogLine {
  private static let names = LogField.allCases.map(\.name)
  private var outline = JSONOutline(names)
  private var scratch: [UInt8] = []
  /// Of the line read last; nil: a kind that no version had.
  package private(set) var kind: RecordKind?
  private var clock = MinuteClock()

  package init() {}

  /// Longest record that the log may hold, in bytes.
  package static let limitBytes = 65_536

  /// - Returns: Whether the line is a record: one JSON object with a `kind`, of a version that is known.
  package mutating func read(_ text: Span<UInt8>) -> Bool {
    guard text.count <= Self.limitBytes, outline.read(text) else { return false }
    guard int(.v, in: text) == 1, let kind = withBytes(.kind, in: text, { RecordKind($0) }) else {
      return false
    }
    self.kind = kind
    return true
  }

  /// `ts` in milliseconds since 1970; nil where it is no time.
  package mutating func time(in text: Span<UInt8>) -> Int64? {
    guard let member = member(.ts), case .string = member.kind, !member.hasEscapes else {
      return withBytes(.ts, in: text) { LogTime.parse($0) } ?? nil
    }
    return clock.read(text.extracting(Int(member.start) + 1..<Int(member.end) - 1))
  }

  @inline(__always)
  private func member(_ field: LogField) -> JSONPlace? {
    let place = outline.places[field.rawValue]
    return place.reading == outline.reading ? place : nil
  }

  /// The decoded bytes of a string, passed to `body`; nil where there is no string.
  package mutating func withBytes<R>(_ field: LogField, in text: Span<UInt8>, _ body: (Span<UInt8>) -> R)
    -> R?
  {
    guard let member = member(field), case .string = member.kind else { return nil }
    if !member.hasEscapes {
      return body(text.extracting(Int(member.start) + 1..<Int(member.end) - 1))
    }
    scratch.removeAll(keepingCapacity: true)
    JSONIndex.unescape(text, member.range, into: &scratch)
    return body(scratch.span)
  }

  // What every record is asked for has ways of its own: a closure's result of any type is slow from another module.

  package mutating func hash(_ field: LogField, in text: Span<UInt8>) -> ContentHash? {
    withBytes(field, in: text) { ContentHash($0) }
  }

  /// The number that the text has, or gets, among `names`.
  package mutating func number(_ field: LogField, in text: Span<UInt8>, _ names: inout Interner) -> Int? {
    withBytes(field, in: text) { names.number($0) }
  }

  /// As ``number(_:in:_:)``, of the part before the first colon.
  package mutating func codeNumber(_ field: LogField, in text: Span<UInt8>, _ names: inout Interner) -> Int? {
    withBytes(field, in: text) { code in
      var end = 0
      while end < code.count, code[end] != UInt8(ascii: ":") { end += 1 }
      return names.number(code.extracting(0..<end))
    }
  }

  package mutating func append(_ field: LogField, in text: Span<UInt8>, to bytes: inout [UInt8]) {
    withBytes(field, in: text) { bytes.append(copying: $0) }
  }

  /// Replaces `bytes` by the string; by nothing where there is none.
  package mutating func copy(_ field: LogField, in text: Span<UInt8>, to bytes: inout [UInt8]) {
    bytes.removeAll(keepingCapacity: true)
    withBytes(field, in: text) { bytes.append(copying: $0) }
  }

  /// Whether there is a string of these bytes.
  package mutating func holds(_ field: LogField, _ bytes: [UInt8], in text: Span<UInt8>) -> Bool {
    withBytes(field, in: text) { $0.isSame(as: bytes.span) } ?? false
  }

  package func string(_ field: LogField, in text: Span<UInt8>) -> String? {
    guard let member = member(field), case .string = member.kind else { return nil }
    return JSONIndex.string(text, member.range)
  }

  /// Whether the string has exactly these bytes; the text must not need escapes.
  package func isString(_ field: LogField, _ expected: StaticString, in text: Span<UInt8>) -> Bool {
    guard let member = member(field), case .string = member.kind else { return false }
    return text.extracting(Int(member.start) + 1..<Int(member.end) - 1).equals(expected)
  }

  /// Numbers beyond this are none that a record has: taken for absent, so that sums of them stay sums.
  private static let mostInt = 1 << 48

  package func int(_ field: LogField, in text: Span<UInt8>) -> Int? {
    guard let member = member(field), case .number = member.kind,
      let value = JSONIndex.int(text, member.range),
      -Self.mostInt...Self.mostInt ~= value
    else { return nil }
    return value
  }

  package func double(_ field: LogField, in text: Span<UInt8>) -> Double? {
    guard let member = member(field), case .number = member.kind else { return nil }
    return DecimalText.double(text.extracting(member.range))
  }

  package func bool(_ field: LogField, in text: Span<UInt8>) -> Bool? {
    guard let member = member(field), case .bool = member.kind else { return nil }
    return text[Int(member.start)] == UInt8(ascii: "t")
  }

  /// What stands for the very bytes of a member, where there is one.
  package func fingerprint(_ field: LogField, in text: Span<UInt8>) -> ContentHash? {
    member(field).map { ContentHash(text.extracting($0.range)) }
  }

  /// Whether it is a string with something in it.
  package func isFilledText(_ field: LogField) -> Bool {
    guard let member = member(field), case .string = member.kind else { return false }
    return member.end - member.start > 2
  }

  package func isNumber(_ field: LogField) -> Bool {
    if case .number = member(field)?.kind { true } else { false }
  }

  /// A tree of one member: for the few that are structured, and rare.
  package func value(_ field: LogField, in text: Span<UInt8>) -> JSONValue? {
    guard let member = member(field) else { return nil }
    return try? JSONValue(parsing: text.extracting(member.range))
  }

  /// Whether the member is an array or object with something in it.
  package func isFilled(_ field: LogField) -> Bool {
    guard let member = member(field), member.kind == .array || member.kind == .object else { return false }
    return member.end - member.start > 2
  }
}

/// Reads times of which many in a row are of one minute.
private struct MinuteClock {
  private var minute: [UInt8] = []
  private var start: Int64 = 0

  /// As ``LogTime/parse(_:)-(Span<UInt8>)``.
  mutating func read(_ text: Span<UInt8>) -> Int64? {
    // 2026-11-21T10:08:51.703Z
    guard text.count == 24, text[23] == UInt8(ascii: "Z"), text[19] == UInt8(ascii: "."),
      text[16] == UInt8(ascii: ":"),
      let seconds = Self.number(text, 17, 2), seconds < 60, let rest = Self.number(text, 20, 3)
    else { return LogTime.parse(text) }
    let own = minute
    guard own.count == 16, text.extracting(0..<16).isSame(as: own.span) else {
      guard let time = LogTime.parse(text) else { return nil }
      start = time - seconds * 1_000 - rest
      minute = text.extracting(0..<16).copied
      return time
    }
    return start + seconds * 1_000 + rest
  }

  private static func number(_ text: Span<UInt8>, _ at: Int, _ count: Int) -> Int64? {
    var value: Int64 = 0
    for index in at..<at + count {
      let digit = text[index] &- UInt8(ascii: "0")
      guard digit < 10 else { return nil }
      value = value * 10 + Int64(digit)
    }
    return value
  }
}

/// Numbers as they stand in JSON.
package enum DecimalText {
  /// Exact for the plain decimals that the log holds; everything else goes the slow way round.
  package static func double(_ text: Span<UInt8>) -> Double? {
    let value = unsafe text.withUnsafeBufferPointer { unsafe plain($0) }
    return value ?? Double(text.text)
  }

  /// At most 15 bytes, no exponent.
  private static func plain(_ text: UnsafeBufferPointer<UInt8>) -> Double? {
    guard text.count <= 15 else { return nil }
    var mantissa: UInt64 = 0
    var point = text.count
    let isNegative = unsafe text.count > 0 && text[0] == UInt8(ascii: "-")
    for index in (isNegative ? 1 : 0)..<text.count {
      let digit = unsafe text[index] &- UInt8(ascii: "0")
      if digit < 10 {
        mantissa = mantissa &* 10 &+ UInt64(digit)
      } else {
        guard unsafe text[index] == UInt8(ascii: "."), point == text.count else { return nil }
        point = index
      }
    }
    // Both are below 2⁵³ and so exact; one division rounds once.
    let decimals = point == text.count ? 0 : text.count - point - 1
    let magnitude = decimals == 0 ? Double(mantissa) : Double(mantissa) / powers[decimals]
    return isNegative ? -magnitude : magnitude
  }

  private static let powers: [Double] = [
    1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
  ]
}

extension Span<UInt8> {
  package func isSame(as other: Span<UInt8>) -> Bool {
    guard count == other.count else { return false }
    return unsafe withUnsafeBufferPointer { left in
      unsafe other.withUnsafeBufferPointer { right in
        guard let one = left.baseAddress, let two = right.baseAddress else { return true }
        return unsafe memcmp(one, two, left.count) == 0
      }
    }
  }

  package func equals(_ expected: StaticString) -> Bool {
    guard count == expected.utf8CodeUnitCount else { return false }
    return unsafe withUnsafeBufferPointer { bytes in
      guard let base = bytes.baseAddress else { return true }
      return unsafe memcmp(base, expected.utf8Start, bytes.count) == 0
    }
  }
}
