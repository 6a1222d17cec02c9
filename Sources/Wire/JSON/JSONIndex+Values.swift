// Reading values where they stand, by the places that ``JSONIndex`` found.

extension Span<UInt8> {
  /// Whether the bytes at `range` are those of `text`.
  package func equals(_ text: StaticString, in range: Range<Int>) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    return text.withUTF8Buffer { name in
      for i in 0..<name.count where unsafe self[range.lowerBound + i] != name[i] { return false }
      return true
    }
  }

  /// Whether a string value is `text`.
  package func holds(_ text: StaticString, in member: JSONMemberRange) -> Bool {
    guard member.kind == .string else { return false }
    guard member.hasEscapes else {
      return equals(text, in: (member.value.lowerBound + 1)..<(member.value.upperBound - 1))
    }
    return string(in: member) == text.description
  }

  package func key(of member: JSONMemberRange) -> String {
    string(in: (member.key.lowerBound - 1)..<(member.key.upperBound + 1), hasEscapes: member.keyHasEscapes)
  }

  package func string(in member: JSONMemberRange) -> String {
    string(in: member.value, hasEscapes: member.hasEscapes)
  }

  /// The string whose quotes stand at the ends of `range`.
  package func string(in range: Range<Int>, hasEscapes: Bool) -> String {
    if hasEscapes {
      var bytes: [UInt8] = []
      JSONIndex.unescape(self, range, into: &bytes)
      return String(decoding: bytes, as: UTF8.self)
    }
    let inner = extracting((range.lowerBound + 1)..<(range.upperBound - 1))
    return unsafe inner.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
  }

  package func bool(in range: Range<Int>) -> Bool { self[range.lowerBound] == UInt8(ascii: "t") }

  /// The value as a tree; nil where it nests too deep.
  package func tree(_ range: Range<Int>) -> JSONValue? { try? JSONValue(parsing: extracting(range)) }

  /// Also of numbers written otherwise, such as `7.0`.
  package func integer(in range: Range<Int>) -> Int? { JSONIndex.int(self, range) ?? tree(range)?.intValue }
}

extension JSONIndex {
  /// Every member name and every scalar but null of a value, in document order, however deep and however often a name
  /// stands: what ``JSONValue/forEachText(_:)`` visits, of values too that are no tree.
  ///
  /// - Parameters:
  ///   - range: A value inside a text that was checked whole.
  ///   - body: Gets the place, and whether it is a string with its quotes.
  package static func forEachText(
    of text: Span<UInt8>, in range: Range<Int>, _ body: (Range<Int>, _ isString: Bool) -> Void
  ) {
    var at = range.lowerBound
    while at < range.upperBound {
      let start = at
      switch text[at] {
      case UInt8(ascii: "\""):
        guard (try? JSONScanner.string(text, &at)) != nil else { return }
        body(start..<at, true)
      case UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: ","),
        UInt8(ascii: ":"), UInt8(ascii: " "), 9, 10, 13:
        at += 1
      default:
        while at < range.upperBound, !isEnd(text[at]) { at += 1 }
        if text[start] != UInt8(ascii: "n") { body(start..<at, false) }
      }
    }
  }

  private static func isEnd(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}"), UInt8(ascii: " "), 9, 10, 13: true
    default: false
    }
  }

  /// Whether the whole text is one JSON value; names may stand in it twice.
  package static func isValue(_ text: Span<UInt8>) -> Bool {
    var at = 0
    do throws(JSONError) {
      switch try JSONScanner.token(text, &at) {
      case UInt8(ascii: "{"), UInt8(ascii: "["): try skipContainer(text, &at)
      case UInt8(ascii: "\""): _ = try JSONScanner.string(text, &at)
      case let first: _ = try scalar(text, &at, first)
      }
    } catch {
      return false
    }
    while at < text.count, text[at] <= 32, isEnd(text[at]) { at += 1 }
    return at == text.count
  }
}
