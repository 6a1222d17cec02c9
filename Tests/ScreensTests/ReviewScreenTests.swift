import Testing
import Wire

@testable import Screens

@Suite("The review screen")
struct ReviewScreenTests {
  private func item(_ input: String, _ own: String = "alpha beta", _ other: String = "alpha gamma")
    -> JSONValue
  {
    [
      "call_id": "c1", "task_type": "t", "rubric": .string(String(repeating: "look twice ", count: 40)),
      "checks": ["schema_invalid": "pass", "risk_signal": "skipped"], "hard_stop_match": [],
      "input": ["preview": .string(input), "text": .null],
      "candidate": ["label": "a", "answer": .string(own)],
      "frontier": ["label": .null, "answer": .string(other)], "captured": true,
      "cluster": ["template": "x", "count": 3],
    ]
  }

  @Test(
    "fits every screen, whatever the texts are",
    arguments: [(80, 24), (40, 12), (120, 50), (20, 8)],
    [
      "", "short", String(repeating: "漢字 words ", count: 400), String(repeating: "x", count: 3_000),
      "a\u{1B}[31m\tb\r\nc\u{202E}d",
    ])
  func fits(size: (columns: Int, rows: Int), text: String) {
    var screen = ReviewScreen(item: item(text, text, text + " more"))
    screen.note = text
    screen.prompt = text.isEmpty ? nil : text
    let lines = screen.lines(columns: size.columns, rows: size.rows)
    #expect(lines.count <= size.rows)
    #expect(lines.allSatisfy { TerminalText.width($0) <= size.columns })
    #expect(!lines.contains { $0.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x202E } })
  }

  @Test("a screen of 80 by 24 has task, rubric, input, both answers with their difference, and the keys")
  func shows() {
    let text = ReviewScreen(item: item("the input")).lines(columns: 80, rows: 24).joined(separator: "\n")
    for word in [
      "t   c1", "rubric: look twice", "the input", "local", "«beta»", "«gamma»", "a accept", "q quit",
      "3 look like this",
    ] {
      #expect(text.contains(word), "\(word) is not in:\n\(text)")
    }
    #expect(!text.contains("«alpha»"))
  }

  @Test("opened text takes the preview's place and can be scrolled to its end")
  func scrolls() {
    var screen = ReviewScreen(item: item("the preview"))
    screen.opened = ["input": .string((0..<200).map { "line\($0)" }.joined(separator: "\n"))]
    #expect(screen.lines(columns: 80, rows: 24).joined().contains("line0"))
    screen.scroll = 10_000
    let end = screen.lines(columns: 80, rows: 24).joined()
    #expect(end.contains("line199") && !end.contains("the preview"))
  }

  @Test(
    "differences are those of the longest common run of words",
    arguments: [
      ("a b c", "a x c", [true, false, true], [true, false, true]), ("a", "a", [true], [true]),
      ("", "x", [], [false]),
      ("a b", "b a", [false, true], [true, false]),
    ] as [(String, String, [Bool], [Bool])])
  func differences(left: String, right: String, isLeftShared: [Bool], isRightShared: [Bool]) {
    let (a, b) = WordDifference.mark(left, right)
    #expect(a.map(\.isShared) == isLeftShared)
    #expect(b.map(\.isShared) == isRightShared)
  }
}
