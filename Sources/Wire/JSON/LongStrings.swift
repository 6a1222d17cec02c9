/// Where the long string values of a text end: noted while the text is checked whole, used whenever a part of it is looked
/// at again.
///
/// A chat's prompt stands four levels deep, and listing each level would read through it once more.
package struct LongStrings: Sendable {
  private struct Place {
    let start: Int
    let end: Int
    let hasEscapes: Bool
  }

  /// Shorter ones are read again sooner than they are found here.
  private static let leastBytes = 96
  /// A hostile text may hold 10,000 of them; the rest is read again.
  private static let most = 1_024

  /// In the order of their beginnings.
  private var places: [Place] = []
  /// Whether the text has been read to its end: only then may anything be jumped over.
  var isComplete = false
  private var isNoting = false

  package init() {}

  /// Begins a new text, whose strings are to be noted.
  mutating func forget() {
    places.removeAll(keepingCapacity: true)
    isComplete = false
    isNoting = true
  }

  @inline(__always)
  mutating func note(_ start: Int, _ end: Int, _ hasEscapes: Bool) {
    guard isNoting, !isComplete, end &- start >= Self.leastBytes, places.count < Self.most else { return }
    places.append(Place(start: start, end: end, hasEscapes: hasEscapes))
  }

  @inline(__always)
  func known(at start: Int) -> (end: Int, hasEscapes: Bool)? {
    guard isComplete, !places.isEmpty else { return nil }
    return search(start)
  }

  private func search(_ start: Int) -> (end: Int, hasEscapes: Bool)? {
    var low = 0
    var high = places.count
    while low < high {
      let middle = (low + high) / 2
      if places[middle].start < start { low = middle + 1 } else { high = middle }
    }
    guard low < places.count, places[low].start == start else { return nil }
    return (places[low].end, places[low].hasEscapes)
  }
}
