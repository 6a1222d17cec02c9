import LogReading
package import RouterCore

/// What judging one subject needs besides the log: what the policy in force says of it.
package struct GateTerms: Sendable {
  package var subject: EvidenceSubject
  package var gate: GatePolicy
  package var owner: String?
  package var mayBeLocal: Bool
  package var evalSet: Gate.EvalSet
  /// nil: no policy is known, and evidence counts whatever it is about.
  package var inForce: InForce?
  /// First 16 hex digits of the SHA-256 of the ids of calls that a correction was fitted on.
  package var usedCases: Set<String> = []
  /// What the running router has received and lost since it started; nil: none runs.
  package var balance: (received: Int, lost: Int)?

  /// Revisions that evidence has to be about.
  package struct InForce: Sendable {
    /// The `task_revision`; nil where the policy has no such subject.
    package var task: String?
    package var policy: String

    package init(task: String?, policy: String) {
      self.task = task
      self.policy = policy
    }
  }

  /// - Parameter policy: nil: the contract's defaults hold.
  package init(_ subject: EvidenceSubject, _ policy: TaskPolicy? = nil, inForce: InForce? = nil) {
    self.subject = subject
    self.inForce = inForce
    gate = policy?.gate ?? GatePolicy()
    owner = policy?.owner
    mayBeLocal = policy?.mayBeLocal ?? true
    evalSet = policy?.evalSet.map { _ in .unreadable("it was not looked for") } ?? .none
  }

  package var rules: EpochRules {
    var rules = EpochRules(gate, owner: owner)
    rules.usedCases = usedCases
    return rules
  }

  /// What a log that was read to its end comes to.
  ///
  /// - Parameters:
  ///   - health: Of the same log.
  ///   - catches: Planted items over all tasks, and how many of them reviewers caught.
  ///   - now: Milliseconds since 1970; nil: the time of the log's last record.
  package func judge(
    _ fold: EpochFold, _ health: LogHealth, catches: (planted: Int, caught: Int), at now: Int64? = nil
  ) -> Gate {
    var around = Gate.Surroundings(now: now ?? health.last, policy: gate)
    guard mayBeLocal else {
      return .refused(subject, .fail, "the policy keeps this task with the frontier", around)
    }
    var epoch = fold.evidence(at: around.now)
    let stale = epoch.flatMap { staleness($0.revision) }
    if stale != nil { epoch = nil }
    around.evalSet = evalSet
    (around.planted, around.caught) = catches
    around.asks = fold.asks
    around.lastDrill = health.lastDrill
    let start = epoch?.start ?? around.now
    let ended = health.losses(since: start)
    around.received = ended.received + (balance?.received ?? 0)
    around.lost = ended.lost + (balance?.lost ?? 0)
    if let problem = health.problem(since: start) { return .refused(subject, .error, problem, around) }
    var gate = Gate(subject, epoch, around)
    gate.problem = stale
    return gate
  }

  /// The upper bound of the rate of false accepts, as the gate would say it; nil where no epoch is in force.
  package func upperBound(_ fold: EpochFold, at now: Int64? = nil) -> Double? {
    let now = now ?? fold.health.last
    guard mayBeLocal, let epoch = fold.sample(at: now), staleness(epoch.revision) == nil else { return nil }
    var around = Gate.Surroundings(now: now, policy: gate)
    (around.planted, around.caught) = fold.catches
    around.asks = fold.asks
    return Gate(subject, epoch, around).upperBound
  }

  /// Evidence about another policy than the one in force is none: no call has come under this one yet.
  private func staleness(_ revision: String) -> String? {
    guard let inForce else { return nil }
    // Records of earlier versions name the whole policy; only a running router knows that it is another one now.
    let isOld = revision.hasPrefix("policy ")
    let isSame =
      isOld ? balance == nil || revision == EpochCall.wholePolicy(inForce.policy) : revision == inForce.task
    return isSame ? nil : "the evidence in the log is about an earlier policy of this task"
  }
}
