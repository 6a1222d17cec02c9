/// How one task type is served: what its entry in the flags file says.
///
/// A value: every change makes a new one, which is written before it holds (a demotion holds at once).
package struct Flag: Sendable, Equatable {
  /// Why a task that was served is so no longer.
  package enum Off: String, Sendable {
    /// Sent back by a person or by an alarm.
    case demoted
    /// Its receipt ended: policy, prompt, candidate, digest or time.
    case stale
  }

  package var task: String
  /// Of the eligible calls outside ``userGroups``: one of ``Stages/percents``, or 0.
  package var percent = 0
  /// Callers of these groups are always in.
  package var userGroups: [String] = []
  /// Candidate and challenger have changed places.
  package var isRotated = false
  package var off: Off?
  /// Under which it serves; nil: it does not.
  package var grant: Grant?
  /// That of the model which a rotation put in the other's place: the way back.
  package var previous: Grant?
  /// Since when answers are given under ``grant``; milliseconds since 1970.
  package var since: Int64 = 0

  package init(_ task: String) { self.task = task }

  package var isServing: Bool { off == nil && grant != nil && (percent > 0 || !userGroups.isEmpty) }

  package var stage: Stage { !isServing ? .shadow : percent >= 100 ? .live : .canary }

  /// What `old` and `new` of a `flag` record say: `shadow`, or such as `10%, groups beta`.
  package var words: String {
    guard isServing else { return Stage.shadow.rawValue }
    let groups = userGroups.isEmpty ? "" : ", groups \(userGroups.joined(separator: " "))"
    return
      "\(percent)%\(groups)\(isRotated ? ", rotated" : "")\(grant?.isOverride == true ? ", OVERRIDE" : "")"
  }

  /// The same task in shadow. A rotation outlives it: it says which model is watched.
  package func turnedOff(_ why: Off) -> Flag {
    var flag = self
    (flag.off, flag.percent, flag.userGroups, flag.grant, flag.previous) = (why, 0, [], nil, nil)
    return flag
  }
}

/// The shares of a rollout and the order in which they may follow each other.
package enum Stages {
  package static let percents = [1, 10, 50, 100]

  /// The step above a share; nil: there is none.
  package static func next(after percent: Int) -> Int? { percents.first { $0 > percent } }

  /// Why a task may not go from one share to another; nil: it may. The way down is always open.
  package static func refusal(_ task: String, from old: Int, to new: Int) -> String? {
    guard new == 0 || percents.contains(new) else { return "the stages are 1, 10, 50 and 100 %, not \(new)" }
    guard let next = next(after: old), new > next else { return nil }
    return
      "from \(old) % the next stage is \(next) %, not \(new): shadow-router promote \(task) --percent \(next)"
  }
}

/// A model as its evidence knew it.
package struct ServedModel: Sendable, Equatable {
  package var id: String
  package var name: String?
  package var digest: String?
  /// Of what it is asked; nil for a built-in model.
  package var prompt: String?
  /// Corrections of its confidence.
  package var calibrations: [String]

  package init(
    id: String, name: String?, digest: String?, prompt: String? = nil, calibrations: [String] = []
  ) {
    self.id = id
    self.name = name
    self.digest = digest
    self.prompt = prompt
    self.calibrations = calibrations
  }
}

/// What a receipt in the log allows, as the flags file repeats it: which models may answer, until when.
package struct Grant: Sendable, Equatable {
  /// The `id` of the receipt's record.
  package var receipt: String
  /// For a drill: no gate passed.
  package var isOverride: Bool
  /// Of the evidence; nil for an override.
  package var epoch: String?
  package var approver: String
  /// As the receipt's record says it.
  package let issuedRevision: String
  /// Moved on by policies that only tightened.
  package var taskRevision: String
  package var models: [ServedModel]
  /// How often the frontier disagreed in shadow.
  package var baseline: Disagreement
  /// Of the policy under which it was issued.
  package var safeguards: Safeguards
  /// Milliseconds since 1970.
  package var issuedAt: Int64
  package var expiresAt: Int64

  /// - Parameter issuedRevision: nil: the present one.
  package init(
    receipt: String, isOverride: Bool, epoch: String?, approver: String, taskRevision: String,
    issuedRevision: String? = nil, models: [ServedModel], baseline: Disagreement,
    safeguards: Safeguards, issuedAt: Int64, expiresAt: Int64
  ) {
    self.receipt = receipt
    self.epoch = epoch
    self.isOverride = isOverride
    self.approver = approver
    self.taskRevision = taskRevision
    self.issuedRevision = issuedRevision ?? taskRevision
    self.models = models
    self.baseline = baseline
    self.safeguards = safeguards
    self.issuedAt = issuedAt
    self.expiresAt = expiresAt
  }

  /// How long an override serves, in milliseconds.
  package static let overrideMs: Int64 = 24 * 3_600_000

  /// How far a receipt may lie in the future, in milliseconds: what two clocks differ by, and a correction of one.
  package static let skewMs: Int64 = 5 * 60_000

  package enum Fit: Sendable, Equatable {
    case fits
    /// Cannot be told yet: a server has not said which model it has. Nothing is served, nothing ends.
    case unknown(String)
    case differs(String)
  }

  /// Whether it covers what would answer now, and how that is watched.
  package func fit(
    taskRevision: String?, safeguards: Safeguards, models now: [ServedModel], at ms: Int64
  ) -> Fit {
    if ms >= expiresAt { return .differs("the receipt has expired") }
    guard taskRevision == self.taskRevision else { return .differs("the policy of the task is another one") }
    if let why = self.safeguards.loosened(by: safeguards) { return .differs(why) }
    guard now.map(\.id) == models.map(\.id) else { return .differs("other models are asked") }
    var unknown: String?
    // A clock that was set back would lengthen it. Nothing ends: the clock may be put right.
    if issuedAt - ms > Self.skewMs { unknown = "the clock was set back: the receipt is from the future" }
    for (own, other) in zip(models, now) {
      if own.name != other.name { return .differs("model \(own.id) is another one") }
      if own.prompt != other.prompt { return .differs("model \(own.id) is asked something else") }
      guard own.digest == nil || other.digest != nil else {
        unknown = unknown ?? "the digest of model \(own.id) is not known"
        continue
      }
      if own.digest != other.digest { return .differs("the digest of model \(own.id) is another one") }
      if own.calibrations != other.calibrations {
        return .differs("the confidence of model \(own.id) is corrected otherwise")
      }
    }
    return unknown.map { .unknown($0) } ?? .fits
  }
}

/// How many answers could be compared with the frontier's, and how many differed.
package struct Disagreement: Sendable, Equatable {
  package var compared: Int
  package var disagreed: Int

  package init(compared: Int = 0, disagreed: Int = 0) {
    self.compared = compared
    self.disagreed = disagreed
  }

  package mutating func saw(disagrees: Bool) {
    compared += 1
    if disagrees { disagreed += 1 }
  }
}
