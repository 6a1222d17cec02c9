internal import RouterCore
internal import Statistics

/// What a task's figures come to: ready or not, what it looks like, and what to do next.
///
/// Without people's labels the answer is never yes. A disagreement may be the frontier's mistake, so the limit for
/// how things *look* is wider than the one a gate holds false accepts to.
struct TaskVerdict {
  private let task: Report.Task
  private let policy: TaskPolicy?
  private let gate: GatePolicy
  /// Days between the first and last decision.
  private let days: Double

  /// Comparable would-accepts have to be at least this share for anything to be said.
  static let unknownLimit = 0.2
  static let validityLimit = 0.99

  init(_ task: Report.Task, policy: TaskPolicy?, days: Double) {
    self.task = task
    self.policy = policy
    self.gate = policy?.gate ?? GatePolicy()
    self.days = days
  }

  /// Disagreements tolerated before a task looks bad: five times the limit of false accepts.
  static func looksLimit(_ gate: GatePolicy) -> Double { min(0.5, 5 * gate.maxFalseAcceptRate) }

  var looks: Report.Looks {
    if task.isLocal == false { return .frontierOnly }
    if task.wouldAccepts == 0 { return task.calls < 30 ? .tooLittleTraffic : .nothingAccepted }
    let limit = Self.looksLimit(gate)
    if task.comparable > 0, task.disagreementLower > limit { return .bad }
    if (task.unknownShare ?? 0) > Self.unknownLimit { return .notMeasurable }
    if task.comparable < RateBounds.needed(forUpper: limit) { return .tooLittleTraffic }
    return task.disagreementUpper <= limit ? .readyForReview : .unclear
  }

  // MARK: Pace

  /// Labelled draws without a false accept that the first epoch's gate asks for.
  private var needed: Int { Self.reviewsNeeded(gate) }

  static func reviewsNeeded(_ gate: GatePolicy) -> Int {
    SequentialEvidence.needed(
      limit: gate.maxFalseAcceptRate, alpha: AlphaSpending.alpha(attempt: 1, of: gate.alpha))
  }

  /// Nil for less than an hour of traffic: a forecast from less would only amuse.
  var pace: Report.Pace? {
    guard task.isLocal != false, task.wouldAccepts > 0, days >= 1.0 / 24 else { return nil }
    let share = policy?.reviewSample ?? 0.05
    let accepts = Double(task.wouldAccepts) / days * Double(gate.windowDays)
    let needed = needed
    // EVIDENCE: at most 100 items a task and week are reviewed.
    let budget = 100 * Double(gate.windowDays) / 7
    let expected = min(accepts * share, budget)
    let shareNeeded = Double(needed) / accepts
    return Report.Pace(
      needed: needed, expected: Int(expected), windowDays: gate.windowDays, sampleShare: share,
      shareNeeded: shareNeeded <= 1 && Double(needed) <= budget ? shareNeeded : nil)
  }

  // MARK: Readiness

  var readiness: Report.Readiness {
    if task.isLocal == false {
      return answer(.no, "policy", "the policy keeps this task with the frontier", "nothing to do", nil)
    }
    if let known = knownFault { return known }
    if let early = tooEarly { return early }
    if (task.unknownShare ?? 0) > Self.unknownLimit { return notMeasurable }
    if let validity = task.validity, validity < Self.validityLimit { return invalid(validity) }
    return reviewsMissing
  }

  private var knownFault: Report.Readiness? {
    if task.reviews.missedStops > 0 {
      return answer(
        .no, "fail",
        "\(Figures.count(task.reviews.missedStops)) would-accepts that a hard stop should have caught",
        "add the missing terms to the policy, then check it", "shadow-router check POLICY")
    }
    guard task.reviews.severe > 0 else { return nil }
    return answer(
      .no, "fail", "\(Figures.count(task.reviews.severe)) severe false accepts known", "read them and decide",
      "shadow-router report --format csv")
  }

  private var tooEarly: Report.Readiness? {
    if task.calls == 0 {
      return answer(
        .cannotTell, "insufficient_data", "no calls of this type were seen",
        "see which calls the router could not name", "shadow-router status")
    }
    guard task.wouldAccepts == 0 else { return nil }
    let worst = task.reasons.dropFirst().max { ($0.count, $1.name) < ($1.count, $0.name) }
    let cause = worst.map { "; most often \($0.name)" } ?? ""
    let (next, command) = Self.remedy(worst?.name, task.name)
    return answer(.cannotTell, "insufficient_data", "no would-accepts\(cause)", next, command)
  }

  private static func remedy(_ reason: String?, _ task: String) -> (String, String) {
    switch reason {
    case Reason.localUnavailable.rawValue:
      ("see whether the candidate's endpoint answers, and its breaker", "shadow-router status")
    case Reason.schemaInvalid.rawValue: ("read what the candidate answers", "shadow-router tail --rows")
    case Reason.confidenceLow.rawValue:
      (
        "compare tasks.\(task).min_confidence with the confidence chart below",
        "shadow-router report --format html"
      )
    case Reason.manualOverride.rawValue: ("see who turned the kill switch on", "shadow-router status")
    default: ("see what one call would meet", "shadow-router explain POLICY --task \(task)")
    }
  }

  private var notMeasurable: Report.Readiness {
    let causes = task.unknownCauses.prefix(3).map { "\($0.name) \(Figures.count($0.count))" }.joined(
      separator: ", ")
    let next =
      task.unknownCauses.first?.name == "no_comparison"
      ? "have the agent send an `answer` frame for every call"
      : "say in the policy how the frontier's answer is read (tasks.\(task.name).agreement), then check it"
    return answer(
      .cannotTell, "insufficient_data",
      "not measurable: \(Figures.percent(task.unknownShare ?? 0)) of would-accepts could not be compared (\(causes))",
      next, "shadow-router check POLICY")
  }

  private func invalid(_ validity: Double) -> Report.Readiness {
    answer(
      .cannotTell, "inconclusive",
      "valid answers \(Figures.percent(validity)), at least \(Figures.percent(Self.validityLimit)) needed",
      "read what the candidate answers", "shadow-router tail --rows")
  }

  private var reviewsMissing: Report.Readiness {
    let drawn = task.reviews.drawn
    let labelled = drawn - task.reviews.drawnUnlabelled
    if drawn > 0,
      SequentialEvidence.isEnough(
        task.reviews.drawnFalse, of: drawn, limit: gate.maxFalseAcceptRate,
        alpha: AlphaSpending.alpha(attempt: 1, of: gate.alpha))
    {
      return answer(
        .cannotTell, "inconclusive", "the figures would do; the gate decides, not this report",
        "ask the gate",
        "shadow-router gate \(task.name)")
    }
    let unmet =
      "people have labelled \(Figures.count(labelled)) randomly drawn would-accepts; about "
      + "\(Figures.count(needed)) are needed, none of them false"
    if looks == .bad {
      return answer(
        .cannotTell, "insufficient_data", unmet, "read the disagreements first; too many to be chance",
        "shadow-router report --format csv")
    }
    return answer(
      .cannotTell, "insufficient_data", unmet,
      "keep it in shadow; labelling a random sample comes next (with a later version of this program)",
      "shadow-router report --since 7d")
  }

  private func answer(
    _ answer: Report.Readiness.Answer, _ code: String, _ unmet: String, _ next: String, _ command: String?
  ) -> Report.Readiness {
    Report.Readiness(answer: answer, code: code, unmet: unmet, next: next, command: command)
  }
}
