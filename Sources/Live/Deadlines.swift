/// Moments at which something is due, the earliest first. What has been dealt with before then stays in it until its
/// moment comes: whoever takes it out looks it up.
package struct Deadlines: Sendable {
  package struct Entry: Sendable, Equatable {
    /// Monotonic nanoseconds.
    package let due: UInt64
    package let number: UInt64
  }

  /// A binary heap.
  private var entries: [Entry] = []

  package init() {}

  package var count: Int { entries.count }
  package var earliest: UInt64? { entries.first?.due }

  package mutating func add(_ number: UInt64, due: UInt64) {
    entries.append(Entry(due: due, number: number))
    var child = entries.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard entries[child].due < entries[parent].due else { break }
      entries.swapAt(child, parent)
      child = parent
    }
  }

  /// Takes out the earliest entry, where it is due.
  package mutating func takeFirst(dueBy now: UInt64) -> Entry? {
    guard let first = entries.first, first.due <= now else { return nil }
    entries.swapAt(0, entries.count - 1)
    entries.removeLast()
    sink(0)
    return first
  }

  /// Keeps only what `isWanted` says: many calls are answered long before their moment.
  package mutating func keep(where isWanted: (UInt64) -> Bool) {
    entries = entries.filter { isWanted($0.number) }.sorted { $0.due < $1.due }
  }

  private mutating func sink(_ start: Int) {
    var parent = start
    while true {
      var smallest = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < entries.count {
        if entries[child].due < entries[smallest].due { smallest = child }
      }
      guard smallest != parent else { return }
      entries.swapAt(parent, smallest)
      parent = smallest
    }
  }
}
