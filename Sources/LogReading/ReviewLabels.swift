/// People's labels of the candidate's answers, by number of the call; read as ``CallLabels`` does.
package struct ReviewLabels: Sendable {
  package enum Label: UInt8, Sendable { case none, accept, escalate, unsure }

  private var labels: [Int: CallLabels] = [:]
  private var inputs = EqualInputs()

  package init() {}

  /// Takes in a decision, for its label may count for others.
  package mutating func decided(_ line: inout LogLine, _ text: Span<UInt8>, call: Int) {
    inputs.add(&line, text, call: call)
  }

  /// With a label on every drawn call that another one's counts for: for figures, once the log has been read.
  package var shared: ReviewLabels {
    var shared = self
    for (twin, call) in inputs.twins({ labels[$0]?.counting?.label }) { shared.labels[twin] = labels[call] }
    return shared
  }

  /// Labels of planted items test the reviewer, and a challenger's answers are others: they say nothing here.
  package mutating func add(_ line: inout LogLine, _ text: Span<UInt8>, call: Int) {
    let ms = line.time(in: text)
    guard let record = ReviewRecord(line, in: text, at: ms ?? 0), !record.isChallenger, !record.isPlanted
    else { return }
    labels[call, default: CallLabels()].add(record.entry, by: record.reviewer)
  }

  /// Each reviewer's.
  package subscript(call: Int) -> [Label] { labels[call]?.entries.map { Label($0.label) } ?? [] }
}

extension ReviewLabels.Label {
  package init(_ label: ReviewLabel) {
    switch label {
    case .accept: self = .accept
    case .escalate: self = .escalate
    case .unsure: self = .unsure
    }
  }

  package var label: ReviewLabel? {
    switch self {
    case .none: nil
    case .accept: .accept
    case .escalate: .escalate
    case .unsure: .unsure
    }
  }
}
