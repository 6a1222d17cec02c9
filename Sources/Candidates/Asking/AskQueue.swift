/// What waits for a model: by priority, and in the order of arrival within one.
struct AskQueue<Element: Sendable>: Sendable {
  struct Entry: Sendable {
    let priority: Question.Priority
    /// Monotonic nanoseconds.
    let deadline: UInt64
    let element: Element
  }

  /// By the raw value of the priority.
  private var lanes: [Lane] = [Lane(), Lane(), Lane()]

  private struct Lane: Sendable {
    var entries: [Entry] = []
    var head = 0
    var count: Int { entries.count - head }

    mutating func popFirst() -> Entry? {
      guard count > 0 else { return nil }
      defer {
        head += 1
        // Moved up now and then, so that taking from the front costs nothing on the whole.
        if head == entries.count || head > 64 && head * 2 > entries.count {
          entries.removeFirst(head)
          head = 0
        }
      }
      return entries[head]
    }

    mutating func popLast() -> Entry? { count > 0 ? entries.removeLast() : nil }

    mutating func removeExpired(at now: UInt64) -> [Entry] {
      let expired = entries[head...].filter { $0.deadline <= now }
      guard !expired.isEmpty else { return [] }
      entries = entries[head...].filter { $0.deadline > now }
      head = 0
      return expired
    }
  }

  var count: Int { lanes.reduce(0) { $0 + $1.count } }
  func count(of priority: Question.Priority) -> Int { lanes[priority.rawValue].count }
  var earliestDeadline: UInt64? {
    lanes.compactMap { lane in lane.entries[lane.head...].lazy.map(\.deadline).min() }.min()
  }

  mutating func append(_ element: Element, priority: Question.Priority, deadline: UInt64) {
    lanes[priority.rawValue].entries.append(
      Entry(priority: priority, deadline: deadline, element: element))
  }

  /// The oldest of the highest priority.
  mutating func popFirst() -> Element? {
    for index in lanes.indices {
      if let entry = lanes[index].popFirst() { return entry.element }
    }
    return nil
  }

  /// The newest of this priority.
  mutating func popLast(of priority: Question.Priority) -> Element? {
    lanes[priority.rawValue].popLast()?.element
  }

  /// Takes out the newest of the lowest priority that is below `priority`; nil where nothing has to make way.
  mutating func displace(for priority: Question.Priority) -> Element? {
    for index in lanes.indices.reversed() where index > priority.rawValue {
      if let entry = lanes[index].popLast() { return entry.element }
    }
    return nil
  }

  /// Takes out what should have been answered by now.
  mutating func removeExpired(at now: UInt64) -> [Element] {
    lanes.indices.flatMap { lanes[$0].removeExpired(at: now) }.map(\.element)
  }

  mutating func removeAll() -> [Element] {
    defer { lanes = [Lane(), Lane(), Lane()] }
    return lanes.flatMap { $0.entries[$0.head...] }.map(\.element)
  }
}
