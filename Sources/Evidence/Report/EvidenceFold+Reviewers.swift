import LogReading
import Statistics

/// What became of planted items: by call and reviewer, whether the reviewer caught it.
struct PlantedLabels: Sendable {
  fileprivate struct Key: Hashable, Sendable {
    var call: Int
    var reviewer: String
  }

  fileprivate var caught: [Key: Bool] = [:]

  /// A `review` record whose stream is `planted`.
  mutating func saw(_ record: ReviewRecord, call: Int) {
    caught[Key(call: call, reviewer: record.reviewer)] = record.entry.map { $0.label != .accept }
  }

  func count(into reviewers: inout [String: Report.Reviewer]) {
    for (key, isCaught) in caught {
      reviewers[key.reviewer, default: Report.Reviewer(name: ReviewerNames.shown(key.reviewer))].planted += 1
      if isCaught { reviewers[key.reviewer]?.caught += 1 }
    }
  }
}

enum ReviewerNames {
  static func shown(_ name: String) -> String { name.isEmpty ? "(unnamed)" : name }
}

extension EvidenceFold {
  /// Labels that stand, by reviewer's name.
  func reviewerReports() -> [Report.Reviewer] {
    var reviewers: [String: Report.Reviewer] = [:]
    for entry in labels.values.lazy.flatMap(\.entries) {
      var reviewer =
        reviewers[entry.reviewer] ?? Report.Reviewer(name: ReviewerNames.shown(entry.reviewer))
      switch entry.label {
      case .accept: reviewer.accept += 1
      case .escalate: reviewer.escalate += 1
      case .unsure: reviewer.unsure += 1
      }
      reviewers[entry.reviewer] = reviewer
    }
    planted.count(into: &reviewers)
    return reviewers.values.sorted { $0.name < $1.name }
  }

  /// Over every pair of people who labelled the same call, the earlier label first; nil where there is none.
  func reviewerAgreement() -> Report.ReviewerAgreement? {
    let classes = ReviewLabel.allCases
    var table = [[Int]](repeating: [Int](repeating: 0, count: classes.count), count: classes.count)
    for labels in labels.values {
      for (index, first) in labels.entries.enumerated() {
        for second in labels.entries[(index + 1)...] {
          guard let row = classes.firstIndex(of: first.label),
            let column = classes.firstIndex(of: second.label)
          else { continue }
          table[row][column] += 1
        }
      }
    }
    let pairs = table.reduce(0) { $0 + $1.reduce(0, +) }
    guard pairs > 0 else { return nil }
    let rated = RaterAgreement(table)
    return Report.ReviewerAgreement(
      pairs: pairs, agree: classes.indices.reduce(0) { $0 + table[$1][$1] }, ac1: rated.ac1,
      kappa: rated.kappa.isNaN ? nil : rated.kappa)
  }

  /// Who called a call false, in the order in which they did.
  func confirmations(_ call: Int) -> [String] {
    (labels[call]?.entries ?? []).filter { $0.label == .escalate }.map { ReviewerNames.shown($0.reviewer) }
  }
}

extension PlantedLabels: StoredMembers {
  static var blank: Self { Self() }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) { try state.member(&caught) }
}

extension PlantedLabels.Key: StoredMembers, Comparable {
  static var blank: Self { Self(call: 0, reviewer: "") }

  static func < (left: Self, right: Self) -> Bool {
    (left.call, left.reviewer) < (right.call, right.reviewer)
  }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&call)
    try state.member(&reviewer)
  }
}
