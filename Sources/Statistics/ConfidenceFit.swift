internal import RouterCore

/// An answer whose truth is known, with the confidence it came with.
package struct ConfidenceCase: Sendable {
  /// As it came from its source, 0…1.
  package var confidence: Double
  package var label: String?
  /// The distribution that the confidence was taken from; empty where only the number is known.
  package var byLabel: [String: Double]
  package var isCorrect: Bool

  package init(confidence: Double, label: String? = nil, byLabel: [String: Double] = [:], isCorrect: Bool) {
    self.confidence = confidence
    self.label = label
    self.byLabel = byLabel
    self.isCorrect = isCorrect
  }

  fileprivate var hasDistribution: Bool { label.map { byLabel[$0] != nil } ?? false }
}

/// The figures of a `ConfidenceCorrection`, fitted on labelled cases.
///
/// What is made small is the log-loss of the confidence in the answer that was given, because that is the number a
/// threshold is held against; which of the other labels would have been the true one does not matter to it.
package struct ConfidenceFit: Sendable, Equatable {
  package var temperature: Double
  package var shift: Double
  /// Empty: fitted on single numbers.
  package var prior: [String: Double]

  package static let temperatures = 0.05...20.0

  /// Fits distributions over labels where every case has one, else single numbers.
  ///
  /// Never worse on `cases` than leaving them as they are.
  ///
  /// - Parameter prior: Label → how probable the model finds it with no content. Not used where the cases speak against
  ///   it; empty: not known.
  package init(_ cases: [ConfidenceCase], prior: [String: Double] = [:]) {
    guard !cases.isEmpty, cases.allSatisfy(\.hasDistribution) else {
      self = Self.numbers(cases)
      return
    }
    let labels = Set(cases.flatMap(\.byLabel.keys))
    let flat = Dictionary(uniqueKeysWithValues: labels.map { ($0, 1 / Double(labels.count)) })
    let plain = Self.temperature(cases, prior: flat)
    var best = (prior: flat, fit: plain)
    if !prior.isEmpty {
      let given = Self.normalized(prior)
      let fit = Self.temperature(cases, prior: given)
      if fit.loss < plain.loss { best = (given, fit) }
    }
    self.init(temperature: best.fit.temperature, shift: 0, prior: best.prior)
  }

  private init(temperature: Double, shift: Double, prior: [String: Double]) {
    self.temperature = temperature
    self.shift = shift
    self.prior = prior
  }

  package func corrected(_ item: ConfidenceCase) -> Double {
    let correction = ConfidenceCorrection(
      task: "", modelID: "", modelDigest: nil, promptRevision: nil, source: .logprob,
      temperature: temperature,
      prior: prior, shift: shift)
    return correction.corrected(item.confidence, label: item.label, byLabel: item.byLabel)
  }

  // MARK: - Distributions

  /// No label is impossible, and the sum is 1.
  private static func normalized(_ prior: [String: Double]) -> [String: Double] {
    let shares = prior.mapValues { $0.isFinite ? min(max($0, 1e-6), 1) : 1e-6 }
    let sum = shares.keys.sorted().reduce(0) { $0 + (shares[$1] ?? 0) }
    return shares.mapValues { $0 / sum }
  }

  /// One temperature for all. A grid first: the loss need not have a single valley.
  private static func temperature(_ cases: [ConfidenceCase], prior: [String: Double])
    -> (temperature: Double, loss: Double)
  {
    let rows = cases.map { ScoredCase($0, prior: prior) }
    let loss = { (logarithm: Double) in
      let inverse = Elementary.exp(-logarithm)
      return rows.reduce(0) { $0 + $1.loss(inverse) }
    }
    let (low, high) = (Elementary.log(temperatures.lowerBound), Elementary.log(temperatures.upperBound))
    let steps = 60
    let grid = (0...steps).map { low + (high - low) * Double($0) / Double(steps) }
    let losses = grid.map(loss)
    let best = losses.indices.min { losses[$0] < losses[$1] } ?? 0
    let found = GoldenSection.minimum(from: grid[max(0, best - 1)], to: grid[min(steps, best + 1)], of: loss)
    // Where nothing is gained, nothing is changed.
    let identity = loss(0)
    guard loss(found) < identity else { return (1, identity) }
    return (Elementary.exp(found), loss(found))
  }

  // MARK: - Single numbers

  /// A logistic curve over the log-odds, drawn towards leaving them as they are with the weight of about one case: it
  /// stays finite where the right and the wrong are cleanly apart.
  private static func numbers(_ cases: [ConfidenceCase]) -> ConfidenceFit {
    let rows = cases.map { item in
      let inside = min(max(item.confidence, Calibration.least), 1 - Calibration.least)
      return (odds: Elementary.log(inside) - Elementary.log1p(-inside), isCorrect: item.isCorrect)
    }
    var line = LogisticLine(slope: 1, intercept: 0)
    line.fit(rows)
    let slopes = 1 / temperatures.upperBound...1 / temperatures.lowerBound
    if !slopes.contains(line.slope) {
      // The loss is convex: its least place inside the bounds lies on the one that was crossed.
      line.slope = min(max(line.slope, slopes.lowerBound), slopes.upperBound)
      line.fit(rows, isSlopeFixed: true)
    }
    return ConfidenceFit(temperature: 1 / line.slope, shift: -line.intercept / line.slope, prior: [:])
  }
}

/// A case's log-probabilities over its labels, the prior taken off.
private struct ScoredCase {
  private let own: Double
  private let others: [Double]
  private let isCorrect: Bool

  init(_ item: ConfidenceCase, prior: [String: Double]) {
    let usual = 1 / Double(max(1, prior.count))
    func score(_ label: String, _ share: Double) -> Double {
      let probable = share.isNaN ? Calibration.least : min(max(share, Calibration.least), 1)
      return Elementary.log(probable) - Elementary.log(prior[label] ?? usual)
    }
    own = item.label.flatMap { label in item.byLabel[label].map { score(label, $0) } } ?? 0
    // In the order of names: sums of doubles depend on theirs.
    others = item.byLabel.filter { $0.key != item.label }.sorted { $0.key < $1.key }.map {
      score($0.key, $0.value)
    }
    isCorrect = item.isCorrect
  }

  /// - Parameter inverse: 1 over the temperature.
  func loss(_ inverse: Double) -> Double {
    let mine = own * inverse
    let rest = others.reduce(-Double.infinity) { Elementary.logSum($0, $1 * inverse) }
    let all = Elementary.logSum(mine, rest)
    return isCorrect ? all - mine : min(all - rest, -Elementary.log(.leastNormalMagnitude))
  }
}

/// P(right) = 1 / (1 + exp(−slope · odds − intercept)).
private struct LogisticLine {
  var slope: Double
  var intercept: Double

  private typealias Row = (odds: Double, isCorrect: Bool)

  private func loss(_ rows: [(odds: Double, isCorrect: Bool)]) -> Double {
    let penalty = ((slope - 1) * (slope - 1) + intercept * intercept) / 2
    return rows.reduce(penalty) { sum, row in
      let score = slope * row.odds + intercept
      return sum + Elementary.logSum(0, row.isCorrect ? -score : score)
    }
  }

  /// Newton's steps, halved until they help: the loss is strictly convex.
  mutating func fit(_ rows: [(odds: Double, isCorrect: Bool)], isSlopeFixed: Bool = false) {
    for _ in 0..<200 {
      var gradient = (slope: slope - 1, intercept: intercept)
      var curvature = (slope: 1.0, both: 0.0, intercept: 1.0)
      for row in rows {
        let probability = 1 / (1 + Elementary.exp(-(slope * row.odds + intercept)))
        let error = probability - (row.isCorrect ? 1 : 0)
        let weight = probability * (1 - probability)
        gradient.slope += error * row.odds
        gradient.intercept += error
        curvature.slope += weight * row.odds * row.odds
        curvature.both += weight * row.odds
        curvature.intercept += weight
      }
      if isSlopeFixed {
        gradient.slope = 0
        curvature = (1, 0, curvature.intercept)
      }
      let determinant = curvature.slope * curvature.intercept - curvature.both * curvature.both
      let step = (
        slope: (curvature.intercept * gradient.slope - curvature.both * gradient.intercept) / determinant,
        intercept: (curvature.slope * gradient.intercept - curvature.both * gradient.slope) / determinant
      )
      guard move(step, rows) else { return }
    }
  }

  /// - Returns: Whether it got better by more than rounding.
  private mutating func move(
    _ step: (slope: Double, intercept: Double), _ rows: [(odds: Double, isCorrect: Bool)]
  ) -> Bool {
    let before = loss(rows)
    var share = 1.0
    while share > 1e-9 {
      var next = self
      next.slope -= share * step.slope
      next.intercept -= share * step.intercept
      let after = next.loss(rows)
      if after < before {
        self = next
        return before - after > 1e-14 * before
      }
      share /= 2
    }
    return false
  }
}

enum GoldenSection {
  /// The place of the least value of a function with one valley between `low` and `high`, to about 1e-8.
  static func minimum(from low: Double, to high: Double, of value: (Double) -> Double) -> Double {
    let ratio = (5.0.squareRoot() - 1) / 2
    var (low, high) = (low, high)
    var inner = (left: high - ratio * (high - low), right: low + ratio * (high - low))
    var values = (left: value(inner.left), right: value(inner.right))
    while high - low > 1e-9 {
      if values.left < values.right {
        high = inner.right
        inner.right = inner.left
        values.right = values.left
        inner.left = high - ratio * (high - low)
        values.left = value(inner.left)
      } else {
        low = inner.left
        inner.left = inner.right
        values.left = values.right
        inner.right = low + ratio * (high - low)
        values.right = value(inner.right)
      }
    }
    return (low + high) / 2
  }
}
