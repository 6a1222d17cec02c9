import Foundation
import TestData
import Testing

@testable import Statistics

/// Histories of a candidate whose true rate is exactly the limit: how many of them a rule promotes.
@Suite("Weekly looks")
struct GateSimulationTests {
  private static let limit = 0.05
  private static let drawnAWeek = 100
  private static let weeks = 8
  private static let epochs = 5
  private static let histories = 1_000

  /// n drawn, k of them false or not yet labelled, at the end of each week of an epoch.
  ///
  /// Labels of up to four right items a week come a week late.
  private func epoch(_ dice: inout Dice) -> [(k: Int, n: Int)] {
    var looks: [(k: Int, n: Int)] = []
    var falseOnes = 0
    var next = gap(&dice)
    for week in 1...Self.weeks {
      let n = week * Self.drawnAWeek
      while next <= n {
        falseOnes += 1
        next += gap(&dice)
      }
      looks.append((falseOnes + dice.below(5), n))
    }
    return looks
  }

  /// Items up to and with the next false one: geometric.
  private func gap(_ dice: inout Dice) -> Int {
    Int(log(max(1e-12, 1 - dice.next())) / log(1 - Self.limit)) + 1
  }

  private func passes(_ seed: UInt64, _ rule: (_ k: Int, _ n: Int, _ attempt: Int) -> Bool) -> Int {
    var dice = Dice(seed: seed)
    return (0..<Self.histories).count { _ in
      var isPassed = false
      for attempt in 1...Self.epochs {
        let looks = epoch(&dice)
        isPassed = isPassed || looks.contains { rule($0.k, $0.n, attempt) }
      }
      return isPassed
    }
  }

  @Test("at the limit, at most 5 % of histories ever pass, over weekly looks, late labels and several epochs")
  func holds() {
    let passed = passes(20_260_302) { k, n, attempt in
      SequentialEvidence.isEnough(
        k, of: n, limit: Self.limit, alpha: AlphaSpending.alpha(attempt: attempt, of: 0.05))
    }
    // Three standard deviations of the count of a fair 5 %.
    let slack = 3 * (Double(Self.histories) * 0.05 * 0.95).squareRoot()
    #expect(Double(passed) <= 0.05 * Double(Self.histories) + slack, "\(passed) of \(Self.histories)")
  }

  @Test("a weekly Clopper-Pearson bound passes far more of the same histories")
  func clopperPearson() {
    let passed = passes(20_260_302) { k, n, _ in RateBounds.upper(k, of: n) <= Self.limit }
    #expect(passed > Self.histories / 8, "\(passed) of \(Self.histories)")
  }

  @Test("the anytime bound covers the true rate in at least 95 % of histories at every look")
  func bound() {
    var dice = Dice(seed: 7)
    let missed = (0..<400).count { _ in
      var bound = AnytimeBound(alpha: 0.05)
      for look in epoch(&dice) { bound.look(look.k, of: look.n) }
      return bound.upper < Self.limit
    }
    #expect(missed <= 20 + 13, "\(missed) of 400")
  }
}
