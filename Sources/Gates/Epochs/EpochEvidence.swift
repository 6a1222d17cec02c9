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
  /// Some would-accepts were only counted: labels of those are not known, nor their part in the drift.
  package var isPartial = false
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

  /// What `eval` found of these models, of each eval set the newest.
  package var evaluations: [EvalResult] = []

  /// k and n at the end of each day on which one of them changed, oldest first: the looks of the anytime bound.
  package var looks: [Look] = []

  package struct Model: Sendable, Equatable {
    package var id: String
    package var name: String?
    package var digest: String?
    package var prompt: String?
    /// Of its confidence's correction; nil where there is none.
    package var calibration: String?
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
  /// - Parameter accepts: nil: the policy did not tighten since the epoch began.
  init(
    _ epoch: Epoch, _ reviews: EpochReviews, at now: Int64, _ rules: EpochRules, _ accepts: Acceptance?
  ) {
    self.init()
    id = epoch.id
    start = epoch.start
    firstDrawn = epoch.firstDrawn
    end = epoch.end(windowDays: rules.windowDays)
    revision = epoch.revision
    models = epoch.models.sorted { $0.key < $1.key }.map {
      Model(
        id: $0.key, name: $0.value.name, digest: $0.value.digest, prompt: $0.value.prompt,
        calibration: $0.value.confidence?.calibration)
    }
    asked = epoch.asked
    invalid = epoch.invalid
    let sample = epoch.items.drawn.map { epoch.items[$0] }.filter { accepts?.holds($0) ?? true }
    // Few beside the would-accepts: each is looked up.
    let reviewed = reviews.labels.compactMap { call, labels in
      epoch.items.number(ofCall: call).map { (item: epoch.items[$0], labels: labels) }
    }.filter { accepts?.holds($0.item) ?? true }
    for (item, labels) in reviewed {
      if labels.isSevere(owner: rules.owner) { severe += 1 }
      if labels.isMissedStop { missedStops += 1 }
      if !item.isDrawn, labels.counting?.label == .escalate { huntFalse += 1 }
    }
    let verdicts = InputVerdicts(reviewed)
    count(sample, verdicts, at: now, rules)
    weeks = Set(sample.map { ISOWeek(containing: $0.ts) }).count
    looks = Self.looks(sample, verdicts)
    isPartial = epoch.omitted > 0
    wouldAccepts = epoch.omitted
  }

  /// What takes a look at every would-accept.
  mutating func count(_ items: EpochItems, _ accepts: Acceptance?) {
    items.visit { item in
      guard accepts?.holds(item) ?? true else { return }
      wouldAccepts += 1
      if item.label != EpochItem.noLabel { hasLabels = true }
    }
    drift = EpochDrift(items, accepts).drift
  }

  private mutating func count(
    _ sample: [EpochItem], _ verdicts: InputVerdicts, at now: Int64, _ rules: EpochRules
  ) {
    drawn = sample.count
    for item in sample {
      let isDue = item.ts + Int64(rules.deadlineDays) * LogTime.dayMs <= now
      if isDue { due += 1 }
      guard let verdict = verdicts[item] else { continue }
      if verdict.label == .accept { accepted += 1 } else { falseLabelled += 1 }
      if isDue { dueLabelled += 1 }
    }
  }

  private static func looks(_ sample: [EpochItem], _ verdicts: InputVerdicts) -> [Look] {
    var days: [Int64: (drawn: Int, accepted: Int)] = [:]
    for item in sample {
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
    var label: ReviewLabel
    /// When the first of its labels was given.
    var ts: Int64
  }

  private var verdicts: [UInt64: Verdict] = [:]

  init(_ reviewed: [(item: EpochItem, labels: CallLabels)]) {
    for (item, labels) in reviewed {
      for entry in labels.entries {
        let known = verdicts[item.input] ?? Verdict(label: entry.label, ts: entry.at)
        let worst = entry.label.weight > known.label.weight ? entry.label : known.label
        verdicts[item.input] = Verdict(label: worst, ts: min(known.ts, entry.at))
      }
    }
  }

  subscript(item: EpochItem) -> Verdict? { verdicts[item.input] }
}
