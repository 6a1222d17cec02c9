extension TermScanner {
  func search(_ form: TermText, _ text: Span<UInt8>, _ edges: Span<UInt8>, _ hits: inout TermHits) {
    if !keyed.isEmpty { run(form, text, edges, &hits) }
    if !separatorOnly.isEmpty { searchSeparators(text, &hits) }
  }

  private func run(_ form: TermText, _ text: Span<UInt8>, _ edges: Span<UInt8>, _ hits: inout TermHits) {
    let table = automaton.table.span
    let classes = automaton.classes.span
    let bound = automaton.firstEnding
    var state: UInt32 = 0
    for place in 0..<text.count {
      state = table[Int(state) + Int(classes[Int(text[place])])]
      if state >= bound { verify(state, form, text, edges, end: place + 1, &hits) }
    }
  }

  /// Looks whether the terms whose keys end here, with an ending state reached, stand in the text.
  @inline(never)
  private func verify(
    _ state: UInt32, _ form: TermText, _ text: Span<UInt8>, _ edges: Span<UInt8>, end: Int,
    _ hits: inout TermHits
  ) {
    let list = Int(automaton.table[Int(state) + automaton.classCount])
    for offset in 1...Int(automaton.outputs[list]) {
      let entry = keyed[Int(automaton.outputs[list + offset])]
      if !hits.contains(entry.id), stands(entry, form, text, edges, keyEnd: end) { hits.insert(entry.id) }
    }
  }

  private func stands(
    _ entry: Entry, _ form: TermText, _ text: Span<UInt8>, _ edges: Span<UInt8>, keyEnd: Int
  ) -> Bool {
    let pattern = patterns.span
    let head = entry.pattern.lowerBound..<entry.key.lowerBound
    let tail = entry.key.upperBound..<entry.pattern.upperBound
    guard
      let (start, startsInGap) = TermMatching.backward(pattern, head, text, before: keyEnd - entry.key.count),
      startsInGap || isEdge(form, text, edges, start),
      let (end, endsInGap) = TermMatching.forward(pattern, tail, text, from: keyEnd)
    else { return false }
    return entry.isPrefix || endsInGap || isEdge(form, text, edges, end)
  }

  private func isEdge(_ form: TermText, _ text: Span<UInt8>, _ edges: Span<UInt8>, _ place: Int) -> Bool {
    switch form {
    case .asWritten: TermEdges.isEdge(text, at: place)
    case .caseFolded: edges[place] != 0
    }
  }

  /// Every stretch of separators, against the terms that are nothing else. All places in it are edges.
  private func searchSeparators(_ text: Span<UInt8>, _ hits: inout TermHits) {
    let pattern = patterns.span
    var start = 0
    while start < text.count {
      var end = start
      while end < text.count, TermPattern.isSeparator(text[end]) { end += 1 }
      if end > start {
        for entry in separatorOnly where !hits.contains(entry.id) {
          let stands = TermMatching.matches(
            pattern, entry.pattern, text, start..<end, freeStart: true, freeEnd: true)
          if stands { hits.insert(entry.id) }
        }
      }
      start = end + 1
    }
  }
}
