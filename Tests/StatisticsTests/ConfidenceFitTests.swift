import Foundation
import RouterCore
import TestData
import Testing

@testable import Statistics

@Suite("Fitting confidences")
struct ConfidenceFitTests {
  private let stated: [Double] = [
    0.99, 0.97, 0.95, 0.95, 0.9, 0.9, 0.88, 0.85, 0.8, 0.75, 0.7, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.3,
    0.2,
  ]
  private let right = [1, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0]

  private var numbers: [ConfidenceCase] {
    zip(stated, right).map { ConfidenceCase(confidence: $0, isCorrect: $1 == 1) }
  }

  /// Three labels; made so that some wrong answers are confident.
  private var distributions: [ConfidenceCase] {
    (0..<24).map { index in
      let weights = [
        1 + Double(index * 7 % 11), 1 + Double(index * 5 % 7) * 0.5, 1 + Double(index * 3 % 5) * 0.3,
      ].map { $0 * $0 }
      let sum = weights.reduce(0, +)
      let shares = weights.map { $0 / sum }
      let best = shares.indices.max { (shares[$0], -$0) < (shares[$1], -$1) } ?? 0
      let byLabel = Dictionary(uniqueKeysWithValues: zip(["a", "b", "c"], shares))
      return ConfidenceCase(
        confidence: shares[best], label: ["a", "b", "c"][best], byLabel: byLabel,
        isCorrect: ![2, 5, 7].contains(index % 8))
    }
  }

  private func near(_ got: Double, _ want: Double, _ relative: Double) -> Bool {
    abs(got - want) <= relative * abs(want)
  }

  private func loss(_ fit: ConfidenceFit, _ cases: [ConfidenceCase]) -> Double {
    Calibration.logLoss(cases.map { (fit.corrected($0), $0.isCorrect) })
  }

  private func identityLoss(_ cases: [ConfidenceCase]) -> Double {
    Calibration.logLoss(cases.map { ($0.confidence, $0.isCorrect) })
  }

  // The references were made with SciPy 1.14.1: minimize (Nelder-Mead) and minimize_scalar (bounded).

  @Test("single numbers: shift and temperature match the reference")
  func numbersReference() {
    let fit = ConfidenceFit(numbers)
    #expect(near(fit.temperature, 1.7038050201228778, 1e-6) && near(fit.shift, 0.9769383551745542, 1e-6))
    #expect(fit.prior.isEmpty)
    #expect(near(identityLoss(numbers), 0.7494735364782027, 1e-12))
  }

  @Test("right and wrong that are cleanly apart give a finite fit, as the reference has it")
  func separated() {
    let fit = ConfidenceFit(stated.map { ConfidenceCase(confidence: $0, isCorrect: $0 > 0.62) })
    #expect(near(fit.temperature, 0.4751766534443221, 1e-5) && near(fit.shift, 0.3130959062448361, 1e-5))
  }

  @Test("distributions: one temperature, matching the reference, without a prior and with one")
  func distributionReference() {
    let plain = ConfidenceFit(distributions)
    #expect(near(plain.temperature, 1.9679506625924366, 1e-5))
    #expect(near(loss(plain, distributions) * 24, 15.844013204436829, 1e-9))
    let withPrior = ConfidenceFit(distributions, prior: ["a": 0.5, "b": 0.3, "c": 0.2])
    #expect(near(withPrior.temperature, 1.4387328464284102, 1e-5))
    #expect(near(loss(withPrior, distributions) * 24, 15.405670373448402, 1e-9))
  }

  @Test("a prior that makes it worse is not used")
  func badPrior() {
    let fit = ConfidenceFit(distributions, prior: ["a": 0.01, "b": 0.01, "c": 0.98])
    #expect(loss(fit, distributions) <= loss(ConfidenceFit(distributions), distributions) + 1e-12)
  }

  @Test("the fit is never worse on its own cases than leaving them alone", arguments: 1...40)
  func neverWorse(seed: UInt64) {
    var dice = SeededGenerator(seed: seed)
    let skill = Double.random(in: -1...1, using: &dice)
    let isDistribution = seed.isMultiple(of: 2)
    let cases = (0..<60).map { _ -> ConfidenceCase in
      var shares = (0..<4).map { _ in pow(Double.random(in: 0...1, using: &dice), 6) }
      let sum = shares.reduce(0, +)
      shares = shares.map { $0 / sum }
      let best = shares.indices.max { shares[$0] < shares[$1] } ?? 0
      let chance = min(1, max(0, 0.5 + skill * (shares[best] - 0.5)))
      let byLabel = Dictionary(uniqueKeysWithValues: zip(["a", "b", "c", "d"], shares))
      return ConfidenceCase(
        confidence: shares[best], label: ["a", "b", "c", "d"][best], byLabel: isDistribution ? byLabel : [:],
        isCorrect: Double.random(in: 0..<1, using: &dice) < chance)
    }
    let prior = isDistribution ? ["a": 0.7, "b": 0.1, "c": 0.1, "d": 0.1] : [:]
    let fit = ConfidenceFit(cases, prior: prior)
    #expect(loss(fit, cases) <= identityLoss(cases) + 1e-9)
    #expect(ConfidenceFit.temperatures.contains(fit.temperature) && fit.shift.isFinite)
  }

  @Test("a planted temperature and shift are found again", arguments: [(2.5, 0.0), (0.7, 0.5), (4.0, -1.0)])
  func planted(temperature: Double, shift: Double) {
    var dice = SeededGenerator(seed: 11)
    let cases = (0..<20_000).map { _ -> ConfidenceCase in
      let odds = Double.random(in: -6...6, using: &dice)
      let chance = 1 / (1 + exp(-(odds - shift) / temperature))
      return ConfidenceCase(
        confidence: 1 / (1 + exp(-odds)), isCorrect: Double.random(in: 0..<1, using: &dice) < chance)
    }
    let fit = ConfidenceFit(cases)
    #expect(near(fit.temperature, temperature, 0.08) && abs(fit.shift - shift) < 0.15, "\(fit)")
  }

  @Test("a corrected number never falls where the number rises", arguments: [0, 1])
  func monotone(kind: Int) {
    // Anti-informative answers too: the more confident, the more often wrong.
    let cases =
      kind == 0
      ? numbers : numbers.map { ConfidenceCase(confidence: 1 - $0.confidence, isCorrect: $0.isCorrect) }
    let fit = ConfidenceFit(cases)
    let corrected = (0...1000).map {
      fit.corrected(ConfidenceCase(confidence: Double($0) / 1000, isCorrect: true))
    }
    #expect(zip(corrected, corrected.dropFirst()).allSatisfy { $0 <= $1 })
    #expect(corrected.allSatisfy { (0...1).contains($0) })
  }

  @Test("always certain, seldom right: the certainty goes")
  func certain() {
    let cases = (0..<40).map { ConfidenceCase(confidence: 1, isCorrect: $0 < 24) }
    let corrected = ConfidenceFit(cases).corrected(ConfidenceCase(confidence: 1, isCorrect: true))
    #expect(abs(corrected - 0.6) < 0.05, "\(corrected)")
  }

  @Test("fewer than thirty cases, or none that are wrong, are refused with the counts")
  func refusals() {
    #expect(throws: CalibrationStudy.Refusal.tooFewCases(20)) { try CalibrationStudy(numbers) }
    let allRight = (0..<40).map { _ in ConfidenceCase(confidence: 0.9, isCorrect: true) }
    #expect(throws: CalibrationStudy.Refusal.oneSided(right: 40, wrong: 0)) { try CalibrationStudy(allRight) }
  }

  @Test("cross-validation judges each case by a fit to others, and says when nothing is gained")
  func crossValidation() throws {
    var dice = SeededGenerator(seed: 5)
    func cases(_ count: Int, _ chance: (Double) -> Double) -> [ConfidenceCase] {
      (0..<count).map { _ in
        let confidence = Double.random(in: 0.5...0.999, using: &dice)
        return ConfidenceCase(
          confidence: confidence, isCorrect: Double.random(in: 0..<1, using: &dice) < chance(confidence))
      }
    }
    let overconfident = try CalibrationStudy(cases(400) { $0 - 0.4 })
    #expect(overconfident.helps)
    #expect(overconfident.qualityAfter.expectedError < overconfident.qualityBefore.expectedError / 2)
    // Already right: 30 cases cannot make it better, and what they were fitted on is not what judges them.
    let studies = try (0..<20).map { _ in try CalibrationStudy(cases(30) { $0 }) }
    #expect(studies.contains { !$0.helps })
    for study in studies {
      let training = zip(study.before, study.after)
      #expect(training.allSatisfy { $0.correct == $1.correct } && study.after.count == 30)
    }
  }
}

@Suite("Reliability and thresholds")
struct ReliabilityTests {
  @Test("bins hold every case once, the last one also certainty")
  func bins() {
    let cases: [Graded] = (0...100).map { (Double($0) / 100, $0 % 2 == 0) }
    let bins = Calibration.reliability(cases)
    #expect(bins.map(\.count) == Array(repeating: 10, count: 9) + [11])
    #expect(bins.reduce(0) { $0 + $1.correct } == 51)
  }

  @Test("a certain mistake costs much, but not infinitely much")
  func logLoss() {
    #expect(abs(Calibration.logLoss([(1, false)]) - 27.631) < 0.001)
    #expect(Calibration.logLoss([]) == 0)
  }

  @Test("the proposal goes down from the strictest threshold and stops at the first that fails")
  func proposal() {
    // 400 right ones at 0.995; 60 at 0.8, of which 10 are wrong.
    let sure: [Graded] = Array(repeating: (0.995, true), count: 400)
    let unsure: [Graded] = (0..<60).map { (0.8, $0 >= 10) }
    let proposal = ThresholdProposal(sure + unsure, limit: 0.01)
    #expect(proposal.threshold == 0.81)
    #expect(proposal.steps.count == 50 && proposal.steps.first?.threshold == 0.99)
    // At 0.80: P(Binomial(460, 0.01) ≤ 10) is far over 0.05.
    #expect(ThresholdProposal(unsure + sure, limit: 0.05).threshold == 0.5)
    // 299 are what 1 % needs where none is wrong: P(Binomial(298, 0.01) = 0) is just above 0.05.
    #expect(ThresholdProposal(Array(sure.prefix(299)), limit: 0.01).threshold == 0.5)
    #expect(ThresholdProposal(Array(sure.prefix(298)), limit: 0.01).threshold == nil)
    #expect(ThresholdProposal([], limit: 0.01).threshold == nil)
  }
}
