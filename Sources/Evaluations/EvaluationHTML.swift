import Evidence
import Reports
import Statistics

extension Evaluation {
  /// The evaluation as one HTML file: no scripts, nothing loaded from outside, every text escaped.
  package var html: String { EvaluationPage(self).page }
}

/// Sets an evaluation for a reader who has to decide about the candidate: whether the bar is met and why not, what the
/// confidence is worth, which threshold the cases speak for, and which labels go wrong.
private struct EvaluationPage {
  private let evaluation: Evaluation
  private let bar: AcceptanceBar
  private var charts = ReportCharts()

  init(_ evaluation: Evaluation) {
    self.evaluation = evaluation
    bar = AcceptanceBar(evaluation)
  }

  var page: String {
    var copy = self
    return HTMLText.page(title: "Evaluation of \(evaluation.task) by \(evaluation.model)") { html in
      copy.header(&html)
      html.raw("<main>")
      copy.barTable(&html)
      copy.confidence(&html)
      copy.threshold(&html)
      copy.labels(&html)
      copy.reasons(&html)
      html.raw("</main>")
      copy.footer(&html)
    }
  }

  private func header(_ html: inout HTMLText) {
    html.element("header") { html in
      html.element("p", class: "eyebrow", "shadow-router · evaluation")
      html.element("h1", "\(evaluation.task) by \(evaluation.model)")
      html.element(
        "p", class: "soft small",
        "\(Figures.count(evaluation.cases.count)) labelled cases, decided as the router would at min_confidence "
          + Figures.confidence(evaluation.minConfidence))
      html.element("div", class: "card") { card in
        card.element("div", class: "head") { head in
          head.pill(bar.isMet ? "bar met" : "bar NOT met", bar.isMet ? .good : .bad)
          if evaluation.quality.count > 0 {
            let over = evaluation.quality.overconfidence
            head.pill(
              abs(over) < AcceptanceBar.noise
                ? "confidence fits" : over > 0 ? "overconfident" : "underconfident",
              abs(over) < AcceptanceBar.noise ? .good : over > 0 ? .bad : .warn)
          }
        }
        card.element("p", class: "claim", sentence)
        card.element("p", bar.verdict)
        for note in EvaluationWords.notes(evaluation) { card.element("p", class: "soft small", note) }
      }
    }
  }

  private var sentence: String {
    let wrong =
      "\(Figures.count(evaluation.acceptedWrong)) of \(Figures.count(evaluation.acceptedJudged)) answers that would have been let "
      + "through are wrong; with 95 % confidence the rate is below \(Figures.bound(evaluation.wrongUpper)), the limit is "
      + "\(Figures.percent(evaluation.limit))."
    return evaluation.acceptedJudged > 0 ? wrong : "No answer would have been let through."
  }

  private func barTable(_ html: inout HTMLText) {
    html.element("h2", "The acceptance bar")
    html.table(
      "All five must be met", ["Figure", "", "Value", "Asked for"],
      bar.lines.map { line in
        [
          .text(line.name), .pill(line.isMet ? "met" : "not met", line.isMet ? .good : .bad),
          .text(line.value),
          .text(line.limit),
        ]
      })
  }

  private mutating func confidence(_ html: inout HTMLText) {
    html.element("h2", "What the confidence is worth")
    let quality = evaluation.quality
    guard quality.count > 0 else {
      return html.element("p", "No valid answer had a confidence and a known truth.")
    }
    html.element("p", EvaluationWords.confidence(evaluation))
    let (plot, curve) = (charts.reliability(evaluation.bins), charts.thresholds(evaluation))
    html.element("div", class: "card") { card in
      card.element("div", class: "grid") { grid in
        grid.figure(
          "Says, and is right",
          "A dot is all cases with a confidence in one tenth, as large as they are many, with the 95 % interval of how often "
            + "they are right. On the dashed line the confidence can be believed (green). Red dots lie surely below it: it "
            + "promises too much; blue ones surely above. Grey: too few to tell. Below: how many cases there are.",
          plot)
        grid.figure(
          "Let through, and wrong",
          "By threshold. Green: share of all cases let through. Red: share of those that is wrong; dotted, its 95 % bound. "
            + "The dashed line across is the limit for it.", curve)
      }
      card.table(
        "Figures of the confidence",
        evaluation.calibration == nil ? ["Figure", "Value"] : ["Figure", "Corrected", "As it came"],
        EvaluationWords.figures(evaluation)
      )
      card.element("details") { details in
        details.element("summary", "By tenth of confidence")
        details.table(
          "Reliability", ["Confidence", "Cases", "Says, on average", "Right", "95 % interval"],
          evaluation.bins.filter { $0.count > 0 }.map { bin in
            [
              .text("\(Figures.fixed(bin.from, 1)) to \(Figures.fixed(bin.to, 1))"),
              .number(Figures.count(bin.count)), .number(Figures.confidence(bin.meanConfidence ?? 0)),
              .number(Figures.optionalPercent(bin.accuracy)),
              .number("\(Figures.percent(bin.interval.lower)) to \(Figures.percent(bin.interval.upper))"),
            ]
          })
      }
    }
  }

  private func threshold(_ html: inout HTMLText) {
    let proposal = evaluation.proposal
    html.element("h2", "A threshold, proposed")
    html.element("p", EvaluationWords.proposal(evaluation))
    html.element("p", class: "soft small", EvaluationWords.proposalNote)
    let shown = proposal.steps.filter { step in
      step.threshold == proposal.threshold
        || [99, 95, 90, 85, 80, 75, 70, 65, 60, 55, 50].contains(
          Int((step.threshold * 100).rounded()))
    }
    html.table(
      "What each threshold would let through", ["Threshold", "Accepted", "Wrong", "At most (95 %)"],
      shown.map { step in
        [
          .text(
            Figures.confidence(step.threshold) + (step.threshold == proposal.threshold ? ", proposed" : "")),
          .number(Figures.count(step.accepted)), .number(Figures.count(step.wrong)),
          .number(step.accepted > 0 ? Figures.bound(step.wrongUpper) : "–"),
        ]
      })
  }

  private func labels(_ html: inout HTMLText) {
    let labels = evaluation.labels
    guard !labels.isEmpty else { return }
    html.element("h2", "Label by label")
    Self.labelTable(Array(labels.prefix(20)), &html)
    let confusions = evaluation.confusions
    html.table(
      "Most often confused", ["True", "Said", "Times", "Of them let through"],
      confusions.prefix(15).map { pair in
        [
          .text(pair.truth), .text(pair.said), .number(Figures.count(pair.count)),
          .number(Figures.count(pair.accepted)),
        ]
      })
    guard labels.count > 20 else { return }
    html.element("details") { details in
      details.element("summary", "\(Figures.count(labels.count - 20)) more labels")
      Self.labelTable(Array(labels.dropFirst(20)), &details)
    }
  }

  private static func labelTable(_ labels: [Evaluation.Label], _ html: inout HTMLText) {
    html.table(
      "Labels, most wrong first",
      ["Label", "Cases", "Right", "Found", "Said", "Let through", "Of them wrong"],
      labels.map { label in
        [
          .text(label.name), .number(Figures.count(label.cases)), .number(Figures.count(label.right)),
          .number(label.cases > 0 ? Figures.percent(Double(label.right) / Double(label.cases)) : "–"),
          .number(Figures.count(label.said)), .number(Figures.count(label.accepted)),
          .number(Figures.count(label.acceptedWrong)),
        ]
      })
  }

  private func reasons(_ html: inout HTMLText) {
    html.element("h2", "Where the cases go")
    html.table(
      "By the first check that kept a case with the frontier", ["", "Cases", "Share"],
      evaluation.destinations.map { row in
        [
          .text(row.name), .number(Figures.count(row.count)),
          .number(Figures.percent(Double(row.count) / Double(max(1, evaluation.cases.count)))),
        ]
      })
    var words = "\(Figures.count(evaluation.requests)) requests"
    if let latency = evaluation.latency {
      words +=
        "; half took at most \(Figures.milliseconds(latency.p50)), 95 % \(Figures.milliseconds(latency.p95))"
    }
    html.element("p", class: "soft small", words + "; cost \(Figures.usd(evaluation.costUSD)).")
  }

  private func footer(_ html: inout HTMLText) {
    html.element("footer") { html in
      html.element("h2", "Where this comes from")
      html.element("p") { line in
        line.text("Model ")
        line.element("code", evaluation.modelName ?? evaluation.model)
        for (name, value) in [
          ("digest", evaluation.modelDigest), ("prompt", evaluation.promptRevision),
          ("calibration", evaluation.calibration), ("policy", evaluation.policyRevision),
        ] {
          guard let value else { continue }
          line.text(", \(name) ")
          line.element("code", value)
        }
      }
      html.element("p") { line in
        line.text("Made by ")
        line.element("code", evaluation.command)
      }
    }
  }
}
