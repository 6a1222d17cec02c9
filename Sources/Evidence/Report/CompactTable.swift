/// Rows found by a 16-byte key: an array of rows and four bytes a slot beside it, nothing else.
struct CompactTable<Row: KeyedRow>: Sendable {
  private(set) var rows: [Row] = []
  /// Row number plus one; 0 is free. Always a power of two, at most three quarters full.
  private var slots = [UInt32](repeating: 0, count: 64)

  func find(_ key: ContentHash) -> Int? {
    var slot = place(key)
    while slots[slot] != 0 {
      let row = Int(slots[slot]) - 1
      if rows[row].key == key { return row }
      slot = (slot + 1) & (slots.count - 1)
    }
    return nil
  }

  /// Adds a row whose key is not there yet.
  ///
  /// - Returns: Its number, which stays.
  mutating func insert(_ row: Row) -> Int {
    if (rows.count + 1) * 4 > slots.count * 3 { grow() }
    rows.append(row)
    occupy(row.key, rows.count)
    return rows.count - 1
  }

  subscript(number: Int) -> Row {
    get { rows[number] }
    _modify { yield &rows[number] }
  }

  private func place(_ key: ContentHash) -> Int { Int(truncatingIfNeeded: key.low) & (slots.count - 1) }

  private mutating func occupy(_ key: ContentHash, _ value: Int) {
    var slot = place(key)
    while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
    slots[slot] = UInt32(value)
  }

  private mutating func grow() {
    slots = [UInt32](repeating: 0, count: slots.count * 2)
    for (index, row) in rows.enumerated() { occupy(row.key, index + 1) }
  }
}

protocol KeyedRow: Sendable {
  var key: ContentHash { get }
}

/// What is kept of every call in the window: 32 bytes.
struct CallRow: KeyedRow {
  enum Review: UInt8 { case none, accept, escalate, unsure }

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
  var outcome = Outcome.none
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
    /// Eligible, and kept on the frontier for comparison.
    static let control = Flags(rawValue: 64)
  }

  var isWouldAccept: Bool { flags.contains(.wouldAccept) }
}

enum Outcome: UInt8 {
  case none, success, failure, partial

  init(_ name: String?) {
    switch name {
    case "success": self = .success
    case "failure": self = .failure
    case "partial": self = .partial
    default: self = .none
    }
  }

  var name: String? {
    switch self {
    case .none: nil
    case .success: "success"
    case .failure: "failure"
    case .partial: "partial"
    }
  }
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
  var outcome = Outcome.none
  /// USD. What the frontier was paid, what of it was for would-accepts, and what the candidate cost.
  var frontierCost: Float = 0
  var frontierCostOfAccepts: Float = 0
  var localCost: Float = 0
  /// Of the frontier over all calls; then with would-accepts answered by the candidate, its own time included.
  var latencyMs: Float = 0
  var routedMs: Float = 0

  init(key: ContentHash) { self.key = key }
}
