internal import Agreements
internal import LogReading
internal import Reviews
internal import RouterCore

extension EvidenceFold {
  /// The report on what was read so far. Reading may go on afterwards.
  package func report() -> Report {
    let joined = joinedCalls()
    var report = Report()
    report.window = options.window
    report.firstDecision = firstDecision
    report.lastDecision = lastDecision
    report.command = options.command
    report.changes = changes
    report.changesNotShown = changesNotShown
    report.tasks = taskReports(joined)
    report.totals = Self.totals(report.tasks)
    report.falseAccepts = falseAccepts()
    report.agents = agentReports(joined)
    report.runs = runReports()
    report.hardStops = hardStops.sorted.map { key, count in
      Report.HardStop(
        task: taskNames[key.task], stopClass: words[key.stopClass], term: words[key.term],
        place: key.isAnswer ? "answer" : "input", count: count)
    }
    report.balance = finishedBalance()
    report.reviewers = reviewerReports()
    report.head = head.report
    report.sentence = ReportSentence(report).sentence
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
  }

  private func joinedCalls() -> Joined {
    let none = [Int](repeating: 0, count: tallies.count)
    var joined = Joined(
      reviews: Array(repeating: Report.Reviews(), count: tallies.count), notCompared: none, successes: none,
      failures: none, challenges: challengeReports())
    for (call, row) in calls.rows.enumerated() {
      let task = Int(row.task)
      switch row.outcome {
      case .success: joined.successes[task] += 1
      case .failure: joined.failures[task] += 1
      case .partial, .none: break
      }
      guard row.isWouldAccept else { continue }
      if row.verdict == 0 { joined.notCompared[task] += 1 }
      Self.count(row, into: &joined.reviews[task])
      // Who owns a task is the policy's to say, and what is kept of the log must not depend on that.
      if row.review == .escalate, let labels = labels[call],
        labels.isSevere(owner: options.policy?.task(taskNames[task])?.owner)
      {
        joined.reviews[task].severe += 1
      }
    }
    return joined
  }

  private static func count(_ row: CallRow, into reviews: inout Report.Reviews) {
    switch row.review {
    case .none: break
    case .accept:
      reviews.accept += 1
      if row.verdict == code(.disagree) { reviews.clearedDisagreements += 1 }
    case .escalate:
      reviews.escalate += 1
      if row.flags.contains(.missedStop) { reviews.missedStops += 1 }
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
      fillReasons(&task, tally)
      task.notCompared = joined.notCompared[number]
      task.successes = joined.successes[number]
      task.failures = joined.failures[number]
      task.reviews = joined.reviews[number]
      task.challenges = joined.challenges[number] ?? []
      task.confidence = ConfidenceReading(tally).report
    }
    if task.notCompared > 0 {
      task.unknownCauses.append(Report.Count(name: "no_comparison", count: task.notCompared))
      task.unknownCauses.sort { ($1.count, $0.name) < ($0.count, $1.name) }
    }
    let days = Double(spanMs) / Double(LogTime.dayMs)
    task.upkeep = (policy?.upkeepUSDPerMonth ?? 0) * days / 30.4375
    let verdict = TaskVerdict(task, policy: policy, days: days)
    task.looks = verdict.looks
    task.pace = verdict.pace
    task.readiness = verdict.readiness
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
      frontierOnly: tally.frontierCost, frontierOfAccepts: tally.frontierCostOfAccepts, local: tally.localCost
    )
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
      totals.reviews.drawn += task.reviews.drawn
      totals.reviews.drawnUnlabelled += task.reviews.drawnUnlabelled
      totals.reviews.drawnFalse += task.reviews.drawnFalse
    }
    return totals
  }

  // MARK: False accepts

  /// Known ones by severity, then suspected ones, each worst first and a limited number for each task.
  private func falseAccepts() -> [Report.FalseAccept] {
    var known: [Report.FalseAccept] = []
    var suspected: [Example] = []
    var listed: Set<Int> = []
    let alike = suspectedAlike()
    for task in tallies.indices {
      var shown = 0
      var standing: Set<Int> = []
      for example in examples[task] ?? [] {
        let row = calls[example.call]
        listed.insert(example.call)
        if Self.isKnownFalse(row) {
          known.append(labelled(example.detail, row, example.call))
        } else if row.review != .accept, shown < options.examplesPerTask {
          // The worst of those that look alike stands for them.
          if let cluster = example.cluster, !standing.insert(cluster).inserted { continue }
          var item = labelled(example.detail, row, example.call)
          item.alike = example.cluster.flatMap { alike[$0] } ?? 1
          item.template = example.cluster.map { clusters.template($0) }
          suspected.append(Example(call: example.call, detail: item))
          shown += 1
        }
      }
    }
    // People also find mistakes where both models agree; of these the log line alone has the texts.
    for (call, note) in reviewNotes where !listed.contains(call) && Self.isKnownFalse(calls[call]) {
      var item = Report.FalseAccept()
      item.callID = note.callID
      item.task = taskNames[Int(calls[call].task)]
      item.ts = note.ts
      item.seq = note.seq
      item.confidence = calls[call].confidence <= 100 ? Double(calls[call].confidence) / 100 : nil
      known.append(labelled(item, calls[call], call))
    }
    known.sort { ($1.severity ?? 0, $0.seq) < ($0.severity ?? 0, $1.seq) }
    suspected.sort { $0.rank.isWorse(than: $1.rank) }
    return known + suspected.map(\.detail)
  }

  /// By number of a cluster: suspected false accepts that it stands for.
  private func suspectedAlike() -> [Int: Int] {
    var counts: [Int: Int] = [:]
    for (call, cluster) in clustered where calls[call].review != .accept && !Self.isKnownFalse(calls[call]) {
      counts[cluster, default: 0] += 1
    }
    return counts
  }

  private static func isKnownFalse(_ row: CallRow) -> Bool {
    guard row.isWouldAccept, row.review != .accept else { return false }
    return row.review == .escalate || (row.flags.contains(.answeredLocally) && row.outcome == .failure)
  }

  private func labelled(_ detail: Report.FalseAccept, _ row: CallRow, _ call: Int) -> Report.FalseAccept {
    var item = detail
    item.standing = Self.isKnownFalse(row) ? .known : .suspected
    guard row.review != .none else { return item }
    item.reviewLabel = row.review == .escalate ? "escalate" : row.review == .accept ? "accept" : "unsure"
    item.severity = row.severity > 0 ? Int(row.severity) : nil
    item.reviewer = reviewNotes[call]?.reviewer
    item.note = reviewNotes[call]?.note
    return item
  }

  // MARK: Agents, runs, reviewers

  private func agentReports(_ joined: Joined) -> [Report.Agent] {
    var agents = agentNames.texts.map { Report.Agent(name: $0) }
    for run in runs.rows where run.calls > 0 && run.agent != .max {
      let agent = Int(run.agent)
      agents[agent].runs += 1
      agents[agent].calls += Int(run.calls)
      agents[agent].wouldAccepts += Int(run.wouldAccepts)
      agents[agent].fallbacks += Int(run.fallbacks)
      if run.outcome == .success { agents[agent].successes += 1 }
      if run.outcome == .failure { agents[agent].failures += 1 }
      agents[agent].cost.frontierOnly += Double(run.frontierCost)
      agents[agent].cost.frontierOfAccepts += Double(run.frontierCostOfAccepts)
      agents[agent].cost.local += Double(run.localCost)
    }
    return agents.filter { $0.runs > 0 }.sorted { ($0.cost.saving, $0.name) < ($1.cost.saving, $1.name) }
  }

  private func runReports() -> [Report.Run] {
    return worstRuns.map { index in
      let row = runs[index]
      let start = Int(row.nameStart)
      return Report.Run(
        id: String(decoding: runNames[start..<start + Int(row.nameCount)], as: UTF8.self),
        agent: row.agent == .max ? nil : agentNames[Int(row.agent)], outcome: row.outcome.name,
        calls: Int(row.calls), wouldAccepts: Int(row.wouldAccepts), fallbacks: Int(row.fallbacks),
        latencyMs: Double(row.latencyMs),
        cost: Report.Cost(
          frontierOnly: Double(row.frontierCost), frontierOfAccepts: Double(row.frontierCostOfAccepts),
          local: Double(row.localCost)))
    }
  }

  /// The numbers of those that are shown, worst first: there may be a million runs, so they are not all sorted.
  private var worstRuns: [Int] {
    var worst: [Int] = []
    for (index, run) in runs.rows.enumerated() where run.calls > 0 {
      if worst.count == options.runsShown, let last = worst.last, saving(runs[last]) <= saving(run) {
        continue
      }
      let place = worst.firstIndex { saving(run) < saving(runs[$0]) } ?? worst.count
      worst.insert(index, at: place)
      if worst.count > options.runsShown { worst.removeLast() }
    }
    return worst
  }

  private func saving(_ run: RunRow) -> Float { run.frontierCostOfAccepts - run.localCost }

  private func reviewerReports() -> [Report.Reviewer] {
    var byName: [String: Report.Reviewer] = [:]
    for (key, count) in reviewers.sorted {
      let name = words[key.name]
      var reviewer = byName[name] ?? Report.Reviewer(name: name)
      switch key.label {
      case .none: break
      case .accept: reviewer.accept += count
      case .escalate: reviewer.escalate += count
      case .unsure: reviewer.unsure += count
      }
      byName[name] = reviewer
    }
    return byName.values.sorted { $0.name < $1.name }
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
