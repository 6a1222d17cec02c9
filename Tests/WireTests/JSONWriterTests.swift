import TestData
import Testing
import Wire

@Suite("The JSON writer")
struct JSONWriterTests {
  private func written(_ body: (inout JSONWriter) -> Void) -> String {
    var writer = JSONWriter()
    body(&writer)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  @Test("puts commas and no spaces")
  func structure() {
    let text = written { writer in
      for _ in 0..<2 {
        writer.beginObject()
        writer.key("a")
        writer.beginArray()
        writer.int(-1)
        writer.uint(.max)
        writer.beginObject()
        writer.endObject()
        writer.beginArray()
        writer.endArray()
        writer.endArray()
        writer.key("b" as String)
        writer.bool(true)
        writer.key("c")
        writer.null()
        writer.key("d")
        writer.raw("{}")
        writer.key("e")
        writer.rawBytes([0x31])
        writer.key("f")
        writer.value(["x": [1, "y"]])
        writer.endObject()
        writer.newline()
      }
    }
    let line = #"{"a":[-1,18446744073709551615,{},[]],"b":true,"c":null,"d":{},"e":1,"f":{"x":[1,"y"]}}"#
    #expect(text == line + "\n" + line + "\n")
  }

  @Test(
    "writes doubles in the shortest way, and null for what is no number",
    arguments: [
      (0.0, "0"), (-0.0, "-0"), (1.0, "1"), (0.1, "0.1"), (1e21, "1e+21"), (.leastNonzeroMagnitude, "5e-324"),
      (.infinity, "null"), (.nan, "null"), (123456.75, "123456.75"),
    ] as [(Double, String)])
  func doubles(value: Double, text: String) {
    #expect(written { $0.double(value) } == text)
  }

  @Test("writes the least integer")
  func leastInteger() {
    #expect(written { $0.int(.min) } == "-9223372036854775808")
  }

  @Test("doubles read back the same", arguments: 0..<4)
  func doublesRoundTrip(seed: Int) throws {
    var random = SeededGenerator(seed: UInt64(seed))
    for _ in 0..<2000 {
      let value = Double(bitPattern: random.next())
      guard value.isFinite else { continue }
      let read = try JSONValue(parsing: written { $0.double(value) }).doubleValue
      #expect(read == value)
    }
  }

  @Test("escapes quotes, backslashes and control characters, and nothing else")
  func escapes() {
    let all = String(decoding: (0..<0x80).map { UInt8($0) }, as: UTF8.self)
    let short: [Int: String] = [
      0x08: "\\b", 0x09: "\\t", 0x0A: "\\n", 0x0C: "\\f", 0x0D: "\\r", 0x22: "\\\"", 0x5C: "\\\\",
    ]
    let expected = (0..<0x80).map { code in
      if let escape = short[code] { return escape }
      if code < 0x20 { return (code < 0x10 ? "\\u000" : "\\u00") + String(code, radix: 16) }
      return String(decoding: [UInt8(code)], as: UTF8.self)
    }
    #expect(written { $0.string(all) } == "\"\(expected.joined())\"")
  }

  @Test("replaces what is not UTF-8 as Swift does", arguments: 0..<4)
  func invalidUTF8(seed: Int) throws {
    var random = SeededGenerator(seed: UInt64(seed))
    let bytes: [UInt8] = [
      0x41, 0x80, 0xBF, 0xC0, 0xC2, 0xE0, 0xA0, 0xED, 0x9F, 0xEF, 0xF0, 0x90, 0xF4, 0x8F, 0xF5, 0x0A,
    ]
    for _ in 0..<2000 {
      var text: [UInt8] = []
      for _ in 0..<Int.random(in: 0..<30, using: &random) {
        text.append(bytes[Int.random(in: 0..<bytes.count, using: &random)])
      }
      let value = try JSONValue(parsing: written { $0.string(text) })
      #expect(value == .string(String(decoding: text, as: UTF8.self)), "\(text)")
    }
  }

  @Test("what it writes reads back equal, also in canonical form", arguments: 0..<4)
  func roundTrip(seed: Int) throws {
    var random = RandomJSON(UInt64(50 + seed))
    for _ in 0..<300 {
      let value = random.value()
      let compact = try JSONValue(parsing: value.jsonBytes)
      let canonical = try JSONValue(parsing: value.canonicalBytes)
      #expect(compact == value)
      #expect(canonical == value)
      #expect(canonical.canonicalBytes == value.canonicalBytes)
    }
  }

  @Test("a cleared writer begins anew")
  func clearing() {
    let text = written { writer in
      writer.beginArray()
      writer.int(1)
      writer.clear()
      writer.beginArray()
      writer.int(2)
      writer.endArray()
    }
    #expect(text == "[2]")
  }
}
