extension TermScanner {
  /// - Parameters:
  ///   - text: Folded, and of its case at most ASCII's left where a term has letters beyond it.
  ///   - edges: What `source` says.
  func search(_ source: TermEdgeSource, _ text: Span<UInt8>, edges: Span<UInt8>, _ hits: inout TermHits) {
    if !keyed.isEmpty { run(source, text, edges, &hits) }
    if !separatorOnly.isEmpty { searchSeparators(text, &hits) }
  }

  /// Runs the automaton over the text.
  ///
  /// Each byte's transition waits for the one before it, so one run leaves most of the processor idle. A text of
  /// some length is cut into four lanes that advance together. Each lane but the first begins from the start
  /// state, as many bytes before its own part as a key can reach back; what the overlaps show twice counts once.
  private func run(
    _ source: TermEdgeSource, _ text: Span<UInt8>, _ edges: Span<UInt8>, _ hits: inout TermHits
  ) {
    let overlap = automaton.longest - 1
    let length = (text.count + 3 * overlap) / 4
    guard length >= 4 * overlap, length >= 16 else {
      runLane(0, 0..<text.count, source, text, edges, &hits)
      return
    }
    let offset = length - overlap
    let state = runLanes(length, offset, source, text, edges, &hits)
    runLane(state, 3 * offset + length..<text.count, source, text, edges, &hits)
  }

  private func runLane(
    _ start: UInt32, _ range: Range<Int>, _ source: TermEdgeSource, _ text: Span<UInt8>, _ edges: Span<UInt8>,
    _ hits: inout TermHits
  ) {
    let table = automaton.table.span
    let classes = automaton.classes.span
    var state = start
    for place in range {
      state = table[Int(state) + Int(classes[Int(text[place])])]
      if state >= automaton.firstEnding { verify(state, source, text, edges, end: place + 1, &hits) }
    }
  }

  /// Four lanes of `length` bytes, each beginning `offset` after the one before.
  ///
  /// - Returns: The state of the last lane.
  private func runLanes(
    _ length: Int, _ offset: Int, _ source: TermEdgeSource, _ text: Span<UInt8>, _ edges: Span<UInt8>,
    _ hits: inout TermHits
  ) -> UInt32 {
    let table = automaton.table.span
    let classes = automaton.classes.span
    let bound = automaton.firstEnding
    // What `run` sees to, said once more: with it the compiler drops the checks of all but the table.
    precondition(offset >= 0 && 3 * offset + length <= text.count && classes.count == 256)
    @inline(__always) func step(_ state: UInt32, _ place: Int) -> UInt32 {
      table[Int(state) + Int(classes[Int(text[place])])]
    }
    var (a, b, c, d): (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
    var place = 0
    while place < length {
      a = step(a, place)
      b = step(b, place + offset)
      c = step(c, place + 2 * offset)
      d = step(d, place + 3 * offset)
      place += 1
      if (a | b | c | d) >= bound {
        if a >= bound { verify(a, source, text, edges, end: place, &hits) }
        if b >= bound { verify(b, source, text, edges, end: place + offset, &hits) }
        if c >= bound { verify(c, source, text, edges, end: place + 2 * offset, &hits) }
        if d >= bound { verify(d, source, text, edges, end: place + 3 * offset, &hits) }
      }
    }
    return d
  }

  /// Looks whether the terms whose keys end here, with an ending state reached, stand in the text.
  @inline(never)
  private func verify(
    _ state: UInt32, _ source: TermEdgeSource, _ text: Span<UInt8>, _ edges: Span<UInt8>, end: Int,
    _ hits: inout TermHits
  ) {
    let list = Int(automaton.table[Int(state) + automaton.classCount])
    for offset in 1...Int(automaton.outputs[list]) {
      let entry = keyed[Int(automaton.outputs[list + offset])]
      if !hits.contains(entry.id), stands(entry, source, text, edges, keyEnd: end) { hits.insert(entry.id) }
    }
  }

  private func stands(
    _ entry: Entry, _ source: TermEdgeSource, _ text: Span<UInt8>, _ edges: Span<UInt8>, keyEnd: Int
  ) -> Bool {
    let pattern = patterns.span
    let head = entry.pattern.lowerBound..<entry.key.lowerBound
    let tail = entry.key.upperBound..<entry.pattern.upperBound
    guard
      let (start, startsInGap) = TermMatching.backward(pattern, head, text, before: keyEnd - entry.key.count),
      startsInGap || isEdge(source, text, edges, start),
      let (end, endsInGap) = TermMatching.forward(pattern, tail, text, from: keyEnd)
    else { return false }
    return entry.isPrefix || endsInGap || isEdge(source, text, edges, end)
  }

  private func isEdge(_ source: TermEdgeSource, _ text: Span<UInt8>, _ edges: Span<UInt8>, _ place: Int)
    -> Bool
  {
    switch source {
    case .asWritten: TermEdges.isEdge(edges, at: place)
    case .listed: edges[place] != 0
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
