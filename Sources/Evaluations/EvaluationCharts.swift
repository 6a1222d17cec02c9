import Reports
import Statistics

/// The drawings of an evaluation's page.
extension ReportCharts {
  /// What the confidence says against how often it is right: dots on the diagonal can be believed.
  mutating func reliability(_ bins: [ReliabilityBin]) -> HTMLText {
    let filled = bins.filter { $0.count > 0 }
    let described = filled.map { bin in
      "says \(Figures.confidence(bin.meanConfidence ?? 0)), right \(Figures.optionalPercent(bin.accuracy)) of "
        + Figures.count(bin.count)
    }
    var chart = begin(
      400, 372, "Confidence against how often it is right", described.joined(separator: "; ") + ".")
    let x = { (share: Double) in 46 + 340 * share }
    let y = { (share: Double) in 262 - 240 * share }
    for quarter in 0...4 {
      let share = Double(quarter) / 4
      chart.line(x(0), y(share), x(1), y(share), "axis")
      chart.label(40, y(share) + 4, Figures.percent(share), "s e")
      chart.label(x(share), 364, Figures.fixed(share, 2), "s m")
    }
    chart.line(x(0), y(0), x(1), y(1), "diagonal")
    chart.label(46, 12, "right, with the 95 % interval", "s")
    let most = Double(filled.map(\.count).max() ?? 1)
    for bin in filled {
      guard let mean = bin.meanConfidence, let accuracy = bin.accuracy else { continue }
      let interval = bin.interval
      chart.line(x(mean), y(interval.lower), x(mean), y(interval.upper), "error")
      let fits = bin.count < Self.leastToTell ? "grey" : "good"
      let style = interval.upper < mean ? "bad" : interval.lower > mean ? "blue" : fits
      chart.dot(x(mean), y(accuracy), 3.5 + 8 * (Double(bin.count) / most).squareRoot(), style)
    }
    chart.line(x(0), 346, x(1), 346, "axis")
    for bin in filled {
      let height = max(1.5, 52 * Double(bin.count) / most)
      chart.bar(x(bin.from) + 2, 346 - height, x(bin.to) - x(bin.from) - 4, height, "grey")
      chart.label((x(bin.from) + x(bin.to)) / 2, 342 - height, Figures.count(bin.count), "s m")
    }
    chart.label(40, 346, "cases", "s e")
    return chart.end()
  }

  /// Fewer cases in a bin show nothing.
  private static let leastToTell = 10

  /// How much a threshold lets through, and how much of that is wrong.
  mutating func thresholds(_ evaluation: Evaluation) -> HTMLText {
    let (steps, whole) = evaluation.curve
    let share = { (step: ThresholdStep) in Double(step.accepted) / Double(max(1, evaluation.cases.count)) }
    let told = [0, 50, 70, 80, 90, 95, 99].map { steps[$0] }.map { step in
      "from \(Figures.confidence(step.threshold)): \(Figures.count(step.accepted)) accepted, \(Figures.count(step.wrong)) wrong"
    }
    var chart = begin(
      400, 372, "What each threshold lets through",
      whole > 0 ? told.joined(separator: "; ") + "." : "Nothing.")
    let x = { (threshold: Double) in 46 + 340 * threshold }
    let y = { (rate: Double) in 330 - 308 * rate }
    for quarter in 0...4 {
      let rate = Double(quarter) / 4
      chart.line(x(0), y(rate), x(1), y(rate), "axis")
      chart.label(40, y(rate) + 4, Figures.percent(rate), "s e")
      chart.label(x(rate), 348, Figures.fixed(rate, 2), "s m")
    }
    chart.label(x(0.5), 366, "min_confidence", "s m")
    chart.line(x(0), y(evaluation.limit), x(1), y(evaluation.limit), "limit")
    let some = steps.filter { $0.accepted > 0 }
    chart.trace(some.map { (x($0.threshold), y($0.wrongUpper)) }, "trace-bound")
    chart.trace(steps.map { (x($0.threshold), y(share($0))) }, "trace-good")
    chart.trace(some.compactMap { step in step.wrongRate.map { (x(step.threshold), y($0)) } }, "trace-bad")
    mark(x(evaluation.minConfidence), "now \(Figures.confidence(evaluation.minConfidence))", 16, &chart)
    if let proposed = evaluation.proposal.threshold {
      mark(x(proposed), "proposed \(Figures.confidence(proposed))", 32, &chart)
    }
    return chart.end()
  }

  private func mark(_ x: Double, _ text: String, _ y: Double, _ chart: inout SVG) {
    chart.line(x, y - 8, x, 330, "limit")
    chart.label(x > 200 ? x - 4 : x + 4, y, text, x > 200 ? "s e" : "s")
  }
}
