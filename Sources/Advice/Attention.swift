package import LogReading
package import RouterCore
import Wire

/// What somebody has to look at, for a hook that sends the report: `report --check`.
package struct Attention: Sendable, Equatable {
  package struct Overdue: Sendable, Equatable {
    package let task: String
    /// Would-accepts suspected or known to be false that nobody has labelled within the deadline.
    package let count: Int
    package let deadlineDays: Int
  }

  /// By name of the task.
  package var overdue: [Overdue] = []
  /// Tasks that a `flag` record of the window sent back to shadow, in the order of the log.
  package var demoted: [String] = []

  package var isNeeded: Bool { !overdue.isEmpty || !demoted.isEmpty }
}

/// Reads a log once for ``Attention``. Overdue items count whatever the report's window, up to a task's `window_days` back:
/// older evidence counts nowhere any more.
package struct AttentionFold: Sendable {
  private let window: ReportWindow
  private let policy: Policy?
  private let now: Int64
  private var line = LogLine()
  private var tasks = Interner(limit: 2_000)
  private var calls = CompactTable<AttentionRow>()
  private var labels = ReviewLabels()
  private var demoted: [String] = []

  /// - Parameters:
  ///   - window: In which a task must have been demoted.
  ///   - now: Milliseconds since 1970; deadlines end by it.
  package init(window: ReportWindow, policy: Policy?, now: Int64) {
    self.window = window
    self.policy = policy
    self.now = now
  }

  package mutating func add(_ text: Span<UInt8>) {
    guard text.count > 0, line.read(text) else { return }
    if line.isString(.kind, "flag", in: text) { return flag(text) }
    guard let key = line.hash(.callID, in: text) else { return }
    if line.isString(.kind, "decision", in: text) { return decision(text, key) }
    // Of anything but would-accepts nothing is kept.
    guard let call = calls.find(key) else { return }
    switch line.string(.kind, in: text) {
    case "comparison": calls[call].differs = line.isString(.agreement, "disagree", in: text)
    case "review": labels.add(&line, text, call: call)
    case "outcome": calls[call].failed = line.isString(.result, "failure", in: text)
    default: break
    }
  }

  private mutating func flag(_ text: Span<UInt8>) {
    guard let task = line.string(.task, in: text), line.isString(.new, "shadow", in: text),
      !line.isString(.old, "shadow", in: text),
      let ms = line.time(in: text), window.contains(ms)
    else { return }
    if !demoted.contains(task) { demoted.append(task) }
  }

  private mutating func decision(_ text: Span<UInt8>, _ key: ContentHash) {
    guard line.isString(.routeCandidate, "local", in: text), calls.find(key) == nil,
      let ms = line.time(in: text),
      let task = line.number(.taskType, in: text, &tasks)
    else { return }
    var row = AttentionRow(key: key, at: ms, task: UInt16(clamping: task))
    row.answeredLocally = line.isString(.route, "local", in: text)
    _ = calls.insert(row)
  }

  package func attention() -> Attention {
    var counts: [Int: Int] = [:]
    for (number, row) in calls.rows.enumerated() {
      guard row.differs || (row.answeredLocally && row.failed), labels[number].isEmpty else { continue }
      let gate = gate(Int(row.task))
      let age = now - row.at
      guard age > Int64(gate.reviewDeadlineDays) * LogTime.dayMs,
        age <= Int64(gate.windowDays) * LogTime.dayMs
      else { continue }
      counts[Int(row.task), default: 0] += 1
    }
    var attention = Attention()
    attention.overdue = counts.map { task, count in
      Attention.Overdue(task: tasks[task], count: count, deadlineDays: gate(task).reviewDeadlineDays)
    }.sorted { $0.task < $1.task }
    attention.demoted = demoted
    return attention
  }

  private func gate(_ task: Int) -> GatePolicy { policy?.task(tasks[task])?.gate ?? GatePolicy() }
}

private struct AttentionRow: KeyedRow {
  let key: ContentHash
  let at: Int64
  let task: UInt16
  var differs = false
  var failed = false
  var answeredLocally = false

  init(key: ContentHash, at: Int64, task: UInt16) {
    self.key = key
    self.at = at
    self.task = task
  }
}
