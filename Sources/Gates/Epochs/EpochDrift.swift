internal import RouterCore
internal import Statistics

/// How confidence and labels of the newest weeks differ from the epoch's first ISO week.
struct EpochDrift {
  /// nil where either side has fewer than ``least`` would-accepts: the index of so few is mostly chance.
  let drift: EpochEvidence.Drift?

  static let least = 100
  private static let bins = 10

  init(_ items: [EpochItem]) {
    guard let first = items.map(\.ts).min().map({ ISOWeek(containing: $0) }) else {
      drift = nil
      return
    }
    let reference = items.filter { $0.ts < first.end }
    let now = Self.newest(items.filter { $0.ts >= first.end })
    guard reference.count >= Self.least, now.count >= Self.least else {
      drift = nil
      return
    }
    drift = EpochEvidence.Drift(
      confidence: Self.confidence(reference.compactMap(\.confidence), now.compactMap(\.confidence)),
      labels: Self.labels(reference, now))
  }

  /// The last ISO week, with as many before it as it takes to have enough.
  private static func newest(_ items: [EpochItem]) -> [EpochItem] {
    var found: [EpochItem] = []
    let weeks = Dictionary(grouping: items) { ISOWeek(containing: $0.ts) }
    for week in weeks.keys.sorted(by: >) where found.count < least { found += weeks[week] ?? [] }
    return found
  }

  /// Over bins that hold a tenth of the reference each; equal confidences share one, so there may be fewer.
  private static func confidence(_ reference: [Double], _ now: [Double]) -> Double {
    guard !reference.isEmpty, !now.isEmpty else { return 0 }
    let sorted = reference.sorted()
    var edges: [Double] = []
    for bin in 1..<bins {
      let edge = sorted[sorted.count * bin / bins]
      if edge > edges.last ?? sorted[0] { edges.append(edge) }
    }
    func shares(_ values: [Double]) -> [Double] {
      var counts = [Int](repeating: 0, count: edges.count + 1)
      for value in values { counts[edges.count { $0 <= value }] += 1 }
      return counts.map { Double($0) / Double(values.count) }
    }
    return Drift.psi(reference: shares(reference), now: shares(now))
  }

  /// nil for a task without labels.
  private static func labels(_ reference: [EpochItem], _ now: [EpochItem]) -> Double? {
    let names = Set((reference + now).map(\.label)).filter { $0 >= 0 }.sorted()
    guard !names.isEmpty else { return nil }
    func shares(_ items: [EpochItem]) -> [Double] {
      let counts = Dictionary(grouping: items, by: \.label).mapValues(\.count)
      return names.map { Double(counts[$0] ?? 0) / Double(items.count) }
    }
    return Drift.psi(reference: shares(reference), now: shares(now))
  }
}
