internal import CUnicode

/// Brings a stretch of scalars into Normalization Form KC (UAX #15).
///
/// Keeps its buffer between stretches, so that a text with many of them allocates once.
struct FoldingNormalizer: Sendable {
  /// The stretch, decomposed: the scalar in the low 24 bits, its combining class above.
  private var marked: [UInt32] = []
  private var sorted: [UInt32] = []

  /// Adds a scalar, decomposed, to the stretch.
  mutating func add(_ scalar: UInt32) {
    if scalar >= Hangul.firstSyllable, scalar - Hangul.firstSyllable < Hangul.syllables {
      addSyllable(scalar - Hangul.firstSyllable)
      return
    }
    let place = cunicode_mapping(scalar)
    guard place != 0 else {
      mark(scalar)
      return
    }
    for offset in 1...cunicode_mapping_at(place) { mark(cunicode_mapping_at(place + offset)) }
  }

  /// Writes the stretch in normal form, without the characters that folding removes, and empties it.
  mutating func flush(into out: inout [UInt8]) {
    reorder()
    compose()
    for entry in marked {
      let scalar = entry & 0xFF_FFFF
      if scalar >= 0x80, ScalarTraits(of: scalar).has(.removed) { continue }
      ScalarCoding.append(scalar, to: &out)
    }
    marked.removeAll(keepingCapacity: true)
  }

  /// Gives its buffers back if they hold more than so many bytes.
  mutating func trim(to limit: Int) {
    if max(marked.capacity, sorted.capacity) > limit / 4 { self = FoldingNormalizer() }
  }

  private mutating func mark(_ scalar: UInt32) {
    marked.append(scalar | UInt32(ScalarTraits(of: scalar).combiningClass) << 24)
  }

  private mutating func addSyllable(_ index: UInt32) {
    marked.append(Hangul.firstLead + index / (Hangul.vowels * Hangul.tails))
    marked.append(Hangul.firstVowel + index / Hangul.tails % Hangul.vowels)
    if index % Hangul.tails != 0 { marked.append(Hangul.beforeTails + index % Hangul.tails) }
  }

  /// Canonical ordering: every run of marks by combining class, equal classes as they came.
  private mutating func reorder() {
    var start = 0
    while start < marked.count {
      guard marked[start] >> 24 != 0 else {
        start += 1
        continue
      }
      var end = start + 1
      while end < marked.count, marked[end] >> 24 != 0 { end += 1 }
      if end - start <= 16 { insertionSort(start..<end) } else { countingSort(start..<end) }
      start = end
    }
  }

  private mutating func insertionSort(_ run: Range<Int>) {
    for place in run.dropFirst() {
      let entry = marked[place]
      var hole = place
      while hole > run.lowerBound, marked[hole - 1] >> 24 > entry >> 24 {
        marked[hole] = marked[hole - 1]
        hole -= 1
      }
      marked[hole] = entry
    }
  }

  /// Linear, because the run may be as long as a hostile text.
  private mutating func countingSort(_ run: Range<Int>) {
    var places = [Int](repeating: 0, count: 257)
    for entry in marked[run] { places[Int(entry >> 24) + 1] += 1 }
    for ccc in 1...256 { places[ccc] += places[ccc - 1] }
    sorted.removeAll(keepingCapacity: true)
    sorted.append(contentsOf: marked[run])
    for entry in sorted {
      marked[run.lowerBound + places[Int(entry >> 24)]] = entry
      places[Int(entry >> 24)] += 1
    }
  }

  /// Canonical composition, in place: the result is never longer.
  private mutating func compose() {
    guard marked.count > 1 else { return }
    var starter = -1
    var lastClass: UInt32 = 0
    var end = 0
    // By index: iterating over the array while changing it would copy it.
    for place in marked.indices {
      let entry = marked[place]
      let (scalar, ccc) = (entry & 0xFF_FFFF, entry >> 24)
      // Blocked if something of the same or a higher class, or another starter, stands between.
      let adjacent = starter == end - 1
      if starter >= 0, adjacent || (lastClass != 0 && lastClass < ccc),
        let composite = composite(marked[starter] & 0xFF_FFFF, scalar)
      {
        // A primary composite is always a starter.
        marked[starter] = composite
        continue
      }
      if ccc == 0 { starter = end }
      lastClass = ccc
      marked[end] = entry
      end += 1
    }
    marked.removeLast(marked.count - end)
  }

  private func composite(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if let syllable = Hangul.compose(first, second) { return syllable }
    // No composite begins with an ASCII control or ends with an ASCII character.
    guard second >= 0x300 else { return nil }
    let found = cunicode_compose(first, second)
    return found == 0 ? nil : found
  }
}

/// Hangul syllables, composed by arithmetic (Unicode, section 3.12).
private enum Hangul {
  static let firstSyllable: UInt32 = 0xAC00
  static let firstLead: UInt32 = 0x1100
  static let firstVowel: UInt32 = 0x1161
  /// One before the first trailing consonant: index 0 means none.
  static let beforeTails: UInt32 = 0x11A7
  static let leads: UInt32 = 19
  static let vowels: UInt32 = 21
  static let tails: UInt32 = 28
  static let syllables: UInt32 = leads * vowels * tails

  static func compose(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if first >= firstLead, first < firstLead + leads, second >= firstVowel, second < firstVowel + vowels {
      return firstSyllable + ((first - firstLead) * vowels + (second - firstVowel)) * tails
    }
    guard first >= firstSyllable, first < firstSyllable + syllables, (first - firstSyllable) % tails == 0,
      second > beforeTails, second < beforeTails + tails
    else { return nil }
    return first + (second - beforeTails)
  }
}
