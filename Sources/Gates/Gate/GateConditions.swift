internal import LogReading
internal import RouterCore
internal import Statistics

/// The conditions of a gate, in the order in which people read them.
struct GateConditions {
  private let epoch: EpochEvidence
  private let around: Gate.Surroundings
  private let catchRate: Double
  private let alpha: Double
  private let missing: Int?

  static let validity = 0.99
  static let accuracy = 0.95
  static let labelled = 0.95
  static let catchRate = 0.85
  static let losses = 0.001
  static let drift = EpochDrift.limit
  static let drillDays = 30
  static let strictWeeks = 4

  init(
    _ epoch: EpochEvidence, _ around: Gate.Surroundings, catchRate: Double, alpha: Double, missing: Int?
  ) {
    self.epoch = epoch
    self.around = around
    self.catchRate = catchRate
    self.alpha = alpha
    self.missing = missing
  }

  var all: [GateCondition] {
    [
      evidence,
      none(
        .severe, epoch.severe, "severe false accepts confirmed in the epoch, either stream",
        "change the policy or the candidate so that they cannot come back; the evidence then starts again"),
      none(
        .hunt, epoch.huntFalse, "would-accepts outside the sample that people labelled `escalate`",
        "tighten the policy until it no longer accepts them: that keeps the rest of the evidence"),
      none(
        .missedStops, epoch.missedStops, "would-accepts that a hard stop should have caught",
        "add the missing terms to the policy's hard stops"),
      validity, accuracy, labelled, reviewers, weeks, losses, drift, drill, evalSet,
    ]
  }

  private func condition(
    _ name: GateCondition.Name, _ isMet: Bool?, _ weight: GateCondition.Weight, figure: Double? = nil,
    limit: Double? = nil, _ shown: String, _ wants: String, from source: String, missing: String? = nil
  ) -> GateCondition {
    GateCondition(
      name: name, state: isMet.map { $0 ? .met : .unmet } ?? .notApplicable, weight: weight, figure: figure,
      limit: limit, shown: shown, wants: wants, source: source, missing: isMet == false ? missing : nil)
  }

  private func share(_ part: Int, _ whole: Int) -> String {
    "\(Figures.count(part)) of \(Figures.count(whole))"
  }

  // MARK: The certificate

  private var evidence: GateCondition {
    let limit = around.policy.maxFalseAcceptRate * catchRate
    let (k, n) = (epoch.falseOrUnlabelled, epoch.drawn)
    let logE = n > 0 ? SequentialEvidence.logE(k, of: n, limit: limit) : 0
    let bar = alpha > 0 ? -Elementary.log(alpha) : Double.infinity
    // What people found speaks against the task only where chance does not explain it.
    let known = RateBounds.lower(epoch.falseLabelled, of: epoch.falseLabelled + epoch.accepted)
    let isAgainst = known > around.policy.maxFalseAcceptRate
    // Enough were labelled for a task without faults: then it is the faults that are in the way.
    let isSlow =
      epoch.accepted + epoch.falseLabelled >= SequentialEvidence.needed(limit: limit, alpha: alpha)
      && epoch.falseLabelled > 0
    let waiting = epoch.unlabelled
    let more = missing.map {
      "about \(Figures.count($0)) more reviews at zero false accepts (\(Figures.count(waiting)) \(waiting == 1 ? "waits" : "wait") now"
        + "\(waiting < $0 ? ", the rest come with traffic" : "")): shadow-router review"
    }
    return condition(
      .evidence, logE >= bar, isAgainst ? .against : isSlow ? .doubts : .waits, figure: Elementary.exp(logE),
      limit: alpha > 0 ? 1 / alpha : nil,
      "E \(Self.number(Elementary.exp(logE))); \(share(k, n)) false or unlabelled",
      "E at least \(alpha > 0 ? Self.number(1 / alpha) : "∞"), for at most \(Figures.bound(limit)) false"
        + tighter,
      from: "drawn would-accepts and their labels",
      missing: isAgainst
        ? "more than \(Figures.percent(around.policy.maxFalseAcceptRate)) of the labelled ones are false; \(more ?? "no number of reviews is enough")"
        : more ?? "`gate.alpha` leaves nothing to spend")
  }

  /// Why the limit is below the policy's.
  private var tighter: String {
    catchRate < 1
      ? " (the limit \(Figures.percent(around.policy.maxFalseAcceptRate)) times the \(Figures.percent(catchRate)) that reviewers surely catch)"
      : ""
  }

  private static func number(_ value: Double) -> String {
    value >= 1e6 ? "over 1,000,000" : value < 0.01 ? "under 0.01" : Figures.fixed(value, 2)
  }

  private func none(_ name: GateCondition.Name, _ count: Int, _ source: String, _ remedy: String)
    -> GateCondition
  {
    condition(
      name, count == 0, .against, figure: Double(count), limit: 0, Figures.count(count), "none", from: source,
      missing: remedy)
  }

  // MARK: Rates

  private var validity: GateCondition {
    let valid = epoch.asked - epoch.invalid
    return rate(
      .validity, valid, epoch.asked, Self.validity, "answers of the shape asked for, over asked calls",
      "read what the candidate answers: shadow-router tail --rows")
  }

  private var accuracy: GateCondition {
    guard epoch.hasLabels || epoch.wouldAccepts == 0 else {
      return condition(
        .accuracy, nil, .waits, "–", "at least \(Figures.percent(Self.accuracy))",
        from: "the task has no labels")
    }
    return rate(
      .accuracy, epoch.accepted, epoch.accepted + epoch.falseLabelled, Self.accuracy,
      "people's labels of the sample", "read the false accepts: shadow-router report")
  }

  /// Unmet with nothing counted; against the task only where chance does not explain it.
  private func rate(
    _ name: GateCondition.Name, _ part: Int, _ whole: Int, _ limit: Double, _ source: String, _ remedy: String
  ) -> GateCondition {
    let value = whole > 0 ? Double(part) / Double(whole) : nil
    let isAgainst = whole > 0 && RateBounds.upper(part, of: whole) < limit
    return condition(
      name, (value ?? 0) >= limit, whole == 0 ? .waits : isAgainst ? .against : .doubts, figure: value,
      limit: limit, share(part, whole), "at least \(Figures.percent(limit))", from: source,
      missing: whole == 0 ? "nothing to count yet" : remedy)
  }

  private var labelled: GateCondition {
    let days = around.policy.reviewDeadlineDays
    let value = epoch.due > 0 ? Double(epoch.dueLabelled) / Double(epoch.due) : nil
    return condition(
      .labelled, value.map { $0 >= Self.labelled }, .waits, figure: value, limit: Self.labelled,
      share(epoch.dueLabelled, epoch.due), "at least \(Figures.percent(Self.labelled))",
      from: "drawn items older than \(days) days",
      missing: "label the oldest items of the queue: shadow-router review")
  }

  private var reviewers: GateCondition {
    guard around.planted > 0 else {
      return condition(
        .catchRate, nil, .doubts, "nothing planted: taken as 1",
        "at least \(Figures.percent(Self.catchRate))",
        from: "planted items")
    }
    return condition(
      .catchRate, catchRate >= Self.catchRate, .doubts, figure: catchRate, limit: Self.catchRate,
      "\(share(around.caught, around.planted)) caught: at least \(Figures.percent(catchRate))",
      "at least \(Figures.percent(Self.catchRate))", from: "planted items, one-sided 99 % bound",
      missing: plantedMissing)
  }

  /// What few planted items cannot show, no rubric mends.
  private var plantedMissing: String {
    let missed = around.planted - around.caught
    let bound = { (caught: Int, planted: Int) in
      RateBounds.lower(caught, of: planted, alpha: AlphaSpending.onCatchRate)
    }
    let best = bound(around.planted, around.planted)
    guard best < Self.catchRate else { return "go through the rubric with the reviewers" }
    let enough = (around.planted + 1...around.planted + 1_000).first {
      bound($0 - missed, $0) >= Self.catchRate
    }
    let more = enough.map { Figures.count($0 - around.planted) } ?? "over 1,000"
    return
      "too few planted items: all \(Figures.count(around.planted)) caught would show at most \(Figures.percent(best)); "
      + "\(more) more are needed, all caught: go on reviewing"
  }

  // MARK: Time and traffic

  private var weeks: GateCondition {
    let rules = around.policy
    let least = rules.profile == .strict ? max(Self.strictWeeks, rules.minWeeks) : rules.minWeeks
    return condition(
      .weeks, epoch.weeks >= least, .waits, figure: Double(epoch.weeks), limit: Double(least),
      "\(epoch.weeks)", "at least \(least) ISO \(least == 1 ? "week" : "weeks")",
      from: "weeks in which items were drawn", missing: "wait for \(max(0, least - epoch.weeks)) more")
  }

  private var losses: GateCondition {
    let received = max(around.received, epoch.asked)
    let value = received > 0 ? Double(around.lost) / Double(received + around.lost) : nil
    return condition(
      .losses, value.map { $0 <= Self.losses }, .doubts, figure: value, limit: Self.losses,
      "\(Figures.count(around.lost)) of \(Figures.count(received + around.lost))",
      "at most \(Figures.percent(Self.losses))", from: "the balance of frames, senders' gaps, `gap` records",
      missing: "see why calls were lost: shadow-router status")
  }

  private var drift: GateCondition {
    guard let drift = epoch.drift else {
      return condition(
        .drift, nil, .doubts, "–", "PSI under \(Figures.fixed(Self.drift, 2))",
        from: "fewer than \(EpochDrift.least) would-accepts in or after the epoch's first ISO week")
    }
    let labels = drift.labels.map { ", labels \(Figures.fixed($0, 3))" } ?? ""
    return condition(
      .drift, drift.worst < Self.drift, .doubts, figure: drift.worst, limit: Self.drift,
      "PSI confidence \(Figures.fixed(drift.confidence, 3))\(labels)",
      "under \(Figures.fixed(Self.drift, 2))", from: "newest weeks against the epoch's first ISO week",
      missing: "find out what changed in the traffic")
  }

  private var drill: GateCondition {
    let since = around.now - Int64(Self.drillDays) * LogTime.dayMs
    return condition(
      .drill, (around.lastDrill ?? .min) >= since, .doubts, figure: around.lastDrill.map(Double.init),
      limit: Double(since), around.lastDrill.map { "passed \(LogTime.date($0))" } ?? "none passed",
      "within \(Self.drillDays) days", from: "`drill` records",
      missing: "try the kill switch: shadow-router drill")
  }

  private var evalSet: GateCondition {
    let wants = "the bar met with this candidate"
    let source = "`eval` records"
    let remedy = "run eval on the task's eval_set: shadow-router eval FILE --task T"
    switch around.evalSet {
    case .none:
      return condition(.evalSet, nil, .doubts, "–", wants, from: "the task names no `eval_set`")
    case .unreadable(let why):
      return condition(.evalSet, false, .doubts, "the file cannot be read", wants, from: source, missing: why)
    case .file(let digest):
      let results = epoch.evaluations.filter {
        $0.evalSetSHA256 == digest && $0.isUnder(epoch.revision)
      }
      // Each model of a cascade may give the answer.
      let untried = epoch.models.first { model in !results.contains { $0.modelID == model.id } }
      let isMet = results.allSatisfy(\.isMet)
      let told = results.filter { isMet || !$0.isMet }
      guard let worst = told.max(by: { $0.upperBound < $1.upperBound }), untried == nil else {
        let names = untried.map { " of \($0.id)" } ?? ""
        return condition(
          .evalSet, false, .waits, "no result\(names) for this file and candidate", wants, from: source,
          missing: remedy)
      }
      return condition(
        .evalSet, isMet, .against, figure: worst.upperBound, limit: around.policy.maxFalseAcceptRate,
        "\(isMet ? "met" : "NOT met") \(LogTime.date(worst.at)): "
          + "\(share(worst.acceptedWrong, worst.accepted)) accepted wrong", wants, from: source,
        missing: "see which figure of the bar failed: shadow-router eval FILE --task T")
    }
  }
}
