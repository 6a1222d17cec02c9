import TestData
import Text

/// A pattern that is taken matches in order, within the text, at the ends of characters; one that is not says where.
enum PatternTarget {
  static func check(_ input: [UInt8]) throws(Finding) {
    var input = Input(input)
    let source = input.line().text
    let text = input.everything()
    let pattern: Pattern
    do throws(PatternError) {
      pattern = try Pattern(source)
    } catch {
      try require(!"\(error)".isEmpty, "nothing is said of it")
      return
    }
    let first = pattern.firstMatch(in: text.span)
    try require(
      pattern.contains(in: text.span) == (first != nil), "contained without a match, or the other way")
    if let first { try checkMatch(first, text, from: 0) }
    // All matches may take time in the square of the text: see FOUND.md.
    if text.count <= 128 { try checkAll(pattern, text, first) }
    for start in [text.count, text.count + 1, -1, text.count / 2] {
      guard let match = pattern.firstMatch(in: text.span, from: start) else { continue }
      try require(match.range.lowerBound >= start, "a match before the place to begin at")
    }
  }

  private static func checkAll(_ pattern: Pattern, _ text: [UInt8], _ first: PatternMatch?) throws(Finding) {
    var matches: [PatternMatch] = []
    pattern.forEachMatch(in: text.span) { matches.append($0) }
    var ranges: [Range<Int>] = []
    pattern.forEachRange(in: text.span) { ranges.append($0) }
    try require(matches.map(\.range) == ranges, "matches with groups stand elsewhere")
    try require(matches.first?.range == first?.range, "the first of all matches is not the first match")
    var end = 0
    for match in matches {
      try checkMatch(match, text, from: end)
      end = match.range.upperBound
    }
  }

  private static func checkMatch(_ match: PatternMatch, _ text: [UInt8], from start: Int) throws(Finding) {
    try require(
      match.range.lowerBound >= start && match.range.upperBound <= text.count, "a match at \(match.range)")
    for case let group? in match.groups {
      try require(
        group.lowerBound >= match.range.lowerBound && group.upperBound <= match.range.upperBound,
        "a group at \(group) in a match at \(match.range)")
    }
    guard text.isUTF8 else { return }
    for place in [match.range.lowerBound, match.range.upperBound] where place < text.count {
      try require(text[place] & 0xC0 != 0x80, "a match within a character")
    }
  }
}

/// The scanner finds the terms that the contract's sentences find.
enum TermsTarget {
  /// Texts are made of these, so that every case of the sentences comes up: a fuzzer would rarely spell them.
  private static let alphabet = [
    "a", "b", "A", "B", "s", "S", "1", "4", " ", "-", "_", "\n", ".", "*", "\u{301}", "é", "É", "\u{200B}",
    "\u{AD}",
    "ß", "ẞ", "ς", "Σ", "σ", "ⱥ", "Ⱥ", "删", "除", "か", "が", "ก", "ข", "１", "ｔ", "Ｋ", "－", "＿", "\u{A0}",
    "\u{3000}",
    "\u{2028}", "🙂", "ﬁ", "ſ", "™", "²", "각", "ᄀ", "ᅡ", "ᆨ", "ǅ", "٣", "token", "pass", "word", "pri", "vate",
    "key",
    "deploy", "rm", "rf", "ing", "s3", "K", "Å",
  ]
  private static let builtIn = BuiltInTerms.security + BuiltInTerms.access + BuiltInTerms.production
  private static let builtInScanner = TermScanner(builtIn)

  static func check(_ input: [UInt8]) throws(Finding) {
    var input = Input(input)
    let count = input.choice(6)
    let words = (0..<count).map { _ in word(&input) }
    let terms = words.filter { TermScanner.problem(in: $0) == nil }
    let text = input.everything().map { alphabet[Int($0) % alphabet.count] }.joined()
    try compare(terms, TermScanner(terms), text)
    if terms.isEmpty, count == 0 { try compare(builtIn, builtInScanner, text) }
  }

  private static func word(_ input: inout Input) -> String {
    let length = 1 + input.choice(6)
    let letters = input.take(length).map { alphabet[Int($0) % alphabet.count] }.joined()
    return letters + (input.choice(5) == 0 ? "*" : "")
  }

  private static func compare(_ terms: [String], _ scanner: TermScanner, _ text: String) throws(Finding) {
    var hits = TermHits()
    scanner.scan(Array(text.utf8).span, hits: &hits)
    let folded = TermReference.fold(text)
    let expected = terms.indices.filter { TermReference(terms[$0]).matches(folded) }
    try require(
      hits.ids == expected,
      "\(hits.ids) instead of \(expected) of \(terms.count > 9 ? "the built-in terms" : "\(terms)") in \(text.debugDescription)"
    )
  }
}
