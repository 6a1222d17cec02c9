internal import LogReading
internal import RouterCore

/// What an epoch has come to, as a gate needs it. Counts are of would-accepts that the policy in force still accepts.
package struct EpochEvidence: Sendable {
  package var id = ""
  /// Milliseconds since 1970: the first call, the first drawn item, and when the window closes.
  package var start: Int64 = 0
  package var firstDrawn: Int64?
  package var end: Int64?
  package var revision = ""
  package var models: [Model] = []

  package var wouldAccepts = 0
  package var drawn = 0
  /// Of the drawn: labelled `accept`; labelled `escalate` or `unsure`. The rest has no label yet.
  package var accepted = 0
  package var falseLabelled = 0
  /// Of the drawn: those past the deadline of review, and the labelled ones among them.
  package var due = 0
  package var dueLabelled = 0
  /// Labelled `escalate` outside of the certificate stream.
  package var huntFalse = 0
  /// Of severity 2 or 3, confirmed by two people or the task's owner.
  package var severe = 0
  package var missedStops = 0

  /// Calls that the candidate answered, and those whose answer had not the shape asked for.
  package var asked = 0
  package var invalid = 0
  package var hasLabels = false
  /// ISO weeks in which an item was drawn.
  package var weeks = 0
  package var drift: Drift?

  /// k and n at the end of each day on which one of them changed, oldest first: the looks of the anytime bound.
  package var looks: [Look] = []

  package struct Model: Sendable, Equatable {
    package var id: String
    package var name: String?
    package var digest: String?
  }

  package struct Look: Sendable, Equatable {
    package var falseOrUnlabelled: Int
    package var drawn: Int
  }

  /// Would-accepts of the newest weeks against those of the first.
  package struct Drift: Sendable, Equatable {
    package var confidence: Double
    package var labels: Double?
    package var worst: Double { max(confidence, labels ?? 0) }
  }

  package var unlabelled: Int { drawn - accepted - falseLabelled }
  /// k of the gate: until its label arrives an item counts as false.
  package var falseOrUnlabelled: Int { drawn - accepted }

  package init() {}
}

extension EpochEvidence {
  init(_ epoch: Epoch, _ reviews: EpochReviews, at now: Int64, _ rules: EpochRules) {
    self.init()
    id = epoch.id
    start = epoch.start
    firstDrawn = epoch.firstDrawn
    end = epoch.end(windowDays: rules.windowDays)
    revision = epoch.revision
    models = epoch.models.sorted { $0.key < $1.key }.map {
      Model(id: $0.key, name: $0.value.name, digest: $0.value.digest)
    }
    asked = epoch.asked
    invalid = epoch.invalid
    let items = epoch.items
    wouldAccepts = items.count
    hasLabels = items.contains { $0.label >= 0 }
    let entries = items.map { reviews[$0.call] }
    let verdicts = InputVerdicts(items, entries)
    count(items, entries, verdicts, at: now, rules)
    weeks = Set(items.filter(\.isDrawn).map { ISOWeek(containing: $0.ts) }).count
    looks = Self.looks(items, verdicts)
    drift = EpochDrift(items).drift
  }

  private mutating func count(
    _ items: [EpochItem], _ entries: [[EpochReviews.Entry]], _ verdicts: InputVerdicts, at now: Int64,
    _ rules: EpochRules
  ) {
    for (item, entries) in zip(items, entries) {
      let verdict = verdicts[item]
      let escalated = entries.filter { $0.label == .escalate }
      let confirmed = Set(escalated.filter { $0.severity >= 2 }.map(\.reviewer))
      if confirmed.count >= 2 || (rules.owner.map(confirmed.contains) ?? false) { severe += 1 }
      if escalated.contains(where: \.isMissedStop) { missedStops += 1 }
      guard item.isDrawn else {
        if !escalated.isEmpty { huntFalse += 1 }
        continue
      }
      drawn += 1
      let isDue = item.ts + Int64(rules.deadlineDays) * LogTime.dayMs <= now
      if isDue { due += 1 }
      guard let verdict else { continue }
      if verdict.label == .accept { accepted += 1 } else { falseLabelled += 1 }
      if isDue { dueLabelled += 1 }
    }
  }

  private static func looks(_ items: [EpochItem], _ verdicts: InputVerdicts) -> [Look] {
    var days: [Int64: (drawn: Int, accepted: Int)] = [:]
    for item in items where item.isDrawn {
      days[item.ts / LogTime.dayMs, default: (0, 0)].drawn += 1
      guard let verdict = verdicts[item], verdict.label == .accept else { continue }
      days[max(item.ts, verdict.ts) / LogTime.dayMs, default: (0, 0)].accepted += 1
    }
    var drawn = 0
    var accepted = 0
    return days.sorted { $0.key < $1.key }.map { _, change in
      drawn += change.drawn
      accepted += change.accepted
      return Look(falseOrUnlabelled: drawn - accepted, drawn: drawn)
    }
  }
}

/// What people said of each input: calls with one input hash are reviewed once, and the worst label counts for all.
private struct InputVerdicts {
  struct Verdict {
    var label: EpochReviews.Label
    /// When the first of its labels was given.
    var ts: Int64
  }

  private var verdicts: [ContentHash: Verdict] = [:]

  init(_ items: [EpochItem], _ entries: [[EpochReviews.Entry]]) {
    for (item, entries) in zip(items, entries) {
      for entry in entries {
        let key = item.input ?? item.call
        let known = verdicts[key] ?? Verdict(label: entry.label, ts: entry.ts)
        verdicts[key] = Verdict(label: max(known.label, entry.label), ts: min(known.ts, entry.ts))
      }
    }
  }

  subscript(item: EpochItem) -> Verdict? { verdicts[item.input ?? item.call] }
}
