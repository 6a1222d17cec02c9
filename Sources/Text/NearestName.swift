/// Guesses what somebody meant to write.
package enum NearestName {
  /// Longer words are not compared: the work for one is bounded by the square of this.
  private static let longest = 48

  /// The candidate that is fewest typing errors away, where that is near enough to be worth saying.
  ///
  /// A typing error is a missing, extra or wrong character or two neighbours swapped; case and the choice between
  /// `-`, `_` and space count for nothing.
  package static func match(for word: String, among candidates: some Sequence<String>) -> String? {
    let wanted = folded(word)
    guard !wanted.isEmpty, wanted.count <= longest else { return nil }
    var best: (name: String, distance: Int)?
    for candidate in candidates {
      let other = folded(candidate)
      let limit = min(tolerance(wanted, other), (best?.distance ?? .max) - 1)
      guard limit >= 0, abs(other.count - wanted.count) <= limit else { continue }
      let distance = distance(wanted, other)
      if distance <= limit { best = (candidate, distance) }
    }
    return best?.name
  }

  /// A third of the characters, at most 3: `off` is not a misspelled `on`.
  private static func tolerance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    min(3, max(left.count, right.count) / 3)
  }

  private static func folded(_ text: String) -> [UInt8] {
    text.utf8.map { byte in
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
      case UInt8(ascii: "-"), UInt8(ascii: " "): UInt8(ascii: "_")
      default: byte
      }
    }
  }

  /// Optimal string alignment distance, three rows at a time.
  private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var beforeLast = [Int](repeating: 0, count: right.count + 1)
    var last = Array(0...right.count)
    var current = beforeLast
    for row in left.indices {
      current[0] = row + 1
      for column in right.indices {
        let substitution = last[column] + (left[row] == right[column] ? 0 : 1)
        var cost = min(substitution, last[column + 1] + 1, current[column] + 1)
        if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
          cost = min(cost, beforeLast[column - 1] + 1)
        }
        current[column + 1] = cost
      }
      (beforeLast, last, current) = (last, current, beforeLast)
    }
    return last[right.count]
  }
}
