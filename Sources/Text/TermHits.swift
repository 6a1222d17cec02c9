/// Which terms a scan found, and the buffers a scan needs. Keep one and use it again: then scans do not allocate.
package struct TermHits: Sendable {
  /// One bit a term.
  private var words: [UInt64] = []
  var scratch = TermScratch()

  package init() {}

  /// How many different terms were found.
  package private(set) var count = 0

  package var isEmpty: Bool { count == 0 }

  /// The ids found, ascending. Allocates; ``forEach(_:)`` does not.
  package var ids: [Int] {
    var found: [Int] = []
    forEach { found.append($0) }
    return found
  }

  package func contains(_ id: Int) -> Bool {
    id >= 0 && id >> 6 < words.count && words[id >> 6] >> UInt64(id & 63) & 1 != 0
  }

  /// The lowest id found.
  package var first: Int? {
    for (index, word) in words.enumerated() where word != 0 { return index << 6 + word.trailingZeroBitCount }
    return nil
  }

  /// Calls with each id found, ascending.
  package func forEach(_ body: (Int) -> Void) {
    for index in words.indices {
      var word = words[index]
      while word != 0 {
        body(index << 6 + word.trailingZeroBitCount)
        word &= word - 1
      }
    }
  }

  /// Forgets what was found, and makes room for ids below `terms`.
  mutating func reset(terms: Int) {
    count = 0
    let needed = (terms + 63) >> 6
    if words.count == needed {
      for index in words.indices { words[index] = 0 }
    } else {
      words = [UInt64](repeating: 0, count: needed)
    }
  }

  mutating func insert(_ id: Int) {
    guard !contains(id) else { return }
    words[id >> 6] |= 1 << UInt64(id & 63)
    count += 1
  }
}

/// Buffers of the slower paths of a scan.
struct TermScratch: Sendable {
  /// Capacity in bytes that a buffer may keep between scans. One hostile text (folding can make it eleven times
  /// longer) must not hold its memory for ever.
  private static let kept = 1 << 18

  var normalizer = FoldingNormalizer()
  var folded: [UInt8] = []
  var caseFolded: [UInt8] = []
  var edges: [UInt8] = []

  /// Gives back what an unusually long text needed.
  mutating func trim() {
    if max(folded.capacity, caseFolded.capacity, edges.capacity) > Self.kept { self = TermScratch() }
    normalizer.trim(to: Self.kept)
  }
}
