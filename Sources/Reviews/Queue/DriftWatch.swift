import RouterCore
import Statistics

/// Which of a task's would-accepts are of a kind that there were few of before: what drifts is looked at first.
///
/// Kinds are a label and a tenth of confidence. The reference is the first week of the model's digest that had enough
/// calls; it is held against the latest week. One kind's part in the stability index decides.
struct DriftWatch: Sendable {
  private struct Kind: Hashable, Sendable {
    let label: String?
    /// 0…10; −1: no confidence.
    let tenth: Int
  }

  private struct Week: Sendable {
    let week: ISOWeek
    var counts: [Kind: Int] = [:]
    var total = 0

    func share(_ kind: Kind) -> Double { Double(counts[kind] ?? 0) / Double(total) }
  }

  private var digest: String?
  private var reference: Week?
  private var current: Week?

  private static let least = 100
  private static let kindLimit = 2_000
  /// A part of the index that says that something moved: a quarter of the 0.25 that stands in a gate's way.
  private static let part = 0.0625

  /// Counts one would-accept.
  ///
  /// - Returns: Whether its kind has become frequent since the reference.
  mutating func saw(label: String?, confidence: Double?, digest: String, week: ISOWeek) -> Bool {
    if self.digest != digest {
      self.digest = digest
      reference = nil
      current = nil
    }
    let kind = Kind(label: label, tenth: confidence.map { Int(min(max($0, 0), 1) * 10) } ?? -1)
    if current?.week != week {
      if reference == nil, let current, current.total >= Self.least { reference = current }
      current = Week(week: week)
    }
    if current?.counts[kind] != nil || current?.counts.count ?? 0 < Self.kindLimit {
      current?.counts[kind, default: 0] += 1
    }
    current?.total += 1
    guard let reference, let current, current.total >= Self.least else { return false }
    let (before, now) = (reference.share(kind), current.share(kind))
    return now > before && Drift.psi(reference: [before], now: [now]) >= Self.part
  }
}
