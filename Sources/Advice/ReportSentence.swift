import Evidence
import Gates
import LogReading
import Statistics

/// Writes the claim that opens a report, in the weakest words that the evidence allows. Its figures are the gates'.
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
    if !sampled.isEmpty { return drawn }
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
      totals.reviews.labelled == 0
      ? "\(Figures.counted(totals.disagree, "suspected false accept")) among \(Figures.count(totals.comparable)) "
        + "comparable would-accepts (of \(Figures.count(totals.wouldAccepts))\(left))."
      : "In the window, \(Figures.count(totals.disagree)) of \(Figures.count(totals.comparable)) comparable would-accepts disagree "
        + "with the frontier (of \(Figures.count(totals.wouldAccepts))\(left)); \(Figures.count(totals.reviews.openDisagreements)) of "
        + "these are still suspected."
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
      "\(Figures.counted(totals.reviews.escalate, "known false accept")) among \(Figures.count(totals.reviews.labelled)) "
      + "would-accepts that people have labelled (of \(Figures.count(totals.wouldAccepts)); "
      + "\(Figures.count(totals.reviews.unsure)) labelled unsure)."
    return Report.Sentence(
      claim: claim,
      caveats: [
        "They were not drawn at random, so no rate and no bound follows from them.",
        suspicion, Self.suspicionCaveat,
      ])
  }

  /// The full form: labels of a random draw, in the epochs that the gates look at.
  private var drawn: Report.Sentence {
    let tasks = sampled
    let (k, n) = (tasks.reduce(0) { $0 + $1.known }, tasks.reduce(0) { $0 + $1.epoch.drawn })
    let accepts = tasks.reduce(0) { $0 + $1.epoch.wouldAccepts }
    let open = tasks.reduce(0) { $0 + $1.epoch.unlabelled }
    let parts = tasks.count
    let most = tasks.reduce(0) { $0 + $1.most(sharing: parts) }
    let once = tasks.reduce(0) { $0 + $1.mostOnce(sharing: parts) }
    let upper = parts == 1 ? tasks[0].gate.upperBound : Double(most) / Double(max(1, accepts))
    let unlabelled =
      open > 0 ? "; \(Figures.count(open)) drawn but unlabelled, counted as false in the bound" : ""
    let since = tasks.compactMap(\.epoch.firstDrawn).min().map(LogTime.date) ?? "the start"
    let claim =
      "\(Figures.counted(k, "known false accept")) among \(Figures.count(n)) randomly drawn would-accepts (of "
      + "\(Figures.count(accepts))\(unlabelled)). With 95 % confidence, valid at every look since \(since), "
      + "the rate is below \(Figures.bound(upper)), that is at most \(Figures.count(most)) of "
      + "\(Figures.count(accepts)). (One look, now: at most \(Figures.count(once)).)"
    return Report.Sentence(claim: claim, caveats: caveats(tasks) + [suspicion])
  }

  private func caveats(_ tasks: [SampledTask]) -> [String] {
    var caveats = [
      "False here is what a person labelled escalate or unsure. The figures are of the evidence that the gates look at, as of "
        + "the log's end, whatever the report's window."
    ]
    if tasks.count == 1, report.tasks.count > 1 {
      caveats.insert("This is said of \(tasks[0].gate.subject.task) alone.", at: 0)
    }
    if tasks.count > 1 {
      caveats.append(
        "Over \(tasks.count) tasks, \(tasks.map(\.gate.subject.task).joined(separator: ", ")): each bounded by itself, all "
          + "bounds together hold with 95 % confidence: they share one α, so each is wider than its gate's own. A gate looks at one task."
      )
    }
    let hunted = tasks.reduce(0) { $0 + $1.epoch.huntFalse }
    if hunted > 0 {
      caveats.append(
        "\(Figures.count(hunted)) more were labelled escalate outside the random draw; they block promotion and are not part of "
          + "the rate.")
    }
    let bare = report.tasks.filter { task in
      task.isLocal != false && task.wouldAccepts > 0 && !tasks.contains { $0.gate.subject.task == task.name }
    }.map(\.name)
    if !bare.isEmpty {
      caveats.append(
        "Nothing is claimed of \(bare.joined(separator: ", ")): nobody has labelled a random sample of their present evidence."
      )
    }
    return caveats
  }

  /// Candidates of whose present sample people have labelled something.
  private var sampled: [SampledTask] {
    report.gates.compactMap { gate in
      guard gate.subject == Report.subject(gate.subject.task, report.rotated), let epoch = gate.epoch,
        epoch.accepted + epoch.falseLabelled > 0
      else {
        return nil
      }
      return SampledTask(gate: gate, epoch: epoch)
    }
  }
}

/// One task of the claim, with its share of what may be wrong.
private struct SampledTask {
  let gate: Gate
  let epoch: EpochEvidence

  var known: Int { epoch.falseLabelled }

  /// False accepts at most, whenever one looks; the gate's own bound where the task is alone.
  func most(sharing parts: Int) -> Int {
    let upper = parts == 1 ? gate.upperBound : gate.upperBound(alpha: Self.alpha / Double(parts))
    return Int((upper * Double(epoch.wouldAccepts)).rounded(.down))
  }

  /// Likewise for one look alone.
  func mostOnce(sharing parts: Int) -> Int {
    Hypergeometric.upper(
      epoch.falseOrUnlabelled, drawn: epoch.drawn, of: epoch.wouldAccepts, alpha: 0.05 / Double(parts))
  }

  /// 0.01 of 0.05 is spent on the reviewers' catch rate.
  private static let alpha = 0.04
}
