/// The header lines of a message, in their order. Names are compared without regard to ASCII case.
package struct HTTPHeaders: Sendable, Equatable, ExpressibleByDictionaryLiteral {
  package struct Line: Sendable, Equatable {
    package var name: String
    package var value: String

    package init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  package private(set) var lines: [Line] = []

  package init() {}

  package init(dictionaryLiteral elements: (String, String)...) {
    lines = elements.map { Line($0, $1) }
  }

  package mutating func add(_ name: String, _ value: String) { lines.append(Line(name, value)) }

  /// The first value of this name. Setting it takes the place of every line of that name; nil removes them.
  package subscript(_ name: String) -> String? {
    get { lines.first { $0.name.isSameHeaderName(as: name) }?.value }
    set {
      lines.removeAll { $0.name.isSameHeaderName(as: name) }
      if let newValue { add(name, newValue) }
    }
  }

  /// Every value of this name, in order.
  package func values(_ name: String) -> [String] {
    lines.filter { $0.name.isSameHeaderName(as: name) }.map(\.value)
  }

  /// The parts of a comma-separated header over all its lines, in lower case.
  package func tokens(_ name: String) -> [String] {
    values(name).flatMap { value in
      value.utf8.split(separator: UInt8(ascii: ",")).map { part in
        HTTPText.trimmed(part).map(HTTPText.lowercased).decodedUTF8
      }
    }
  }
}

/// The character classes of RFC 9110 and 9112.
enum HTTPText {
  /// A character of a token: methods and header names.
  static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"),
      UInt8(ascii: "%"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"),
      UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"),
      UInt8(ascii: "|"), UInt8(ascii: "~"):
      true
    default: false
    }
  }

  static func isToken(_ bytes: some Collection<UInt8>) -> Bool {
    !bytes.isEmpty && bytes.allSatisfy(isTokenByte)
  }

  /// A character of a header value or reason phrase: no control byte but the tab.
  static func isValueByte(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7F || byte == 0x09 }

  /// A character of a request target: visible ASCII.
  static func isTargetByte(_ byte: UInt8) -> Bool { byte > 0x20 && byte < 0x7F }

  static func lowercased(_ byte: UInt8) -> UInt8 {
    byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
  }

  /// Without spaces and tabs at either end.
  static func trimmed<Bytes: BidirectionalCollection<UInt8>>(_ bytes: Bytes) -> Bytes.SubSequence {
    var part = bytes[...]
    while let first = part.first, isBlank(first) { part = part.dropFirst() }
    while let last = part.last, isBlank(last) { part = part.dropLast() }
    return part
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}

extension String {
  func isSameHeaderName(as other: String) -> Bool {
    utf8.count == other.utf8.count
      && zip(utf8, other.utf8).allSatisfy { HTTPText.lowercased($0) == HTTPText.lowercased($1) }
  }
}

extension Collection<UInt8> {
  /// As text; what is not UTF-8 becomes U+FFFD.
  var decodedUTF8: String { String(decoding: self, as: UTF8.self) }
}
