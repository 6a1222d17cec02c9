package import RouterCore
import Statistics

/// Whether a task may be promoted, from the evidence of its epoch.
///
/// Pure: the same evidence gives the same answer. Only ``Outcome/pass`` promotes.
package struct Gate: Sendable {
  package enum Outcome: String, Sendable, CaseIterable {
    case pass, fail, inconclusive
    case insufficientData = "insufficient_data"
    case error
  }

  /// The file that a task names as its `eval_set`, as it is now.
  package enum EvalSet: Sendable, Equatable {
    case none
    /// Why.
    case unreadable(String)
    case file(sha256: String)
  }

  /// What is known besides the epoch.
  package struct Surroundings: Sendable {
    /// Milliseconds since 1970.
    package var now: Int64
    package var policy: GatePolicy
    package var evalSet = EvalSet.none
    package var planted = 0
    package var caught = 0
    /// Frames received since the epoch began, and lost ones.
    package var received = 0
    package var lost = 0
    package var lastDrill: Int64?
    /// Earlier `gate` records of the task.
    package var asks: [GateAsk] = []

    package init(now: Int64, policy: GatePolicy) {
      self.now = now
      self.policy = policy
    }
  }

  package let subject: EvidenceSubject
  package let epoch: EpochEvidence?
  package var outcome: Outcome
  /// Which epoch of the task this is in which promotion is asked for, from 1.
  package let attempt: Int
  /// α_j of that epoch.
  package let alpha: Double
  /// Reviews that this α needs where none is false.
  package let needed: Int
  /// How many more, counted from those labelled now; nil: no number is enough.
  package let missingReviews: Int?
  /// The anytime upper bound of the rate of false accepts, divided by the reviewers' catch rate.
  package let upperBound: Double
  /// Lower bound of the reviewers' catch rate; 1 where nothing was planted.
  package let catchRate: Double
  package let conditions: [GateCondition]
  /// What stands before all conditions; nil: nothing does.
  package var problem: String?
  package let maxFalseAcceptRate: Double

  package init(_ subject: EvidenceSubject, _ epoch: EpochEvidence?, _ around: Surroundings) {
    self.subject = subject
    self.epoch = epoch
    let rules = around.policy
    maxFalseAcceptRate = rules.maxFalseAcceptRate
    attempt = Self.attempt(subject, epoch?.id, around.asks)
    alpha = AlphaSpending.alpha(attempt: attempt, of: rules.alpha)
    catchRate =
      around.planted == 0
      ? 1 : RateBounds.lower(around.caught, of: around.planted, alpha: AlphaSpending.onCatchRate)
    let limit = rules.maxFalseAcceptRate * catchRate
    needed = SequentialEvidence.needed(limit: limit, alpha: alpha)
    let evidence = epoch ?? EpochEvidence()
    let enough = SequentialEvidence.needed(false: evidence.falseLabelled, limit: limit, alpha: alpha)
    missingReviews =
      enough == .max ? nil : max(0, max(enough, evidence.drawn) - evidence.accepted - evidence.falseLabelled)
    upperBound = Self.bound(evidence, alpha, catchRate)
    conditions =
      GateConditions(
        evidence, around, catchRate: catchRate, alpha: alpha, missing: missingReviews
      ).all
    outcome = Self.outcome(conditions)
  }

  /// ``upperBound`` at another alpha.
  package func upperBound(alpha: Double) -> Double { Self.bound(epoch ?? EpochEvidence(), alpha, catchRate) }

  private static func bound(_ evidence: EpochEvidence, _ alpha: Double, _ catchRate: Double) -> Double {
    var bound = AnytimeBound(alpha: alpha)
    for look in evidence.looks { bound.look(look.falseOrUnlabelled, of: look.drawn) }
    return catchRate > 0 ? min(1, bound.upper / catchRate) : 1
  }

  /// An answer that no evidence can change.
  package static func refused(
    _ subject: EvidenceSubject, _ outcome: Outcome, _ problem: String, _ around: Surroundings
  ) -> Gate {
    var gate = Gate(subject, nil, around)
    gate.outcome = outcome
    gate.problem = problem
    return gate
  }

  /// An epoch that was asked about keeps its number; another one gets the next. Candidate and challenger share what may
  /// be spent on their task.
  private static func attempt(_ subject: EvidenceSubject, _ id: String?, _ asks: [GateAsk]) -> Int {
    if let known = asks.first(where: { $0.epoch == id && $0.isChallenger == subject.isChallenger }) {
      return max(1, known.attempt)
    }
    return (asks.map(\.attempt).max() ?? 0) + 1
  }

  private static func outcome(_ conditions: [GateCondition]) -> Outcome {
    let unmet = conditions.filter { $0.state == .unmet }.map(\.weight)
    if unmet.isEmpty { return .pass }
    if unmet.contains(.against) { return .fail }
    return unmet.contains(.waits) ? .insufficientData : .inconclusive
  }
}
