import Evidence
package import Simulations
import Statistics
package import Wire

extension ThresholdCurve {
  package static let note =
    "Data used to choose a threshold never feeds a gate: after a change, count from the new policy's own evidence."

  /// The proposal in a sentence.
  package var verdict: String {
    let rule =
      "Learn-then-Test, strictest threshold first, risk \(Figures.percent(ThresholdProposal.risk)), limit \(Figures.percent(limit))"
    guard let proposal else {
      let first = points.first
      let why =
        (first?.notDrawable ?? 0) > 0
        ? "calls that reach it were not would-accepts and could not be drawn"
        : "\(Figures.count(first?.drawn ?? 0)) drawn, \(Figures.count(first?.drawnFalse ?? 0)) of them false or unlabelled; "
          + "\(Figures.count(needed)) without a false one are needed"
      return "No threshold is shown to keep the limit: at 0.99 already, \(why). (\(rule).)"
    }
    let stop = firstFailure.map { "; \(Figures.fixed($0, 2)) is not" } ?? ""
    return
      "Proposed: min_confidence \(Figures.fixed(proposal, 2)), shown to keep the limit\(stop). (\(rule).)"
  }

  package var summary: String {
    let candidate = model.map { " by \($0)" } ?? ""
    let left = earlier > 0 ? "; \(Figures.count(earlier)) of an earlier candidate or prompt are left out" : ""
    return
      "\(Figures.count(calls)) calls\(candidate) that the confidence decides, \(Figures.count(stopped)) that other checks stop\(left)"
  }

  /// One bar a threshold, for a terminal.
  package var text: String {
    var lines = ["\(task): \(summary)", ""]
    lines.append(
      "       accepted                            rate    drawn  labelled  false  at most   p        suspected"
    )
    for point in points {
      let rate = acceptRate(point)
      let full = Int((rate * 24).rounded())
      let bar = String(repeating: "█", count: full) + String(repeating: "·", count: 24 - full)
      let mark = point.threshold == proposal ? "▶" : isCurrent(point) ? "•" : " "
      let bound = point.upper.map(Figures.bound) ?? "–"
      let fields: [(String, Int)] = [
        (Figures.percent(rate), 7), (Figures.count(point.drawn), 7), (Figures.count(point.labelled), 9),
        (Figures.count(point.drawnFalse), 7), (bound, 9), (Figures.fixed(point.p, 4), 8),
        ("\(Figures.count(point.disagree)) of \(Figures.count(point.agree + point.disagree))", 0),
      ]
      let tail = fields.map { text, width in
        String(repeating: " ", count: max(1, width - text.count + 1)) + text
      }.joined()
      let count = Figures.count(point.accepted)
      lines.append(
        "\(mark) \(Figures.fixed(point.threshold, 2)) \(bar) "
          + String(repeating: " ", count: max(0, 8 - count.count)) + count + tail)
    }
    let now = current.map { "• in force: \(Figures.confidence($0)). " } ?? ""
    lines += ["", "\(now)\(verdict)", caveats, Self.note]
    return lines.joined(separator: "\n") + "\n"
  }

  private func isCurrent(_ point: Point) -> Bool {
    current.map { abs($0 - point.threshold) < 0.005 } ?? false
  }

  /// What the figures stand on.
  package var caveats: String {
    "Drawn: the random sample alone; what is drawn and not labelled counts as false. At most: exact, one-sided, 95 %, for one look. "
      + "–: no sample, because none were drawn or some that would be accepted could not be. Suspected: disagreements with the frontier among compared calls, which either may be wrong about."
  }

  package var json: JSONValue {
    func count(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }
    func share(_ value: Double?) -> JSONValue {
      value.flatMap { JSONNumber($0) }.map { .number($0) } ?? .null
    }
    return [
      "task_type": .string(task), "limit": share(limit), "risk": share(ThresholdProposal.risk),
      "min_confidence": share(current), "local_model": model.map { .string($0) } ?? .null,
      "calls": count(calls), "stopped": count(stopped), "left_out": count(earlier),
      "proposal": share(proposal), "first_failure": share(firstFailure),
      "thresholds": .array(
        points.map { point in
          [
            "min_confidence": share(point.threshold), "accepted": count(point.accepted),
            "accept_rate": share(acceptRate(point)), "agree": count(point.agree),
            "disagree": count(point.disagree), "drawn": count(point.drawn), "labelled": count(point.labelled),
            "drawn_false": count(point.drawnFalse), "known_false": count(point.knownFalse),
            "not_drawable": count(point.notDrawable), "upper": share(point.upper),
            "p": share(point.p),
          ]
        }),
    ]
  }

  /// One HTML file in the report's look: no scripts, nothing loaded from outside.
  package var html: String {
    HTMLText.page(title: "Thresholds of \(task)") { write(&$0) }
  }

  private func write(_ html: inout HTMLText) {
    html.element("header") { header in
      header.element("p", class: "eyebrow", "shadow-router · thresholds")
      header.element("h1", task)
      header.element("p", class: "soft small", summary)
      header.element("div", class: "card") { card in
        card.element("p", class: "claim", verdict)
        card.element("p", class: "soft small", Self.note)
      }
    }
    html.element("main") { main in
      main.figure(
        "Accept rate against the bound", caveats, isWide: true, chart)
      main.table(
        "Every threshold of the grid",
        ["Threshold", "Accepted", "Share", "Drawn", "Labelled", "False", "At most", "p", "Suspected"],
        points.map { point in
          [
            .text(
              Figures.fixed(point.threshold, 2)
                + (point.threshold == proposal ? " proposed" : isCurrent(point) ? " in force" : "")),
            .number(Figures.count(point.accepted)), .number(Figures.percent(acceptRate(point))),
            .number(Figures.count(point.drawn)), .number(Figures.count(point.labelled)),
            .number(Figures.count(point.drawnFalse)),
            .number(point.upper.map(Figures.bound) ?? "–"), .number(Figures.fixed(point.p, 4)),
            .number("\(Figures.count(point.disagree)) of \(Figures.count(point.agree + point.disagree))"),
          ]
        })
    }
    html.element("footer") { footer in
      footer.prose("`shadow-router simulate --thresholds \(task)` makes this page again from the same log.")
    }
  }

  /// Bars are the accept rate, dots the bound; both rise as the threshold falls.
  private var chart: HTMLText {
    let top = Self.ceiling(points.compactMap(\.upper).max() ?? limit, limit)
    let described = points.filter { Int(($0.threshold * 100).rounded()) % 5 == 0 }.map { point in
      "\(Figures.fixed(point.threshold, 2)): \(Figures.percent(acceptRate(point))) accepted, "
        + (point.upper.map { "at most \(Figures.bound($0)) false" } ?? "no sample")
    }
    var chart = SVG(
      760, 300, id: "thresholds", title: "Accept rate and bound by threshold of \(task)",
      description: described.joined(separator: "; ") + ".")
    let (left, bottom, height) = (60.0, 250.0, 210.0)
    let step = 640.0 / Double(points.count)
    let level = { (rate: Double) in bottom - height * min(1, rate / top) }
    chart.label(left, 22, "Bars: share of calls accepted, 0 to 100 %", "s")
    chart.label(left + 640, 22, "Dots: bound of the false ones, 0 to \(Figures.percent(top))", "s e")
    for (index, point) in points.enumerated() {
      let x = left + step * Double(index)
      let share = acceptRate(point)
      chart.bar(
        x + 1, bottom - height * share, step - 2, height * share,
        point.threshold == proposal ? "blue" : "grey")
      if let upper = point.upper {
        chart.dot(x + step / 2, level(upper), 3, upper > limit ? "bad" : "good")
      }
      let mark = point.threshold == proposal ? "proposed" : isCurrent(point) ? "in force" : nil
      if let mark { chart.label(x + step / 2, bottom - height * share - 6, mark, "s m") }
      if index % 7 == 0 { chart.label(x + step / 2, bottom + 18, Figures.fixed(point.threshold, 2), "s m") }
    }
    chart.line(left, bottom, left + 640, bottom, "axis")
    chart.line(left, level(limit), left + 640, level(limit), "limit")
    chart.label(left - 6, level(limit) + 4, Figures.percent(limit), "s e")
    chart.label(left, bottom + 38, "threshold, strictest first; the dashed line is the task's limit", "s")
    return chart.end()
  }

  /// A round number at or above both, for the end of an axis.
  private static func ceiling(_ rate: Double, _ limit: Double) -> Double {
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5].first { max(rate, 2 * limit) <= $0 } ?? 1
  }
}
