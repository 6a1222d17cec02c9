import Agreements
import PolicyFiles
import RouterCore
import Wire

/// Brings a call's decision and the frontier's answer together, in whichever order they come.
///
/// A value behind one lock. Texts wait in bounded memory and for a bounded time; what had to be let go is told apart
/// from what was never there.
package struct Joining: Sendable {
  /// What a decided call leaves behind for the answer to be compared with.
  struct Decided: Sendable {
    var task: PreparedTask?
    var candidate: Side
    /// nil where the task has no challenger.
    var challenger: Side?
    /// Monotonic nanoseconds of the call frame.
    var arrived: UInt64
    /// Of the call's generation.
    var basis: AnswerBasis
    var isShadow = true
    /// A local answer that the frontier is asked about as well.
    var isAudited = false

    /// Bytes of memory, near enough for a bound: of this value in a box, its place in the tables, and its texts.
    var weight: Int {
      MemoryLayout<Decided>.stride + Joining.placeBytes + candidate.weight + (challenger?.weight ?? 0)
    }
  }

  /// What one model leaves behind to be compared.
  struct Side: Sendable {
    var answer: CandidateAnswer?
    /// Why there is nothing to compare, where there is not: a word for `agreement_detail`.
    var cause: AgreementDetail
    /// The call's text is in the vault, and the frontier's answer belongs beside it.
    var isKept = false

    fileprivate var weight: Int {
      answer.map { $0.answer.stringValue?.utf8.count ?? $0.answer.jsonText.utf8.count } ?? 0
    }
  }

  /// An answer that waits, and when it came: monotonic nanoseconds.
  struct Arrived: Sendable {
    var frame: AnswerFrame
    var at: UInt64

    /// Trees take about four times their text.
    fileprivate var weight: Int {
      let answer = frame.answer
      let calls = answer.toolCalls.reduce(0) { $0 + 100 + $1.arguments.jsonText.utf8.count * 4 }
      return MemoryLayout<Arrived>.stride + Joining.placeBytes + calls
        + answer.text.utf8.count * (answer.value == nil ? 1 : 5)
    }
  }

  /// A call that a challenger is asked about too, until candidate and challenger have both been heard.
  struct Contest: Sendable {
    var answer: Arrived?
    var decided: Decided?
    var challenger: Side?

    fileprivate var weight: Int {
      (answer?.weight ?? 0) + (decided?.weight ?? 0) + (challenger?.weight ?? 0)
    }
  }

  /// Each in a box of its own: the table that holds them is never full, and its empty places should cost little.
  indirect enum Entry {
    case asking(answer: Arrived?)
    case contested(Contest)
    case decided(Decided)
    case answered(Arrived)
  }

  /// An answer and the decision that it is to be compared with; nil: none is known.
  struct Pair: Sendable {
    var answer: Arrived
    var decided: Decided?
  }

  /// What to do with an answer.
  enum Admission {
    case compare(Pair)
    /// It waits, for its candidate or for its call.
    case waits
    case duplicate
    /// Nothing to wait for: `expired`, `restart`.
    case unmatched(AgreementDetail)
  }

  static let patience: UInt64 = 600_000_000_000
  /// An answer ahead of its call is a race between two connections: it is over in moments or not at all.
  static let answerPatience: UInt64 = 10_000_000_000
  package static let usualBytes = 64 << 20
  /// Of an entry in the table, in the order, and of its box's head.
  private static let placeBytes = 160

  /// Most that everything which waits may weigh, in bytes.
  let capacityBytes: Int
  private(set) var recent = RecentCalls()
  private var entries: [RecentCalls.Key: Entry] = [:]
  private var order = Fifo()
  private var answerOrder = Fifo()
  package private(set) var bytes = 0

  /// Entries in the order of decided calls, those that are gone among them.
  var places: Int { order.count }

  init(capacityBytes: Int = usualBytes) { self.capacityBytes = capacityBytes }

  /// A call has come.
  ///
  /// - Returns: False for an id that was seen already; nothing changes then.
  mutating func called(_ id: String) -> Bool {
    let key = RecentCalls.Key(id)
    guard recent.insert(key) else { return false }
    if case .answered(let answer) = entries[key] {
      recent.answer(key)
      entries[key] = .asking(answer: answer)
    } else {
      // An id that comes again after 100,000 others may still have its first call's entry.
      forget(key)
      entries[key] = .asking(answer: nil)
    }
    return true
  }

  /// The task that a call is asked about or was decided as; nil where it is not remembered or has none.
  func task(of id: String) -> String? { recent.task(of: RecentCalls.Key(id)) }

  /// A call known from before this process started.
  package mutating func restored(_ id: String) { _ = recent.insert(RecentCalls.Key(id), as: .restored) }

  /// A call that has come is dropped. Of its answer, also of one that was here before, nothing is known then.
  mutating func shed(_ id: String) {
    let key = RecentCalls.Key(id)
    guard case .asking(let answer) = entries[key] else { return }
    entries[key] = nil
    guard let answer else { return }
    bytes -= answer.weight
    lost.append(Pair(answer: answer))
  }

  /// Candidates are asked about a call. Where a challenger is, too, its comparison waits for both.
  mutating func asked(_ id: String, as task: String?, hasChallenger: Bool) {
    let key = RecentCalls.Key(id)
    recent.note(key, as: task)
    guard hasChallenger else { return }
    guard case .asking(let answer) = entries[key] else { return }
    entries[key] = .contested(Contest(answer: answer))
  }

  /// A call is decided.
  ///
  /// - Returns: What can be compared now: the answer was here before.
  mutating func decided(_ id: String, _ decided: Decided, now: UInt64) -> Pair? {
    let key = RecentCalls.Key(id)
    recent.note(key, as: decided.task?.policy.name)
    if case .contested(var contest) = entries[key] {
      bytes -= contest.weight
      contest.decided = decided
      return settle(key, contest, now: now)
    }
    if case .asking(let answer?) = entries[key] {
      entries[key] = nil
      bytes -= answer.weight
      return Pair(answer: answer, decided: decided)
    }
    keep(key, .decided(decided), weight: decided.weight, now: now)
    return nil
  }

  /// A challenger has been heard.
  ///
  /// - Returns: What can be compared now: the answer was here before.
  mutating func challenged(_ id: String, _ side: Side) -> Pair? {
    let key = RecentCalls.Key(id)
    // Gone: the comparison could not wait that long.
    guard case .contested(var contest) = entries[key] else { return nil }
    bytes -= contest.weight
    contest.challenger = side
    return settle(key, contest, now: nil)
  }

  /// Puts a contest back, or ends it where both have been heard. Its weight has been taken off before.
  ///
  /// - Parameter now: Where it has just been decided: from now on it may be let go.
  private mutating func settle(_ key: RecentCalls.Key, _ contest: Contest, now: UInt64?) -> Pair? {
    var entry = Entry.contested(contest)
    var weight = contest.weight
    if var decided = contest.decided, let challenger = contest.challenger {
      decided.challenger = challenger
      if let answer = contest.answer {
        entries[key] = nil
        return Pair(answer: answer, decided: decided)
      }
      entry = .decided(decided)
      weight = decided.weight
    }
    if let now {
      keep(key, entry, weight: weight, now: now)
    } else {
      entries[key] = entry
      bytes += weight
      shrink()
    }
    return nil
  }

  private mutating func keep(_ key: RecentCalls.Key, _ entry: Entry, weight: Int, now: UInt64) {
    entries[key] = entry
    bytes += weight
    // Most calls are compared long before their time is over: what is gone from the front is let go at once.
    order.dropLeading { entries[$0] == nil }
    if order.count > 2 * entries.count + 1024 { order.keep { entries[$0] != nil } }
    order.push(key, at: now)
    shrink()
  }

  /// An answer has come.
  mutating func answered(_ frame: AnswerFrame, now: UInt64) -> Admission {
    let key = RecentCalls.Key(frame.callID)
    let mark = recent[key]
    let answer = Arrived(frame: frame, at: now)
    switch entries[key] {
    case .decided(let decided):
      entries[key] = nil
      bytes -= decided.weight
      recent.answer(key)
      return .compare(Pair(answer: answer, decided: decided))
    case .asking(nil):
      recent.answer(key)
      guard makeRoom(answer.weight) else { return .unmatched(.expired) }
      entries[key] = .asking(answer: answer)
      bytes += answer.weight
      return .waits
    case .contested(let contest)
    where contest.answer == nil && contest.decided == nil && !makeRoom(answer.weight):
      recent.answer(key)
      return .unmatched(.expired)
    case .contested(var contest) where contest.answer == nil:
      contest.answer = answer
      entries[key] = .contested(contest)
      bytes += answer.weight
      recent.answer(key)
      shrink()
      return .waits
    case .asking, .contested, .answered: return .duplicate
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
        entries[key] = .answered(answer)
        bytes += answer.weight
        answerOrder.push(key, at: now)
        shrink()
        return .waits
      }
    }
  }

  /// Takes out the answers that no call came for, and forgets decided calls that nobody answered.
  ///
  /// - Parameter everything: At a stop: whatever still waits.
  /// - Returns: Answers that wait no longer, and those that the memory bound pushed out since the last time.
  mutating func expire(now: UInt64, everything: Bool = false) -> [Pair] {
    while let id = answerOrder.pop(olderThan: everything ? .max : now &- min(now, Self.answerPatience)) {
      dropAnswer(id)
    }
    while let id = order.pop(olderThan: everything ? .max : now &- min(now, Self.patience)) { forget(id) }
    defer { lost = [] }
    return lost
  }

  /// Answers that wait no longer, to be recorded at the next sweep.
  private var lost: [Pair] = []

  /// Lets go of what can be, for an answer that nothing but its candidate can end the waiting of.
  private mutating func makeRoom(_ weight: Int) -> Bool {
    shrink(to: capacityBytes - weight)
    return bytes <= capacityBytes - weight
  }

  private mutating func shrink() { shrink(to: capacityBytes) }

  private mutating func shrink(to limit: Int) {
    while bytes > limit {
      if let id = order.pop(olderThan: .max) {
        forget(id)
      } else if let id = answerOrder.pop(olderThan: .max) {
        dropAnswer(id)
      } else {
        return
      }
    }
  }

  private mutating func dropAnswer(_ id: RecentCalls.Key) {
    guard case .answered(let answer) = entries[id] else { return }
    entries[id] = nil
    bytes -= answer.weight
    lost.append(Pair(answer: answer))
  }

  /// Lets go of a decided call. An answer that waits for its challenger alone is compared without it.
  private mutating func forget(_ id: RecentCalls.Key) {
    switch entries[id] {
    case .decided(let decided):
      entries[id] = nil
      bytes -= decided.weight
    case .contested(let contest):
      guard var decided = contest.decided else { return }
      entries[id] = nil
      bytes -= contest.weight
      guard let answer = contest.answer else { return }
      decided.challenger = Side(cause: .expired)
      lost.append(Pair(answer: answer, decided: decided))
    case .asking, .answered, nil: return
    }
  }
}

/// Ids in the order they came, with their times.
private struct Fifo: Sendable {
  private var items: [(id: RecentCalls.Key, at: UInt64)] = []
  private var head = 0

  var count: Int { items.count - head }

  mutating func push(_ id: RecentCalls.Key, at now: UInt64) { items.append((id, now)) }

  /// Forgets the others: one that stays long at the front must not have all behind it stay too.
  mutating func keep(where isThere: (RecentCalls.Key) -> Bool) {
    items = items[head...].filter { isThere($0.id) }
    head = 0
  }

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
