import Testing
import Wire

@Suite("JSON values")
struct JSONValueTests {
  private func number(_ text: String) throws -> JSONNumber {
    try #require(try JSONValue(parsing: text).numberValue)
  }

  @Test(
    "compare numbers by value",
    arguments: [
      ("1", "1.0", true), ("1", "1e0", true), ("100", "1E+2", true), ("0", "-0.0e7", true),
      ("0.1", "1e-1", true), ("1", "2", false), ("1", "-1", false),
      ("9007199254740992", "9007199254740993", false), ("1e400", "1e401", false), ("0.10", "0.1", true),
      ("123.456", "123456e-3", true), ("10", "1", false),
    ])
  func numbers(left: String, right: String, same: Bool) throws {
    let (left, right) = (try number(left), try number(right))
    #expect((left == right) == same)
    #expect((left.canonicalLiteral == right.canonicalLiteral) == same)
  }

  @Test(
    "give integers where they are integral and fit",
    arguments: [
      ("7", 7), ("7.0", 7), ("70e-1", 7), ("1e3", 1000), ("-0", 0), ("0.0", 0), ("0e9999", 0), ("7.5", nil),
      ("1e19", nil), ("9223372036854775807", Int.max), ("9223372036854775808", nil),
      ("-9223372036854775808", Int.min), ("9.223372036854775807e18", Int.max), ("1e-400", nil),
      ("1e999999999999999999999", nil),
    ] as [(String, Int?)])
  func integers(text: String, value: Int?) throws {
    let got = try number(text).int
    #expect(got == value)
  }

  @Test(
    "write numbers in one shortest form",
    arguments: [
      ("100", "100"), ("1e2", "100"), ("1.50", "1.5"), ("-0.0", "0"), ("1e21", "1e+21"),
      ("1e20", "100000000000000000000"), ("0.000001", "0.000001"), ("1e-7", "1e-7"),
      ("-12.5e-9", "-1.25e-8"), ("123456789012345678901234", "1.23456789012345678901234e+23"),
      ("12345e-2", "123.45"),
    ])
  func canonicalNumbers(text: String, canonical: String) throws {
    let got = try number(text).canonicalLiteral
    #expect(got == canonical)
  }

  @Test(
    "have a canonical form of the same value, however large the exponent",
    arguments: [
      "1231e99990123456789012345678901234567890", "-0.00123e-99990123456789012345678901234567890",
      "1e1000000000000000", "12e999999999999999", "0.1e1000000000000001",
    ])
  func hugeExponents(text: String) throws {
    let one = try number(text)
    let other = try number(one.canonicalLiteral)
    #expect(one == other)
    #expect(other.canonicalLiteral == one.canonicalLiteral)
  }

  @Test(
    "compare objects without order, arrays and strings with all they hold",
    arguments: [
      (#"{"a":1,"b":[2,{"c":3}]}"#, #"{"b":[2.0,{"c":3}],"a":1}"#, true), ("[1,2]", "[2,1]", false),
      (#"{"a":1}"#, #"{"a":1,"b":null}"#, false), ("\"\u{E9}\"", "\"e\u{301}\"", false),
      (#""\u00e9""#, "\"\u{E9}\"", true), ("null", "false", false), ("0", "false", false),
      ("[]", "{}", false), (#"{"a":1,"b":2}"#, #"{"a":2,"b":1}"#, false),
    ])
  func equality(left: String, right: String, same: Bool) throws {
    let (left, right) = (try JSONValue(parsing: left), try JSONValue(parsing: right))
    #expect((left == right) == same)
    #expect((left.canonicalBytes == right.canonicalBytes) == same)
  }

  private static let document =
    #"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#

  @Test(
    "answer RFC 6901 pointers",
    arguments: [
      ("", document), ("/foo", #"["bar","baz"]"#), ("/foo/0", #""bar""#), ("/", "0"), ("/a~1b", "1"),
      ("/c%d", "2"), ("/e^f", "3"), ("/g|h", "4"), ("/i\\j", "5"), ("/k\"l", "6"), ("/ ", "7"),
      ("/m~0n", "8"), ("/foo/2", nil), ("/foo/-", nil), ("/foo/00", nil), ("/foo/+1", nil), ("foo", nil),
      ("/m~n", nil), ("/nil", nil), ("/foo/0/x", nil), ("/foo/99999999999999999999", nil),
    ] as [(String, String?)])
  func pointers(pointer: String, expected: String?) throws {
    let got = try JSONValue(parsing: Self.document).pointer(pointer)
    guard let expected else {
      #expect(got == nil)
      return
    }
    let value = try JSONValue(parsing: expected)
    #expect(got == value)
  }

  @Test("say where the first value ends")
  func prefixes() throws {
    let text = Array(#" {"a":1} [2] x"#.utf8)
    let first = try JSONValue.parsePrefix(text)
    #expect(first.value == ["a": 1])
    #expect(first.end == 8)
    let second = try JSONValue.parsePrefix(text, from: first.end)
    #expect(second.value == [2])
    #expect(throws: JSONError(.unexpectedByte, at: 13)) { try JSONValue.parsePrefix(text, from: second.end) }
    #expect(throws: JSONError(.trailingText, at: 9)) { try JSONValue(parsing: text) }
  }

  @Test("refuse repeated names at any level, unless allowed", arguments: [2, 40])
  func repeatedNames(count: Int) throws {
    let names = (0..<count).map { "\"k\($0)\":0" }.joined(separator: ",")
    let text = "[{\(names),\"\\u006b0\":1}]"
    #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
    let lax = try JSONValue(parsing: text, options: JSONOptions(allowsRepeatedNames: true))
    #expect(lax.pointer("/0/k0") == 1)
    #expect(lax.pointer("/0")?.members?.count == count + 1)
  }

  @Test("survive a text nested as deep as is allowed")
  func deep() throws {
    let text = String(repeating: "[", count: 512) + String(repeating: "]", count: 512)
    let value = try JSONValue(parsing: text)
    let again = try JSONValue(parsing: text)
    #expect(value == again)
    #expect(value.jsonText == text)
    let shallow = JSONOptions(maximumDepth: 3)
    #expect(throws: JSONError(.tooDeep, at: 3)) { try JSONValue(parsing: text, options: shallow) }
  }

  @Test("errors name the place and never quote the text")
  func errorsAreSafe() {
    #expect("\(JSONError(.invalidUTF8, at: 7))" == "the JSON text is not valid UTF-8 (at byte 7)")
  }
}
