/// A JSON text as a tree, for everything off the path of the frames: policies, replies of models, schemas.
///
/// Equality is that of JSON: the order of members does not matter, numbers compare by value, strings by their
/// scalars ("é" in one scalar and in two are different strings, as they are in JSON though not in Swift).
package indirect enum JSONValue: Sendable {
  case null
  case bool(Bool)
  case number(JSONNumber)
  case string(String)
  case array([JSONValue])
  /// In document order.
  case object([JSONMember])
}

package struct JSONMember: Sendable, Equatable {
  package var name: String
  package var value: JSONValue

  package init(_ name: String, _ value: JSONValue) {
    self.name = name
    self.value = value
  }

  package static func == (left: Self, right: Self) -> Bool {
    left.name.hasSameScalars(as: right.name) && left.value == right.value
  }
}

extension JSONValue {
  package var kind: JSONKind {
    switch self {
    case .null: .null
    case .bool: .bool
    case .number: .number
    case .string: .string
    case .array: .array
    case .object: .object
    }
  }

  package var isNull: Bool { kind == .null }

  package var boolValue: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  package var numberValue: JSONNumber? {
    if case .number(let value) = self { value } else { nil }
  }

  /// ±infinity where a number is out of range for a double.
  package var doubleValue: Double? { numberValue?.double }

  /// nil also where a number is not integral or does not fit.
  package var intValue: Int? { numberValue?.int }

  package var stringValue: String? {
    if case .string(let value) = self { value } else { nil }
  }

  package var arrayValue: [JSONValue]? {
    if case .array(let value) = self { value } else { nil }
  }

  package var members: [JSONMember]? {
    if case .object(let value) = self { value } else { nil }
  }

  /// The member of this name; the last one where a name is repeated. nil in anything but an object.
  package subscript(_ name: String) -> JSONValue? {
    members?.last { $0.name.hasSameScalars(as: name) }?.value
  }

  /// The element at this place, from 0; nil outside the array and in anything else.
  /// The member's value where it is a whole number that is not negative; nil for anything else.
  package func count(_ name: String) -> Int? {
    guard let count = self[name]?.intValue, count >= 0 else { return nil }
    return count
  }

  package subscript(_ index: Int) -> JSONValue? {
    guard let elements = arrayValue, elements.indices.contains(index) else { return nil }
    return elements[index]
  }

  /// The value that an RFC 6901 pointer names: `""` is the whole, `/a/0` the first element of member `a`.
  ///
  /// - Returns: nil where nothing is there, and for what is no pointer.
  package func pointer(_ pointer: String) -> JSONValue? {
    // Cut by bytes, since a slash and a combining mark after it are one character to Swift.
    var parts = pointer.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)[...]
    guard let first = parts.popFirst(), first.isEmpty else { return nil }
    var place = self
    for part in parts {
      guard let token = Self.pointerToken(part), let next = place.child(token) else { return nil }
      place = next
    }
    return place
  }

  /// Whether a text is written as RFC 6901 asks, wherever it may lead.
  package static func isPointer(_ text: String) -> Bool {
    let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    return parts.first?.isEmpty == true && parts.allSatisfy { pointerToken($0) != nil }
  }

  /// A name as it stands between the slashes of a pointer.
  package static func pointerEscaped(_ name: String) -> String {
    guard name.utf8.contains(where: { $0 == UInt8(ascii: "~") || $0 == UInt8(ascii: "/") }) else {
      return name
    }
    var bytes: [UInt8] = []
    for byte in name.utf8 {
      switch byte {
      case UInt8(ascii: "~"): bytes += [byte, UInt8(ascii: "0")]
      case UInt8(ascii: "/"): bytes += [UInt8(ascii: "~"), UInt8(ascii: "1")]
      default: bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private func child(_ token: String) -> JSONValue? {
    switch self {
    case .object: self[token]
    case .array: Self.arrayIndex(token).flatMap { self[$0] }
    default: nil
    }
  }

  private static func arrayIndex(_ token: String) -> Int? {
    guard token == "0" || token.utf8.first.map({ $0.isDigit && $0 != UInt8(ascii: "0") }) == true else {
      return nil
    }
    return Int(token)
  }

  /// Undoes `~0` and `~1`; nil where a tilde is followed by anything else.
  private static func pointerToken(_ part: Substring.UTF8View.SubSequence) -> String? {
    var bytes: [UInt8] = []
    var rest = part[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "~") else {
        bytes.append(byte)
        continue
      }
      switch rest.popFirst() {
      case UInt8(ascii: "0"): bytes.append(UInt8(ascii: "~"))
      case UInt8(ascii: "1"): bytes.append(UInt8(ascii: "/"))
      default: return nil
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension JSONValue: Equatable {
  package static func == (left: Self, right: Self) -> Bool {
    switch (left, right) {
    case (.null, .null): true
    case (.bool(let left), .bool(let right)): left == right
    case (.number(let left), .number(let right)): left == right
    case (.string(let left), .string(let right)): left.hasSameScalars(as: right)
    case (.array(let left), .array(let right)): left == right
    case (.object(let left), .object(let right)): areSame(left, right)
    case (.null, _), (.bool, _), (.number, _), (.string, _), (.array, _), (.object, _): false
    }
  }

  private static func areSame(_ left: [JSONMember], _ right: [JSONMember]) -> Bool {
    guard left.count == right.count else { return false }
    return left == right || left.sortedByName() == right.sortedByName()
  }
}

extension JSONValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByStringLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(integerLiteral value: Int) { self = .number(JSONNumber(value)) }
  package init(stringLiteral value: String) { self = .string(value) }
  package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  package init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(elements.map { JSONMember($0, $1) })
  }
}

extension [JSONMember] {
  /// By the bytes of their names, which is the order of their scalars.
  func sortedByName() -> [JSONMember] {
    sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
  }
}

extension String {
  /// Equality as JSON has it. Swift's own takes canonically equivalent strings for equal.
  func hasSameScalars(as other: String) -> Bool {
    utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
  }
}
