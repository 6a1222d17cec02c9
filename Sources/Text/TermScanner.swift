/// Finds which of many terms stand in a text, at token edges, in one pass.
///
/// The pass runs over the text as it stands wherever that is the same as folding it: an automaton looks for a
/// key of every term, a piece of it of at most eight bytes, and the rest of the term and the edges are verified
/// where a key is found. Text that folding changes is folded first; and where a term has letters beyond ASCII
/// and the text has capitals beyond ASCII, the text's case is folded as well.
package struct TermScanner: Sendable {
  /// One term, its pattern lying in `patterns`.
  struct Entry: Sendable {
    let pattern: Range<Int>
    /// The part of the pattern that is a key of the automaton. Empty: a term of separators only.
    let key: Range<Int>
    let isPrefix: Bool
    let id: Int
  }

  let count: Int
  let automaton: TermAutomaton
  /// In the order of the automaton's keys.
  let keyed: [Entry]
  /// Terms like `- -`, which any stretch of separators may hold: sought by themselves.
  let separatorOnly: [Entry]
  let patterns: [UInt8]
  /// A term has a character beyond ASCII, so the case of such characters matters.
  let caseless: Bool

  /// - Parameter terms: As the policy writes them; a term's id is its index. A term with a ``problem(in:)`` never
  ///   matches.
  package init(_ terms: [String]) {
    let read = terms.map { try? TermPattern($0) }
    let limit = Self.keyLimit(read.map { $0?.bytes.count ?? 0 })
    var patterns: [UInt8] = []
    var keyed: [Entry] = []
    var separatorOnly: [Entry] = []
    for (id, pattern) in read.enumerated() {
      guard let pattern else { continue }
      let start = patterns.count
      patterns.append(contentsOf: pattern.bytes)
      let key = Self.key(of: pattern.bytes, limit: limit)
      let entry = Entry(
        pattern: start..<patterns.count, key: start + key.lowerBound..<start + key.upperBound,
        isPrefix: pattern.isPrefix, id: id)
      if key.isEmpty { separatorOnly.append(entry) } else { keyed.append(entry) }
    }
    count = terms.count
    caseless = patterns.contains { $0 >= 0x80 && !TermPattern.isGap($0) }
    automaton = TermAutomaton(keyed.map { Array(patterns[$0.key]) })
    self.patterns = patterns
    self.keyed = keyed
    self.separatorOnly = separatorOnly
  }

  /// What is wrong with a term, in a sentence, or nil.
  package static func problem(in term: String) -> String? {
    do {
      _ = try TermPattern(term)
      return nil
    } catch {
      return error.message(term)
    }
  }

  /// Replaces `hits` with the terms of a text.
  ///
  /// - Parameter text: UTF-8, not folded. Ill-formed bytes count as U+FFFD.
  package func scan(_ text: Span<UInt8>, hits: inout TermHits) {
    hits.reset(terms: count)
    guard !keyed.isEmpty || !separatorOnly.isEmpty else { return }
    if isPlain(text) {
      search(.asWritten, text, edges: text, &hits)
      return
    }
    // Taken out for the while, so that `hits` is free to be written to.
    var scratch = TermScratch()
    swap(&scratch, &hits.scratch)
    var folded: [UInt8] = []
    swap(&folded, &scratch.folded)
    Folding.fold(text, into: &folded, with: &scratch.normalizer)
    searchFolded(folded.span, &scratch, &hits)
    swap(&folded, &scratch.folded)
    scratch.trim()
    swap(&scratch, &hits.scratch)
  }

  private func searchFolded(
    _ folded: Span<UInt8>, _ scratch: inout TermScratch, _ hits: inout TermHits
  ) {
    guard !isPlain(folded) else {
      search(.asWritten, folded, edges: folded, &hits)
      return
    }
    if TermEdges.foldCaseInPlace(folded, into: &scratch.caseFolded) {
      search(.asWritten, scratch.caseFolded.span, edges: folded, &hits)
      return
    }
    TermEdges.foldCase(folded, into: &scratch.caseFolded, edges: &scratch.edges)
    search(.listed, scratch.caseFolded.span, edges: scratch.edges.span, &hits)
  }

  /// Whether the text can be searched as it stands, edges being told from it.
  private func isPlain(_ text: Span<UInt8>) -> Bool {
    var place = Folding.firstNonASCII(text, from: 0)
    while place < text.count {
      let scalar = ScalarCoding.decode(text, at: &place)
      guard scalar != ScalarCoding.malformed, ScalarTraits(of: scalar).isPlain(caseless: caseless) else {
        return false
      }
      if place < text.count, text[place] < 0x80 { place = Folding.firstNonASCII(text, from: place) }
    }
    return true
  }

  /// How long a key may be, in bytes. Eight tell words apart well enough; fewer where there are so many terms
  /// that the automaton would become large: it has at most as many states as the keys have bytes.
  private static func keyLimit(_ lengths: [Int]) -> Int {
    var limit = 8
    while limit > 2, lengths.reduce(0, { $0 + min($1, limit) }) > 1 << 16 { limit -= 1 }
    return limit
  }

  /// The piece to look for: of the longest literal the first bytes. Empty if there is no literal.
  private static func key(of pattern: [UInt8], limit: Int) -> Range<Int> {
    var best = 0..<0
    var start = 0
    while start < pattern.count {
      var end = start
      while end < pattern.count, !TermPattern.isGap(pattern[end]) { end += 1 }
      if end - start > best.count { best = start..<end }
      start = end + 1
    }
    return best.lowerBound..<min(best.upperBound, best.lowerBound + limit)
  }
}

/// What the edges of a searched text are told from.
enum TermEdgeSource {
  /// The folded text, case as written: every character stands where it does in the searched text.
  case asWritten
  /// A list made when the case was folded: for each byte of the searched text, and its end, 1 or 0.
  case listed
}
