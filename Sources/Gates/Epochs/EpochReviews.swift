import LogReading

/// People's labels by call, as far as they stand: of several labels that one reviewer gave a call, the last.
struct EpochReviews: Sendable {
  enum Label: UInt8, Sendable, Comparable {
    // From harmless to worst: of several labels the worst counts.
    case accept, unsure, escalate

    init?(_ word: String?) {
      switch word {
      case "accept": self = .accept
      case "unsure": self = .unsure
      case "escalate": self = .escalate
      default: return nil
      }
    }

    static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
  }

  struct Entry: Sendable {
    let reviewer: String
    let label: Label
    let severity: Int
    let isMissedStop: Bool
    let ts: Int64
  }

  private struct Planted: Hashable, Sendable {
    let call: ContentHash
    let reviewer: String
  }

  private var entries: [ContentHash: [Entry]] = [:]
  private var planted: [Planted: Label] = [:]

  /// - Parameter entry: nil: the reviewer took the label back.
  mutating func add(_ entry: Entry?, by reviewer: String, to call: ContentHash) {
    entries[call, default: []].removeAll { $0.reviewer == reviewer }
    if let entry { entries[call, default: []].append(entry) }
  }

  /// A label of an item that was known to be false.
  mutating func sawPlanted(_ label: Label?, by reviewer: String, call: ContentHash) {
    planted[Planted(call: call, reviewer: reviewer)] = label
  }

  /// Planted items, and how many of them reviewers caught.
  var catches: (planted: Int, caught: Int) {
    (planted.count, planted.values.count { $0 != .accept })
  }

  subscript(call: ContentHash) -> [Entry] { entries[call] ?? [] }
}
