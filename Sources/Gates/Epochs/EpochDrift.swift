internal import RouterCore
internal import Statistics

/// How confidence and labels of the newest weeks differ from the epoch's first ISO week.
struct EpochDrift {
  /// nil where either side has fewer than ``least`` would-accepts: the index of so few is mostly chance.
  let drift: EpochEvidence.Drift?

  static let least = 100
  /// From it on the traffic is another than it was.
  static let limit = 0.25
  private static let bins = 10

  /// What of some weeks' would-accepts counts.
  private struct Side {
    var count = 0
    var confidences: [Float] = []
    var labels: [UInt16: Int] = [:]

    mutating func add(_ item: EpochItem) {
      count += 1
      if !item.confidence.isNaN { confidences.append(item.confidence) }
      if item.label != EpochItem.noLabel { labels[item.label, default: 0] += 1 }
    }
  }

  /// - Parameter accepts: nil: the policy did not tighten since the epoch began.
  init(_ items: EpochItems, _ accepts: Acceptance?) {
    var weeks: [ISOWeek: Int] = [:]
    items.visit { item in
      if accepts?.holds(item) ?? true { weeks[ISOWeek(containing: item.ts), default: 0] += 1 }
    }
    guard let first = weeks.keys.min(), weeks[first] ?? 0 >= Self.least,
      let newest = Self.newest(weeks, after: first)
    else {
      drift = nil
      return
    }
    var reference = Side()
    var now = Side()
    items.visit { item in
      guard accepts?.holds(item) ?? true else { return }
      let week = ISOWeek(containing: item.ts)
      if week == first { reference.add(item) } else if week >= newest { now.add(item) }
    }
    drift = EpochEvidence.Drift(
      confidence: Self.confidence(reference.confidences, now.confidences),
      labels: Self.labels(reference, now))
  }

  /// The last ISO week, or as many before it as it takes to have enough; nil where there are not enough.
  private static func newest(_ weeks: [ISOWeek: Int], after first: ISOWeek) -> ISOWeek? {
    var found = 0
    for week in weeks.keys.sorted(by: >) where week > first {
      found += weeks[week] ?? 0
      if found >= least { return week }
    }
    return nil
  }

  /// Over bins that hold a tenth of the reference each; equal confidences share one, so there may be fewer.
  private static func confidence(_ reference: [Float], _ now: [Float]) -> Double {
    guard !reference.isEmpty, !now.isEmpty else { return 0 }
    let sorted = reference.sorted()
    var edges: [Float] = []
    for bin in 1..<bins {
      let edge = sorted[sorted.count * bin / bins]
      if edge > edges.last ?? sorted[0] { edges.append(edge) }
    }
    func shares(_ values: [Float]) -> [Double] {
      var counts = [Int](repeating: 0, count: edges.count + 1)
      for value in values { counts[edges.count { $0 <= value }] += 1 }
      return counts.map { Double($0) / Double(values.count) }
    }
    return Drift.psi(reference: shares(reference), now: shares(now))
  }

  /// nil for a task without labels.
  private static func labels(_ reference: Side, _ now: Side) -> Double? {
    let names = Set(reference.labels.keys).union(now.labels.keys).sorted()
    guard !names.isEmpty else { return nil }
    func shares(_ side: Side) -> [Double] {
      names.map { Double(side.labels[$0] ?? 0) / Double(side.count) }
    }
    return Drift.psi(reference: shares(reference), now: shares(now))
  }
}
