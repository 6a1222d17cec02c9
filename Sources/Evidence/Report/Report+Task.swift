import Statistics

extension Report {
  package struct Task: Sendable, Equatable {
    package var name = ""
    package var owner: String?
    /// Whether the policy lets the candidate answer; nil where no policy was given or it does not know the task.
    package var isLocal: Bool?
    package var minConfidence: Double?
    package var models: [Model] = []
    package var confidenceSources: [ConfidenceSource] = []
    package var tokens = Tokens()
    /// In the order in which they were first asked.
    package var challenges: [Challenge] = []

    package var calls = 0
    package var wouldAccepts = 0
    package var agree = 0
    package var disagree = 0
    package var unknown = 0
    package var notCompared = 0
    /// Of ``notCompared``: the agent was given the local answer, and none of the frontier's came.
    package var servedAlone = 0
    /// The first, named `accepted`, then reasons in the order of the checks; those that did not occur are left out.
    package var reasons: [Count] = []
    /// `reason: detail`.
    package var reasonDetails: [Count] = []
    package var unknownCauses: [Count] = []
    package var disagreementKinds: [Count] = []
    /// Candidate's label and frontier's label of disagreements, most frequent first.
    package var confusions: [Confusion] = []
    package var reviews = Reviews()

    /// Calls on which the candidate gave an answer; of these, those that were not what was asked for.
    package var answered = 0
    package var invalid = 0
    package var localLatency: Latency?
    package var frontierLatency: Latency?
    /// Of calls that stay with the frontier, from the call to the frontier's answer.
    package var fallbackLatency: Latency?
    package var cost = Cost()
    /// Comparisons, and those that say what the frontier cost.
    package var answersSeen = 0
    package var answersCosted = 0
    package var successes = 0
    package var failures = 0
    /// The policy's stated upkeep for the time between the first and last decision.
    package var upkeep = 0.0
    package var saving = Saving()
    /// Calls decided in the stages `canary` and `live`.
    package var liveCalls = 0
    /// nil: nothing is served locally, as far as the log's flags say.
    package var rollout: Rollout?

    package var confidence = ConfidenceReport()
    package var readiness = Readiness()
    package var looks = Looks.tooLittleTraffic
    package var pace: Pace?

    package var comparable: Int { agree + disagree }
    package var notComparable: Int { unknown + notCompared }
    package var acceptanceRate: Double? { calls > 0 ? Double(wouldAccepts) / Double(calls) : nil }
    package var escalationRate: Double? { acceptanceRate.map { 1 - $0 } }
    /// Served while its gate, asked now, would not pass.
    package var isLiveWithoutGate: Bool { rollout != nil && readiness.answer != .yes }
    package var disagreementRate: Double? { comparable > 0 ? Double(disagree) / Double(comparable) : nil }
    /// Exact one-sided bounds at 95 %, each for itself.
    package var disagreementUpper: Double { RateBounds.upper(disagree, of: comparable) }
    package var disagreementLower: Double { RateBounds.lower(disagree, of: comparable) }
    /// Of would-accepts whose frontier's answer was asked for.
    package var unknownShare: Double? {
      let asked = wouldAccepts - servedAlone
      return asked > 0 ? Double(notComparable - servedAlone) / Double(asked) : nil
    }
    package var validity: Double? { answered > 0 ? 1 - Double(invalid) / Double(answered) : nil }
    /// Of calls with a known good end, with would-accepts answered locally; nil where no call is known to have ended well.
    package var costPerSuccess: Double? {
      successes > 0 ? (cost.withRouter + upkeep) / Double(successes) : nil
    }
    package var frontierOnlyCostPerSuccess: Double? {
      successes > 0 ? cost.frontierOnly / Double(successes) : nil
    }
  }

  package struct Model: Sendable, Equatable {
    package var name: String
    package var digest: String?
    package var calls: Int
  }

  package struct ConfidenceSource: Sendable, Equatable {
    package var name: String
    /// Of the correction that was in force; nil: none.
    package var calibration: String?
    package var calls: Int
  }

  package struct Confusion: Sendable, Equatable {
    package var candidate: String
    package var frontier: String
    package var count: Int
  }

  /// Whether the candidate's confidence tells good answers from bad ones.
  package struct ConfidenceReport: Sendable, Equatable {
    /// Twenty bins of 0.05; the last holds 1.0 as well. Would-accepts only.
    package var bins: [Bin] = []
    /// What each threshold would have let through, among calls that only their confidence decides.
    package var thresholds: [Threshold] = []
    /// The chance that an answer which agrees is more confident than one that does not (0.5: worth nothing); nil
    /// below ten of either.
    package var auc: Double?

    package struct Bin: Sendable, Equatable {
      package var from: Double
      package var to: Double
      package var agree: Int
      package var disagree: Int
      package var unknown: Int
    }
    package struct Threshold: Sendable, Equatable {
      package var minConfidence: Double
      package var accepted: Int
      package var agree: Int
      package var disagree: Int
      package var disagreementUpper: Double { RateBounds.upper(disagree, of: agree + disagree) }
    }
  }

  package struct Readiness: Sendable, Equatable {
    package enum Answer: String, Sendable {
      case yes, no
      case cannotTell = "cannot_tell"
    }
    package var answer = Answer.cannotTell
    /// The outcome in the words of the gate, or why there is none: a short code.
    package var code = "insufficient_data"
    /// The first condition that is not met, as a clause, and its name where it is one of the gate's.
    package var unmet = ""
    package var condition: String?
    package var next = ""
    /// What to type; nil where there is nothing to do.
    package var command: String?

    package init() {}
  }

  /// What it looks like before anybody has labelled anything. No gate listens to it.
  package enum Looks: String, CaseIterable, Sendable {
    case frontierOnly = "frontier_only"
    case nothingAccepted = "nothing_accepted"
    case notMeasurable = "not_measurable"
    case tooLittleTraffic = "too_little_traffic"
    case bad = "looks_bad"
    case unclear
    case readyForReview = "looks_ready_for_review"
  }

  /// Whether the gate can be passed before the epoch's window closes, as traffic and reviews go now.
  package struct Pace: Sendable, Equatable {
    /// Labelled draws that pass with no further false accept among them, over the whole epoch.
    package var needed: Int
    package var labelled: Int
    /// Draws, and labels, to be expected by the end of the window.
    package var expected: Int
    package var labelsExpected: Int
    package var windowDays: Int
    /// Until the window closes.
    package var daysLeft: Double
    package var sampleShare: Double
    /// The share that would do; nil where no share does.
    package var shareNeeded: Double?
    /// No share does in what is left, and ``shareNeeded`` is that of a whole new window.
    package var isFresh = false
    /// Labels a week.
    package var weeklyNow: Double
    package var weeklyNeeded: Double

    package init(
      needed: Int, labelled: Int, expected: Int, labelsExpected: Int, windowDays: Int, daysLeft: Double,
      sampleShare: Double, weeklyNow: Double, weeklyNeeded: Double
    ) {
      self.needed = needed
      self.labelled = labelled
      self.expected = expected
      self.labelsExpected = labelsExpected
      self.windowDays = windowDays
      self.daysLeft = daysLeft
      self.sampleShare = sampleShare
      self.weeklyNow = weeklyNow
      self.weeklyNeeded = weeklyNeeded
    }

    package var isDrawnEnough: Bool { expected >= needed }
    package var suffices: Bool { isDrawnEnough && labelsExpected >= needed }
  }
}
