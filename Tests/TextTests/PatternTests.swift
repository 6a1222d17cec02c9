import Testing

@testable import Text

/// One search and what it must find: the span of the whole match and of its groups, `-1` for none.
struct PatternCase: Sendable, CustomTestStringConvertible {
  let pattern: String
  let text: String
  let spans: [Range<Int>?]?

  init(_ pattern: String, _ text: String, _ spans: Range<Int>?...) {
    self.pattern = pattern
    self.text = text
    self.spans = spans.isEmpty ? nil : spans
  }

  var testDescription: String { "\(pattern) in \(text)" }
}

@Suite("Patterns")
struct PatternTests {
  static let cases: [PatternCase] = [
    PatternCase("abc", "xabcx", 1..<4),
    PatternCase("abc", "xabx"),
    PatternCase("", "abc", 0..<0),
    PatternCase("a|ab", "ab", 0..<1),
    PatternCase("ab|a", "ab", 0..<2),
    PatternCase("a*", "aaa", 0..<3),
    PatternCase("a*?", "aaa", 0..<0),
    PatternCase("a+?b", "aaab", 0..<4),
    PatternCase("a{2}", "aaa", 0..<2),
    PatternCase("a{2,}", "aaaa", 0..<4),
    PatternCase("a{1,2}?", "aaa", 0..<1),
    PatternCase("a{,2}", "a{,2}", 0..<5),
    PatternCase("x{2}{", "xx{", 0..<3),
    PatternCase("(a)(b)?", "ac", 0..<1, 0..<1, nil),
    PatternCase("(a|b)*c", "abbc", 0..<4, 2..<3),
    PatternCase("(?:a|b)+(c)", "abc", 0..<3, 2..<3),
    PatternCase("(?P<year>\\d{4})-(?<month>\\d\\d)", "on 2024-05", 3..<10, 3..<7, 8..<10),
    PatternCase("(|a)+", "aa", 0..<0, 0..<0),
    PatternCase("(a|b|ab)*bc", "abbc", 0..<4, 1..<2),
    PatternCase("(a*)+", "b", 0..<0, 0..<0),
    PatternCase("^abc$", "abc", 0..<3),
    PatternCase("^b", "a\nb"),
    PatternCase("(?m)^b$", "a\nb\nc", 2..<3),
    PatternCase("a$", "a\n"),
    PatternCase("\\Aa\\z", "a", 0..<1),
    PatternCase("\\bcat\\b", "a cat sat", 2..<5),
    PatternCase("\\bcat\\b", "concat"),
    PatternCase("\\Bcat", "concat", 3..<6),
    PatternCase("a.c", "a\nc"),
    PatternCase("(?s)a.c", "a\nc", 0..<3),
    PatternCase("(?i)straSSe", "STRASSE", 0..<7),
    PatternCase("(?i:a)b", "Ab", 0..<2),
    PatternCase("(?i:a)b", "AB"),
    PatternCase("a(?i)b|c", "C", 0..<1),
    PatternCase("(?i)k", "\u{212A}", 0..<3),
    PatternCase("(?i)[^k]", "\u{212A}"),
    PatternCase("(?i)Ü", "ü", 0..<2),
    PatternCase("(?-i:A)(?i)b", "AB", 0..<2),
    PatternCase("(?U)a+", "aaa", 0..<1),
    PatternCase("[a-c]+", "xabcd", 1..<4),
    PatternCase("[^a-c]+", "abcxyz", 3..<6),
    PatternCase("[]a]+", "a]", 0..<2),
    PatternCase("[^]a]", "]b", 1..<2),
    PatternCase("[a\\-z]+", "-a", 0..<2),
    PatternCase("[a-]+", "-a", 0..<2),
    PatternCase("[\\d.]+", "v1.2", 1..<4),
    PatternCase("[[:alpha:]]+[[:^digit:]]", "ab1-", 0..<2),
    PatternCase("[[:xdigit:]]{2}", "zfF", 1..<3),
    PatternCase("\\x41\\x{42}\\u0043", "ABC", 0..<3),
    PatternCase("\\ud83d\\ude00", "😀", 0..<4),
    PatternCase("\\Qa.b\\E+", "a.bb", 0..<4),
    PatternCase(".", "é", 0..<2),
    PatternCase("[à-ü]+", "xéàx", 1..<5),
    PatternCase("[^x]", "😀", 0..<4),
    PatternCase("日.語", "日本語", 0..<9),
    PatternCase("\\s\\S", "a b", 1..<3),
    PatternCase("\\/\\.\\_", "/._", 0..<3),
    PatternCase("(a+)(a+)", "aaaa", 0..<4, 0..<3, 3..<4),
    PatternCase("(a+?)(a+)", "aaaa", 0..<4, 0..<1, 1..<4),
    PatternCase("(?:(a)|b)*", "ab", 0..<2, 0..<1),
  ]

  @Test("long classes have the other-case forms of their parts")
  func foldedClasses() {
    for range in [0x41...0x587, 0x100...0xFFFD, 0...ScalarSet.lastScalar] as [ClosedRange<UInt32>] {
      // Within Unicode's blocks: only there do the parts have forms, and all of it would take minutes.
      let parts = stride(from: range.lowerBound, through: min(range.upperBound, 0x1E943), by: 200).map {
        ScalarSet([$0...min($0 + 199, range.upperBound)]).caseFolded()
      }
      #expect(ScalarSet([range]).caseFolded() == ScalarSet([range] + parts.flatMap(\.ranges)), "\(range)")
    }
  }

  @Test("match where RE2 matches", arguments: cases)
  func table(item: PatternCase) throws {
    let text = Array(item.text.utf8)
    let pattern = try Pattern(item.pattern)
    let match = pattern.firstMatch(in: text.span)
    #expect(match?.groups == item.spans)
    #expect(pattern.contains(in: text.span) == (item.spans != nil))
  }

  @Test(
    "are refused with a reason and a column",
    arguments: [
      ("(a)\\1", "back-references", 4), ("(?P<n>a)(?P=n)", "back-references", 9),
      ("a(?=b)", "look-around", 2),
      ("(?<!a)b", "look-around", 1), ("(?>a)", "atomic", 1), ("a++", "possessive", 3),
      ("a**", "another quantifier", 3),
      ("*a", "nothing before", 1), ("(a", "never closed", 1), ("a)", "closes nothing", 2),
      ("[a", "never closed", 1),
      ("[z-a]", "does not ascend", 2), ("a{3,2}", "repeat count", 2), ("a{1001}", "repeat count", 2),
      ("\\pL", "Unicode property", 1), ("\\y", "unknown escape", 1),
      ("\\x{110000}", "not a Unicode scalar", 1),
      ("(?<a>x)(?<a>y)", "twice", 8), ("((a{100}){100}){100}", "more than 10000", 1),
      ("a\\", "never closed", 2),
      ("[[:nope:]]", "class [:nope:]", 2), ("(?#x)", "comment", 1),
    ])
  func refuses(source: String, message: String, column: Int) {
    #expect {
      try Pattern(source)
    } throws: { error in
      guard let error = error as? PatternError else { return false }
      return error.description.contains(message) && error.column == column
    }
  }

  @Test("bound nesting, size and time to compile")
  func bounds() throws {
    let deep = String(repeating: "(", count: 100_000)
    #expect(throws: PatternError.self) { try Pattern(deep) }
    #expect(throws: PatternError.self) { try Pattern("((((){1000}){1000}){1000}){1000}") }
    #expect(throws: Never.self) {
      try Pattern(String(repeating: "(", count: 200) + "a" + String(repeating: ")", count: 200))
    }
    #expect(try Pattern("(?s:.){0,1000}").instructionCount < 2_100)
  }

  @Test("look at what stands before the start, and refuse a start outside of the text")
  func start() throws {
    let text = Array("foobar bar".utf8)
    #expect(try Pattern("\\bbar").firstMatch(in: text.span, from: 3)?.range == 7..<10)
    #expect(try Pattern("^bar").firstMatch(in: text.span, from: 3) == nil)
    #expect(try Pattern("").firstMatch(in: text.span, from: 10)?.range == 10..<10)
    #expect(try Pattern("").firstMatch(in: text.span, from: 11) == nil)
    #expect(try Pattern("").firstMatch(in: text.span, from: -1) == nil)
  }

  @Test("visit all matches, an empty one right after another left out")
  func all() throws {
    func spans(_ source: String, _ text: String) throws -> [Range<Int>] {
      var result: [Range<Int>] = []
      let bytes = Array(text.utf8)
      try Pattern(source).forEachMatch(in: bytes.span) { result.append($0.range) }
      return result
    }
    #expect(try spans("a+", "aa b a") == [0..<2, 5..<6])
    #expect(try spans("a*", "baac") == [0..<0, 1..<3, 4..<4])
    #expect(try spans("", "é!") == [0..<0, 2..<2, 3..<3])
    #expect(try spans("\\b", "ab") == [0..<0, 2..<2])
  }

  @Test("read bytes that are no UTF-8 as U+FFFD")
  func malformed() throws {
    let text: [UInt8] = [0x61, 0xFF, 0xC3, 0x62]
    #expect(try Pattern("a..b").firstMatch(in: text.span)?.range == 0..<4)
    #expect(try Pattern("a\\x{FFFD}{2}b").contains(in: text.span))
    #expect(try !Pattern("ÿ").contains(in: text.span))
  }

  @Test(
    "take steps in proportion to the text",
    arguments: [
      "(a*)*b", "(a|a)*b", "(a+)+b", "(a?){30}a{30}b", "(.*)(.*)(.*)(.*)b", "(a|aa)+$b", "(?:a*?)*?b",
    ])
  func linear(source: String) throws {
    let pattern = try Pattern(source)
    func steps(_ count: Int) -> Int {
      let text = [UInt8](repeating: 97, count: count)
      return pattern.steps(in: text.span)
    }
    let (short, long) = (steps(1_000), steps(4_000))
    #expect(long * 10 <= 41 * short + 80 * pattern.instructionCount)
    #expect(long <= 2 * pattern.instructionCount * 4_002)
  }
}
