import Candidates
import Journal
package import RouterCore

/// Counts that are only ever looked at: everything `/metrics` shows beside the balance and the log.
///
/// Labels come from closed sets: an unknown task type counts as `unknown`.
package struct Metrics: Sendable {
  package struct DecisionKey: Hashable { package let task: String, reason: Reason? }
  package struct PairKey: Hashable { package let first: String, second: String }

  package var decisions: [DecisionKey: UInt64] = [:]
  package var comparisons: [PairKey: UInt64] = [:]
  package var outcomes: [PairKey: UInt64] = [:]
  package var reviews: [PairKey: UInt64] = [:]
  package var candidateErrors: [PairKey: UInt64] = [:]
  package var costs: [PairKey: Double] = [:]
  package var otherRecords: [String: UInt64] = [:]
  /// Records that were written without the previews that they would have had.
  package var previewsDropped: UInt64 = 0
  package var replies: [PairKey: UInt64] = [:]
  /// All replies with a candidate's answer, since the start.
  package private(set) var localReplies: UInt64 = 0
  package var decisionDuration = Histogram(bounds: [
    0.000_01, 0.000_025, 0.000_05, 0.0001, 0.0005, 0.001, 0.01, 0.1,
  ])
  package var candidateDurations: [String: Histogram] = [:]
  package var fallbackLatencies: [String: Histogram] = [:]

  package static let latencyBounds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

  package mutating func decided(task: String?, reason: Reason?, microseconds: Int) {
    decisions[DecisionKey(task: task ?? "unknown", reason: reason), default: 0] += 1
    decisionDuration.add(Double(microseconds) / 1e6)
  }

  package mutating func asked(model: String, outcome: CandidateOutcome, nanoseconds: UInt64) {
    candidateDurations[model, default: Histogram(bounds: Self.latencyBounds)].add(Double(nanoseconds) / 1e9)
    if case .unavailable(let cause) = outcome {
      candidateErrors[PairKey(first: model, second: cause), default: 0] += 1
    }
  }

  package mutating func compared(task: String?, agreement: String, fallbackMs: Double?) {
    let task = task ?? "unknown"
    comparisons[PairKey(first: task, second: agreement), default: 0] += 1
    if let fallbackMs {
      fallbackLatencies[task, default: Histogram(bounds: Self.latencyBounds)].add(fallbackMs / 1e3)
    }
  }

  package mutating func ended(task: String?, result: Outcome.Result) {
    outcomes[PairKey(first: task ?? "unknown", second: result.rawValue), default: 0] += 1
  }

  /// - Parameter label: Of the closed set, or `undone`.
  package mutating func reviewed(task: String, label: String) {
    reviews[PairKey(first: task, second: label), default: 0] += 1
  }

  package mutating func spent(task: String?, route: String, usd: Double?) {
    guard let usd, usd > 0 else { return }
    costs[PairKey(first: task ?? "unknown", second: route), default: 0] += usd
  }

  package mutating func replied(task: String?, isLocal: Bool) {
    let key = PairKey(first: task ?? "unknown", second: isLocal ? "local" : "frontier")
    replies[key, default: 0] += 1
    if isLocal { localReplies += 1 }
  }

  package mutating func wrote(_ kind: String) { otherRecords[kind, default: 0] += 1 }
}

/// A Prometheus histogram: cumulative only when written out.
package struct Histogram: Sendable {
  package let bounds: [Double]
  package private(set) var counts: [UInt64]
  package private(set) var sum = 0.0

  init(bounds: [Double]) {
    self.bounds = bounds
    counts = Array(repeating: 0, count: bounds.count + 1)
  }

  mutating func add(_ value: Double) {
    counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
    sum += value
  }
}
