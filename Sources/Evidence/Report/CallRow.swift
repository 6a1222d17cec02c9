internal import LogReading

/// What is kept of every call in the window: 32 bytes.
struct CallRow: KeyedRow {
  typealias Review = ReviewLabels.Label

  let key: ContentHash
  var run: UInt32 = .max
  let task: UInt16
  /// Hundredths, rounded down; 255 where there is none.
  var confidence: UInt8 = 255
  var flags: Flags = []
  /// Index into ``AgreementResult/Verdict/allCases`` plus one; 0 until compared.
  var verdict: UInt8 = 0
  var review = Review.none
  var severity: UInt8 = 0
  var outcome = OutcomeResult.none
  /// Number of the challenger that was asked as well, plus one; 0: none.
  var challenger: UInt8 = 0
  var pair: Pair = []
  /// Of the decision, since 1970.
  var day: UInt16 = 0

  init(key: ContentHash, task: UInt16) {
    self.key = key
    self.task = task
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
    /// A severe false accept that two people or the task's owner confirmed.
    static let severe = Flags(rawValue: 64)
    /// Eligible, and kept on the frontier for comparison.
    static let control = Flags(rawValue: 128)
  }

  var isWouldAccept: Bool { flags.contains(.wouldAccept) }
}

/// What is kept of every run that has an id.
struct RunRow: KeyedRow {
  let key: ContentHash
  /// Where its id stands in the arena of ids.
  var nameStart: UInt32 = 0
  var nameCount: UInt16 = 0
  var agent: UInt16 = .max
  var calls: UInt32 = 0
  var wouldAccepts: UInt32 = 0
  var fallbacks: UInt32 = 0
  var outcome = OutcomeResult.none
  /// USD. What the frontier was paid, what of it was for would-accepts, and what the candidate cost.
  var frontierCost: Float = 0
  var frontierCostOfAccepts: Float = 0
  var localCost: Float = 0
  /// Of the frontier over all calls; then with would-accepts answered by the candidate, its own time included.
  var latencyMs: Float = 0
  var routedMs: Float = 0

  init(key: ContentHash) { self.key = key }
}
