import Advice
import Evidence
import Gates
import LogReading
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
    case .frontierOnly: "kept on the frontier"
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
    let code = task.readiness.answer == .yes ? "" : " (\(task.readiness.code))"
    let state =
      task.isLocal == false ? "Kept on the frontier" : "Ready: \(ready(task.readiness.answer))\(code)"
    var text =
      state + (task.rollout.map { " · served now: \($0.words) since \($0.since.prefix(10))" } ?? "") + " · "
      + "\(Figures.count(task.calls)) calls · \(Figures.count(task.wouldAccepts)) would-accepts"
    if !task.readiness.unmet.isEmpty, task.isLocal != false {
      text += " · first unmet: \(task.readiness.unmet)"
    }
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
    let days = Figures.count(Int(pace.daysLeft.rounded(.up)))
    let needed = "\(Figures.count(pace.needed)) labelled draws with none false are needed"
    guard pace.isDrawnEnough else {
      let head =
        "Cannot pass at this pace: in the \(days) days left about \(Figures.count(pace.expected)) will have been drawn at "
        + "review_sample \(Figures.share(pace.sampleShare)), and \(needed)."
      guard let share = pace.shareNeeded else { return head + " No review_sample would do." }
      return pace.isFresh
        ? head
          + " A review_sample of \(Figures.share(share)) would do in a whole new window of \(pace.windowDays) days."
        : head + " A review_sample of \(Figures.share(share)) would do."
    }
    let now =
      pace.weeklyNow > 0
      ? "about \(Figures.count(Int(pace.weeklyNow.rounded()))) are labelled a week"
      : "nobody has labelled any"
    return
      "Cannot pass at this pace of review: \(now), and \(needed). With \(days) days left that takes about "
      + "\(Figures.count(Int(pace.weeklyNeeded.rounded(.up)))) a week; enough are drawn."
  }

  static func notMeasurable(_ task: Report.Task) -> String? {
    guard task.isNotMeasurable else { return nil }
    let causes = task.unknownCauses.prefix(3).map { "\($0.name) \(Figures.count($0.count))" }
    return
      "Not measurable: \(Figures.percent(task.unknownShare ?? 0)) of would-accepts could not be compared "
      + "(\(causes.joined(separator: ", ")))."
  }

  /// What people say of the candidate's answers, else how often the frontier differs.
  static func defects(_ task: Report.Task, _ gate: Gate?) -> String {
    if let epoch = gate?.epoch, let gate, epoch.accepted + epoch.falseLabelled > 0 {
      let labelled = epoch.accepted + epoch.falseLabelled
      let rate = Double(epoch.falseLabelled) / Double(labelled)
      return
        "\(Figures.count(epoch.falseLabelled)) of \(Figures.count(labelled)) labelled (\(Figures.percent(rate))), at most "
        + Figures.bound(gate.upperBound)
    }
    guard task.comparable > 0 else { return task.wouldAccepts > 0 ? "not known" : "–" }
    return
      "not known; \(Figures.optionalPercent(task.disagreementRate)) of \(Figures.count(task.comparable)) differ"
  }

  /// The commonest reasons why calls stay with the frontier.
  static func mainReasons(_ task: Report.Task) -> String {
    let reasons = task.reasons.dropFirst().sorted { ($1.count, $0.name) < ($0.count, $1.name) }
    guard !reasons.isEmpty else { return "–" }
    let more = reasons.count > 3 ? ", …" : ""
    return reasons.prefix(3).map {
      "\($0.name) \(Figures.percent(Double($0.count) / Double(max(1, task.calls))))"
    }
    .joined(separator: ", ") + more
  }

  static func percentiles(_ latency: Report.Latency?) -> String {
    guard let latency else { return "–" }
    return [latency.p50, latency.p95, latency.p99].map(Figures.milliseconds).joined(separator: " / ")
  }

  /// Nobody has labelled any of the evidence, so that only agreement can be looked at.
  static func isUnlabelled(_ gate: Gate?) -> Bool {
    gate?.epoch.map { $0.accepted + $0.falseLabelled == 0 } ?? true
  }

  /// How the evidence stands: by people's labels, before there are any by agreement.
  static func standing(_ task: Report.Task, _ gate: Gate?) -> String {
    guard !isUnlabelled(gate) else { return looksBecause(task) }
    return
      "By people's labels: \(defects(task, gate)). \(Figures.count(task.disagree)) of \(Figures.count(task.comparable)) comparable "
      + "would-accepts disagree with the frontier."
  }

  /// Cost of one success: candidate, fallback and upkeep.
  static func costParts(_ task: Report.Task) -> String {
    guard task.successes > 0 else { return "no success known" }
    let sum = Figures.sum(
      [task.cost.local, task.cost.frontierOnly - task.cost.frontierOfAccepts, task.upkeep].map {
        $0 / Double(task.successes)
      })
    return "\(sum.dropLast().joined(separator: " + ")) = \(sum[3])"
  }

  // MARK: False accepts

  static func standing(_ item: Report.FalseAccept) -> String {
    var words = item.standing.rawValue
    if let severity = item.severity {
      let name = severity == 3 ? "security or customer" : severity == 2 ? "costly" : "annoying"
      words += ", severity \(severity) (\(name))"
    }
    if item.isSevere {
      words += ", severe"
    } else if item.standing == .known, (item.severity ?? 0) >= 2 {
      words += " by one person's word: severe once the task's owner or a second person gives it 2 or 3"
    }
    if item.standing == .known, item.isInEpoch == false { words += ", of another epoch" }
    return item.wasServed ? words + ", answered locally" : words
  }

  /// How many there are of each kind, so that no two counts of the page collide.
  static func falseAcceptCounts(_ report: Report) -> String {
    let reviews = report.totals.reviews
    let severe = report.falseAccepts.filter(\.isSevere)
    let inEpoch = severe.count { $0.isInEpoch == true }
    return
      "In the window: \(Figures.count(reviews.knownFalse)) known, \(Figures.count(severe.count)) of them severe "
      + "(\(Figures.count(inEpoch)) in the present epochs, which is what the gates count). \(Figures.count(report.totals.disagree)) "
      + "would-accepts disagree with the frontier: \(Figures.count(reviews.openDisagreements)) still suspected, "
      + "\(Figures.count(reviews.knownDisagreements)) known, \(Figures.count(reviews.clearedDisagreements)) found acceptable. "
      + severeMeaning
  }

  static let severeMeaning =
    "Severe: of severity 2 (costly) or 3 (security or customer), confirmed by two people or the task's owner."

  // MARK: What is live

  /// What agents get now; nil where nothing is served locally.
  static func live(_ report: Report) -> String? {
    let live = report.tasks.compactMap { task in
      task.rollout.map { rollout in
        "\(task.name), \(rollout.words) since \(rollout.since.prefix(10))"
          + (task.isLiveWithoutGate
            ? "; \(task.isLocal == false ? "the policy keeps it on the frontier" : "its gate does not pass now") (\(task.readiness.code))"
            : "; its gate passes")
      }
    }
    return live.isEmpty ? nil : live.joined(separator: ". ") + "."
  }

  /// A record's words often begin with its kind, which stands beside them.
  static func change(_ change: Report.Change) -> String {
    change.text.hasPrefix(change.kind + " ")
      ? String(change.text.dropFirst(change.kind.count + 1)) : change.text
  }

  /// `run-7` as it is, `7` as `run 7`.
  static func named(_ kind: String, _ id: String) -> String {
    id.lowercased().hasPrefix(kind) ? id : "\(kind) \(id)"
  }

  /// Sums of the agents' table beside those of all tasks, and what makes the difference.
  static func costsReconciled(_ report: Report) -> String {
    let agents = report.agents.reduce(into: (0.0, 0.0)) {
      $0 = ($0.0 + $1.cost.frontierOnly, $0.1 + $1.cost.withRouter)
    }
    let tasks = report.tasks.reduce(into: (0.0, 0.0, 0.0)) {
      $0 = ($0.0 + $1.cost.frontierOnly, $0.1 + $1.cost.withRouter, $0.2 + $1.upkeep)
    }
    // The sums over runs are of single precision.
    let left = { (all: Double, part: Double) in abs(all - part) < 1e-5 * max(1, all) ? 0 : all - part }
    let frontier = Figures.sum([agents.0, left(tasks.0, agents.0)])
    let router = Figures.sum([agents.1, left(tasks.1, agents.1), tasks.2])
    return
      "Frontier only: \(frontier[0]) over these agents, \(frontier[1]) for calls that name no run or agent, \(frontier[2]) together. "
      + "With the router: \(router[0]) and \(router[1]); \(router[2]) stated upkeep belongs to no agent and is left out of this "
      + "table; with it \(router[3]), the sum of the costs by task."
  }

  static func confirmed(_ item: Report.FalseAccept) -> String? {
    guard item.standing == .known else { return nil }
    guard !item.confirmedBy.isEmpty else { return "its outcome was a failure" }
    let people = item.confirmedBy.count == 1 ? "1 person" : "\(item.confirmedBy.count) people"
    return "\(people): \(item.confirmedBy.joined(separator: ", "))"
  }

  /// Which check should have caught it.
  static func remedy(_ item: Report.FalseAccept) -> String {
    let remedy = item.remedy
    let cost =
      remedy.acceptsLost.map { ", at the price of \(Figures.percent($0)) of would-accepts" } ?? ""
    let others = remedy.suspectedKeptOut ?? 0
    let kept =
      others > 1
      ? "; it keeps out \(Figures.count(others)) of \(Figures.count(remedy.suspected ?? 0)) that differ from the frontier"
      : ""
    switch remedy.check {
    case .hardStop:
      return
        "a hard stop: its words should have kept it with the frontier, says the reviewer. Add the term to `tasks.\(item.task).hard_stops`; "
        + "which term: read the call, `\(item.findCommand)`"
    case .minConfidence: return "the threshold: `min_confidence: \(remedy.value ?? "")`\(cost)\(kept)"
    case .escalateLabels: return "the label: `escalate_labels: [\(remedy.value ?? "")]`\(cost)\(kept)"
    case .none:
      return item.confidence == nil && item.label == nil
        ? "cannot be told: its records are no longer at hand"
        : "no check at a bearable price: the candidate is as sure of it as of its good answers. A better candidate, or examples of this kind in its prompt"
    }
  }

  // MARK: Money

  /// What it saved, or in shadow would have saved: the net in a sentence a state.
  static func savingHeadline(_ report: Report) -> String {
    let saving = report.saving
    var words: [String] = []
    if saving.isLive {
      words.append(
        "Live: \(gain(saving.liveNet)) about \(Figures.usd(abs(saving.liveNet))), over "
          + "\(Figures.count(saving.served)) calls answered locally, net of audits and upkeep.")
    } else {
      words.append("Nothing: all was in shadow, the frontier was paid for every call.")
    }
    if hasShadow(saving) {
      let share =
        saving.frontierOnly > 0
        ? " (\(signedPercent(saving.shadowNet / saving.frontierOnly)) of the frontier's cost)" : ""
      words.append(
        "In shadow, answering the would-accepts locally would have \(gain(saving.shadowNet)) "
          + "\(Figures.usd(abs(saving.shadowNet)))\(share).")
    }
    return words.joined(separator: " ")
  }

  /// How the headline comes about.
  static func saving(_ report: Report) -> [String] {
    let saving = report.saving
    var words: [String] = []
    if saving.isLive {
      let sum = Figures.sum([saving.spared, -saving.liveLocal, -saving.liveUpkeep]).map(unsigned)
      words.append(
        "Live: the frontier was spared about \(sum[0]) (an estimate, by the mean cost of the same task's "
          + "compared answers), less \(sum[1]) for running the candidate and \(sum[2]) "
          + "stated upkeep: \(sum[3]) \(gain(saving.liveNet)). \(Figures.count(saving.audited)) of the local answers were audited: their \(Figures.usd(saving.audits)) "
          + "was not spared. \(Figures.count(saving.control)) calls were kept on the frontier for comparison."
      )
    }
    if hasShadow(saving) {
      let sum = Figures.sum([saving.shadowFrontier, -saving.shadowLocal, saving.liveUpkeep - saving.upkeep])
        .map(unsigned)
      words.append(
        "In shadow: \(sum[0]) was paid to the frontier for calls that would have been answered locally, "
          + "less \(sum[1]) for running the candidate and \(sum[2]) "
          + "stated upkeep: \(sum[3]) would have been \(gain(saving.shadowNet)). What a wrong answer costs is in none of these figures."
      )
    }
    return words
  }

  private static func hasShadow(_ saving: Report.Saving) -> Bool {
    saving.shadowFrontier > 0 || saving.shadowLocal > 0
  }

  private static func unsigned(_ text: String) -> String {
    text.hasPrefix("-") ? String(text.dropFirst()) : text
  }

  private static func gain(_ usd: Double) -> String { usd < 0 ? "lost" : "saved" }

  private static func signedPercent(_ share: Double) -> String {
    share < 0 ? "−" + Figures.percent(-share) : Figures.percent(share)
  }

  // MARK: Reviewers and frames

  static func agreement(_ agreement: Report.ReviewerAgreement?) -> String {
    guard let agreement else {
      return "No call was labelled by two people, so nothing is known of how far they agree."
    }
    let kappa = agreement.kappa.map { ", Cohen's κ \(Figures.fixed($0, 2))" } ?? ", κ not defined"
    return
      "Two people gave the same label in \(Figures.count(agreement.agree)) of \(Figures.count(agreement.pairs)) pairs: Gwet's AC1 "
      + "\(Figures.fixed(agreement.ac1, 2))\(kappa). κ falls towards 0 where nearly all labels are one; AC1 does not."
  }

  static func catchRate(_ report: Report) -> String {
    let (planted, caught) = report.reviewers.reduce((0, 0)) { ($0.0 + $1.planted, $0.1 + $1.caught) }
    guard planted > 0 else {
      return
        "No known false accepts were planted in the queue, so the gates take it that reviewers catch all."
    }
    let bound =
      report.gates.first.map { ", at least \(Figures.percent($0.catchRate)) with 99 % confidence" } ?? ""
    return
      "Reviewers caught \(Figures.count(caught)) of \(Figures.count(planted)) planted false accepts\(bound)."
  }

  static func frames(_ frames: Report.Frames) -> [(name: String, value: Int)] {
    [
      ("Received", frames.received), ("Recorded", frames.recorded), ("Pings answered", frames.answered),
      ("Malformed", frames.malformed), ("Shed", frames.shed), ("Still in flight", frames.inFlight),
      ("Lost by senders", frames.lostBySender), ("Unaccounted for", frames.missing),
    ]
  }

  static func framesNote(_ frames: Report.Frames) -> String {
    frames.stops == 0
      ? "No router ended in the window; what a running one received, shed or lost `shadow-router status` shows."
      : "Told by \(Figures.counted(frames.stops, "clean end")) of a router; a running one's are in `shadow-router status`."
  }

  // MARK: Gates

  static func gateHead(_ gate: Gate) -> String {
    guard let epoch = gate.epoch else { return gate.problem ?? "No epoch of evidence has begun." }
    let end = epoch.end.map { ", window closes \(LogTime.format($0).prefix(10))" } ?? ""
    let needed =
      gate.needed == .max
      ? "no number of reviews is enough" : "\(Figures.count(gate.needed)) reviews with none false pass"
    let problem = gate.problem.map { "\($0). " } ?? ""
    let divided =
      gate.catchRate < 1
      ? " (divided by the \(Figures.percent(gate.catchRate)) that reviewers surely catch)" : ""
    return
      "\(problem)Epoch \(epoch.id) since \(LogTime.format(epoch.start).prefix(10))\(end). "
      + "In this epoch \(Figures.counted(epoch.falseLabelled, "known false accept")) among \(Figures.count(epoch.drawn)) drawn of "
      + "\(Figures.count(epoch.wouldAccepts)) would-accepts; \(Figures.count(epoch.unlabelled)) unlabelled, counted as false. The rate is below "
      + "\(Figures.bound(gate.upperBound)), valid at every look\(divided). Attempt \(gate.attempt): α \(Figures.fixed(gate.alpha, 4)), \(needed)."
  }

  static func state(_ state: GateCondition.State) -> String {
    switch state {
    case .met: "met"
    case .unmet: "unmet"
    case .notApplicable: "n/a"
    }
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
    + "false accepts. No gate listens to it. Ready is what `shadow-router gate TASK` says of the same log."

  static let percentileNote =
    "p50, p95 and p99: half, 95 % and 99 % of the calls took at most so long (exact, nearest rank)."

  /// Facts about the log that a careful reader wants before believing the rest.
  static func balance(_ balance: Report.Balance) -> [(name: String, value: Int)] {
    [
      ("Records read", balance.recordsRead), ("Outside the window", balance.outsideWindow),
      ("Damaged lines", balance.damaged), ("Records of unknown kind", balance.unknownKinds),
      ("Sequence numbers missing without a gap record", balance.unexplainedHoles),
      ("Recoveries after a crash or a failing disk", balance.recovered),
      ("Calls of kill switch drills, in no other figure", balance.drillCalls),
      ("Repeated decisions, not counted", balance.duplicateDecisions),
      ("Repeated comparisons, not counted", balance.duplicateComparisons),
      ("Comparisons without a decision in the window", balance.comparisonsWithoutDecision),
      ("Disagreements whose texts were no longer at hand", balance.detailsNotKept),
    ]
  }

  /// What "What changed" leaves out.
  static func olderChanges(_ report: Report) -> String {
    "\(Figures.counted(report.changesNotShown, "older change")) not shown; no demotion is among them"
  }

  static let balanceNote =
    "This report does not check the hash chain: `shadow-router verify-log` does."
}
