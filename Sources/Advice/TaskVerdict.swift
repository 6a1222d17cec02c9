package import Evidence
import Gates
import LogReading
import RouterCore
import Statistics

/// What a task comes to: ready or not, what it looks like, and what to do next.
///
/// Ready is what the gate says. How a task *looks* says only how often the two models agree; a disagreement may be the
/// frontier's mistake, so its limit is wider than the one a gate holds false accepts to.
struct TaskVerdict {
  private let task: Report.Task
  private let policy: TaskPolicy?
  private let gate: Gate?
  private let rules: GatePolicy
  /// Milliseconds since 1970: the log's end.
  private let now: Int64

  /// Comparable would-accepts have to be at least this share for anything to be said.
  static let unknownLimit = 0.2
  /// EVIDENCE: at most 100 items a task and week are reviewed, at least 80 % of them drawn at random.
  private static let weeklyDraws = 80.0

  init(_ task: Report.Task, policy: TaskPolicy?, gate: Gate?, now: Int64) {
    self.task = task
    self.policy = policy
    self.gate = gate
    self.now = now
    rules = policy?.gate ?? GatePolicy()
  }

  /// Disagreements tolerated before a task looks bad: five times the limit of false accepts.
  static func looksLimit(_ gate: GatePolicy) -> Double { min(0.5, 5 * gate.maxFalseAcceptRate) }

  var looks: Report.Looks {
    if task.isLocal == false { return .frontierOnly }
    if task.wouldAccepts == 0 { return task.calls < 30 ? .tooLittleTraffic : .nothingAccepted }
    let limit = Self.looksLimit(rules)
    if task.comparable > 0, task.disagreementLower > limit { return .bad }
    if task.isNotMeasurable { return .notMeasurable }
    if task.comparable < RateBounds.needed(forUpper: limit) { return .tooLittleTraffic }
    return task.disagreementUpper <= limit ? .readyForReview : .unclear
  }

  // MARK: Pace

  /// nil where the gate passes, no number of reviews helps, or the epoch is less than an hour old: a forecast from less
  /// would only amuse.
  var pace: Report.Pace? {
    guard let gate, gate.outcome != .pass, let epoch = gate.epoch, let missing = gate.missingReviews,
      missing > 0
    else { return nil }
    let day = Double(LogTime.dayMs)
    let elapsed = Double(now - epoch.start) / day
    guard elapsed >= 1.0 / 24, epoch.wouldAccepts > 0 else { return nil }
    let left = epoch.end.map { max(0, Double($0 - now) / day) } ?? Double(rules.windowDays)
    let labelled = epoch.accepted + epoch.falseLabelled
    let accepts = Double(epoch.wouldAccepts) / elapsed
    let share = policy?.reviewSample ?? 0.05
    // Before the first draw the policy's share tells what is to be expected.
    let draws = epoch.drawn > 0 ? Double(epoch.drawn) / elapsed : accepts * share
    let labels = Double(labelled) / elapsed
    var pace = Report.Pace(
      needed: labelled + missing, labelled: labelled,
      expected: epoch.drawn + Int(min(draws, Self.weeklyDraws / 7) * left),
      labelsExpected: labelled + Int(labels * left), windowDays: rules.windowDays, daysLeft: left,
      sampleShare: share, weeklyNow: labels * 7,
      weeklyNeeded: left > 0 ? Double(missing) / left * 7 : .infinity)
    let rest = missing - epoch.unlabelled
    pace.shareNeeded = Self.share(rest, of: accepts, days: left)
    if pace.shareNeeded == nil {
      pace.isFresh = true
      pace.shareNeeded = Self.share(gate.needed, of: accepts, days: Double(rules.windowDays))
    }
    return pace
  }

  /// The share of would-accepts that brings so many draws; nil where none does within the budget of a week.
  private static func share(_ draws: Int, of acceptsADay: Double, days: Double) -> Double? {
    guard draws > 0 else { return 0 }
    let accepts = acceptsADay * days
    guard accepts > 0, Double(draws) <= accepts, Double(draws) <= weeklyDraws / 7 * days else { return nil }
    return Double(draws) / accepts
  }

  // MARK: Readiness

  var readiness: Report.Readiness {
    if task.isLocal == false {
      return answer(.no, "fail", nil, "the policy keeps this task with the frontier", "nothing to do", nil)
    }
    guard let gate else {
      return answer(
        .cannotTell, "insufficient_data", nil, "not judged: too many task types, or none that a policy names",
        "name it in the policy", "shadow-router check POLICY")
    }
    let code = gate.outcome.rawValue
    if gate.outcome == .error {
      return answer(
        .cannotTell, code, nil, gate.problem ?? "the log cannot be believed",
        "see what is wrong with the log",
        "shadow-router verify-log")
    }
    if gate.outcome == .pass {
      return answer(
        .yes, code, nil, "", "promote it", "shadow-router promote \(ShellWord.of(task.name)) --percent 1")
    }
    if let early = tooEarly(code) { return early }
    guard let first = gate.firstUnmet else {
      return answer(
        .cannotTell, code, nil, gate.problem ?? "", "ask the gate",
        "shadow-router gate \(ShellWord.of(task.name))")
    }
    let (next, command) = first.remedy(task.name)
    let isFail = gate.outcome == .fail
    let problem = gate.problem.map { "\($0); " } ?? ""
    return answer(
      isFail ? .no : .cannotTell, code, first.name.rawValue,
      problem + first.words(gate) + Self.against(gate, besides: first.name), next, command)
  }

  /// What makes it a failure, where that is not what comes first.
  private static func against(_ gate: Gate, besides first: GateCondition.Name) -> String {
    let names = gate.conditions.filter { $0.state == .unmet && $0.weight == .against && $0.name != first }
    return names.isEmpty ? "" : "; against it: " + names.map { $0.words(gate) }.joined(separator: ", ")
  }

  /// What stands before any evidence: no calls, or none that would have been accepted.
  private func tooEarly(_ code: String) -> Report.Readiness? {
    guard gate?.outcome == .insufficientData, (gate?.epoch?.wouldAccepts ?? 0) == 0, task.wouldAccepts == 0
    else {
      return nil
    }
    if task.calls == 0 {
      return answer(
        .cannotTell, code, "e_process", "no calls of this type were seen",
        "see which calls the router could not name", "shadow-router status")
    }
    let worst = task.reasons.dropFirst().max { ($0.count, $1.name) < ($1.count, $0.name) }
    let cause = worst.map { "; most often \($0.name)" } ?? ""
    let (next, command) = Self.remedy(worst?.name, task.name)
    return answer(.cannotTell, code, "e_process", "no would-accepts\(cause)", next, command)
  }

  private static func remedy(_ reason: String?, _ task: String) -> (String, String) {
    switch reason {
    case Reason.localUnavailable.rawValue:
      ("see whether the candidate's endpoint answers, and its breaker", "shadow-router status")
    case Reason.schemaInvalid.rawValue: ("read what the candidate answers", "shadow-router tail --rows")
    case Reason.confidenceLow.rawValue:
      (
        "compare tasks.\(task).min_confidence with what each threshold would let through",
        "shadow-router simulate --thresholds \(ShellWord.of(task))"
      )
    case Reason.manualOverride.rawValue: ("see who turned the kill switch on", "shadow-router status")
    default: ("see what one call would meet", "shadow-router explain POLICY --task \(ShellWord.of(task))")
    }
  }

  private func answer(
    _ answer: Report.Readiness.Answer, _ code: String, _ condition: String?, _ unmet: String, _ next: String,
    _ command: String?
  ) -> Report.Readiness {
    var readiness = Report.Readiness()
    readiness.answer = answer
    readiness.code = code
    readiness.unmet = unmet
    readiness.condition = condition
    readiness.next = next
    readiness.command = command
    return readiness
  }
}

extension Report.Task {
  /// Too many would-accepts could not be compared for the others to prove much.
  package var isNotMeasurable: Bool { (unknownShare ?? 0) > TaskVerdict.unknownLimit }
}

extension GateCondition {
  /// What is not met, for a reader who does not know the conditions.
  fileprivate func words(_ gate: Gate) -> String {
    switch name {
    case .evidence:
      "\(Figures.count(gate.epoch?.falseOrUnlabelled ?? 0)) of \(Figures.count(gate.epoch?.drawn ?? 0)) drawn are false or unlabelled: "
        + "at most \(Figures.bound(gate.upperBound)) are false, the limit is \(Figures.percent(gate.maxFalseAcceptRate))"
    case .severe: "\(counted("severe false accept")) in this epoch"
    case .hunt: "\(counted("false accept")) found outside the random sample in this epoch"
    case .missedStops: "\(counted("would-accept")) that a hard stop should have caught"
    case .drill: "no drill of the kill switch passed \(wants)"
    default: "\(name.rawValue.replacing("_", with: " ")): \(shown), wants \(wants)"
    }
  }

  private func counted(_ thing: String) -> String {
    figure.map { Figures.counted(Int($0), thing) } ?? "some \(thing)s"
  }

  /// What to do about it, in words and as a command.
  fileprivate func remedy(_ task: String) -> (String, String) {
    // The words of the gate may end in a command; here it stands by itself.
    let words =
      switch name {
      case .evidence where weight == .against:
        "more are false than the limit allows: tighten the policy, or change the candidate"
      case .hunt:
        "tighten the policy until it no longer accepts what people called false: the rest of the evidence is kept"
      default: missing.map { $0.text(before: ": shadow-router") } ?? wants
      }
    let command =
      switch name {
      case .evidence where weight == .against: "shadow-router simulate --thresholds \(ShellWord.of(task))"
      case .evidence, .labelled, .catchRate: "shadow-router review --task \(ShellWord.of(task))"
      case .severe, .hunt: "shadow-router simulate --thresholds \(ShellWord.of(task))"
      case .missedStops: "shadow-router check --against running POLICY"
      case .validity: "shadow-router tail --rows"
      case .accuracy: "shadow-router report --since 7d"
      case .weeks: "shadow-router gate \(ShellWord.of(task))"
      case .losses: "shadow-router status"
      case .drift: "shadow-router report --since 7d"
      case .drill: "shadow-router drill"
      case .evalSet: "shadow-router eval EVALSET --task \(ShellWord.of(task))"
      }
    return (words, command)
  }
}

extension String {
  /// The text before the first `mark`, or all of it.
  fileprivate func text(before mark: String) -> String {
    firstRange(of: mark).map { String(self[..<$0.lowerBound]) } ?? self
  }
}
