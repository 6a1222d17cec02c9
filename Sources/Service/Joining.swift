import Evidence
import RouterCore
import Wire

/// Brings a call's decision and the frontier's answer together, in whichever order they come.
///
/// A value behind one lock. Texts wait in bounded memory and for a bounded time; what had to be let go is told apart
/// from what was never there.
struct Joining: Sendable {
  /// What a decided call leaves behind for the answer to be compared with.
  struct Decided: Sendable {
    var task: PreparedTask?
    var candidate: CandidateAnswer?
    /// Why there is nothing to compare, where there is not: a word for `agreement_detail`.
    var cause: AgreementDetail
    /// Monotonic nanoseconds of the call frame.
    var arrived: UInt64
    var generation: Generation

    /// Bytes of memory, near enough for a bound.
    var weight: Int {
      200 + (candidate.map { $0.answer.stringValue?.utf8.count ?? $0.answer.jsonText.utf8.count } ?? 0)
    }
  }

  enum Entry {
    case asking(answer: AnswerFrame?)
    case decided(Decided)
    case answered(AnswerFrame)
  }

  /// What to do with an answer.
  enum Admission {
    case compare(Decided)
    /// It waits, for its candidate or for its call.
    case waits
    case duplicate
    /// Nothing to wait for: `expired`, `restart`.
    case unmatched(AgreementDetail)
  }

  static let patience: UInt64 = 600_000_000_000
  /// An answer ahead of its call is a race between two connections: it is over in moments or not at all.
  static let answerPatience: UInt64 = 10_000_000_000
  static let capacityBytes = 64 << 20

  private(set) var recent = RecentCalls()
  private var entries: [RecentCalls.Key: Entry] = [:]
  private var order = Fifo()
  private var answerOrder = Fifo()
  private(set) var bytes = 0

  /// A call has come.
  ///
  /// - Returns: False for an id that was seen already; nothing changes then.
  mutating func called(_ id: String) -> Bool {
    let key = RecentCalls.Key(id)
    guard recent.insert(key) else { return false }
    if case .answered(let frame) = entries[key] {
      recent.answer(key)
      entries[key] = .asking(answer: frame)
    } else {
      // An id that comes again after 100,000 others may still have its first call's entry.
      forget(key)
      entries[key] = .asking(answer: nil)
    }
    return true
  }

  /// The task that a call was decided as; nil where it is not remembered or has none.
  func task(of id: String) -> String? { recent.task(of: RecentCalls.Key(id)) }

  /// A call known from before this process started.
  mutating func restored(_ id: String) { _ = recent.insert(RecentCalls.Key(id), as: .restored) }

  /// A call is decided.
  ///
  /// - Returns: The answer that waited for it, to be compared now.
  mutating func decided(_ id: String, _ decided: Decided, now: UInt64) -> AnswerFrame? {
    let key = RecentCalls.Key(id)
    recent.decide(key, as: decided.task?.policy.name)
    if case .asking(let frame?) = entries[key] {
      entries[key] = nil
      bytes -= Self.weight(frame)
      return frame
    }
    entries[key] = .decided(decided)
    bytes += decided.weight
    // Most calls are compared long before their time is over: what is gone from the front is let go at once.
    order.dropLeading { entries[$0] == nil }
    order.push(key, at: now)
    shrink()
    return nil
  }

  /// An answer has come.
  mutating func answered(_ frame: AnswerFrame, now: UInt64) -> Admission {
    let key = RecentCalls.Key(frame.callID)
    let mark = recent[key]
    switch entries[key] {
    case .decided(let decided):
      entries[key] = nil
      bytes -= decided.weight
      recent.answer(key)
      return .compare(decided)
    case .asking(nil):
      entries[key] = .asking(answer: frame)
      bytes += Self.weight(frame)
      recent.answer(key)
      return .waits
    case .asking, .answered: return .duplicate
    case nil:
      switch mark {
      case .answered: return .duplicate
      case .called:
        recent.answer(key)
        return .unmatched(.expired)
      case .restored:
        recent.answer(key)
        return .unmatched(.restart)
      case nil:
        entries[key] = .answered(frame)
        bytes += Self.weight(frame)
        answerOrder.push(key, at: now)
        shrink()
        return .waits
      }
    }
  }

  /// Takes out the answers that no call came for, and forgets decided calls that nobody answered.
  ///
  /// - Parameter everything: At a stop: whatever still waits.
  mutating func expire(now: UInt64, everything: Bool = false) -> [AnswerFrame] {
    var lost: [AnswerFrame] = []
    while let id = answerOrder.pop(olderThan: everything ? .max : now &- min(now, Self.answerPatience)) {
      if case .answered(let frame) = entries[id] {
        entries[id] = nil
        bytes -= Self.weight(frame)
        lost.append(frame)
      }
    }
    while let id = order.pop(olderThan: everything ? .max : now &- min(now, Self.patience)) { forget(id) }
    lost += overflow
    overflow = []
    return lost
  }

  /// Answers pushed out by the memory bound, to be recorded at the next sweep.
  private var overflow: [AnswerFrame] = []

  private mutating func shrink() {
    while bytes > Self.capacityBytes {
      if let id = order.pop(olderThan: .max) {
        forget(id)
      } else if let id = answerOrder.pop(olderThan: .max) {
        guard case .answered(let frame) = entries[id] else { continue }
        entries[id] = nil
        bytes -= Self.weight(frame)
        overflow.append(frame)
      } else {
        return
      }
    }
  }

  private mutating func forget(_ id: RecentCalls.Key) {
    guard case .decided(let decided) = entries[id] else { return }
    entries[id] = nil
    bytes -= decided.weight
  }

  /// Trees take about four times their text.
  private static func weight(_ frame: AnswerFrame) -> Int {
    let answer = frame.answer
    let calls = answer.toolCalls.reduce(0) { $0 + 100 + $1.arguments.jsonText.utf8.count * 4 }
    return 300 + answer.text.utf8.count * (answer.value == nil ? 1 : 5) + calls
  }
}

/// Ids in the order they came, with their times.
private struct Fifo: Sendable {
  private var items: [(id: RecentCalls.Key, at: UInt64)] = []
  private var head = 0

  mutating func push(_ id: RecentCalls.Key, at now: UInt64) { items.append((id, now)) }

  mutating func dropLeading(where isGone: (RecentCalls.Key) -> Bool) {
    while head < items.count, isGone(items[head].id) { _ = pop(olderThan: .max) }
  }

  mutating func pop(olderThan limit: UInt64) -> RecentCalls.Key? {
    guard head < items.count, items[head].at < limit || limit == .max else { return nil }
    defer {
      head += 1
      if head > 1024, head * 2 > items.count {
        items.removeFirst(head)
        head = 0
      }
    }
    return items[head].id
  }
}
