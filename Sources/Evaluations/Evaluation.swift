package import Evidence
package import RouterCore
package import Statistics

/// What a candidate is worth on labelled cases. A value, from the decisions alone; the renderers only set it.
package struct Evaluation: Sendable {
  package var task: String
  package var model: String
  package var modelName: String?
  package var modelDigest: String?
  package var promptRevision: String?
  /// Of the correction in force; nil where there is none.
  package var calibration: String?
  /// Cases that the correction in force was fitted on: on these it flatters.
  package var seenByCalibration = 0
  package var policyRevision = ""
  package var minConfidence: Double
  /// The rate of wrong among accepted that must not be exceeded.
  package var limit: Double
  /// What was asked for, so that anyone can ask again.
  package var command = ""
  /// In call order.
  package private(set) var cases: [EvaluatedCase] = []

  package init(task: TaskPolicy, model: String) {
    self.task = task.name
    self.model = model
    minConfidence = task.minConfidence
    limit = task.gate.maxFalseAcceptRate
  }

  package mutating func add(_ item: EvaluatedCase) { cases.append(item) }

  /// The same without some of its cases.
  package func leavingOut(_ isLeftOut: (String) -> Bool) -> Evaluation {
    var rest = self
    rest.cases.removeAll { isLeftOut($0.id) }
    return rest
  }

  // MARK: - Counts

  package var asked: Int { cases.count(where: \.isAsked) }
  package var valid: Int { cases.count(where: \.isValid) }
  /// Valid answers of which it is known whether they are right.
  package var judged: Int { cases.count { $0.isRight != nil } }
  package var right: Int { cases.count { $0.isRight == true } }
  package var accepted: Int { cases.count(where: \.isAccepted) }
  /// Accepted ones whose truth is known: the base of the rate of wrong ones.
  package var acceptedJudged: Int { cases.count { $0.isAccepted && $0.isAcceptable != nil } }
  package var acceptedWrong: Int { cases.count { $0.isAccepted && $0.isAcceptable == false } }
  /// Accepted though the truth says that the call belongs to the frontier.
  package var acceptedOfFrontier: Int { cases.count { $0.isAccepted && $0.truth.route == .frontier } }

  package var validity: Double { Self.share(valid, of: asked) }
  package var accuracy: Double { Self.share(right, of: judged) }
  package var wrongUpper: Double { RateBounds.upper(acceptedWrong, of: acceptedJudged) }

  private static func share(_ count: Int, of whole: Int) -> Double {
    whole > 0 ? Double(count) / Double(whole) : 0
  }

  /// Reasons for which cases stay with the frontier, in the order of the checks.
  package var reasons: [Report.Count] {
    Reason.allCases.compactMap { reason in
      let count = cases.count { $0.reason == reason }
      return count > 0 ? Report.Count(name: reason.rawValue, count: count) : nil
    }
  }

  /// The same with the accepted before them.
  package var destinations: [Report.Count] { [Report.Count(name: "accepted", count: accepted)] + reasons }

  package var costUSD: Double { cases.reduce(0) { $0 + ($1.costUSD ?? 0) } }
  package var requests: Int { cases.reduce(0) { $0 + $1.requests } }
  package var latency: Report.Latency? {
    var sample = LatencySample()
    for item in cases { sample.add(item.latencyMs) }
    return sample.summary
  }

  // MARK: - Confidence

  /// Most frequent first.
  package var sources: [Report.Count] {
    var counts: [String: Int] = [:]
    for item in cases { if let source = item.source { counts[source.rawValue, default: 0] += 1 } }
    return counts.map { Report.Count(name: $0.key, count: $0.value) }
      .sorted { ($1.count, $0.name) < ($0.count, $1.name) }
  }

  /// Valid answers with a confidence and a known truth, in call order. Right means: may be let through.
  package var graded: [Graded] { graded(\.confidence) }
  /// The same as the confidence came from its source.
  package var gradedRaw: [Graded] { graded(\.confidenceRaw) }

  private func graded(_ confidence: KeyPath<EvaluatedCase, Double?>) -> [Graded] {
    cases.compactMap { item in
      guard item.isValid, let value = item[keyPath: confidence], let isRight = item.isAcceptable else {
        return nil
      }
      return (value, isRight)
    }
  }

  package var quality: CalibrationQuality { CalibrationQuality(graded) }
  package var bins: [ReliabilityBin] { Calibration.reliability(graded) }

  private var hanging: [Graded] {
    cases.compactMap { item in
      guard item.hangsOnConfidence, let confidence = item.confidence, let isRight = item.isAcceptable else {
        return nil
      }
      return (confidence, isRight)
    }
  }

  package var proposal: ThresholdProposal { ThresholdProposal(hanging, limit: limit) }

  /// What thresholds would let through, rising from 0 by 0.01, and how many cases there are to let through.
  package var curve: (steps: [ThresholdStep], of: Int) {
    let hanging = hanging
    return ((0...100).map { ThresholdProposal.step(Double($0) / 100, hanging) }, hanging.count)
  }

  // MARK: - Labels

  package struct Label: Sendable, Equatable {
    package var name: String
    /// Cases of that truth with a valid answer, and those of them answered so.
    package var cases = 0
    package var right = 0
    /// Answers with that label, and those accepted.
    package var said = 0
    package var accepted = 0
    package var acceptedWrong = 0
  }

  /// Those with the most wrong among accepted first, then the most errors.
  package var labels: [Label] {
    var byName: [String: Label] = [:]
    for item in cases where item.isValid {
      if let truth = item.truth.label {
        byName[truth, default: Label(name: truth)].cases += 1
        if item.isRight == true { byName[truth]?.right += 1 }
      }
      guard let said = item.said, item.truth.label != nil || item.truth.route != nil else { continue }
      byName[said, default: Label(name: said)].said += 1
      if item.isAccepted {
        byName[said]?.accepted += 1
        if item.isAcceptable == false { byName[said]?.acceptedWrong += 1 }
      }
    }
    return byName.values.sorted { left, right in
      let leftKey = (right.acceptedWrong, right.cases - right.right, left.name)
      let rightKey = (left.acceptedWrong, left.cases - left.right, right.name)
      return leftKey < rightKey
    }
  }

  package struct Confusion: Sendable, Equatable {
    package var truth: String
    package var said: String
    package var count = 0
    package var accepted = 0
  }

  /// Wrong answers by true label, those that would have been let through first.
  package var confusions: [Confusion] {
    var byPair: [[String]: Confusion] = [:]
    for item in cases where item.isAcceptable == false {
      guard let said = item.said else { continue }
      let truth =
        item.truth.label ?? (item.truth.route == .frontier ? "(belongs to the frontier)" : "(another answer)")
      byPair[[truth, said], default: Confusion(truth: truth, said: said)].count += 1
      if item.isAccepted { byPair[[truth, said]]?.accepted += 1 }
    }
    return byPair.values.sorted { left, right in
      (right.accepted, right.count, left.truth, left.said) < (
        left.accepted, left.count, right.truth, right.said
      )
    }
  }
}
