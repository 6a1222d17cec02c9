/// What waits for a model: by priority; within one the senders take turns; of one sender in the order of arrival.
struct AskQueue<Element: Sendable>: Sendable {
  struct Entry: Sendable {
    let sender: UInt64
    /// Rises from question to question.
    let order: UInt64
    /// Monotonic nanoseconds.
    let deadline: UInt64
    let element: Element
  }

  /// By the raw value of the priority.
  private var lanes: [Lane] = [Lane(), Lane(), Lane()]
  private var lastOrder: UInt64 = 0

  private struct Lane: Sendable {
    private var lines: [UInt64: Line<Entry>] = [:]
    /// Senders that wait, in the order of their turns.
    private var turns = Line<UInt64>()
    private(set) var count = 0

    var entries: [Entry] { lines.values.flatMap(\.entries) }

    func count(of sender: UInt64) -> Int { lines[sender]?.count ?? 0 }

    mutating func append(_ entry: Entry) {
      if lines[entry.sender] == nil { turns.append(entry.sender) }
      lines[entry.sender, default: Line()].append(entry)
      count += 1
    }

    mutating func popFirst() -> Entry? {
      guard let sender = turns.popFirst(), let entry = lines[sender]?.popFirst() else { return nil }
      count -= 1
      if lines[sender]?.count == 0 { lines[sender] = nil } else { turns.append(sender) }
      return entry
    }

    /// The newest question of all.
    mutating func popLast() -> Entry? {
      lines.max { ($0.value.last?.order ?? 0) < ($1.value.last?.order ?? 0) }.flatMap { popLast(of: $0.key) }
    }

    mutating func popLast(of sender: UInt64) -> Entry? {
      guard let entry = lines[sender]?.popLast() else { return nil }
      count -= 1
      if lines[sender]?.count == 0 { end(sender) }
      return entry
    }

    /// The newest question of the sender that has most of them, where that is at least two more than `sender` has.
    mutating func popLastOfGreediest(for sender: UInt64) -> Entry? {
      guard let greediest = lines.max(by: { ($0.value.count, $0.key) < ($1.value.count, $1.key) }),
        greediest.value.count >= count(of: sender) + 2
      else { return nil }
      return popLast(of: greediest.key)
    }

    mutating func removeExpired(at now: UInt64) -> [Entry] {
      var expired: [Entry] = []
      for (sender, line) in lines where line.entries.contains(where: { $0.deadline <= now }) {
        expired += line.entries.filter { $0.deadline <= now }
        lines[sender] = Line(line.entries.filter { $0.deadline > now })
        if lines[sender]?.count == 0 { end(sender) }
      }
      count -= expired.count
      return expired
    }

    /// A sender takes part again, at the end, when it asks again.
    private mutating func end(_ sender: UInt64) {
      lines[sender] = nil
      turns = Line(turns.entries.filter { $0 != sender })
    }
  }

  private struct Line<Member: Sendable>: Sendable {
    private var members: [Member]
    private var head = 0

    init(_ members: [Member] = []) { self.members = members }

    var count: Int { members.count - head }
    var entries: ArraySlice<Member> { members[head...] }
    var last: Member? { entries.last }

    mutating func append(_ member: Member) { members.append(member) }

    mutating func popFirst() -> Member? {
      guard count > 0 else { return nil }
      defer {
        head += 1
        // Moved up now and then, so that taking from the front costs nothing on the whole.
        if head == members.count || head > 64 && head * 2 > members.count {
          members.removeFirst(head)
          head = 0
        }
      }
      return members[head]
    }

    mutating func popLast() -> Member? { count > 0 ? members.removeLast() : nil }

    init(_ members: ArraySlice<Member>) { self.members = Array(members) }
  }

  var count: Int { lanes.reduce(0) { $0 + $1.count } }
  func count(of priority: Question.Priority) -> Int { lanes[priority.rawValue].count }
  var earliestDeadline: UInt64? { lanes.compactMap { $0.entries.lazy.map(\.deadline).min() }.min() }

  mutating func append(
    _ element: Element, priority: Question.Priority, sender: UInt64 = 0, deadline: UInt64
  ) {
    lastOrder += 1
    lanes[priority.rawValue].append(
      Entry(sender: sender, order: lastOrder, deadline: deadline, element: element))
  }

  /// The oldest of the sender whose turn it is, of the highest priority.
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

  /// Takes out what has to make way: the newest of the lowest priority that is below `priority`, else of the sender that
  /// has far more waiting than `sender`; nil where nothing has to.
  mutating func displace(for priority: Question.Priority, sender: UInt64 = 0) -> Element? {
    for index in lanes.indices.reversed() where index > priority.rawValue {
      if let entry = lanes[index].popLast() { return entry.element }
    }
    return lanes[priority.rawValue].popLastOfGreediest(for: sender)?.element
  }

  /// Takes out what should have been answered by now.
  mutating func removeExpired(at now: UInt64) -> [Element] {
    lanes.indices.flatMap { lanes[$0].removeExpired(at: now) }.map(\.element)
  }

  mutating func removeAll() -> [Element] {
    defer { lanes = [Lane(), Lane(), Lane()] }
    return lanes.flatMap(\.entries).sorted { $0.order < $1.order }.map(\.element)
  }
}
