import Foundation
import TestData
import Testing

@testable import Text

@Suite("Patterns against another engine")
struct PatternPropertyTests {
  /// A random pattern. Only what cannot be empty is repeated: engines differ in how an empty round ends a loop.
  private struct Grammar {
    var random: SeededGenerator

    mutating func pick<T>(_ options: [T]) -> T { options[Int.random(in: 0..<options.count, using: &random)] }

    mutating func pattern(_ depth: Int) -> (text: String, isNullable: Bool) {
      let branches = (0..<pick([1, 1, 1, 2, 3])).map { _ in sequence(depth) }
      return (branches.map(\.text).joined(separator: "|"), branches.contains(where: \.isNullable))
    }

    private mutating func sequence(_ depth: Int) -> (text: String, isNullable: Bool) {
      let parts = (0..<pick([1, 1, 2, 3])).map { _ in quantified(depth) }
      return (parts.map(\.text).joined(), parts.allSatisfy(\.isNullable))
    }

    private mutating func quantified(_ depth: Int) -> (text: String, isNullable: Bool) {
      let atom = atom(depth)
      guard !atom.isNullable else { return atom }
      let quantifier = pick(["", "", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,2}?", "{2,}"])
      let isNullable = ["*", "?", "{0"].contains { quantifier.hasPrefix($0) }
      return (atom.text + quantifier, isNullable)
    }

    private mutating func atom(_ depth: Int) -> (text: String, isNullable: Bool) {
      if depth > 0, pick([true, false, false]) {
        let inner = pattern(depth - 1)
        return (pick(["(", "(", "(?:", "(?i:"]) + inner.text + ")", inner.isNullable)
      }
      if pick([false, false, false, false, true]) { return (pick(["^", "$", "\\b", "\\B"]), true) }
      return (pick(["a", "b", "c", "é", ".", "[ab]", "[^a]", "\\w", "[b-é]"]), false)
    }

    mutating func text() -> String {
      (0..<pick([0, 1, 2, 3, 5, 8, 12])).map { _ in pick(["a", "b", "c", "A", "é", " "]) }.joined()
    }
  }

  @Test("find the same spans and groups")
  func agrees() throws {
    var grammar = Grammar(random: SeededGenerator(seed: 20_240_607))
    var compared = 0
    for _ in 0..<4_000 {
      let source = grammar.pattern(3).text
      // ICU's `\b`, `\w` follow Unicode and its `$` allows a final line end; texts here avoid the latter.
      let foreign = source.replacingOccurrences(of: "\\w", with: "[A-Za-z0-9_]")
        .replacingOccurrences(of: "\\b", with: "(?:(?<=\\w)(?!\\w)|(?<!\\w)(?=\\w))")
        .replacingOccurrences(of: "\\B", with: "(?:(?<=\\w)(?=\\w)|(?<!\\w)(?!\\w))")
        .replacingOccurrences(of: "\\w", with: "[A-Za-z0-9_]")
      let oracle = try NSRegularExpression(pattern: foreign)
      let pattern = try Pattern(source)
      for _ in 0..<5 {
        let text = grammar.text()
        let expected = oracle.firstMatch(in: text, range: NSRange(text.startIndex..., in: text)).map {
          match in
          (0..<match.numberOfRanges).map { byteRange(match.range(at: $0), text) }
        }
        let bytes = Array(text.utf8)
        let found = pattern.firstMatch(in: bytes.span)
        #expect(found?.groups == expected, "\(source) in '\(text)'")
        #expect(pattern.contains(in: bytes.span) == (expected != nil))
        compared += 1
      }
    }
    print("patterns: \(compared) searches compared with NSRegularExpression")
  }

  private func byteRange(_ range: NSRange, _ text: String) -> Range<Int>? {
    guard let range = Range(range, in: text) else { return nil }
    let start = text.utf8.distance(from: text.startIndex, to: range.lowerBound)
    return start..<text.utf8.distance(from: text.startIndex, to: range.upperBound)
  }

  /// 222 rules, one of which names a path only.
  @Test("compile every rule of gitleaks or refuse it by name")
  func gitleaks() throws {
    guard let data = SharedData.file("secrets/gitleaks.toml", for: "gitleaks rules") else { return }
    let lines = String(decoding: data, as: UTF8.self).split(separator: "\n")
    let sources = lines.compactMap { line -> String? in
      guard line.hasPrefix("regex = '''"), line.hasSuffix("'''") else { return nil }
      return String(line.dropFirst(11).dropLast(3))
    }
    var refused: [String] = []
    var hinted = 0
    for source in sources {
      do {
        let pattern = try Pattern(source)
        if pattern.hasHint { hinted += 1 }
      } catch {
        refused.append("\(error): \(source.prefix(60))")
      }
    }
    print(
      "gitleaks: \(sources.count - refused.count) of \(sources.count) rules compile, \(hinted) with a literal to look for"
    )
    for line in refused { print("refused: \(line)") }
    #expect(sources.count >= 200)
    #expect(refused.isEmpty)
  }
}
