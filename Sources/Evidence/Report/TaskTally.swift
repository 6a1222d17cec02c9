internal import RouterCore

/// Sums over one task's calls while the log is read.
struct TaskTally: Sendable {
  var calls = 0
  var wouldAccepts = 0
  /// By reason code; the last holds codes that this version does not know.
  var reasons = [Int](repeating: 0, count: reasonSlots)
  var reasonDetails = Counts<ReasonDetail>(limit: 64)
  var models = Counts<ModelName>(limit: 16)
  var revisions = Counts<Int>(limit: 64)
  var confidenceSources = Counts<SourceName>(limit: 32)
  var tokens = Report.Tokens()

  var agree = 0
  var disagree = 0
  var unknown = 0
  /// Numbers of interned texts.
  var unknownCauses = Counts<Int>(limit: 32)
  var disagreementKinds = Counts<Int>(limit: 32)
  var confusions = Counts<Confusion>(limit: 256)

  var asked = 0
  var invalid = 0
  var localLatency = LatencySample()
  var frontierLatency = LatencySample()
  var fallbackLatency = LatencySample()
  /// USD.
  var localCost = 0.0
  var frontierCost = 0.0
  var frontierCostOfAccepts = 0.0
  var costedAnswers = 0
  /// Frontier answers to would-accepts that came with a cost, and those costs.
  var costedAccepts = 0
  var costOfAccepts = 0.0
  /// Of would-accepts, by the candidate's label.
  var acceptedLabels = Counts<Int>(limit: 256)
  var live = LiveTally()
  var answers = 0

  /// By hundredth of confidence, 0…100: would-accepts, then calls that only their confidence kept from it.
  var accepted = [ConfidenceBin](repeating: ConfidenceBin(), count: 101)
  var belowThreshold = [ConfidenceBin](repeating: ConfidenceBin(), count: 101)

  static let reasonSlots = 32

  struct ReasonDetail: Hashable, Comparable {
    var reason: Int
    var detail: Int
    static func < (left: Self, right: Self) -> Bool {
      (left.reason, left.detail) < (right.reason, right.detail)
    }
  }
  struct Confusion: Hashable, Comparable {
    var candidate: Int
    var frontier: Int
    static func < (left: Self, right: Self) -> Bool {
      (left.candidate, left.frontier) < (right.candidate, right.frontier)
    }
  }
  struct ModelName: Hashable, Comparable {
    var name: Int
    var digest: Int
    static func < (left: Self, right: Self) -> Bool { (left.name, left.digest) < (right.name, right.digest) }
  }
  /// −1: not corrected.
  struct SourceName: Hashable, Comparable {
    var source: Int
    var calibration: Int
    static func < (left: Self, right: Self) -> Bool {
      (left.source, left.calibration) < (right.source, right.calibration)
    }
  }
}

struct ConfidenceBin: Sendable, Equatable {
  var agree = 0
  var disagree = 0
  var unknown = 0

  static func += (left: inout Self, right: Self) {
    left.agree += right.agree
    left.disagree += right.disagree
    left.unknown += right.unknown
  }
}

/// How often each of a few things was seen; beyond the limit, new ones are only counted together.
struct Counts<Key: Hashable & Comparable & Sendable>: Sendable {
  private(set) var entries: [(key: Key, count: Int)] = []
  private(set) var others = 0
  private let limit: Int
  /// Where a key stands, once there are too many to look through.
  private var places: [Key: Int] = [:]
  /// The one seen last: mostly it comes again.
  private var latest = 0

  private static var lookedThrough: Int { 8 }

  init(limit: Int) { self.limit = limit }

  mutating func add(_ key: Key, count: Int = 1) {
    if latest < entries.count, entries[latest].key == key {
      entries[latest].count += count
    } else if let known = place(key) {
      latest = known
      entries[known].count += count
    } else if entries.count >= limit {
      others += count
    } else {
      entries.append((key, count))
      latest = entries.count - 1
      note(latest)
    }
  }

  private func place(_ key: Key) -> Int? {
    entries.count <= Self.lookedThrough ? entries.firstIndex { $0.key == key } : places[key]
  }

  private mutating func note(_ place: Int) {
    guard entries.count > Self.lookedThrough else { return }
    if places.count + 1 == entries.count, place == entries.count - 1 {
      places[entries[place].key] = place
    } else {
      places = Dictionary(entries.indices.map { (entries[$0].key, $0) }) { first, _ in first }
    }
  }

  /// One of the same limit, with these ``entries``.
  func restored(_ entries: [(key: Key, count: Int)], others: Int) -> Counts {
    var counts = Counts(limit: limit)
    counts.entries = entries
    counts.others = others
    if !entries.isEmpty { counts.note(0) }
    return counts
  }

  /// Counts what was counted under one key under another.
  mutating func move(_ old: Key, to new: Key) {
    guard let from = place(old), place(new) != nil || entries.count <= limit else { return }
    let count = entries.remove(at: from).count
    latest = 0
    places = [:]
    if !entries.isEmpty { note(0) }
    add(new, count: count)
  }

  /// Most frequent first; of equals the smaller key, which is the one seen first, so that the order is the log's.
  var sorted: [(key: Key, count: Int)] {
    entries.sorted { ($1.count, $0.key) < ($0.count, $1.key) }
  }

  var isEmpty: Bool { entries.isEmpty }
}
