import Evidence
import Gates
import Glibc
import LogReading
import Statistics

/// Charts over all tasks, as wide as a phone is.
extension ReportCharts {
  // MARK: The bound against the limit

  /// How wrong each task may still be, on a logarithmic scale, beside what it may be.
  mutating func bounds(_ tasks: [(task: Report.Task, gate: Gate?)]) -> HTMLText {
    let rows = tasks.map { BoundRow($0.task, $0.gate) }
    var chart = begin(
      400, 40 + 40 * rows.count, "Bound of false accepts against the limit, by task",
      rows.map(\.words).joined(separator: "; ") + ".")
    let bottom = Double(12 + 40 * rows.count)
    for rate in [0.001, 0.01, 0.1, 1] {
      let x = Self.logarithmic(rate)
      chart.line(x, 8, x, bottom, "axis")
      chart.label(x, bottom + 16, Figures.percent(rate), rate == 1 ? "s e" : rate == 0.001 ? "s" : "s m")
    }
    for (index, row) in rows.enumerated() { Self.draw(row, y: Double(8 + 40 * index), &chart) }
    return chart.end()
  }

  /// 0.1 % at the left edge, 100 % at the right.
  private static func logarithmic(_ rate: Double) -> Double {
    8 + 384 * (1 + log10(min(1, max(0.001, rate))) / 3)
  }

  private static func draw(_ row: BoundRow, y: Double, _ chart: inout SVG) {
    chart.label(8, y + 12, short(row.name, 30), "")
    chart.label(392, y + 12, row.figure, "s e")
    chart.bar(8, y + 18, 384, 10, "track")
    if let upper = row.upper { chart.bar(8, y + 18, logarithmic(upper) - 8, 10, row.style) }
    if let limit = row.limit { chart.line(logarithmic(limit), y + 14, logarithmic(limit), y + 32, "limit") }
  }

  private struct BoundRow {
    let name: String
    let upper: Double?
    let limit: Double?
    let style: String
    let figure: String

    init(_ task: Report.Task, _ gate: Gate?) {
      name = task.name
      limit = gate.map(\.maxFalseAcceptRate)
      if let gate, let epoch = gate.epoch, epoch.accepted + epoch.falseLabelled > 0 {
        upper = gate.upperBound
        style = gate.upperBound <= gate.maxFalseAcceptRate ? "good" : "bad"
        figure =
          "≤ \(Figures.bound(gate.upperBound)) false, limit \(Figures.percent(gate.maxFalseAcceptRate))"
      } else if task.comparable > 0 {
        upper = task.disagreementUpper
        style = "grey"
        figure = "≤ \(Figures.bound(task.disagreementUpper)) disagree, no labels"
      } else {
        upper = nil
        style = "grey"
        figure = task.wouldAccepts == 0 ? "nothing accepted" : "nothing to compare"
      }
    }

    var words: String { "\(name): \(figure)" }
  }

  // MARK: Over time

  /// Would-accepts above, what was wrong with them below, each with its own scale.
  mutating func periods(_ all: [Report.Period]) -> HTMLText {
    let periods = Array(all.suffix(Self.mostPeriods))
    let described = periods.map { period in
      "\(period.name): \(Figures.count(period.wouldAccepts)) would-accepts, \(Figures.count(period.disagree)) disagree, "
        + "\(Figures.count(period.knownFalse)) known false"
    }
    var chart = begin(
      400, 236, "Would-accepts and false accepts over time", described.joined(separator: "; ") + ".")
    let width = min(48, 344 / Double(max(1, periods.count)))
    let most = Double(max(1, periods.map(\.wouldAccepts).max() ?? 0))
    let wrong = Double(max(1, periods.map { max($0.disagree, $0.knownFalse) }.max() ?? 0))
    for (index, period) in periods.enumerated() {
      let x = 48 + width * Double(index)
      let bar = { (count: Int, top: Double, height: Double) in
        count > 0 ? max(1.5, height * Double(count) / top) : 0
      }
      let accepts = bar(period.wouldAccepts, most, 96)
      chart.bar(x + 1, 112 - accepts, width - 2, accepts, "good")
      let suspected = bar(period.disagree, wrong, 72)
      chart.bar(x + 1, 202 - suspected, width - 2, suspected, "light")
      let known = bar(period.knownFalse, wrong, 72)
      chart.bar(x + width * 0.25, 202 - known, width * 0.5, known, "bad")
    }
    chart.line(48, 112, 392, 112, "axis")
    chart.line(48, 202, 392, 202, "axis")
    chart.label(42, 22, Figures.count(Int(most)), "s e")
    chart.label(42, 138, Figures.count(Int(wrong)), "s e")
    chart.label(42, 116, "0", "s e")
    chart.label(42, 206, "0", "s e")
    if let first = periods.first { chart.label(48, 222, first.name, "s") }
    if periods.count > 1, let last = periods.last {
      chart.label(max(48 + width * Double(periods.count), 250), 222, last.name, "s e")
    }
    return chart.end()
  }

  private static let mostPeriods = 60

  // MARK: Money

  /// Two bars a task: the frontier alone, and with the router.
  mutating func costs(_ tasks: [Report.Task]) -> HTMLText {
    let top = tasks.map { max($0.cost.frontierOnly, $0.cost.withRouter + $0.upkeep) }.max() ?? 0
    let scale = top > 0 ? 384 / top : 0
    let described = tasks.map { task in
      "\(task.name): frontier alone \(Figures.usd(task.cost.frontierOnly)), with the router "
        + Figures.usd(task.cost.withRouter + task.upkeep)
    }
    var chart = begin(400, 8 + 62 * tasks.count, "Cost by task", described.joined(separator: "; ") + ".")
    for (index, task) in tasks.enumerated() {
      let y = Double(8 + 62 * index)
      chart.label(8, y + 10, Self.short(task.name, 26), "")
      chart.label(
        392, y + 10,
        "\(Figures.usd(task.cost.frontierOnly)) → \(Figures.usd(task.cost.withRouter + task.upkeep))", "s e")
      chart.bar(8, y + 17, scale * task.cost.frontierOnly, 12, "frontier")
      var x = 8.0
      for (cost, style) in [
        (task.cost.local, "blue"), (task.cost.frontierOnly - task.cost.frontierOfAccepts, "grey"),
        (task.upkeep, "upkeep"),
      ] {
        chart.bar(x, y + 32, scale * max(0, cost), 12, style)
        x += scale * max(0, cost)
      }
    }
    return chart.end()
  }

  // MARK: Confidence

  /// The share that agrees with the frontier, by confidence.
  mutating func agreement(_ task: Report.Task) -> HTMLText {
    let bins = task.confidence.bins.filter { $0.agree + $0.disagree > 0 }
    let share = { (bin: Report.ConfidenceReport.Bin) in Double(bin.agree) / Double(bin.agree + bin.disagree) }
    let described = bins.map {
      "\(Figures.confidence($0.from)) to \(Figures.confidence($0.to)): \(Figures.percent(share($0))) of "
        + "\(Figures.count($0.agree + $0.disagree)) agree"
    }
    var chart = begin(
      400, 196, "Agreement of \(task.name) by confidence", described.joined(separator: "; ") + ".")
    let x = { (value: Double) in 46 + 340 * value }
    let y = { (value: Double) in 160 - 148 * value }
    for quarter in 0...4 {
      let value = Double(quarter) / 4
      chart.line(x(0), y(value), x(1), y(value), "axis")
      chart.label(40, y(value) + 4, Figures.percent(value), "s e")
      chart.label(x(value), 178, Figures.fixed(value, 2), "s m")
    }
    chart.line(x(0), y(0), x(1), y(1), "diagonal")
    let most = Double(bins.map { $0.agree + $0.disagree }.max() ?? 1)
    for bin in bins {
      let count = bin.agree + bin.disagree
      let middle = (bin.from + bin.to) / 2
      let interval = RateBounds.wilson(bin.agree, of: count)
      chart.line(x(middle), y(interval.lower), x(middle), y(interval.upper), "error")
      let style = interval.upper < bin.from ? "bad" : count < 10 ? "grey" : "good"
      chart.dot(x(middle), y(share(bin)), 3 + 5 * (Double(count) / most).squareRoot(), style)
    }
    return chart.end()
  }
}
