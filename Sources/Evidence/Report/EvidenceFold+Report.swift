import Agreements
import Gates
import LogReading
import Reviews
import RouterCore

extension EvidenceFold {
  /// The figures on what was read so far: everything in a report but its advice. Reading may go on afterwards.
  package func figures() -> Report {
    let twins = equalInputs.twins { calls[$0].review.label }
    let joined = joinedCalls(twins)
    var report = Report()
    report.window = options.window
    report.firstDecision = firstDecision
    report.lastDecision = lastDecision
    report.command = options.command
    report.changes = newestChanges()
    report.changesNotShown = changesSeen - report.changes.count
    report.changes += epochChanges()
    report.changes.sort { $0.ts < $1.ts }
    report.asOf = head.report.flatMap { LogTime.parse($0.ts) }
    let gates = gates.gates()
    report.tasks = taskReports(joined)
    report.gates = report.tasks.flatMap { task in gates.filter { $0.subject.task == task.name } }
    report.totals = Self.totals(report.tasks)
    report.rotated = rotated(gates)
    report.falseAccepts = falseAccepts(twins).map { $0.placed(gates, report.rotated) }
    report.agents = agentReports(joined)
    (report.runs, report.otherRuns) = runReports(joined)
    report.callsWithoutRun = report.totals.calls - runs.rows.reduce(0) { $0 + Int($1.calls) }
    report.periods = periods(twins)
    report.saving = report.tasks.reduce(into: Report.Saving()) { $0.add($1.saving) }
    report.hardStops = hardStops.sorted.map { key, count in
      Report.HardStop(
        task: taskNames[key.task], stopClass: words[key.stopClass], term: words[key.term],
        place: key.isAnswer ? "answer" : "input", count: count)
    }
    report.balance = finishedBalance()
    report.frames = frames
    report.reviewers = reviewerReports()
    report.reviewerAgreement = reviewerAgreement()
    report.head = head.report
    return report
  }

  /// What only the joined calls say: labels and outcomes may have changed until the last line.
  struct Joined {
    var reviews: [Report.Reviews]
    var notCompared: [Int]
    var successes: [Int]
    var failures: [Int]
    /// By task.
    var challenges: [Int: [Report.Challenge]]
    /// Local answers whose frontier answer was spared, by task; and what those of each run would have cost, in USD.
    var spared: [Int]
    var sparedByRun: [Int: Double]
    var sparedByAgent: [Int: Double]
  }

  /// - Parameter twins: Calls that another one's label counts for, each with that call.
  private func joinedCalls(_ twins: [Int: Int]) -> Joined {
    let none = [Int](repeating: 0, count: tallies.count)
    var joined = Joined(
      reviews: Array(repeating: Report.Reviews(), count: tallies.count), notCompared: none, successes: none,
      failures: none, challenges: challengeReports(), spared: none, sparedByRun: [:], sparedByAgent: [:])
    let means = tallies.indices.map(meanCost)
    for (call, own) in calls.rows.enumerated() {
      let row = labelled(own, call, twins)
      let task = row.task
      if row.flags.contains(.answeredLocally), row.verdict == 0 {
        joined.spared[task] += 1
        if let run = row.run {
          joined.sparedByRun[run, default: 0] += means[task]
          if let agent = agent(of: call, inRun: run) {
            joined.sparedByAgent[agent, default: 0] += means[task]
          }
        }
      }
      switch row.outcome {
      case .success: joined.successes[task] += 1
      case .failure: joined.failures[task] += 1
      case .partial, .none: break
      }
      guard row.isWouldAccept else { continue }
      if row.verdict == 0 { joined.notCompared[task] += 1 }
      if Self.isKnownFalse(row) { joined.reviews[task].knownFalse += 1 }
      if row.verdict == Self.code(.disagree), row.review != .accept {
        if Self.isKnownFalse(row) {
          joined.reviews[task].knownDisagreements += 1
        } else {
          joined.reviews[task].openDisagreements += 1
        }
      }
      Self.count(row, into: &joined.reviews[task])
      guard row.review == .escalate else { continue }
      if labels[call]?.isMissedStop == true { joined.reviews[task].missedStops += 1 }
      if isSevere(call) { joined.reviews[task].severe += 1 }
    }
    return joined
  }

  /// With the label that counts for it.
  func labelled(_ row: CallRow, _ call: Int, _ twins: [Int: Int]) -> CallRow {
    guard !twins.isEmpty, let other = twins[call] else { return row }
    var row = row
    row.review = calls[other].review
    return row
  }

  private static func count(_ row: CallRow, into reviews: inout Report.Reviews) {
    switch row.review {
    case .none: break
    case .accept:
      reviews.accept += 1
      if row.verdict == code(.disagree) { reviews.clearedDisagreements += 1 }
    case .escalate:
      reviews.escalate += 1
    case .unsure: reviews.unsure += 1
    }
    guard row.flags.contains(.drawn) else { return }
    reviews.drawn += 1
    if row.review == .none { reviews.drawnUnlabelled += 1 }
    // Until its label comes, an item counts as false: else the slow ones would pass bad candidates.
    if row.review != .accept { reviews.drawnFalse += 1 }
  }

  // MARK: Tasks

  private func taskReports(_ joined: Joined) -> [Report.Task] {
    let seen = tallies.indices.sorted { taskNames[$0] < taskNames[$1] }
    let inPolicy = (options.policy?.tasks ?? []).map { policy in
      let number = tallies.indices.first { taskNames[$0] == policy.name }
      return taskReport(policy.name, number, policy, joined)
    }
    let others = seen.filter { options.policy?.task(taskNames[$0]) == nil && tallies[$0].calls > 0 }
    return inPolicy + others.map { taskReport(taskNames[$0], $0, nil, joined) }
  }

  /// Without a challenger there is nothing that could have the candidate's place.
  private func rotated(_ gates: [Gate]) -> Set<String> {
    rotated.filter { task in gates.contains { $0.subject == EvidenceSubject(task: task, isChallenger: true) }
    }
  }

  private func taskReport(
    _ name: String, _ number: Int?, _ policy: TaskPolicy?, _ joined: Joined
  ) -> Report.Task {
    var task = Report.Task()
    task.name = name
    task.owner = policy?.owner
    task.isLocal = policy.map { $0.local && $0.impact != .high }
    task.minConfidence = policy.flatMap { $0.local ? $0.minConfidence : nil }
    if let number {
      let tally = tallies[number]
      fill(&task, tally)
      task.cost.spared = Double(joined.spared[number]) * meanCost(number)
      fillReasons(&task, tally)
      task.notCompared = joined.notCompared[number]
      task.servedAlone = joined.spared[number]
      task.successes = joined.successes[number]
      task.failures = joined.failures[number]
      task.reviews = joined.reviews[number]
      task.challenges = joined.challenges[number] ?? []
      task.confidence = ConfidenceReading(tally).report
    }
    for (name, count) in [
      ("answered_locally", task.servedAlone), ("no_comparison", task.notCompared - task.servedAlone),
    ] where count > 0 {
      task.unknownCauses.append(Report.Count(name: name, count: count))
    }
    task.unknownCauses.sort { ($1.count, $0.name) < ($0.count, $1.name) }
    let days = Double(spanMs) / Double(LogTime.dayMs)
    task.upkeep = (policy?.upkeepUSDPerMonth ?? 0) * days / 30.4375
    if let number { task.saving = saving(task, tallies[number]) }
    task.rollout = rollouts[name]
    return task
  }

  private var spanMs: Int64 {
    guard let firstDecision, let lastDecision else { return 0 }
    return lastDecision - firstDecision
  }

  private func fill(_ task: inout Report.Task, _ tally: TaskTally) {
    task.calls = tally.calls
    task.wouldAccepts = tally.wouldAccepts
    task.agree = tally.agree
    task.disagree = tally.disagree
    task.unknown = tally.unknown
    task.answered = tally.asked
    task.invalid = tally.invalid
    task.localLatency = tally.localLatency.summary
    task.frontierLatency = tally.frontierLatency.summary
    task.fallbackLatency = tally.fallbackLatency.summary
    task.cost = Report.Cost(
      paid: tally.frontierCost, paidForAccepts: tally.frontierCostOfAccepts, local: tally.localCost)
    task.liveCalls = tally.live.calls
    task.answersSeen = tally.answers
    task.tokens = tally.tokens
    task.confidenceSources = tally.confidenceSources.sorted.map { key, count in
      Report.ConfidenceSource(
        name: words[key.source], calibration: key.calibration < 0 ? nil : words[key.calibration], calls: count
      )
    }
    task.answersCosted = tally.costedAnswers
    task.models = tally.models.sorted.map { model, count in
      Report.Model(
        name: words[model.name], digest: model.digest < 0 ? nil : words[model.digest], calls: count)
    }
  }

  private func fillReasons(_ task: inout Report.Task, _ tally: TaskTally) {
    task.reasons = [Report.Count(name: "accepted", count: tally.reasons[0])]
    for reason in Reason.allCases where tally.reasons[reason.code] > 0 {
      task.reasons.append(Report.Count(name: reason.rawValue, count: tally.reasons[reason.code]))
    }
    let known = Set(Reason.allCases.map(\.code))
    let others = tally.reasons.indices.reduce(0) {
      $1 == 0 || known.contains($1) ? $0 : $0 + tally.reasons[$1]
    }
    if others > 0 { task.reasons.append(Report.Count(name: "other", count: others)) }
    task.reasonDetails = tally.reasonDetails.sorted.map { key, count in
      let reason = Reason.allCases.first { $0.code == key.reason }?.rawValue ?? "other"
      return Report.Count(name: "\(reason): \(words[key.detail])", count: count)
    }
    task.unknownCauses = tally.unknownCauses.sorted.map { Report.Count(name: words[$0.key], count: $0.count) }
    task.disagreementKinds = tally.disagreementKinds.sorted.map {
      Report.Count(name: words[$0.key], count: $0.count)
    }
    task.confusions = tally.confusions.sorted.prefix(5).map { pair, count in
      Report.Confusion(candidate: words[pair.candidate], frontier: words[pair.frontier], count: count)
    }
  }

  private static func totals(_ tasks: [Report.Task]) -> Report.Totals {
    var totals = Report.Totals()
    for task in tasks {
      totals.calls += task.calls
      totals.wouldAccepts += task.wouldAccepts
      totals.agree += task.agree
      totals.disagree += task.disagree
      totals.unknown += task.unknown
      totals.notCompared += task.notCompared
      totals.reviews.accept += task.reviews.accept
      totals.reviews.escalate += task.reviews.escalate
      totals.reviews.unsure += task.reviews.unsure
      totals.reviews.severe += task.reviews.severe
      totals.reviews.missedStops += task.reviews.missedStops
      totals.reviews.clearedDisagreements += task.reviews.clearedDisagreements
      totals.reviews.knownFalse += task.reviews.knownFalse
      totals.reviews.knownDisagreements += task.reviews.knownDisagreements
      totals.reviews.openDisagreements += task.reviews.openDisagreements
      totals.reviews.drawn += task.reviews.drawn
      totals.reviews.drawnUnlabelled += task.reviews.drawnUnlabelled
      totals.reviews.drawnFalse += task.reviews.drawnFalse
    }
    return totals
  }

  // MARK: Agents, runs, reviewers

  private func agentReports(_ joined: Joined) -> [Report.Agent] {
    var agents = agentNames.texts.map { Report.Agent(name: $0) }
    for (agent, share) in agentShares.shares.enumerated() {
      agents[agent].calls = share.calls
      agents[agent].wouldAccepts = share.wouldAccepts
      agents[agent].fallbacks = share.fallbacks
      agents[agent].latencyMs = share.latencyMs
      agents[agent].routedMs = share.routedMs
      agents[agent].cost = Report.Cost(
        paid: share.frontierCost, paidForAccepts: share.frontierCostOfAccepts,
        spared: joined.sparedByAgent[agent] ?? 0, local: share.localCost)
    }
    let ended = { (agents: inout [Report.Agent], agent: Int, run: RunRow) in
      agents[agent].runs += 1
      if run.outcome == .success { agents[agent].successes += 1 }
      if run.outcome == .failure { agents[agent].failures += 1 }
    }
    for run in runs.rows where run.calls > 0 && run.agent != .max {
      ended(&agents, Int(run.agent), run)
      for agent in 0..<min(agents.count, RunRow.markedAgents) where run.isMarked(agent: agent) {
        ended(&agents, agent, run)
      }
    }
    agentShares.visitFar { run, agent in ended(&agents, agent, runs[run]) }
    return agents.filter { $0.runs > 0 }.sorted { ($0.cost.saving, $0.name) < ($1.cost.saving, $1.name) }
  }

  /// Those with the worst return, and the sum of the others.
  private func runReports(_ joined: Joined) -> ([Report.Run], Report.RunSum?) {
    // Asked again for each that is looked at: of a million runs, a list of them would be large.
    let costs = { (run: Int) in cost(runs[run], joined.sparedByRun[run] ?? 0) }
    let worst = worstRuns(costs)
    let listed = worst.map { index in
      let row = runs[index]
      let start = Int(row.nameStart) + 1
      return Report.Run(
        id: String(decoding: runNames[start..<start + Int(runNames[start - 1])], as: UTF8.self),
        agent: agents(of: index), outcome: row.outcome.name,
        calls: Int(row.calls), wouldAccepts: Int(row.wouldAccepts), fallbacks: Int(row.fallbacks),
        latencyMs: Double(row.latencyMs), routedMs: Double(row.routedMs), cost: costs(index))
    }
    var rest = Report.RunSum()
    let shown = Set(worst)
    for (index, run) in runs.rows.enumerated() where run.calls > 0 && !shown.contains(index) {
      rest.add(run, costs(index))
    }
    return (listed, rest.runs > 0 ? rest : nil)
  }

  /// Names of the agents that share a run, its first one's first; nil where none is named.
  private func agents(of run: Int) -> String? {
    let row = runs[run]
    guard row.agent != .max else { return nil }
    let first = Int(row.agent)
    var agents = [first] + (0..<RunRow.markedAgents).filter { row.isMarked(agent: $0) }
    if row.hasUnmarked { agents += agentShares.far(inRun: run) }
    let shown = agents.prefix(Self.agentsShown).map { agentNames[$0] }.joined(separator: ", ")
    return agents.count > Self.agentsShown ? "\(shown) and \(agents.count - Self.agentsShown) more" : shown
  }

  /// Of those that share a run.
  private static let agentsShown = 3

  private func cost(_ run: RunRow, _ spared: Double) -> Report.Cost {
    Report.Cost(
      paid: Double(run.frontierCost), paidForAccepts: Double(run.frontierCostOfAccepts), spared: spared,
      local: Double(run.localCost))
  }

  /// The numbers of those that are shown, worst first: there may be a million runs, so they are not all sorted.
  private func worstRuns(_ costs: (Int) -> Report.Cost) -> [Int] {
    var worst: [Int] = []
    for (index, run) in runs.rows.enumerated() where run.calls > 0 {
      let saving = costs(index).saving
      if worst.count == options.runsShown, let last = worst.last, costs(last).saving <= saving { continue }
      let place = worst.firstIndex { saving < costs($0).saving } ?? worst.count
      worst.insert(index, at: place)
      if worst.count > options.runsShown { worst.removeLast() }
    }
    return worst
  }

  private func finishedBalance() -> Report.Balance {
    var balance = balance
    balance.kinds = kinds.report
    balance.unexplainedHoles = max(0, balance.unexplainedHoles - holesNamed)
    for lines in early.values {
      var reader = LogLine()
      for text in lines where reader.read(text.span) && reader.kind == .comparison {
        balance.comparisonsWithoutDecision += 1
      }
    }
    return balance
  }
}
