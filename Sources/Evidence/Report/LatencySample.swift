/// Latencies in milliseconds: each value that came, and how often. Percentiles are exact, by nearest rank.
///
/// Models answer in few different whole milliseconds, or in many different fractions; either way a value takes 8 bytes, once.
package struct LatencySample: Sendable {
  /// Ascending; beside each how often it came.
  private(set) var values: [Float] = []
  private(set) var counts: [UInt32] = []
  /// Not in `values` yet.
  private var fresh: [UInt32] = []
  private var scratch: [UInt32] = []

  package init() {}

  /// What was stored; nil where it is none: `values` are to ascend, with a count each.
  init?(values: [Float], counts: [UInt32]) {
    guard values.count == counts.count, counts.allSatisfy({ $0 > 0 }), values.first.map({ $0 >= 0 }) ?? true,
      zip(values, values.dropFirst()).allSatisfy({ $0 < $1 })
    else { return nil }
    (self.values, self.counts) = (values, counts)
  }

  package mutating func add(_ ms: Double?) {
    guard let ms, ms.isFinite, ms >= 0 else { return }
    // Without the sign of zero, numbers from zero on are in the order of their bits.
    fresh.append(Float(ms).bitPattern & 0x7FFF_FFFF)
    if fresh.count >= max(2_048, values.count / 2) { settle() }
  }

  /// Takes in what is fresh.
  mutating func settle() {
    guard !fresh.isEmpty else { return }
    sortFresh()
    var merged: [Float] = []
    var mergedCounts: [UInt32] = []
    merged.reserveCapacity(values.count + 64)
    mergedCounts.reserveCapacity(values.count + 64)
    var old = 0
    var index = 0
    while index < fresh.count {
      let bits = fresh[index]
      let value = Float(bitPattern: bits)
      var count: UInt32 = 0
      while index < fresh.count, fresh[index] == bits {
        count += 1
        index += 1
      }
      while old < values.count, values[old] < value {
        merged.append(values[old])
        mergedCounts.append(counts[old])
        old += 1
      }
      if old < values.count, values[old] == value {
        count += counts[old]
        old += 1
      }
      merged.append(value)
      mergedCounts.append(count)
    }
    merged += values[old...]
    mergedCounts += counts[old...]
    (values, counts) = (merged, mergedCounts)
    fresh.removeAll(keepingCapacity: true)
  }

  /// By 11 bits at a time, lowest first.
  private mutating func sortFresh() {
    if scratch.count < fresh.count { scratch = Array(repeating: 0, count: fresh.count) }
    for shift in [UInt32(0), 11, 22] {
      var starts = [2_048 of Int](repeating: 0)
      for value in fresh { starts[Int(value >> shift & 2_047)] += 1 }
      var sum = 0
      for digit in 0..<2_048 { (starts[digit], sum) = (sum, sum + starts[digit]) }
      for value in fresh {
        let digit = Int(value >> shift & 2_047)
        scratch[starts[digit]] = value
        starts[digit] += 1
      }
      let count = fresh.count
      fresh.removeAll(keepingCapacity: true)
      fresh.append(contentsOf: scratch[..<count])
    }
  }

  package var summary: Report.Latency? {
    var settled = self
    settled.settle()
    let count = settled.counts.reduce(0) { $0 + Int($1) }
    guard count > 0 else { return nil }
    func rank(_ percent: Int) -> Double {
      var left = (count * percent + 99) / 100
      for (value, count) in zip(settled.values, settled.counts) {
        left -= Int(count)
        if left <= 0 { return Double(value) }
      }
      return Double(settled.values.last ?? 0)
    }
    return Report.Latency(count: count, p50: rank(50), p95: rank(95), p99: rank(99))
  }
}
