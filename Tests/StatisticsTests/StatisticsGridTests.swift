import Foundation
import Testing
import Wire

@testable import Statistics

private let gridPath = ProcessInfo.processInfo.environment["SHADOW_ROUTER_STATISTICS_GRID"]

/// A random grid that SciPy and statsmodels worked out (`Tests/Reference/statistics_grid.py`).
@Suite("Statistics against SciPy and statsmodels", .enabled(if: gridPath != nil))
struct StatisticsGridTests {
  private func rows(_ name: String) throws -> [JSONValue] {
    let path = try #require(gridPath)
    let table = try JSONValue(parsing: [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))))
    let rows = try #require(table[name]?.arrayValue)
    #expect(rows.count >= 30)
    return rows
  }

  private func numbers(_ name: String) throws -> [[Double]] {
    try rows(name).map { try #require($0.arrayValue).compactMap(\.doubleValue) }
  }

  private func near(_ got: Double, _ want: Double, _ relative: Double = 1e-9) -> Bool {
    got == want || abs(got - want) <= relative * abs(want)
  }

  @Test("bounds of a rate")
  func bounds() throws {
    for row in try numbers("one_sided") {
      let (k, n) = (Int(row[0]), Int(row[1]))
      #expect(near(RateBounds.lower(k, of: n, alpha: row[2]), row[3]), "lower \(row)")
      #expect(near(RateBounds.upper(k, of: n, alpha: row[2]), row[4]), "upper \(row)")
    }
    for row in try numbers("clopper_pearson") {
      let got = RateBounds.clopperPearson(Int(row[0]), of: Int(row[1]), alpha: row[2])
      #expect(near(got.lower, row[3]) && near(got.upper, row[4]), "\(row): \(got)")
    }
    for row in try numbers("wilson") {
      let got = RateBounds.wilson(Int(row[0]), of: Int(row[1]), alpha: row[2])
      // An end that is zero comes as a rounding fault from there.
      #expect(near(got.lower, row[3], 1e-8) || abs(got.lower - row[3]) < 1e-15, "\(row): \(got)")
      #expect(near(got.upper, row[4]), "\(row): \(got)")
    }
  }

  @Test("tails")
  func tails() throws {
    for row in try numbers("tail") {
      let got = RateBounds.atMost(Int(row[0]), of: Int(row[1]), rate: row[2])
      #expect(near(got, row[3], 1e-8), "\(row): \(got)")
    }
    for row in try numbers("normal") { #expect(near(Normal.quantile(row[0]), row[1], 1e-8), "\(row)") }
    for row in try numbers("at_most") {
      let got = Hypergeometric.atMost(Int(row[0]), drawn: Int(row[1]), marked: Int(row[2]), of: Int(row[3]))
      #expect(near(got, row[4], 1e-8), "\(row): \(got)")
    }
    for row in try numbers("hypergeometric") {
      #expect(Hypergeometric.upper(Int(row[0]), drawn: Int(row[1]), of: Int(row[2])) == Int(row[3]), "\(row)")
    }
  }

  @Test("sequential evidence")
  func sequential() throws {
    for row in try numbers("log_e") {
      let got = SequentialEvidence.logE(Int(row[0]), of: Int(row[1]), limit: row[2])
      #expect(near(got, row[3], 1e-8) || abs(got - row[3]) < 1e-8, "\(row): \(got)")
    }
    for row in try numbers("anytime") {
      let got = SequentialEvidence.upper(Int(row[0]), of: Int(row[1]), alpha: row[2])
      #expect(near(got, row[3]), "\(row): \(got)")
    }
  }

  @Test("two raters, two candidates, two weeks, one rising curve")
  func comparisons() throws {
    for row in try numbers("mcnemar") {
      #expect(near(PairedComparison.mcNemar(Int(row[0]), Int(row[1])), row[2]), "\(row)")
    }
    for row in try rows("kappa") {
      let table = try #require(row["table"]?.arrayValue).map { ($0.arrayValue ?? []).compactMap(\.intValue) }
      let want = try #require(row["kappa"]?.doubleValue)
      #expect(abs(RaterAgreement(table).kappa - want) < 1e-10)
    }
    for row in try rows("isotonic") {
      let lists = ["values", "weights", "fit"].map { (row[$0]?.arrayValue ?? []).compactMap(\.doubleValue) }
      let fit = IsotonicFit.fit(lists[0], weights: lists[1])
      #expect(zip(fit, lists[2]).allSatisfy { abs($0 - $1) < 1e-9 } && fit.count == lists[2].count)
    }
    for row in try rows("psi") {
      let lists = ["e", "a"].map { (row[$0]?.arrayValue ?? []).compactMap(\.doubleValue) }
      #expect(near(Drift.psi(reference: lists[0], now: lists[1]), try #require(row["psi"]?.doubleValue)))
    }
  }
}
