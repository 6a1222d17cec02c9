/// What people say of one answer: the one reading of labels, for the gate, the report and the rows.
///
/// Of one reviewer's labels the last counts; a null label takes it back. Of several reviewers' the worst counts: an answer
/// is a false accept as soon as one person says that it was not acceptable, and another who would have let it through does
/// not make it acceptable. A severe one takes two people, or the task's owner.
package struct CallLabels: Sendable {
  package struct Entry: Sendable {
    package fileprivate(set) var reviewer: String
    package fileprivate(set) var label: ReviewLabel
    /// 1…3; 0 where none was given.
    package fileprivate(set) var severity: Int
    package fileprivate(set) var isMissedStop: Bool
    /// Milliseconds since 1970.
    package fileprivate(set) var at: Int64
  }

  /// In the order in which they were given.
  package private(set) var entries: [Entry] = []

  package init() {}

  /// - Parameter entry: nil: the reviewer took the label back.
  package mutating func add(_ entry: Entry?, by reviewer: String) {
    entries.removeAll { $0.reviewer == reviewer }
    if let entry { entries.append(entry) }
  }

  /// The entry that counts: the latest of the worst; nil where no label stands.
  package var counting: Entry? {
    entries.reduce(nil) { worst, entry in
      (worst?.label).map { $0.weight > entry.label.weight } ?? false ? worst : entry
    }
  }

  private var escalations: [Entry] { entries.filter { $0.label == .escalate } }

  /// The highest that somebody gave an escalation; 0: none did.
  package var severity: Int { escalations.map(\.severity).max() ?? 0 }

  package var isMissedStop: Bool { escalations.contains(where: \.isMissedStop) }

  package func isSevere(owner: String?) -> Bool {
    let people = Set(escalations.filter { $0.severity >= 2 }.map(\.reviewer))
    return people.count >= 2 || (owner.map(people.contains) ?? false)
  }
}

package enum ReviewLabel: String, CaseIterable, Sendable { case accept, escalate, unsure }

extension ReviewLabel {
  /// From harmless to worst.
  package var weight: Int {
    switch self {
    case .accept: 0
    case .unsure: 1
    case .escalate: 2
    }
  }
}

/// A `review` record, as far as labels go.
package struct ReviewRecord: Sendable {
  package let reviewer: String
  package let isChallenger: Bool
  /// It says something of the reviewer, nothing of the call.
  package let isPlanted: Bool
  /// nil: taken back.
  package let entry: CallLabels.Entry?

  /// nil where the record holds a word that no label is.
  package init?(_ line: LogLine, in text: Span<UInt8>, at ms: Int64) {
    let word = line.string(.reviewLabel, in: text)
    let label = word.flatMap(ReviewLabel.init)
    if word != nil, label == nil { return nil }
    let reviewer = line.string(.reviewer, in: text) ?? ""
    self.reviewer = reviewer
    isChallenger = line.isString(.subject, "challenger", in: text)
    isPlanted = line.isString(.stream, "planted", in: text)
    entry = label.map { label in
      CallLabels.Entry(
        reviewer: reviewer, label: label, severity: line.int(.severity, in: text) ?? 0,
        isMissedStop: line.bool(.missedStop, in: text) == true, at: ms)
    }
  }
}

extension CallLabels: StoredMembers {
  package static var blank: CallLabels { CallLabels() }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&entries)
  }
}

extension CallLabels.Entry: StoredMembers {
  package static var blank: Self {
    Self(reviewer: "", label: .accept, severity: 0, isMissedStop: false, at: 0)
  }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&reviewer)
    try state.member(&label)
    try state.member(&severity)
    try state.member(&isMissedStop)
    try state.member(&at)
  }
}

extension ReviewLabel: Stored {
  package static var blank: ReviewLabel { .accept }
}
