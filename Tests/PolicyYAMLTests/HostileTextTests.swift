import PolicyLanguage
import PolicyYAML
import RouterCore
import Testing

@Suite("Hostile texts")
struct HostileTextTests {
  private func problems(_ bytes: [UInt8]) -> [String] {
    let reading = PolicyFile.read(bytes)
    #expect(reading.policy == nil)
    return reading.lines
  }

  private func problems(_ text: String) -> [String] { problems(Array(text.utf8)) }

  @Test("nested too deep are refused where it happens", arguments: ["[", "{a: ", "- ", "? "])
  func deep(opener: String) {
    let text = String(repeating: opener, count: 100_000)
    let seconds = processorSeconds {
      #expect(problems("tasks:\n " + text).last?.contains("deeper than 64") == true)
    }
    #expect(seconds < 2)
  }

  @Test("64 levels are taken, 65 are not")
  func levels() {
    func nested(_ depth: Int) -> PolicyText.Tree {
      let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
      return PolicyText.tree(Array(text.utf8))
    }
    #expect(nested(64).problems.isEmpty && nested(64).root != nil)
    #expect(nested(65).problems.map(\.mark) == [Mark(line: 1, column: 65)] && nested(65).root == nil)
  }

  @Test("are refused by what they are")
  func refusals() {
    #expect(problems("").first == "1:1: error: the file is empty; a policy needs at least `tasks`")
    #expect(problems("# only a comment\n").first?.contains("empty") == true)
    #expect(problems("---\n...\n").first?.contains("empty") == true)
    #expect(problems("a policy").first?.contains("a mapping of keys to values") == true)
    #expect(
      problems("tasks:\n  é\u{0}: x").first == "2:4: error: a NUL byte; the file is damaged or not text")
    #expect(
      problems(Array("tasks:\r\n  ä: ".utf8) + [0xC3, 0x28]).first?.hasPrefix("2:6: error: this is not UTF-8")
        == true)
    #expect(
      problems(Array("a: ".utf8) + [0xE2, 0x82]).first?.hasPrefix("1:4: error: this is not UTF-8") == true)
    #expect(problems(Array("a: ".utf8) + [0xED, 0xA0, 0x80]).first?.contains("not UTF-8") == true)
    #expect(problems(Array("a: ".utf8) + [0xC0, 0x80]).first?.contains("not UTF-8") == true)
    #expect(problems(Array("a: ".utf8) + [0xF4, 0x90, 0x80, 0x80]).first?.contains("not UTF-8") == true)
    #expect(problems([0xFF, 0xFE, 0x61, 0x00]).first?.contains("UTF-16") == true)
    #expect(problems("a: \u{1B}[2J").first?.contains("U+001B") == true)
    #expect(problems("a: \u{202E}x").first?.contains("U+202E") == true)
    #expect(problems("a: b\u{2028}c: d").first?.contains("U+2028") == true)
    #expect(problems("a: \u{FEFF}x").first?.contains("byte order mark") == true)
    #expect(problems("%YAML 1.2\n---\ntasks: {}").first?.contains("a directive") == true)
    #expect(problems("a:\n\tb: c").first?.contains("a tab cannot indent") == true)
    #expect(problems("\"\": x").contains { $0.contains("a blank key") })
    #expect(problems("[a]: x").first?.contains("used as a key") == true)
    #expect(problems([UInt8](repeating: 0x61, count: 1 << 20 + 1)).first?.contains("1 MiB") == true)
  }

  @Test(
    "say what is wrong in one line, whatever the keys hold",
    arguments: [
      "tasks: {p\tan: {local: false, imxact: high}}", "tasks: {\"p\\e[2Jan\": {local: false, imxact: high}}",
      "tasks: {\"p\\u202ean\": {local: nope}}", "\"a\\nb\": 1", "tasks: {\"a\\rb\": {labels: [1, x, x]}}",
      "tasks: {a: {local: false}}\nclassifier: [{task: a, pattern: \"(?P<\\b>x)\"}]",
    ])
  func oneLine(text: String) {
    let lines = problems(text)
    #expect(!lines.isEmpty)
    for line in lines {
      #expect(
        line.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F && $0 != "\u{202E}" },
        "\(line.debugDescription)")
    }
  }

  @Test("a byte order mark at the start is no fault, and moves nothing")
  func byteOrderMark() {
    let reading = PolicyReading("\u{FEFF}tasks: {a: {local: flase}}")
    #expect(reading.errors.map(\.mark) == [Mark(line: 1, column: 20)])
  }

  @Test("billions of laughs are one line each")
  func laughs() {
    let text = "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
    #expect(problems(text).filter { $0.contains("an alias") }.count == 4)
    #expect(problems(text).filter { $0.contains("an anchor") }.count == 2)
  }

  @Test("a file of 1 MiB is read: one scalar, many keys, many entries")
  func large() {
    let scalar = "tasks: {a: {local: false, prompt: \"\(String(repeating: "x", count: (1 << 20) - 60))\"}}"
    #expect(problems(scalar).count { $0.contains("characters; at most 65536") } == 1)
    let entries = "tasks: {a: {local: false, labels: [\(String(repeating: "long-label,", count: 90_000))]}}"
    #expect(problems(entries).count { $0.contains("twice") } == 89_999)
    let quotes = "tasks: " + String(repeating: "'", count: 1_000_000)
    #expect(!problems(quotes).isEmpty)
  }

  @Test(
    "keys without end cost time in proportion",
    arguments: ["k%: 1", "tasks%: {local: false}", "? k%", "'%': [a, b]"])
  func linear(line: String) {
    func seconds(_ count: Int) -> Double {
      let text = (0..<count).map {
        line.split(separator: "%", omittingEmptySubsequences: false).joined(separator: "\($0)")
      }
      .joined(separator: "\n")
      return processorSeconds { _ = PolicyFile.read(Array(text.utf8)) }
    }
    _ = seconds(1_000)
    let (few, many) = (seconds(4_000), seconds(16_000))
    // Four times the keys: 4 where it is linear, 16 where it is quadratic.
    #expect(many < 9 * few + 0.05, "4,000 keys took \(few) s, 16,000 took \(many) s")
  }

  @Test("100,000 keys are each reported")
  func hundredThousand() {
    let text = (0..<100_000).map { "\($0): a" }.joined(separator: "\n")
    #expect(text.utf8.count <= PolicyText.maxBytes)
    let seconds = processorSeconds { #expect(problems(text).count == 100_001) }
    print("100,000 unknown keys: \(seconds) s (debug build)")
  }
}
