import Foundation
import TestData
import Testing
import Wire

@testable import Statistics

@Suite("Statistics")
struct StatisticsTests {
  /// The reference table's rows under one name, as numbers.
  private func rows(_ name: String) throws -> [[Double]] {
    guard let bytes = SharedData.read("vectors/statistics.json", for: "reference values of \(name)") else {
      return []
    }
    let table = try JSONValue(parsing: Array(bytes))
    return try #require(table[name]?.arrayValue).map { row in
      try #require(row.arrayValue).map { try #require($0.doubleValue) }
    }
  }

  private func near(_ got: Double, _ want: Double, _ relative: Double = 1e-9) -> Bool {
    abs(got - want) <= relative * abs(want) || got == want
  }

  @Test("Clopper-Pearson, one-sided, matches the reference")
  func upper() throws {
    for row in try rows("clopper_pearson_upper95_onesided") {
      let got = RateBounds.upper(Int(row[0]), of: Int(row[1]))
      #expect(near(got, row[2]), "\(row): \(got)")
    }
  }

  @Test("Clopper-Pearson, two-sided, matches the reference")
  func interval() throws {
    for row in try rows("clopper_pearson_95_twosided") {
      let got = RateBounds.clopperPearson(Int(row[0]), of: Int(row[1]))
      #expect(near(got.lower, row[2]) && near(got.upper, row[3]), "\(row): \(got)")
    }
  }

  @Test("Wilson matches the reference")
  func wilson() throws {
    for row in try rows("wilson_95") {
      let got = RateBounds.wilson(Int(row[0]), of: Int(row[1]))
      #expect(near(got.lower, row[2]) && near(got.upper, row[3]), "\(row): \(got)")
    }
  }

  @Test("the e-process and its anytime bound match the reference")
  func sequential() throws {
    for row in try rows("mix_eprocess") {
      let got = exp(SequentialEvidence.logE(Int(row[0]), of: Int(row[1]), limit: row[2]))
      #expect(near(got, row[3]), "\(row): \(got)")
    }
    for row in try rows("mix_anytime_upper95") {
      let got = SequentialEvidence.upper(Int(row[0]), of: Int(row[1]))
      #expect(near(got, row[2]), "\(row): \(got)")
    }
  }

  @Test("at most M of N matches the reference")
  func hypergeometric() throws {
    for row in try rows("hypergeom_upper95") {
      #expect(Hypergeometric.upper(Int(row[2]), drawn: Int(row[1]), of: Int(row[0])) == Int(row[3]), "\(row)")
    }
  }

  @Test("the binomial tail matches the reference")
  func tail() throws {
    for row in try rows("ltt_binom_p") {
      let got = RateBounds.atMost(Int(row[0]), of: Int(row[1]), rate: row[2])
      #expect(near(got, row[3]), "\(row): \(got)")
    }
  }

  @Test("agreement of raters and drift match the reference")
  func raters() throws {
    guard let bytes = SharedData.read("vectors/statistics.json", for: "kappa and PSI") else { return }
    let table = try JSONValue(parsing: Array(bytes))
    let kappa = try #require(table["kappa_2x2"])
    let raters = RaterAgreement(
      try #require(kappa["table"]?.arrayValue).map { ($0.arrayValue ?? []).compactMap(\.intValue) })
    #expect(near(raters.kappa, try #require(kappa["kappa"]?.doubleValue)))
    #expect(near(raters.ac1, try #require(kappa["ac1"]?.doubleValue)))
    #expect(near(raters.pabak, try #require(kappa["pabak"]?.doubleValue)))
    let psi = try #require(table["psi"])
    let got = Drift.psi(
      reference: (psi["e"]?.arrayValue ?? []).compactMap(\.doubleValue),
      now: (psi["a"]?.arrayValue ?? []).compactMap(\.doubleValue))
    #expect(near(got, try #require(psi["psi"]?.doubleValue)))
  }

  @Test("bounds at the edges are what they must be")
  func edges() {
    #expect(RateBounds.upper(0, of: 0) == 1)
    #expect(RateBounds.lower(0, of: 0) == 0)
    #expect(RateBounds.upper(7, of: 7) == 1)
    #expect(RateBounds.upper(9, of: 7) == 1)
    #expect(near(RateBounds.lower(7, of: 7), pow(0.05, 1.0 / 7), 1e-14))
    #expect(RateBounds.clopperPearson(0, of: 30).lower == 0)
    #expect(RateBounds.needed(forUpper: 0.01) == 299)
    #expect(RateBounds.needed(forUpper: 0.05) == 59)
    #expect(RateBounds.needed(forUpper: 0) == .max)
  }

  @Test("a bound gives back its own tail probability", arguments: [10, 1_000, 100_000, 10_000_000])
  func roundTrip(n: Int) {
    for k in [1, 2, n / 100, n / 3, n / 2, n - 1] where k > 0 && k < n {
      let upper = RateBounds.upper(k, of: n)
      // A bound next to 1 has few digits left for its distance from 1, which is what the tail depends on.
      #expect(near(RateBounds.atMost(k, of: n, rate: upper), 0.05, k == n - 1 ? 1e-6 : 1e-9), "\(k) of \(n)")
      let lower = RateBounds.lower(k, of: n)
      #expect(near(1 - RateBounds.atMost(k - 1, of: n, rate: lower), 0.05, 1e-8), "\(k) of \(n)")
      #expect(lower < Double(k) / Double(n) && Double(k) / Double(n) < upper)
    }
  }

  @Test("at most M of N agrees with counting every draw")
  func smallHypergeometric() {
    func choose(_ n: Int, _ k: Int) -> Double {
      k < 0 || k > n ? 0 : (0..<k).reduce(1.0) { $0 * Double(n - $1) / Double($1 + 1) }
    }
    for population in 1...12 {
      for marked in 0...population {
        for drawn in 0...population {
          for k in 0...drawn {
            let exact = (0...k).reduce(0.0) {
              $0 + choose(marked, $1) * choose(population - marked, drawn - $1) / choose(population, drawn)
            }
            let got = Hypergeometric.atMost(k, drawn: drawn, marked: marked, of: population)
            #expect(abs(got - exact) < 1e-12)
          }
        }
      }
    }
  }

  @Test("McNemar, Brier, ECE and CUSUM on cases worked by hand")
  func byHand() {
    #expect(near(PairedComparison.mcNemar(1, 5), 2 * 7.0 / 64))
    #expect(PairedComparison.mcNemar(0, 0) == 1)
    #expect(PairedComparison.mcNemar(4, 4) == 1)
    let cases = [(confidence: 0.9, correct: true), (confidence: 0.6, correct: false)]
    #expect(near(Calibration.brier(cases), (0.01 + 0.36) / 2))
    #expect(near(Calibration.expectedError(cases, bins: 2), (0.1 + 0.6) / 2))
    var alarm = RateAlarm(usual: 0.01, raised: 0.03)
    for _ in 0..<50 { alarm.saw(fault: false) }
    #expect(alarm.level == 0)
    alarm.saw(fault: true)
    #expect(near(alarm.level, log(3)))
  }
}

@Suite("Spending and fitting")
struct SpendingTests {
  @Test("α over all attempts and the catch rate comes to 5 %, and needs the reviews that were published")
  func spending() {
    let total = (1...200_000).reduce(0.0) { $0 + AlphaSpending.alpha(attempt: $1, of: 0.05) }
    #expect(abs(total - 0.04) < 1e-6)
    for (attempt, reviews) in [(1, 401), (2, 545)] {
      let alpha = AlphaSpending.alpha(attempt: attempt, of: 0.05)
      #expect(SequentialEvidence.needed(limit: 0.01, alpha: alpha) == reviews)
    }
    #expect(AlphaSpending.alpha(attempt: 1, of: 0.01) == 0)
    #expect(SequentialEvidence.needed(limit: 0.01, alpha: 0) == .max)
    #expect(SequentialEvidence.needed(limit: 0, alpha: 0.05) == .max)
    #expect(!SequentialEvidence.isEnough(0, of: 10_000_000, limit: 0.01, alpha: 0))
  }

  @Test("the needed n is the first that is enough", arguments: [0, 1, 5, 100])
  func needed(k: Int) {
    let n = SequentialEvidence.needed(false: k, limit: 0.02, alpha: 0.02)
    #expect(SequentialEvidence.isEnough(k, of: n, limit: 0.02, alpha: 0.02))
    #expect(!SequentialEvidence.isEnough(k, of: n - 1, limit: 0.02, alpha: 0.02))
  }

  @Test("sequential evidence holds at its edges", arguments: [1, 1_000, 10_000_000])
  func edges(n: Int) {
    #expect(SequentialEvidence.upper(n, of: n) == 1)
    #expect(SequentialEvidence.upper(0, of: 0) == 1)
    let clean = SequentialEvidence.upper(0, of: n)
    #expect(clean > RateBounds.upper(0, of: n) && clean <= 1)
    #expect(abs(SequentialEvidence.logE(0, of: n, limit: clean) - log(20.0)) < 1e-6 || clean == 1)
    #expect(SequentialEvidence.logE(n, of: n, limit: 0.01) < log(0.12))
    #expect(SequentialEvidence.logE(n / 100, of: n, limit: 0.01).isFinite)
  }

  @Test("an anytime bound never rises")
  func runningMinimum() {
    var bound = AnytimeBound(alpha: 0.05)
    bound.look(0, of: 400)
    let before = bound.upper
    bound.look(30, of: 430)
    #expect(bound.upper == before && before < 0.01)
  }

  @Test("pooling violators gives the nearest rising sequence")
  func isotonic() {
    #expect(IsotonicFit.fit([1, 3, 2, 4]) == [1, 2.5, 2.5, 4])
    #expect(IsotonicFit.fit([3, 2, 1]) == [2, 2, 2])
    #expect(IsotonicFit.fit([2, 1], weights: [1, 3]) == [1.25, 1.25])
    #expect(IsotonicFit.fit([]) == [])
    var dice = Dice(seed: 3)
    for _ in 0..<50 {
      let values = (0..<20).map { _ in dice.next() }
      let fit = IsotonicFit.fit(values)
      #expect(zip(fit, fit.dropFirst()).allSatisfy { $0 <= $1 })
      #expect(abs(fit.reduce(0, +) - values.reduce(0, +)) < 1e-9)
    }
  }
}
