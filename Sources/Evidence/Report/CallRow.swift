internal import LogReading

/// What is kept of every call in the window: 24 bytes, numbers only, so that any bytes that were stored are a row.
struct CallRow: KeyedRow {
  typealias Review = ReviewLabels.Label

  let key: ShortKey
  var run: UInt32 = .max
  let task: UInt16
  /// Hundredths, rounded down; 255 where there is none.
  var confidence: UInt8 = 255
  var flags: Flags = []
  /// Index into ``AgreementResult/Verdict/allCases`` plus one; 0 until compared.
  var verdict: UInt8 = 0
  private var reviewCode: UInt8 = 0
  var severity: UInt8 = 0
  private var outcomeCode: UInt8 = 0
  /// Number of the challenger that was asked as well, plus one; 0: none.
  var challenger: UInt8 = 0
  var pair: Pair = []
  /// Of the decision, since 1970.
  var day: UInt16 = 0

  init(key: ContentHash, task: UInt16) {
    self.key = ShortKey(key)
    self.task = task
  }

  var review: Review {
    get { Review(rawValue: reviewCode) ?? .none }
    set { reviewCode = newValue.rawValue }
  }

  var outcome: OutcomeResult {
    get { OutcomeResult(rawValue: outcomeCode) ?? .none }
    set { outcomeCode = newValue.rawValue }
  }

  struct Flags: OptionSet {
    let rawValue: UInt8
    static let wouldAccept = Flags(rawValue: 1)
    static let drawn = Flags(rawValue: 2)
    static let missedStop = Flags(rawValue: 4)
    static let answeredLocally = Flags(rawValue: 8)
    /// The candidate took its time over it.
    static let asked = Flags(rawValue: 16)
    static let lowConfidence = Flags(rawValue: 32)
    /// Eligible, and kept on the frontier for comparison.
    static let control = Flags(rawValue: 128)
  }

  var isWouldAccept: Bool { flags.contains(.wouldAccept) }
}

/// What is kept of every run that has an id; numbers only, as of a call.
struct RunRow: KeyedRow {
  let key: ShortKey
  /// Where its id stands in the arena of ids.
  var nameStart: UInt32 = 0
  var nameCount: UInt16 = 0
  var agent: UInt16 = .max
  var calls: UInt32 = 0
  var wouldAccepts: UInt32 = 0
  var fallbacks: UInt32 = 0
  private var outcomeCode: UInt32 = 0
  /// USD. What the frontier was paid, what of it was for would-accepts, and what the candidate cost.
  var frontierCost: Float = 0
  var frontierCostOfAccepts: Float = 0
  var localCost: Float = 0
  /// Of the frontier over all calls; then with would-accepts answered by the candidate, its own time included.
  var latencyMs: Float = 0
  var routedMs: Float = 0
  /// No row has bytes that nobody wrote.
  private let unused: UInt32 = 0

  init(key: ContentHash) { self.key = ShortKey(key) }

  var outcome: OutcomeResult {
    get { OutcomeResult(rawValue: UInt8(truncatingIfNeeded: outcomeCode)) ?? .none }
    set { outcomeCode = UInt32(newValue.rawValue) }
  }
}
