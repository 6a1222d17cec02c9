/// Writes JSON without spaces onto the end of a buffer that is kept and used again.
///
/// Puts the commas itself; whoever writes sees to it that brackets and names match. Values written at the top
/// level, one after another, are not separated: ``newline()`` ends a line of NDJSON.
package struct JSONWriter {
  /// What was written so far. May be appended to, between values.
  package var bytes: [UInt8]
  private var depth = 0
  private var needsComma = false

  package init(capacity: Int = 0) {
    bytes = []
    bytes.reserveCapacity(capacity)
  }

  /// Forgets what was written and keeps the memory.
  package mutating func clear() {
    bytes.removeAll(keepingCapacity: true)
    depth = 0
    needsComma = false
  }

  package mutating func newline() {
    bytes.append(0x0A)
    needsComma = false
  }

  // MARK: Structure

  package mutating func beginObject() { open(UInt8(ascii: "{")) }
  package mutating func endObject() { close(UInt8(ascii: "}")) }
  package mutating func beginArray() { open(UInt8(ascii: "[")) }
  package mutating func endArray() { close(UInt8(ascii: "]")) }

  /// A member's name that needs no escapes, which is not checked in release builds.
  package mutating func key(_ name: StaticString) {
    assert(name.description.utf8.allSatisfy(ByteWords.isPlain), "a constant name must not need escapes")
    if needsComma { bytes.append(UInt8(ascii: ",")) }
    bytes.append(UInt8(ascii: "\""))
    append(name)
    bytes.append(UInt8(ascii: "\""))
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  /// A member's name that is JSON already, quotes and colon with it.
  package mutating func rawKey(_ name: [UInt8]) {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
    bytes.append(contentsOf: name)
    needsComma = false
  }

  package mutating func key(_ name: String) {
    string(name)
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  // MARK: Values

  package mutating func null() { raw("null") }

  package mutating func bool(_ value: Bool) { raw(value ? "true" : "false") }

  package mutating func int(_ value: Int) {
    beforeValue()
    if value < 0 { bytes.append(UInt8(ascii: "-")) }
    appendDecimal(UInt64(value.magnitude))
  }

  package mutating func uint(_ value: UInt64) {
    beforeValue()
    appendDecimal(value)
  }

  /// The shortest text that reads back the same; null for an infinity or not-a-number.
  package mutating func double(_ value: Double) {
    guard value.isFinite else { return null() }
    beforeValue()
    append(utf8Of: JSONNumber.shortest(value))
  }

  package mutating func number(_ value: JSONNumber) {
    beforeValue()
    append(utf8Of: value.literal)
  }

  package mutating func string(_ value: String) {
    var value = value
    beforeValue()
    bytes.append(UInt8(ascii: "\""))
    value.withUTF8 { unsafe appendEscaped($0.span) }
    bytes.append(UInt8(ascii: "\""))
  }

  /// A constant that needs no escapes, which is not checked in release builds.
  package mutating func word(_ value: StaticString) {
    assert(value.description.utf8.allSatisfy(ByteWords.isPlain), "a constant must not need escapes")
    quoted { $0.append(contentsOf: value) }
  }

  /// A string that `write` appends, none of it in need of escapes, which is not checked.
  package mutating func quoted(_ write: (inout [UInt8]) -> Void) {
    beforeValue()
    bytes.append(UInt8(ascii: "\""))
    write(&bytes)
    bytes.append(UInt8(ascii: "\""))
  }

  /// What is not valid UTF-8 becomes U+FFFD.
  package mutating func string(utf8 value: Span<UInt8>) {
    beforeValue()
    bytes.append(UInt8(ascii: "\""))
    appendEscaped(value)
    bytes.append(UInt8(ascii: "\""))
  }

  /// What is not valid UTF-8 becomes U+FFFD.
  package mutating func string(_ value: [UInt8]) { string(utf8: value.span) }

  /// A value that is JSON already.
  package mutating func raw(_ json: StaticString) {
    beforeValue()
    append(json)
  }

  /// A value that is JSON already.
  package mutating func rawBytes(_ json: [UInt8]) { rawBytes(json.span) }

  /// A value that is JSON already.
  package mutating func rawBytes(_ json: Span<UInt8>) {
    beforeValue()
    bytes.append(copying: json, 0..<json.count)
  }

  package mutating func value(_ value: JSONValue) {
    switch value {
    case .null: null()
    case .bool(let value): bool(value)
    case .number(let value): number(value)
    case .string(let value): string(value)
    case .array(let elements):
      beginArray()
      for element in elements { self.value(element) }
      endArray()
    case .object(let members):
      beginObject()
      for member in members {
        key(member.name)
        self.value(member.value)
      }
      endObject()
    }
  }

  /// Equal values give the same bytes: members sorted by their names' bytes, numbers in one form.
  ///
  /// Of members of the same name all are written, in document order.
  package mutating func canonical(_ value: JSONValue) {
    switch value {
    case .null, .bool, .string: self.value(value)
    case .number(let number):
      beforeValue()
      append(utf8Of: number.canonicalLiteral)
    case .array(let elements):
      beginArray()
      for element in elements { canonical(element) }
      endArray()
    case .object(let members):
      beginObject()
      for member in members.sortedByName() {
        key(member.name)
        canonical(member.value)
      }
      endObject()
    }
  }
}

// MARK: - Inside

extension JSONWriter {
  @inline(__always)
  private mutating func beforeValue() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
    needsComma = depth > 0
  }

  private mutating func open(_ bracket: UInt8) {
    beforeValue()
    bytes.append(bracket)
    depth += 1
    needsComma = false
  }

  private mutating func close(_ bracket: UInt8) {
    bytes.append(bracket)
    depth -= 1
    needsComma = depth > 0
  }

  @inline(__always)
  private mutating func append(_ text: StaticString) { bytes.append(contentsOf: text) }

  private mutating func append(utf8Of text: String) { bytes.append(contentsOf: text.utf8) }

  private mutating func appendDecimal(_ value: UInt64) {
    var rest = value
    var digits = [20 of UInt8](repeating: 0)
    var start = 20
    repeat {
      start -= 1
      digits[start] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    } while rest > 0
    bytes.append(copying: digits.span, start..<20)
  }

  /// Copies runs that need nothing in one go. U+007F is no control character to JSON and stays.
  private mutating func appendEscaped(_ text: Span<UInt8>) {
    var run = 0
    var at = 0
    while true {
      at = ByteWords.plainEnd(text, from: at)
      guard at < text.count else { break }
      if text[at] >= 0x80 {
        let length = UTF8Sequence.length(text, at: at)
        if length > 0 {
          at &+= length
          continue
        }
        bytes.append(copying: text, run..<at)
        append("\u{FFFD}")
        at &-= length
      } else {
        bytes.append(copying: text, run..<at)
        appendEscape(text[at])
        at &+= 1
      }
      run = at
    }
    bytes.append(copying: text, run..<at)
  }

  private mutating func appendEscape(_ byte: UInt8) {
    bytes.append(UInt8(ascii: "\\"))
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
    case 0x0A: bytes.append(UInt8(ascii: "n"))
    case 0x09: bytes.append(UInt8(ascii: "t"))
    case 0x0D: bytes.append(UInt8(ascii: "r"))
    case 0x08: bytes.append(UInt8(ascii: "b"))
    case 0x0C: bytes.append(UInt8(ascii: "f"))
    default:
      append("u00")
      bytes.append(hexadecimal(byte >> 4))
      bytes.append(hexadecimal(byte & 0xF))
    }
  }

  /// Lower case.
  private func hexadecimal(_ digit: UInt8) -> UInt8 {
    digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit
  }
}

extension JSONValue {
  /// Compact text, numbers as they were written.
  package var jsonBytes: [UInt8] {
    var writer = JSONWriter()
    writer.value(self)
    return writer.bytes
  }

  package var jsonText: String { String(decoding: jsonBytes, as: UTF8.self) }

  /// Compact text that is the same for equal values: for comparing and hashing.
  package var canonicalBytes: [UInt8] {
    var writer = JSONWriter()
    writer.canonical(self)
    return writer.bytes
  }

  package var canonicalText: String { String(decoding: canonicalBytes, as: UTF8.self) }
}

extension [UInt8] {
  /// Appends a constant in one copy.
  package mutating func append(contentsOf text: StaticString) {
    unsafe append(
      contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }
}
