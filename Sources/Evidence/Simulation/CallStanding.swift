internal import Wire

/// What people and the frontier say of one call.
enum CallStanding: UInt8 {
  case open, agrees, suspected, cleared, knownFalse

  /// - Parameter failedLocally: A local answer whose outcome was a failure.
  init(labels: some Sequence<CallRow.Review>, verdict: UInt8, failedLocally: Bool) {
    if failedLocally || labels.contains(.escalate) {
      self = .knownFalse
    } else if labels.contains(.accept) {
      self = .cleared
    } else if verdict == EvidenceFold.code(.disagree) {
      self = .suspected
    } else {
      self = verdict == EvidenceFold.code(.agree) ? .agrees : .open
    }
  }
}

/// People's labels of calls: of each reviewer the last counts, and an undone one no longer does.
struct ReviewLabels: Sendable {
  private var names = Interner(limit: 10_000)
  private var labels: [Int: [Int: CallRow.Review]] = [:]

  /// Planted items test the reviewer and say nothing of the call.
  mutating func add(_ line: inout LogLine, _ text: Span<UInt8>, call: Int) {
    guard !line.isString(.stream, "planted", in: text) else { return }
    let reviewer = line.withBytes(.reviewer, in: text) { names.number($0) } ?? -1
    switch line.string(.reviewLabel, in: text) {
    case "accept": labels[call, default: [:]][reviewer] = .accept
    case "escalate": labels[call, default: [:]][reviewer] = .escalate
    case "unsure": labels[call, default: [:]][reviewer] = .unsure
    default: labels[call]?[reviewer] = nil
    }
  }

  subscript(call: Int) -> [CallRow.Review] { labels[call].map { Array($0.values) } ?? [] }
}
