import Glibc

/// Texts as sparse rows of features, with the label of each.
struct BuiltInExamples {
  /// Row i is `features[starts[i]..<starts[i + 1]]`, likewise for `values`.
  private(set) var starts: [Int] = [0]
  private(set) var features: [Int32] = []
  private(set) var values: [Float] = []
  private(set) var labels: [Int] = []

  var count: Int { labels.count }

  mutating func append(_ scratch: BuiltInScratch, label: Int) {
    features.append(contentsOf: scratch.touched)
    values.append(contentsOf: scratch.values)
    starts.append(features.count)
    labels.append(label)
  }
}

/// Multinomial logistic regression with an L2 penalty, by coordinate ascent on the dual (SDCA, Shalev-Shwartz and
/// Zhang 2013), one example at a time with an exact line search.
///
/// Chosen over gradient methods because it has no learning rate to tune, its duality gap says when it is done, and it
/// keeps one copy of the weights where L-BFGS would need a dozen. Each example holds a distribution over the
/// labels (at first all on its own); the weights are always what these distributions imply; a step moves one of them
/// towards the model's present prediction.
struct BuiltInSolver {
  private typealias Lanes = SIMD8<Float>

  let labelCount: Int
  private let blocks: Int
  private let strength: Float
  /// Row by feature, the bias last; labels padded to whole blocks.
  private var weights: [Lanes]
  private var logits: [Lanes]
  private var predicted: [Float]
  private var held: [Float]
  private let bias: Int

  /// - Parameter strength: the weight of the loss against the penalty, scikit-learn's C.
  init(features: Int, labels: Int, strength: Float) {
    labelCount = labels
    blocks = (labels + 7) / 8
    self.strength = strength
    bias = features
    weights = [Lanes](repeating: .zero, count: (features + 1) * blocks)
    logits = [Lanes](repeating: .zero, count: blocks)
    predicted = [Float](repeating: 0, count: labels)
    held = []
  }

  /// Fits the weights; stops when the mean duality gap is below `tolerance` (in nats) or after `epochs`.
  mutating func fit(
    _ examples: BuiltInExamples, epochs: Int, tolerance: Float, seed: UInt64,
    progress: (_ epoch: Int, _ gap: Float) -> Void
  ) {
    held = [Float](repeating: 0, count: examples.count * labelCount)
    for (row, label) in examples.labels.enumerated() { held[row * labelCount + label] = 1 }
    var order = Array(0..<examples.count)
    var random = BuiltInRandom(seed: seed)
    for epoch in 1...max(1, epochs) {
      random.shuffle(&order)
      var gap: Float = 0
      for row in order { gap += step(row, examples) }
      gap /= Float(max(1, examples.count))
      progress(epoch, gap)
      // Until every example has moved once the gap is infinite in truth: the first epoch only starts things.
      if epoch > 1 && gap < tolerance { break }
    }
  }

  /// The weights of one feature, one a label.
  func row(_ feature: Int) -> [Float] {
    (0..<labelCount).map { weights[feature * blocks + $0 / 8][$0 % 8] }
  }

  var biases: [Float] { row(bias) }

  /// Moves one example; returns its gap before the move.
  private mutating func step(_ row: Int, _ examples: BuiltInExamples) -> Float {
    let range = examples.starts[row]..<examples.starts[row + 1]
    score(examples, range)
    softmax()
    var square: Float = 1
    for place in range { square += examples.values[place] * examples.values[place] }
    let base = row * labelCount
    let (gap, length) = distance(base)
    guard length > 1e-12 else { return gap }
    let share = lineSearch(base, curvature: strength * square * length)
    for label in 0..<labelCount {
      let difference = predicted[label] - held[base + label]
      held[base + label] += share * difference
      logits[label / 8][label % 8] = -strength * share * difference
    }
    for label in labelCount..<blocks * 8 { logits[label / 8][label % 8] = 0 }
    spread(examples, range)
    return gap
  }

  private mutating func score(_ examples: BuiltInExamples, _ range: Range<Int>) {
    for block in 0..<blocks { logits[block] = weights[bias * blocks + block] }
    for place in range {
      let base = Int(examples.features[place]) * blocks
      let value = Lanes(repeating: examples.values[place])
      for block in 0..<blocks { logits[block] += weights[base + block] * value }
    }
  }

  /// Adds the step now in `logits` to the weights of the example's features.
  private mutating func spread(_ examples: BuiltInExamples, _ range: Range<Int>) {
    for block in 0..<blocks { weights[bias * blocks + block] += logits[block] }
    for place in range {
      let base = Int(examples.features[place]) * blocks
      let value = Lanes(repeating: examples.values[place])
      for block in 0..<blocks { weights[base + block] += logits[block] * value }
    }
  }

  private mutating func softmax() {
    var top = -Float.infinity
    for label in 0..<labelCount { top = max(top, logits[label / 8][label % 8]) }
    var sum: Float = 0
    for label in 0..<labelCount {
      let value = expf(logits[label / 8][label % 8] - top)
      predicted[label] = value
      sum += value
    }
    // Floored, so that the logarithms of the line search stay finite.
    for label in 0..<labelCount { predicted[label] = max(predicted[label] / sum, 1e-20) }
  }

  /// The duality gap of the example, KL(held ‖ predicted), and the squared length of the way between the two.
  private func distance(_ base: Int) -> (gap: Float, length: Float) {
    var gap: Float = 0
    var length: Float = 0
    for label in 0..<labelCount {
      let mine = held[base + label]
      let difference = predicted[label] - mine
      length += difference * difference
      if mine > 0 { gap += mine * logf(mine / predicted[label]) }
    }
    return (max(0, gap), length)
  }

  /// How far to go from `held` to `predicted`, in 0...1: where the dual's slope crosses zero, by bisection.
  private func lineSearch(_ base: Int, curvature: Float) -> Float {
    var low: Float = 0
    var high: Float = 1
    for _ in 0..<7 {
      let middle = (low + high) / 2
      var slope = -middle * curvature
      for label in 0..<labelCount {
        let mine = held[base + label]
        let difference = predicted[label] - mine
        if abs(difference) > 1e-7 {
          slope += difference * logf(predicted[label] / (mine + middle * difference))
        }
      }
      if slope > 0 { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }
}

/// SplitMix64: small, seeded, the same on every machine.
struct BuiltInRandom {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  mutating func shuffle(_ items: inout [Int]) {
    guard items.count > 1 else { return }
    for index in stride(from: items.count - 1, to: 0, by: -1) {
      items.swapAt(index, Int(next() % UInt64(index + 1)))
    }
  }
}
