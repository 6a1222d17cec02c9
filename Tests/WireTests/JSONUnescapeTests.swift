import Testing
import Wire

@Suite("Unescaping")
struct JSONUnescapeTests {
  private func unescape(_ text: [UInt8], _ value: Range<Int>, after start: [UInt8] = []) -> [UInt8] {
    var output = start
    JSONIndex.unescape(text.span, value, into: &output)
    return output
  }

  @Test("gives the tree's strings, appended to what is there, wherever they stand", arguments: 0..<4)
  func sameStrings(seed: Int) {
    var random = RandomJSON(UInt64(300 + seed))
    for _ in 0..<500 {
      let string = random.string()
      let value = JSONValue.string(string).jsonBytes
      let before = [UInt8](repeating: 0x20, count: Int.random(in: 0...9, using: &random.random))
      let got = unescape(before + value + [0x7D], before.count..<before.count + value.count, after: [1, 2])
      #expect(got == [1, 2] + Array(string.utf8))
    }
  }

  @Test(
    "decodes every escape at every place of a string",
    arguments: [
      ("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"), ("\\b", "\u{8}"), ("\\f", "\u{C}"), ("\\/", "/"),
      ("\\\\", "\\"),
      ("\\\"", "\""), ("\\u0000", "\0"), ("\\u00e9", "\u{E9}"), ("\\u07FF", "\u{7FF}"),
      ("\\uFFFF", "\u{FFFF}"),
      ("\\ud83d\\ude00", "\u{1F600}"), ("\\uDBFF\\uDFFF", "\u{10FFFF}"), ("\\n\\n", "\n\n"),
    ])
  func everyEscape(escape: String, meaning: String) {
    for length in 0..<40 {
      for place in 0...length {
        let (before, after) = (
          String(repeating: "x", count: place), String(repeating: "y", count: length - place)
        )
        let value = Array("\"\(before)\(escape)\(after)\"".utf8)
        #expect(unescape(value, 0..<value.count) == Array("\(before)\(meaning)\(after)".utf8))
      }
    }
  }

  @Test("comes to no harm in places that hold no checked string", arguments: 0..<4)
  func unchecked(seed: Int) {
    var random = RandomJSON(UInt64(400 + seed))
    for _ in 0..<2000 {
      let text = random.mutated(random.object().jsonBytes)
      let from = Int.random(in: 0...text.count, using: &random.random)
      let value = from..<Int.random(in: from...text.count + 3, using: &random.random)
      #expect(unescape(text, value).count <= value.count)
    }
  }
}
