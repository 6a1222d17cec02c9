/// Isotonic regression by pooling adjacent violators.
package enum IsotonicFit {
  /// The non-decreasing sequence nearest to `values` in weighted squares.
  ///
  /// - Parameter weights: Above zero, one a value; empty: all equal.
  package static func fit(_ values: [Double], weights: [Double] = []) -> [Double] {
    var pools: [(mean: Double, weight: Double, count: Int)] = []
    for (index, value) in values.enumerated() {
      var pool = (mean: value, weight: index < weights.count ? weights[index] : 1, count: 1)
      while let last = pools.last, last.mean >= pool.mean {
        let weight = last.weight + pool.weight
        pool = (
          (last.mean * last.weight + pool.mean * pool.weight) / weight, weight, last.count + pool.count
        )
        pools.removeLast()
      }
      pools.append(pool)
    }
    return pools.flatMap { Array(repeating: $0.mean, count: $0.count) }
  }
}
