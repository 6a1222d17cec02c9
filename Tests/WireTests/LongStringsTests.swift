import Testing

@testable import Wire

@Suite("Long strings")
struct LongStringsTests {
  @Test("are jumped over without a difference, at every level of random values", arguments: 0..<40)
  func sameLists(seed: UInt64) throws {
    var random = RandomJSON(seed)
    for _ in 0..<20 {
      let text = random.object().jsonBytes
      var members: [JSONMemberRange] = []
      var strings = LongStrings()
      try JSONIndex.members(of: text.span, into: &members, noting: &strings)
      var plain: [JSONMemberRange] = []
      try JSONIndex.members(of: text.span, into: &plain)
      #expect(members == plain)
      for member in members { try compare(text, member.value, member.kind, strings) }
    }
  }

  private func compare(_ text: [UInt8], _ range: Range<Int>, _ kind: JSONKind, _ strings: LongStrings) throws
  {
    if kind == .object {
      var known: [JSONMemberRange] = []
      var plain: [JSONMemberRange] = []
      try JSONIndex.members(of: text.span, in: range, into: &known, knowing: strings)
      try JSONIndex.members(of: text.span, in: range, into: &plain)
      #expect(known == plain)
      for member in known { try compare(text, member.value, member.kind, strings) }
    } else if kind == .array {
      var known: [JSONElementRange] = []
      var plain: [JSONElementRange] = []
      try JSONIndex.elements(of: text.span, in: range, into: &known, knowing: strings)
      try JSONIndex.elements(of: text.span, in: range, into: &plain)
      #expect(known == plain)
      for element in known { try compare(text, element.value, element.kind, strings) }
    }
  }

  @Test("of a text that turned out wrong, or of the text before, are not used")
  func forgotten() throws {
    let long = String(repeating: "x", count: 200)
    var strings = LongStrings()
    var members: [JSONMemberRange] = []
    #expect(throws: JSONError.self) {
      try JSONIndex.members(of: Array(#"{"a":"\#(long)","b":}"#.utf8).span, into: &members, noting: &strings)
    }
    #expect(strings.known(at: 5) == nil)
    try JSONIndex.members(of: Array(#"{"a":"\#(long)"}"#.utf8).span, into: &members, noting: &strings)
    #expect(strings.known(at: 5)?.end == 207)
    try JSONIndex.members(of: Array(#"{"a":["short"]}"#.utf8).span, into: &members, noting: &strings)
    #expect(strings.known(at: 5) == nil)
  }
}
