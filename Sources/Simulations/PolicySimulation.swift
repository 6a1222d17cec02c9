import Agreements
package import Evidence
package import LogReading
package import RouterCore
import Wire

/// What would change under another policy, by task and reason.
package struct Simulation: Sendable {
  package var tasks: [Task] = []
  /// Times of the first and last decision; nil where there was none.
  package var firstDecision: Int64?
  package var lastDecision: Int64?
  /// Revisions that decided calls and whose policies are not at hand, with how many calls each.
  package var missingPolicies: [Report.Count] = []
  package var damaged = 0

  package struct Task: Sendable {
    package var name = ""
    package var calls = 0
    /// Would-accepts as they were, and as they would be, as far as can be told.
    package var acceptsBefore = 0
    package var acceptsAfter = 0
    /// Would-accepts of which cannot be told whether they still would be.
    package var acceptsOpen = 0
    /// Calls taken to get the same label although other labels would be offered.
    package var assumedLabels = 0
    /// Most frequent first; unchanged ones are not among them.
    package var changes: [Change] = []
    /// By cause, most frequent first.
    package var open: [Report.Count] = []
    package var knownFalse = Flow()
    package var suspected = Flow()
    /// Calls that people found acceptable.
    package var cleared = Flow()
    /// Of the calls let in, how many agree with the frontier, and how many nothing is known of.
    package var letInAgree = 0
    package var letInUnmeasured = 0
    /// USD: what the frontier would be paid more (calls kept out) or less (calls let in), and what is no longer asked.
    package var frontierCostChange = 0.0
    package var localCostChange = 0.0
    /// Calls let in or kept out whose frontier answer came without a cost.
    package var uncosted = 0

    package var openCalls: Int { open.reduce(0) { $0 + $1.count } }
    package var letIn: Int { changes.reduce(0) { $0 + ($1.after == .accepted ? $1.count : 0) } }
    package var keptOut: Int {
      changes.reduce(0) { sum, change in
        if change.before == nil, case .stopped = change.after { return sum + change.count }
        return sum
      }
    }
    package var costChange: Double { frontierCostChange + localCostChange }
    /// Whether the policy lets in more than it keeps out of what is known, or of what is suspected, to be false.
    package var hasMoreFalse: Bool {
      knownFalse.letIn > knownFalse.keptOut || suspected.letIn > suspected.keptOut
    }
  }

  package struct Change: Sendable, Hashable {
    /// nil: accepted.
    package var before: Reason?
    package var after: Redecision
    package var count = 0
  }

  /// Of calls of one kind: those newly accepted, no longer accepted, still accepted, and those that cannot be told.
  package struct Flow: Sendable, Equatable {
    package var letIn = 0
    package var keptOut = 0
    package var stay = 0
    package var open = 0

    package var before: Int { keptOut + stay }
  }

  package var hasMoreFalse: Bool { tasks.contains(where: \.hasMoreFalse) }
}

/// Decides the calls of a log again under another policy, reading it once; some 60 bytes a call.
package struct PolicySimulation: Sendable {
  private let window: ReportWindow
  private var replay: PolicyReplay
  private let known: Set<String>
  private var line = LogLine()
  private var names = Interner(limit: 2_000)
  private var calls = CompactTable<SimulatedRow>()
  private var labels = ReviewLabels()
  private var missing: [String: Int] = [:]
  private var result = Simulation()

  /// - Parameter earlier: The policies that may have decided the calls, found by their revision.
  package init(_ policy: Policy, earlier: [Policy], window: ReportWindow = ReportWindow()) {
    self.window = window
    replay = PolicyReplay(policy, earlier: earlier)
    known = Set(earlier.map(\.revision) + [policy.revision])
  }

  /// Reads one line without its newline; what is no record is counted as damaged.
  package mutating func add(_ text: Span<UInt8>) {
    guard text.count > 0 else { return }
    guard line.read(text) else {
      result.damaged += 1
      return
    }
    let isDecision = line.isString(.kind, "decision", in: text)
    guard isDecision || Self.ofCalls.contains(line.string(.kind, in: text) ?? ""),
      let key = line.withBytes(.callID, in: text, { ContentHash($0) })
    else { return }
    if isDecision { return decision(text, key) }
    let call = calls.find(key) ?? calls.insert(SimulatedRow(key: key))
    if line.isString(.kind, "comparison", in: text) { return comparison(text, call) }
    if line.isString(.kind, "review", in: text) { return labels.add(&line, text, call: call) }
    calls[call].outcome = OutcomeResult(line.string(.result, in: text))
  }

  private static let ofCalls: Set<String> = ["comparison", "review", "outcome"]

  private mutating func decision(_ text: Span<UInt8>, _ key: ContentHash) {
    guard let ms = line.withBytes(.ts, in: text, { LogTime.parse($0) }) ?? nil, window.contains(ms) else {
      return
    }
    guard !line.isOfDrill(in: text) else { return }
    let call = calls.find(key) ?? calls.insert(SimulatedRow(key: key))
    guard !calls[call].isDecided else { return }
    calls[call].isDecided = true
    labels.decided(&line, text, call: call)
    result.firstDecision = min(result.firstDecision ?? ms, ms)
    result.lastDecision = max(result.lastDecision ?? ms, ms)
    calls[call].localCost = Float(line.double(.localCostUSD, in: text) ?? 0)
    calls[call].answeredLocally = line.isString(.route, "local", in: text)
    guard let recorded = RecordedCall(line, in: text) else {
      calls[call].task = UInt16(names.number(line.string(.taskType, in: text) ?? EvidenceFold.unknownTask))
      calls[call].after = .open(.record)
      calls[call].before = line.string(.reason, in: text).flatMap(Reason.init(rawValue:)) ?? .manualOverride
      return
    }
    if !known.contains(recorded.policyRevision) { missing[recorded.policyRevision, default: 0] += 1 }
    let decided = replay.decide(recorded)
    let task =
      decided.task ?? (recorded.reason == .unknownTask ? nil : recorded.taskType) ?? EvidenceFold.unknownTask
    calls[call].task = UInt16(names.number(task))
    calls[call].before = recorded.reason
    calls[call].wasAsked = recorded.wasAsked
    calls[call].after = decided.outcome
    calls[call].assumesLabel = decided.assumesLabel
  }

  private mutating func comparison(_ text: Span<UInt8>, _ call: Int) {
    guard calls[call].verdict == 0 else { return }
    let verdict = AgreementResult.Verdict(rawValue: line.string(.agreement, in: text) ?? "") ?? .unknown
    calls[call].verdict = EvidenceFold.code(verdict)
    calls[call].frontierCost = line.double(.frontierCostUSD, in: text).map(Float.init) ?? -1
  }

  // MARK: The result

  /// What was read so far comes to. The same log and policies give the same result.
  package func simulation() -> Simulation {
    var result = result
    let labels = labels.shared
    var tasks = names.texts.map { name in
      var task = Simulation.Task()
      task.name = name
      return task
    }
    var changes = Array(repeating: [Simulation.Change: Int](), count: tasks.count)
    var causes = Array(repeating: [Redecision.Cause: Int](), count: tasks.count)
    for (number, row) in calls.rows.enumerated() where row.isDecided {
      let task = Int(row.task)
      count(row, labels[number], into: &tasks[task])
      if case .open(let cause) = row.after {
        causes[task][cause, default: 0] += 1
      } else if row.isChanged {
        changes[task][Simulation.Change(before: row.before, after: row.after), default: 0] += 1
      }
    }
    for number in tasks.indices {
      tasks[number].changes = Self.sorted(changes[number])
      tasks[number].open = Redecision.Cause.allCases.compactMap { cause in
        causes[number][cause].map { Report.Count(name: cause.rawValue, count: $0) }
      }.sorted { ($1.count, $0.name) < ($0.count, $1.name) }
    }
    result.tasks = tasks.filter { $0.calls > 0 }.sorted { $0.name < $1.name }
    result.missingPolicies = missing.map { Report.Count(name: $0.key, count: $0.value) }
      .sorted { ($1.count, $0.name) < ($0.count, $1.name) }
    return result
  }

  private static func sorted(_ changes: [Simulation.Change: Int]) -> [Simulation.Change] {
    let all = changes.map { Simulation.Change(before: $0.key.before, after: $0.key.after, count: $0.value) }
    return all.sorted { left, right in
      (right.count, left.before?.code ?? 0, left.after.rank) < (
        left.count, right.before?.code ?? 0, right.after.rank
      )
    }
  }

  private func count(
    _ row: SimulatedRow, _ labels: [ReviewLabels.Label], into task: inout Simulation.Task
  ) {
    task.calls += 1
    let wasAccepted = row.before == nil
    let isAccepted = row.after == .accepted
    if wasAccepted { task.acceptsBefore += 1 }
    if isAccepted { task.acceptsAfter += 1 }
    var isOpen = false
    if case .open = row.after { isOpen = true }
    if wasAccepted, isOpen { task.acceptsOpen += 1 }
    if row.assumesLabel, !isOpen { task.assumedLabels += 1 }
    let standing = CallStanding(
      labels: labels, verdict: row.verdict,
      failedLocally: row.answeredLocally && row.outcome == .failure)
    let flow = { (flow: inout Simulation.Flow) in
      switch (wasAccepted, isAccepted) {
      case (_, _) where isOpen: flow.open += 1
      case (false, true): flow.letIn += 1
      case (true, false): flow.keptOut += 1
      case (true, true): flow.stay += 1
      case (false, false): break
      }
    }
    switch standing {
    case .knownFalse: flow(&task.knownFalse)
    case .suspected: flow(&task.suspected)
    case .cleared: flow(&task.cleared)
    case .agrees: if !wasAccepted, isAccepted { task.letInAgree += 1 }
    case .open: if !wasAccepted, isAccepted { task.letInUnmeasured += 1 }
    }
    cost(row, into: &task)
  }

  private func cost(_ row: SimulatedRow, into task: inout Simulation.Task) {
    if row.isNoLongerAsked { task.localCostChange -= Double(row.localCost) }
    guard case let isAccepted = row.after == .accepted, row.isChanged, isAccepted || row.before == nil else {
      return
    }
    guard row.frontierCost >= 0 else {
      task.uncosted += 1
      return
    }
    task.frontierCostChange += Double(row.frontierCost) * (isAccepted ? -1 : 1)
  }
}

extension Redecision {
  /// For an order that does not depend on hashing.
  fileprivate var rank: Int {
    switch self {
    case .accepted: 0
    case .stopped(let reason, let isCertain): 2 * reason.code + (isCertain ? 0 : 1)
    case .open: 1_000
    }
  }
}

/// What is kept of one call until its last record was read.
private struct SimulatedRow: KeyedRow {
  let key: ContentHash
  var task: UInt16 = 0
  var isDecided = false
  var wasAsked = false
  var answeredLocally = false
  var assumesLabel = false
  /// As ``CallRow/verdict``.
  var verdict: UInt8 = 0
  var outcome = OutcomeResult.none
  var before: Reason?
  var after = Redecision.accepted
  /// USD; −1: not known.
  var frontierCost: Float = -1
  var localCost: Float = 0

  init(key: ContentHash) { self.key = key }

  var isChanged: Bool {
    switch after {
    case .accepted: before != nil
    // The same reason may well be it: nothing is said to change then.
    case .stopped(let reason, _):
      before == nil || (before != reason && after != .stopped(reason, isCertain: false))
    case .open: false
    }
  }

  /// A check that needs no model would stop it now.
  var isNoLongerAsked: Bool {
    guard wasAsked, case .stopped(let reason, _) = after else { return false }
    switch reason {
    case .unknownTask, .policyRequiresFrontier, .riskSignal, .inputTooLarge: return true
    default: return false
    }
  }
}
