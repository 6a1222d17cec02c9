/// People's labels of the candidate's answers, by number of the call; read as ``CallLabels`` does.
package struct ReviewLabels: Sendable {
  package enum Label: UInt8, Sendable { case none, accept, escalate, unsure }

  private var labels: [Int: CallLabels] = [:]

  package init() {}

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
}
