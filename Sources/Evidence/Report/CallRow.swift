internal import LogReading

/// What is kept of every call in the window: 16 bytes, because there may be millions. Numbers only, so that any bytes that were
/// stored are a row.
struct CallRow: KeyedRow {
  typealias Review = ReviewLabels.Label

  /// Key 55 bits, ``review`` 2, ``confidence`` 7: from the top.
  private var head: UInt64
  /// ``run`` 32 bits, ``task`` 10, ``challenger`` 6, ``pair`` 6, ``flags`` 6, ``verdict`` 2, ``outcome`` 2: from the top.
  private var rest: UInt64

  init(key: ContentHash, task: Int) {
    head = Key(key).low | UInt64(Self.noConfidence)
    rest = UInt64(UInt32.max) << 32
    self[22, bits: 10] = task
  }

  /// The upper 55 bits: that two of a million ids share them has a chance of 1e-5; then the second is counted as repeated.
  struct Key: RowKey {
    let low: UInt64
    static let mask: UInt64 = ~0 << 9

    init(_ hash: ContentHash) { low = hash.low & Self.mask }
    init(low: UInt64) { self.low = low & Self.mask }

    func stands(for hash: ContentHash) -> Bool { low == hash.low & Self.mask }
  }

  var key: Key { Key(low: head) }

  /// Tasks are interned up to a limit below this.
  static let taskLimit = 1 << 10
  /// Numbers of challengers end below this.
  static let challengerLimit = 1 << 6
  static let noConfidence = 127

  /// Hundredths, rounded down; ``noConfidence`` where there is none.
  var confidence: Int {
    get { Int(head & 0x7F) }
    set { head = head & ~0x7F | UInt64(newValue & 0x7F) }
  }

  var review: Review {
    get { Review(rawValue: UInt8(head >> 7 & 3)) ?? .none }
    set { head = head & ~(3 << 7) | UInt64(newValue.rawValue) << 7 }
  }

  /// Number of a run; nil without one.
  var run: Int? {
    get { rest >> 32 == UInt64(UInt32.max) ? nil : Int(rest >> 32) }
    set { rest = rest & UInt64(UInt32.max) | UInt64(UInt32(clamping: newValue ?? Int.max)) << 32 }
  }

  var task: Int { self[22, bits: 10] }

  /// Number of the challenger that was asked as well, plus one; 0: none.
  var challenger: Int {
    get { self[16, bits: 6] }
    set { self[16, bits: 6] = newValue }
  }

  var pair: Pair {
    get { Pair(rawValue: UInt8(self[10, bits: 6])) }
    set { self[10, bits: 6] = Int(newValue.rawValue) }
  }

  var flags: Flags {
    get { Flags(rawValue: UInt8(self[4, bits: 6])) }
    set { self[4, bits: 6] = Int(newValue.rawValue) }
  }

  /// Index into ``AgreementResult/Verdict/allCases`` plus one; 0 until compared.
  var verdict: UInt8 {
    get { UInt8(self[2, bits: 2]) }
    set { self[2, bits: 2] = Int(newValue) }
  }

  var outcome: OutcomeResult {
    get { OutcomeResult(rawValue: UInt8(self[0, bits: 2])) ?? .none }
    set { self[0, bits: 2] = Int(newValue.rawValue) }
  }

  private subscript(shift: Int, bits count: Int) -> Int {
    @inline(__always) get { Int(truncatingIfNeeded: rest >> UInt64(shift)) & (1 << count - 1) }
    @inline(__always) set {
      let mask = UInt64(1 << count - 1) << UInt64(shift)
      rest = rest & ~mask | UInt64(truncatingIfNeeded: newValue) << UInt64(shift) & mask
    }
  }

  struct Flags: OptionSet {
    let rawValue: UInt8
    static let wouldAccept = Flags(rawValue: 1)
    static let drawn = Flags(rawValue: 2)
    static let answeredLocally = Flags(rawValue: 4)
    /// The candidate took its time over it.
    static let asked = Flags(rawValue: 8)
    static let lowConfidence = Flags(rawValue: 16)
    /// Eligible, and kept on the frontier for comparison.
    static let control = Flags(rawValue: 32)
  }

  var isWouldAccept: Bool { flags.contains(.wouldAccept) }
}

/// From which call on which day it was: calls come in the order of the log, so that few such places say it of all.
struct DayMarks: Sendable {
  var calls: [UInt32] = []
  var days: [UInt16] = []

  /// - Parameters:
  ///   - call: Number of a call, above those before.
  ///   - day: Since 1970.
  mutating func note(_ call: Int, _ day: UInt16) {
    guard days.last != day else { return }
    calls.append(UInt32(truncatingIfNeeded: call))
    days.append(day)
  }

  /// Shows each stretch of calls of one day, up to `count` calls.
  func visit(_ count: Int, _ body: (Range<Int>, UInt16) -> Void) {
    for (index, first) in calls.enumerated() {
      let end = index + 1 < calls.count ? Int(calls[index + 1]) : count
      body(Int(first)..<end, days[index])
    }
  }
}

/// What is kept of every run that has an id; numbers only, as of a call. 48 bytes.
struct RunRow: KeyedRow {
  let key: ShortKey
  /// Where its id stands in the arena of ids: a byte that says how long it is, and the id.
  var nameStart: UInt32 = 0
  /// Number of the first agent; `.max` while none was named.
  var agent: UInt16 = .max
  /// From below: the outcome in two bits; a bit for each of the log's first agents that had a call in it beside the run's
  /// first; the highest where others had.
  private var marks: UInt16 = 0
  var calls: UInt32 = 0
  var wouldAccepts: UInt32 = 0
  var fallbacks: UInt32 = 0
  /// USD. What the frontier was paid, what of it was for would-accepts, and what the candidate cost.
  var frontierCost: Float = 0
  var frontierCostOfAccepts: Float = 0
  var localCost: Float = 0
  /// Of the frontier over all calls; then with would-accepts answered by the candidate, its own time included.
  var latencyMs: Float = 0
  var routedMs: Float = 0

  init(key: ContentHash) { self.key = ShortKey(key) }

  var outcome: OutcomeResult {
    get { OutcomeResult(rawValue: UInt8(marks & 3)) ?? .none }
    set { marks = marks & ~3 | UInt16(newValue.rawValue & 3) }
  }

  /// Agents that have a bit.
  static let markedAgents = 13

  /// - Returns: False where the agent has none: it is to be kept elsewhere.
  mutating func mark(agent: Int) -> Bool {
    marks |= 1 << UInt16(min(agent, Self.markedAgents) + 2)
    return agent < Self.markedAgents
  }

  /// Whether no agent from a number on is marked.
  func marksOnly(below count: Int) -> Bool {
    count >= Self.markedAgents || (count..<Self.markedAgents).allSatisfy { !isMarked(agent: $0) }
  }

  /// Agents without a bit had a call in it.
  var hasUnmarked: Bool { marks >> UInt16(Self.markedAgents + 2) & 1 == 1 }

  func isMarked(agent: Int) -> Bool { agent < Self.markedAgents && marks >> UInt16(agent + 2) & 1 == 1 }
}
