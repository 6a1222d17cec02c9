import LogReading
import Statistics

/// Writes the claim that opens a report, in the weakest words that the evidence allows.
struct ReportSentence {
  private let report: Report
  private var totals: Report.Totals { report.totals }

  init(_ report: Report) { self.report = report }

  var sentence: Report.Sentence {
    if totals.calls == 0 {
      return Report.Sentence(
        claim: "No calls were decided in \(report.window.name), so there is nothing to claim.", caveats: [])
    }
    if totals.wouldAccepts == 0 {
      return Report.Sentence(
        claim:
          "None of \(calls) would have been answered locally, so there are no false accepts to look for.",
        caveats: ["The table of each task says which check kept its calls with the frontier."])
    }
    if totals.reviews.drawn - totals.reviews.drawnUnlabelled > 0 { return drawn }
    return totals.reviews.labelled > 0 ? labelled : suspected
  }

  private var calls: String { Figures.count(totals.calls) + (totals.calls == 1 ? " call" : " calls") }

  /// Before anybody has labelled anything.
  private var suspected: Report.Sentence {
    Report.Sentence(
      claim: suspicion, caveats: ["Nobody has labelled any of them yet. " + Self.suspicionCaveat])
  }

  private static let suspicionCaveat =
    "A disagreement may be the frontier's mistake, and an agreement may be a mistake that both make: this is a rate "
    + "of disagreement, not of false accepts, and no task can be promoted on it. The bound is for this one look, and for "
    + "calls like these; if some task types do worse than others, their own lines below show it."

  private var suspicion: String {
    let uncompared = totals.unknown + totals.notCompared
    let left = uncompared > 0 ? "; \(Figures.count(uncompared)) could not be compared" : ""
    let head =
      "\(Figures.count(totals.disagree)) suspected false accepts among \(Figures.count(totals.comparable)) "
      + "comparable would-accepts (of \(Figures.count(totals.wouldAccepts))\(left))."
    guard totals.comparable > 0 else {
      return head + " No answer of the frontier could be compared, so nothing can be said about their rate."
    }
    let rate = Double(totals.disagree) / Double(totals.comparable)
    return head
      + " Observed rate of disagreement \(Figures.percent(rate)); with 95 % confidence at most "
      + "\(Figures.bound(totals.disagreementUpper)) (exact binomial bound)."
  }

  /// Labels, but none of a random draw.
  private var labelled: Report.Sentence {
    let claim =
      "\(Figures.count(totals.reviews.escalate)) known false accepts among \(Figures.count(totals.reviews.labelled)) "
      + "would-accepts that people have labelled (of \(Figures.count(totals.wouldAccepts)); "
      + "\(Figures.count(totals.reviews.unsure)) labelled unsure)."
    return Report.Sentence(
      claim: claim,
      caveats: [
        "They were not drawn at random, so no rate and no bound follows from them.",
        suspicion, Self.suspicionCaveat,
      ])
  }

  /// The full form: labels of a random draw.
  private var drawn: Report.Sentence {
    let reviews = totals.reviews
    let n = reviews.drawn
    let known = reviews.drawnFalse - reviews.drawnUnlabelled
    let upper = SequentialEvidence.upper(reviews.drawnFalse, of: n)
    let most = Int((upper * Double(totals.wouldAccepts)).rounded(.down))
    let once = Hypergeometric.upper(reviews.drawnFalse, drawn: n, of: totals.wouldAccepts)
    let unlabelled =
      reviews.drawnUnlabelled > 0
      ? "; \(Figures.count(reviews.drawnUnlabelled)) drawn but unlabelled, counted as false in the bound" : ""
    let since = report.firstDecision.map(LogTime.date) ?? "the start"
    let claim =
      "\(Figures.count(known)) known false accepts among \(Figures.count(n)) randomly drawn would-accepts (of "
      + "\(Figures.count(totals.wouldAccepts))\(unlabelled)). With 95 % confidence, valid at every look since \(since), "
      + "the rate is below \(Figures.bound(upper)), that is at most \(Figures.count(most)) of "
      + "\(Figures.count(totals.wouldAccepts)). (One look, now: at most \(Figures.count(once)).)"
    var caveats = [
      "False here is what a person labelled escalate or unsure. Tasks are pooled; a gate looks at each by itself."
    ]
    let hunted = reviews.escalate + reviews.unsure - known
    if hunted > 0 {
      caveats.append(
        "\(Figures.count(hunted)) more were labelled escalate or unsure outside the random draw; they block promotion and "
          + "are not part of the rate.")
    }
    caveats.append(suspicion)
    return Report.Sentence(claim: claim, caveats: caveats)
  }
}
