import Evidence
import Statistics

/// The words that all renderers share.
enum ReportWords {
  static func ready(_ answer: Report.Readiness.Answer) -> String {
    switch answer {
    case .yes: "yes"
    case .no: "no"
    case .cannotTell: "cannot tell"
    }
  }

  static func looks(_ looks: Report.Looks) -> String {
    switch looks {
    case .frontierOnly: "stays with the frontier"
    case .nothingAccepted: "accepts nothing yet"
    case .notMeasurable: "not measurable"
    case .tooLittleTraffic: "too little traffic to say"
    case .bad: "looks bad"
    case .unclear: "unclear"
    case .readyForReview: "looks ready for review"
    }
  }

  /// One sentence on why a task looks the way it does.
  static func looksBecause(_ task: Report.Task) -> String {
    let disagreement =
      "\(Figures.count(task.disagree)) of \(Figures.count(task.comparable)) comparable would-accepts disagree with the "
      + "frontier (95 % bound: at most \(Figures.bound(task.disagreementUpper)))"
    switch task.looks {
    case .frontierOnly: return "The policy never asks the candidate for it, so there is nothing to measure."
    case .nothingAccepted: return "The checks kept every call with the frontier; the reasons below say which."
    case .notMeasurable:
      return
        "\(Figures.percent(task.unknownShare ?? 0)) of the would-accepts could not be compared, so the others prove little."
    case .tooLittleTraffic:
      return task.comparable == 0 ? "Hardly any calls so far." : "Too few so far: \(disagreement)."
    case .bad: return "More than chance explains: \(disagreement)."
    case .unclear: return "Neither good nor bad yet: \(disagreement)."
    case .readyForReview:
      return "Few disagreements: \(disagreement). People still have to label a random sample."
    }
  }

  /// What each check said, by result: `pass a, b; fail c`.
  static func checks(_ item: Report.FalseAccept) -> String {
    var byOutcome: [String: [String]] = [:]
    for check in item.checks { byOutcome[check.outcome, default: []].append(check.name) }
    // A would-accept passed everything that was looked at; naming all of it hides that.
    if byOutcome.count == 1, let passed = byOutcome["pass"] {
      return "none of the \(passed.count) checks stopped it"
    }
    let known = ["fail", "pass", "skipped"]
    let others = byOutcome.keys.filter { !known.contains($0) }.sorted()
    return (known + others).compactMap { outcome in
      byOutcome[outcome].map { "\(outcome): \($0.joined(separator: ", "))" }
    }.joined(separator: "; ")
  }

  /// How many others look like it; nil where none does.
  static func alike(_ item: Report.FalseAccept) -> String? {
    item.alike > 1 ? "stands for \(Figures.count(item.alike)) alike" : nil
  }

  /// A preview that only repeats the label says nothing.
  static func preview(_ preview: String?, beside label: String?) -> String? {
    preview == label ? nil : preview
  }

  /// Opens each task.
  static func opening(_ task: Report.Task) -> String {
    var text =
      "Ready: \(ready(task.readiness.answer))\(task.readiness.answer == .yes ? "" : ": \(task.readiness.code)") · "
      + "\(Figures.count(task.calls)) calls · \(Figures.count(task.wouldAccepts)) would-accepts"
    if !task.readiness.unmet.isEmpty { text += " · first unmet: \(task.readiness.unmet)" }
    return text
  }

  static func confidence(_ report: Report.ConfidenceReport) -> String {
    guard let auc = report.auc else {
      return "Too few agreeing or disagreeing answers (below ten) to say what the confidence is worth."
    }
    let chance =
      "an answer that agrees is the more confident one of a pair \(Figures.percent(auc)) of the time (50 % is chance)"
    return switch auc {
    case 0.75...: "The confidence tells agreement from disagreement: \(chance)."
    case 0.6..<0.75: "The confidence helps a little: \(chance)."
    default:
      "The confidence is worth nothing here: \(chance). Raising the threshold will not make this task safe."
    }
  }

  static func pace(_ task: Report.Task) -> String? {
    guard let pace = task.pace, !pace.suffices else { return nil }
    let head =
      "Cannot pass at this pace: about \(Figures.count(pace.expected)) draws in \(pace.windowDays) days at "
      + "review_sample \(share(pace.sampleShare)), \(Figures.count(pace.needed)) needed."
    guard let needed = pace.shareNeeded else {
      return head + " Even reviewing all that may be drawn would not do."
    }
    return head + " A review_sample of \(share(needed)) would do."
  }

  /// Up to three decimals, rounded up: a share that is asked for has to suffice.
  private static func share(_ value: Double) -> String {
    let text = Figures.fixed((value * 1_000 - 1e-9).rounded(.up) / 1_000, 3)
    return String(text.reversed().drop { $0 == "0" }.reversed())
  }

  static func cost(_ task: Report.Task) -> String? {
    guard task.answersSeen > task.answersCosted else { return nil }
    let missing = task.answersSeen - task.answersCosted
    return
      "\(Figures.count(missing)) of \(Figures.count(task.answersSeen)) frontier answers came without a cost; they count as $0."
  }

  /// What the two models' answers to the same calls mean, in one paragraph.
  static func challenge(_ item: Report.Challenge) -> String {
    guard item.paired > 0 else {
      return "Nothing to compare yet: on no call did both answer where the frontier's answer is known."
    }
    func agreed(_ count: Int) -> String {
      "\(Figures.count(count)) (\(Figures.percent(Double(count) / Double(item.paired))))"
    }
    let differing = item.onlyCandidate + item.onlyChallenger
    let both =
      "Of \(Figures.count(item.paired)) calls that can be held against the frontier's answer, the candidate agrees with it on "
      + "\(agreed(item.bothAgree + item.onlyCandidate)), the challenger on \(agreed(item.bothAgree + item.onlyChallenger))."
    let caveat = "Agreement is not being right: a rotation needs the challenger's own gate to pass."
    guard differing > 0 else { return "\(both) They never differ in it. \(caveat)" }
    let split =
      "Only one of them agrees on \(Figures.count(differing)): the candidate on \(Figures.count(item.onlyCandidate)), the challenger "
      + "on \(Figures.count(item.onlyChallenger)); by chance a split so uneven has p \(probability(item.mcNemar)) (exact McNemar test)."
    let better = item.onlyChallenger > item.onlyCandidate ? "challenger" : "candidate"
    let meaning =
      item.mcNemar < 0.05
      ? "So the \(better) agrees more often, and not by chance." : "So neither is shown to agree more often."
    return "\(both) \(split) \(meaning) \(caveat)"
  }

  static func probability(_ p: Double) -> String {
    p < 0.0001 ? "< 0.0001" : "= " + Figures.fixed(p, p < 0.01 ? 4 : 3)
  }

  /// Rows of a table over both models: name, candidate, challenger.
  static func sides(_ item: Report.Challenge) -> [[String]] {
    func row(_ name: String, _ value: (Report.Challenge.Side) -> String) -> [String] {
      [name, value(item.candidate), value(item.challenger)]
    }
    let whole = Double(max(1, item.calls))
    return [
      row("Would accept") {
        "\(Figures.count($0.wouldAccepts)) (\(Figures.percent(Double($0.wouldAccepts) / whole)))"
      },
      row("Of them disagree with the frontier (suspected false accepts)") {
        "\(Figures.count($0.disagree)) of \(Figures.count($0.agree + $0.disagree))"
      },
      row("At most (95 %)") { $0.agree + $0.disagree > 0 ? Figures.bound($0.disagreementUpper) : "–" },
      row("Latency p50 / p95") { side in
        side.latency.map { "\(Figures.milliseconds($0.p50)) / \(Figures.milliseconds($0.p95))" } ?? "–"
      },
      row("Cost per call") { $0.costPerCall.map(small) ?? "–" },
    ]
  }

  /// A little money is not none.
  private static func small(_ usd: Double) -> String {
    usd > 0 && usd < 1e-6 ? "< $0.000001" : Figures.usd(usd)
  }

  /// Where the confidence comes from, and how it is corrected.
  static func sources(_ task: Report.Task) -> String? {
    guard !task.confidenceSources.isEmpty else { return nil }
    return "Confidence: "
      + task.confidenceSources.map { source in
        "\(source.name), \(source.calibration.map { "calibration \($0)" } ?? "not calibrated") (\(Figures.count(source.calls)) calls)"
      }.joined(separator: "; ") + "."
  }

  static func tokens(_ tokens: Report.Tokens) -> String {
    guard tokens.calls > 0 else { return "–" }
    let counts = "\(Figures.count(tokens.input)) / \(Figures.count(tokens.output))"
    guard tokens.estimated > 0 else { return counts }
    return tokens.estimated == tokens.calls
      ? "\(counts), estimated"
      : "\(counts), estimated for \(Figures.count(tokens.estimated)) of \(Figures.count(tokens.calls)) calls"
  }

  static let looksNote =
    "“Looks” is informal and says only how often the two models agree; the limit is five times the task's limit for "
    + "false accepts. No gate listens to it. Ready is yes only when the gate passes."

  static let percentileNote =
    "p50, p95 and p99: half, 95 % and 99 % of the calls took at most so long (exact, nearest rank)."

  /// Facts about the log that a careful reader wants before believing the rest.
  static func balance(_ balance: Report.Balance) -> [(name: String, value: Int)] {
    [
      ("Records read", balance.recordsRead), ("Outside the window", balance.outsideWindow),
      ("Damaged lines", balance.damaged), ("Records of unknown kind", balance.unknownKinds),
      ("Sequence numbers missing without a gap record", balance.unexplainedHoles),
      ("Recoveries after a crash", balance.recovered),
      ("Repeated decisions, not counted", balance.duplicateDecisions),
      ("Repeated comparisons, not counted", balance.duplicateComparisons),
      ("Comparisons without a decision in the window", balance.comparisonsWithoutDecision),
      ("Disagreements whose texts were no longer at hand", balance.detailsNotKept),
    ]
  }

  static let balanceNote =
    "Frames received, shed, malformed or lost by a sender are not in the log: `shadow-router status` shows them. This report "
    + "does not check the hash chain: `shadow-router verify-log` does."
}
