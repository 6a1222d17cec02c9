import Testing
import Wire

@Suite("The JSON index")
struct JSONIndexTests {
  private func index(_ text: [UInt8]) throws(JSONError) -> [JSONMemberRange] {
    var members: [JSONMemberRange] = []
    try JSONIndex.members(of: text.span, into: &members)
    return members
  }

  private func error(_ text: [UInt8]) -> JSONError? {
    do throws(JSONError) {
      _ = try index(text)
      return nil
    } catch {
      return error
    }
  }

  private func error(_ text: String) -> JSONError? { error(Array(text.utf8)) }

  /// The tree, read through the index at every level.
  private func tree(_ text: [UInt8], _ value: Range<Int>, _ kind: JSONKind) throws -> JSONValue {
    switch kind {
    case .string:
      return .string(JSONIndex.string(text.span, value))
    case .array:
      var elements: [JSONElementRange] = []
      try JSONIndex.elements(of: text.span, in: value, into: &elements)
      return .array(try elements.map { try tree(text, $0.value, $0.kind) })
    case .object:
      var members: [JSONMemberRange] = []
      try JSONIndex.members(of: text.span, in: value, into: &members)
      return .object(
        try members.map { member in
          var name: [UInt8] = []
          JSONIndex.unescape(contents: member.key, of: text.span, into: &name)
          return JSONMember(
            String(decoding: name, as: UTF8.self), try tree(text, member.value, member.kind))
        })
    case .null, .bool, .number:
      return try JSONValue(parsing: Array(text[value]))
    }
  }

  @Test("gives the same tree as the parser, for random values", arguments: 0..<8)
  func sameTree(seed: Int) throws {
    var random = RandomJSON(UInt64(seed))
    for _ in 0..<150 {
      let value = random.object()
      let text = value.jsonBytes
      #expect(try JSONValue(parsing: text) == value)
      #expect(try tree(text, 0..<text.count, .object) == value)
    }
  }

  @Test("agrees with the parser on what is JSON, for random damage", arguments: 0..<8)
  func sameVerdict(seed: Int) {
    var random = RandomJSON(UInt64(1000 + seed))
    var refused = 0
    for _ in 0..<1500 {
      let text = random.mutated(random.object().jsonBytes)
      var fromTree: JSONError?
      do throws(JSONError) {
        _ = try JSONValue(parsing: text, options: JSONOptions(allowsRepeatedNames: true))
      } catch {
        fromTree = error
        refused += 1
      }
      let fromIndex = error(text)
      // The index alone looks for repeated names, and for an object.
      let isOwnRule = fromIndex?.kind == .duplicateName || fromIndex?.kind == .notAnObject
      #expect(fromTree == fromIndex || isOwnRule, "\(text)")
    }
    #expect(refused > 200)
  }

  @Test("lists members in their order, with places, kinds and escapes")
  func listing() throws {
    let text = Array(
      #" {"a" : "x\ny", "\u0062":[1,{"c":2}],"d":{},"e":-1.5e3,"f":true ,"g":null,"h":""} "#.utf8)
    let members = try index(text)
    #expect(members.map(\.kind) == [.string, .array, .object, .number, .bool, .null, .string])
    #expect(members.map(\.hasEscapes) == [true, false, false, false, false, false, false])
    #expect(members.map(\.keyHasEscapes) == [false, true, false, false, false, false, false])
    let values = members.map { String(decoding: text[$0.value], as: UTF8.self) }
    #expect(values == [#""x\ny""#, #"[1,{"c":2}]"#, "{}", "-1.5e3", "true", "null", "\"\""])
    func isNamed(_ member: JSONMemberRange, _ name: StaticString) -> Bool {
      member.isNamed(name, in: text.span)
    }
    #expect(isNamed(members[1], "b"))
    #expect(!isNamed(members[1], "\\u0062"))
    #expect(isNamed(members[0], "a"))
    #expect(!isNamed(members[0], "ab"))
  }

  @Test(
    "names what is wrong and where",
    arguments: [
      ("", .endOfText, 0), ("  ", .endOfText, 2), ("[]", .notAnObject, 0), ("1", .notAnObject, 0),
      ("\u{FEFF}{}", .byteOrderMark, 0), ("{", .endOfText, 1), ("{}x", .trailingText, 2),
      ("{} {}", .trailingText, 3), ("{\"a\" 1}", .unexpectedByte, 5), ("{\"a\":1,}", .unexpectedByte, 7),
      ("{a:1}", .unexpectedByte, 1), ("{\"a\":01}", .invalidNumber, 5), ("{\"a\":1.}", .invalidNumber, 5),
      ("{\"a\":-}", .invalidNumber, 5), ("{\"a\":+1}", .unexpectedByte, 5),
      ("{\"a\":NaN}", .unexpectedByte, 5), ("{\"a\":nul}", .unexpectedByte, 5),
      ("{\"a\":nu", .endOfText, 7), ("{\"a\":\"\u{1}\"}", .controlCharacter, 6),
      ("{\"a\":\"\\x\"}", .invalidEscape, 6), ("{\"a\":\"\\u12g4\"}", .invalidEscape, 6),
      ("{\"a\":\"\\ud800\"}", .loneSurrogate, 6), ("{\"a\":\"\\udc00\"}", .loneSurrogate, 6),
      ("{\"a\":\"\\ud800\\u0041\"}", .loneSurrogate, 6), ("{\"a\":1,\"a\":2}", .duplicateName, 8),
      ("{\"a\":1,\"\\u0061\":2}", .duplicateName, 8), ("{\"a\":[1}", .unexpectedByte, 7),
      ("{\"a\":{\"b\":1]}", .unexpectedByte, 11), ("{\"a\":\"b", .endOfText, 7),
      ("{\"a\":'b'}", .unexpectedByte, 5),
    ] as [(String, JSONError.Kind, Int)])
  func errors(text: String, kind: JSONError.Kind, offset: Int) {
    #expect(error(text) == JSONError(kind, at: offset))
  }

  @Test("refuses repeated names also among very many, in little time")
  func manyNames() throws {
    let many = (0..<20_000).map { "\"k\($0)\":0" }.joined(separator: ",")
    #expect(error("{\(many)}") == nil)
    #expect(error("{\(many),\"k7\":1}")?.kind == .duplicateName)
  }

  @Test("takes names that Swift calls equal for different", arguments: [0, 40])
  func canonicallyEquivalentNames(others: Int) throws {
    let more = (0..<others).map { ",\"k\($0)\":0" }.joined()
    let text = "{\"\u{E9}\":1,\"e\u{301}\":2\(more)}"
    #expect(error(text) == nil)
    #expect(try JSONValue(parsing: text)["e\u{301}"] == 2)
  }

  @Test("counts the outermost value as the first of 512 levels, like the parser")
  func depth() throws {
    for (levels, isFine) in [(512, true), (513, false), (514, false), (100_000, false)] {
      let inner = levels - 1
      let text = Array(
        ("{\"a\":" + String(repeating: "[", count: inner) + String(repeating: "]", count: inner) + "}").utf8)
      #expect((error(text) == nil) == isFine, "\(levels)")
      #expect(((try? JSONValue(parsing: text)) != nil) == isFine, "\(levels)")
    }
    for (pairs, isFine) in [(256, true), (257, false)] {
      let mixed =
        String(repeating: "{\"a\":[", count: pairs) + "1" + String(repeating: "]}", count: pairs)
      #expect((error(mixed) == nil) == isFine, "\(pairs) pairs")
      #expect(error(mixed.replacing("]}]}", with: "]]}}")) != nil)
    }
  }

  @Test(
    "reads plain integers",
    arguments: [
      ("0", 0), ("-0", 0), ("17", 17), ("-9223372036854775808", Int.min), ("9223372036854775807", Int.max),
      ("9223372036854775808", nil), ("-9223372036854775809", nil), ("1.0", nil), ("1e2", nil), ("-", nil),
      ("", nil),
    ] as [(String, Int?)])
  func integers(text: String, value: Int?) {
    let bytes = Array(text.utf8)
    #expect(JSONIndex.int(bytes.span, 0..<bytes.count) == value)
  }

  @Test("finds a bad byte at every place of a string of every length")
  func everyPlace() {
    let bad: [(UInt8, JSONError.Kind)] = [
      (0x1F, .controlCharacter), (0xFF, .invalidUTF8), (0, .controlCharacter),
    ]
    for length in 1...70 {
      for place in 0..<length {
        for (byte, kind) in bad {
          var text = Array("{\"a\":\"\(String(repeating: "x", count: length))\"}".utf8)
          text[6 + place] = byte
          #expect(error(text) == JSONError(kind, at: 6 + place))
        }
      }
    }
  }
}
