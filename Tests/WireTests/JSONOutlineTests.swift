import TestData
import Testing
import Wire

@Suite("Outlines of objects")
struct JSONOutlineTests {
  private static let asked = [
    "v", "kind", "call_id", "n", "flag", "list", "object", "nothing", "very_long_name_of_a_member",
  ]

  /// By number of a name, as the strict index sees it; nil: the text is refused.
  private func expected(_ text: [UInt8]) -> [Int: JSONMemberRange]? {
    var members: [JSONMemberRange] = []
    guard (try? JSONIndex.members(of: text.span, into: &members)) != nil else { return nil }
    var found: [Int: JSONMemberRange] = [:]
    for member in members where !member.keyHasEscapes {
      let name = String(decoding: text[member.key], as: UTF8.self)
      if let number = Self.asked.firstIndex(of: name) { found[number] = member }
    }
    return found
  }

  private func check(
    _ outline: inout JSONOutline, _ text: [UInt8], _ location: SourceLocation = #_sourceLocation
  ) {
    let expected = expected(text)
    let isRead = outline.read(text.span)
    #expect(isRead == (expected != nil), "\(String(decoding: text, as: UTF8.self))", sourceLocation: location)
    guard isRead, let expected else { return }
    for number in Self.asked.indices {
      let place = outline.places[number]
      let found = place.reading == outline.reading ? place : nil
      #expect(found?.range == expected[number]?.value, sourceLocation: location)
      #expect(found?.kind == expected[number]?.kind, sourceLocation: location)
      #expect(found?.hasEscapes == expected[number]?.hasEscapes, sourceLocation: location)
    }
  }

  private func line(_ random: inout RandomJSON, _ shape: Int) -> [UInt8] {
    let names = [
      ["v", "kind", "call_id", "n", "flag", "list"], ["v", "kind", "call_id", "other", "object", "nothing"],
      ["v", "kind", "n"], ["kind", "v", "very_long_name_of_a_member", "call_id"],
      ["v", "kind", "call_id", "n", "list", "flag"],
    ][shape]
    return JSONValue.object(names.map { JSONMember($0, random.value(depth: 3)) }).jsonBytes
  }

  @Test("are those of the strict index, whatever came before", arguments: 0..<8)
  func agrees(seed: UInt64) {
    var random = RandomJSON(7_000 + seed)
    var outline = JSONOutline(Self.asked)
    for round in 0..<400 {
      let text = line(&random, Int.random(in: 0..<5, using: &random.random))
      check(&outline, text)
      // Broken in ways that a line of the log may be: nearly right lines are what a fast way could take for right.
      for _ in 0..<4 { check(&outline, random.mutated(text)) }
      if round.isMultiple(of: 7) { check(&outline, random.object().jsonBytes) }
    }
  }

  @Test(
    "no shape that was learned lets a fault through",
    arguments: [
      #"{"v":1,"kind":"a","kind":"b"}"#, #"{"v":1,"v":1,"kind":"a"}"#, #"{"v":1,"kind":"a"} "#,
      #"{"v":1,"kind":"a"}x"#,
      #"{"v":1,"kind":"a""#, #"{"v":1,"kind":"a",}"#, #"{"v":01,"kind":"a"}"#, #"{"v":1,"kind":"\ud800"}"#,
      #"{"v":1,"kind":nul}"#, #"{"v":1,"list":[1,]}"#, #"{"v":1,"list":[1,2}"#, #"{"v":1}"#, "{}", "", "{",
      "[]",
      #"{"v" :1,"kind":"a"}"#, #"{"\u0076":1,"kind":"a"}"#, #"{"v":1,"kind":"a","v":2}"#,
    ])
  func faults(text: String) {
    var outline = JSONOutline(Self.asked)
    for known in [#"{"v":1,"kind":"a","v2":1}"#, #"{"v":1,"list":[1,2],"kind":"a"}"#, #"{"v":1,"kind":"a"}"#]
    {
      check(&outline, Array(known.utf8))
    }
    for _ in 0..<2 { check(&outline, Array(text.utf8)) }
  }

  @Test("of more shapes than are learned, every line is still read")
  func manyShapes() {
    var outline = JSONOutline(Self.asked)
    for number in 0..<6_000 {
      check(
        &outline,
        Array(#"{"v":1,"m\#(number)":2,"n":\#(number),"x\#(number % 50)":[\#(number)],"kind":"k"}"#.utf8))
    }
  }
}
