import LogReading
import RouterCore
import Wire

/// Sums over one task's calls while it was served live.
struct LiveTally: Sendable {
  /// Decided in the stages `canary` and `live`.
  var calls = 0
  /// The agent was told to take the candidate's answer; of these, those that it was asked to put to the frontier too.
  var local = 0
  var audited = 0
  /// Eligible, and kept on the frontier for comparison.
  var control = 0
  /// USD: of running the candidate meanwhile, and of the frontier's answers to calls that were answered locally.
  var localCost = 0.0
  var auditCost = 0.0
  /// Milliseconds since 1970.
  var first: Int64?
  var last: Int64?
}

extension CallRow {
  /// A would-accept whose frontier answer live routing would have spared: not one that was answered locally as well.
  var isSpared: Bool {
    isWouldAccept && !flags.contains(.answeredLocally) && !flags.contains(.control)
  }
}

extension EvidenceFold {
  /// What a decision says beyond shadow, and which label it would have given.
  mutating func live(_ text: Span<UInt8>, _ task: Int, _ row: CallRow) {
    if row.isWouldAccept, let label = line.number(.label, in: text, &words) {
      tallies[task].acceptedLabels.add(label)
    }
    guard line.isString(.stage, "canary", in: text) || line.isString(.stage, "live", in: text) else { return }
    let ms = line.time(in: text)
    tallies[task].live.calls += 1
    tallies[task].live.first = tallies[task].live.first ?? ms
    tallies[task].live.last = ms ?? tallies[task].live.last
    tallies[task].live.localCost += line.double(.localCostUSD, in: text) ?? 0
    if row.flags.contains(.control) { tallies[task].live.control += 1 }
    guard row.flags.contains(.answeredLocally) else { return }
    tallies[task].live.local += 1
    if line.bool(.audit, in: text) == true { tallies[task].live.audited += 1 }
  }

  /// What is served of a task since its newest `flag` record.
  mutating func rollout(_ text: Span<UInt8>) {
    guard line.isString(.kind, "flag", in: text), let task = line.string(.task, in: text),
      let new = line.string(.new, in: text), rollouts[task] != nil || rollouts.count < 1_000
    else { return }
    let stage = line.string(.stage, in: text) ?? (new == "shadow" || new == "live" ? new : "canary")
    rollouts[task] = Report.Rollout.Stage(rawValue: stage).map {
      Report.Rollout(stage: $0, extent: new == stage ? nil : new, since: line.string(.ts, in: text) ?? "")
    }
  }

  /// Local answers whose frontier answer was spared, by task.
  func sparedLive() -> [Int] {
    var counts = [Int](repeating: 0, count: tallies.count)
    for row in calls.rows where row.flags.contains(.answeredLocally) && row.verdict == 0 {
      counts[row.task] += 1
    }
    return counts
  }

  /// USD that one spared answer of the frontier would have cost: the mean of the task's would-accepts that have a cost.
  func meanCost(_ task: Int) -> Double {
    let tally = tallies[task]
    return tally.costedAccepts > 0 ? tally.costOfAccepts / Double(tally.costedAccepts) : 0
  }
}
