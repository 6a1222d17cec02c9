import Agreements
import Gates
import LogReading
import RouterCore
import Statistics

extension EvidenceFold {
  /// By day, or by week where that would be too many.
  ///
  /// - Parameter twins: Calls that another one's label counts for, each with that call.
  func periods(_ twins: [Int: Int]) -> [Report.Period] {
    var days: [UInt16: Report.Period] = [:]
    dayMarks.visit(calls.rows.count) { numbers, number in
      var day = days[number] ?? Report.Period(name: "")
      for call in numbers {
        let row = labelled(calls[call], call, twins)
        day.calls += 1
        if row.flags.contains(.answeredLocally) { day.answeredLocally += 1 }
        guard row.isWouldAccept else { continue }
        day.wouldAccepts += 1
        if row.verdict == Self.code(.disagree) { day.disagree += 1 }
        if Self.isKnownFalse(row) { day.knownFalse += 1 }
      }
      days[number] = day
    }
    guard let first = days.keys.min(), let last = days.keys.max() else { return [] }
    let isDaily = last - first < 21
    var periods: [Report.Period] = []
    // A clock that stood wrong once must not fill the report with decades of empty weeks.
    for day in last - first <= 3 * 366 ? Array(first...last) : days.keys.sorted() {
      let ms = Int64(day) * LogTime.dayMs
      let name = isDaily ? LogTime.date(ms) : ISOWeek(containing: ms).name
      if periods.last?.name != name { periods.append(Report.Period(name: name)) }
      if let counted = days[day] { periods[periods.count - 1].add(counted) }
    }
    return periods
  }

  /// What epochs ended in the window, and why: the evidence before such a change counts no more.
  func epochChanges() -> [Report.Change] {
    gates.endings().filter { options.window.contains($0.ending.at) }.map { subject, ending in
      let whose = subject.isChallenger ? "the challenger's evidence" : "the evidence"
      let cause =
        switch ending.cause {
        case .window: "its window closed"
        case .policy: "the policy of the task changed"
        case .digest: "the model's digest changed"
        case .candidate: "model, prompt, source of confidences or correction changed"
        }
      return Report.Change(
        ts: LogTime.format(ending.at), kind: "evidence", task: subject.task,
        text:
          "\(whose) starts again: epoch \(ending.id) ended with \(Figures.count(ending.wouldAccepts)) would-accepts, "
          + "\(Figures.count(ending.drawn)) drawn; \(cause)")
    }
  }

  func saving(_ task: Report.Task, _ tally: TaskTally) -> Report.Saving {
    var saving = Report.Saving()
    saving.shadowFrontier = task.cost.paidForAccepts
    saving.shadowLocal = tally.localCost - tally.live.localCost
    saving.served = tally.live.local
    saving.audited = tally.live.audited
    saving.control = tally.live.control
    saving.spared = task.cost.spared
    saving.liveLocal = tally.live.localCost
    saving.audits = tally.live.auditCost
    saving.upkeep = task.upkeep
    if let first = tally.live.first, let lastDecision, let firstDecision, lastDecision > firstDecision {
      saving.liveUpkeep =
        task.upkeep * Double(max(0, lastDecision - first)) / Double(lastDecision - firstDecision)
    }
    saving.frontierOnly = task.cost.frontierOnly
    return saving
  }

  /// A router that ended says what became of its frames.
  mutating func stopped(_ text: Span<UInt8>) {
    frames.stops += 1
    frames.received += max(0, line.int(.received, in: text) ?? 0)
    frames.recorded += max(0, line.int(.recorded, in: text) ?? 0)
    frames.answered += max(0, line.int(.answered, in: text) ?? 0)
    frames.malformed += max(0, line.int(.malformed, in: text) ?? 0)
    frames.shed += max(0, line.int(.shed, in: text) ?? 0)
    frames.inFlight += max(0, line.int(.inFlight, in: text) ?? 0)
    frames.lostBySender += max(0, line.int(.lostBySender, in: text) ?? 0)
  }
}

extension Report.Period {
  fileprivate mutating func add(_ other: Self) {
    calls += other.calls
    wouldAccepts += other.wouldAccepts
    disagree += other.disagree
    knownFalse += other.knownFalse
    answeredLocally += other.answeredLocally
  }
}

extension Report.Saving {
  mutating func add(_ other: Self) {
    shadowFrontier += other.shadowFrontier
    shadowLocal += other.shadowLocal
    served += other.served
    audited += other.audited
    control += other.control
    spared += other.spared
    liveLocal += other.liveLocal
    audits += other.audits
    upkeep += other.upkeep
    liveUpkeep += other.liveUpkeep
    frontierOnly += other.frontierOnly
  }
}

extension Report.RunSum {
  mutating func add(_ run: RunRow, _ cost: Report.Cost) {
    runs += 1
    if run.outcome == .success { successes += 1 }
    calls += Int(run.calls)
    wouldAccepts += Int(run.wouldAccepts)
    fallbacks += Int(run.fallbacks)
    latencyMs += Double(run.latencyMs)
    routedMs += Double(run.routedMs)
    self.cost.add(cost)
  }
}
