/// Rows found by the hash of an id: the rows, and four bytes a slot beside them, nothing else.
struct CompactTable<Row: KeyedRow>: Sendable {
  private(set) var rows = RowList<Row>()
  /// Row number plus one, above it bits of the key; 0 is free. Always a power of two, at most three quarters full, so
  /// that the numbers leave room for the bits: a slot of another key is told without looking at its row.
  private(set) var slots = [UInt32](repeating: 0, count: 64)

  func find(_ key: ContentHash) -> Int? {
    let mask = slots.count - 1
    let tag = Self.tag(key.low, mask)
    var slot = Int(truncatingIfNeeded: key.low) & mask
    while slots[slot] != 0 {
      let value = slots[slot]
      if value & ~UInt32(truncatingIfNeeded: mask) == tag {
        let row = Int(value & UInt32(truncatingIfNeeded: mask)) - 1
        if row >= 0, rows[row].key.stands(for: key) { return row }
      }
      slot = (slot + 1) & mask
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

  /// The key's upper bits where a slot has room for them.
  @inline(__always)
  private static func tag(_ key: UInt64, _ mask: Int) -> UInt32 {
    UInt32(truncatingIfNeeded: key >> 32) & ~UInt32(truncatingIfNeeded: mask)
  }

  private mutating func occupy(_ key: Row.Key, _ value: Int) {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: key.low) & mask
    while slots[slot] != 0 { slot = (slot + 1) & mask }
    slots[slot] = Self.tag(key.low, mask) | UInt32(value)
  }

  private mutating func grow() {
    // The old ones go first, so that both are never there together.
    let count = slots.count * 2
    slots = []
    slots = [UInt32](repeating: 0, count: count)
    for (index, row) in rows.enumerated() { occupy(row.key, index + 1) }
  }

  init() {}

  /// What was stored; nil where the parts do not belong together.
  init?(rows: RowList<Row>, slots: [UInt32]) {
    let mask = UInt32(truncatingIfNeeded: slots.count - 1)
    guard slots.count >= 64, slots.count & (slots.count - 1) == 0, rows.count * 4 <= slots.count * 3,
      slots.allSatisfy({ $0 & mask <= UInt32(rows.count) })
    else { return nil }
    (self.rows, self.slots) = (rows, slots)
  }
}

/// An array that grows without being copied: in pieces.
struct RowList<Row: Sendable>: RandomAccessCollection, Sendable {
  private(set) var pieces: [[Row]] = []
  private(set) var count = 0

  private static var bits: Int { 12 }
  static var pieceCount: Int { 1 << bits }

  var startIndex: Int { 0 }
  var endIndex: Int { count }

  subscript(number: Int) -> Row {
    get { pieces[number >> Self.bits][number & (Self.pieceCount - 1)] }
    _modify { yield &pieces[number >> Self.bits][number & (Self.pieceCount - 1)] }
  }

  mutating func append(_ row: Row) {
    let piece = count >> Self.bits
    if piece == pieces.count {
      pieces.append([])
      // The first grows as it needs to: most tables are small.
      if piece > 0 { pieces[piece].reserveCapacity(Self.pieceCount) }
    }
    pieces[piece].append(row)
    count += 1
  }
}

/// What a row is found by.
protocol RowKey: Sendable {
  var low: UInt64 { get }
  func stands(for hash: ContentHash) -> Bool
}

extension ContentHash: RowKey {
  @inline(__always) func stands(for hash: ContentHash) -> Bool { self == hash }
}

/// Half a ``ContentHash``, where there may be millions of rows: that two of two million ids share one has a chance of 1e-7.
struct ShortKey: RowKey {
  let low: UInt64

  init(_ hash: ContentHash) { low = hash.low }

  @inline(__always) func stands(for hash: ContentHash) -> Bool { low == hash.low }
}

protocol KeyedRow: Sendable {
  associatedtype Key: RowKey
  var key: Key { get }
}

/// What is kept of every call in the window: 24 bytes, numbers only, so that any bytes that were stored are a row.
struct CallRow: KeyedRow {
  enum Review: UInt8 { case none, accept, escalate, unsure }

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
  /// No row has bytes that nobody wrote.
  private let unused: UInt16 = 0

  init(key: ContentHash, task: UInt16) {
    self.key = ShortKey(key)
    self.task = task
  }

  var review: Review {
    get { Review(rawValue: reviewCode) ?? .none }
    set { reviewCode = newValue.rawValue }
  }

  var outcome: Outcome {
    get { Outcome(rawValue: outcomeCode) ?? .none }
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
  var latencyMs: Float = 0

  init(key: ContentHash) { self.key = ShortKey(key) }

  var outcome: Outcome {
    get { Outcome(rawValue: UInt8(truncatingIfNeeded: outcomeCode)) ?? .none }
    set { outcomeCode = UInt32(newValue.rawValue) }
  }
}
