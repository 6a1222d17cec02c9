package import Gates
package import LogReading
import Statistics

/// What the log says about each task, as a value; the renderers only set it.
///
/// Counts are of calls decided in the window. Rates are fractions, money is USD, times are milliseconds.
package struct Report: Sendable {
  package var window = ReportWindow()
  /// Times of the first and last decision counted; nil where there was none.
  package var firstDecision: Int64?
  package var lastDecision: Int64?
  /// What was asked for, so that anyone can ask again.
  package var command = ""
  package var sentence = Sentence()
  /// Milliseconds since 1970: the time of the last record, as of which gates are judged.
  package var asOf: Int64?
  /// What to do first, most pressing first.
  package var actions: [Action] = []
  package var saving = Saving()
  package var totals = Totals()
  package var changes: [Change] = []
  /// Older ones that are left out; no demotion is among them.
  package var changesNotShown = 0
  /// Worst first: what people called false, then what is only suspected.
  package var falseAccepts: [FalseAccept] = []
  /// In the order of the policy, where there is one, then by name.
  package var tasks: [Task] = []
  package var agents: [Agent] = []
  /// Those that the candidate would have helped least, first.
  package var runs: [Run] = []
  /// All further runs together; nil where none is left out.
  package var otherRuns: RunSum?
  /// Calls that name no run.
  package var callsWithoutRun = 0
  package var hardStops: [HardStop] = []
  /// As `gate` judges them, by task in the order of ``tasks``; a challenger's after its candidate's.
  package var gates: [Gate] = []
  /// Tasks whose challenger has the candidate's place, as far as the log's flags say.
  package var rotated: Set<String> = []
  package var balance = Balance()
  package var frames = Frames()
  package var reviewers: [Reviewer] = []
  /// nil where no call was labelled by two people.
  package var reviewerAgreement: ReviewerAgreement?
  /// Days where the window has at most 21 of them, else ISO weeks; oldest first.
  package var periods: [Period] = []
  package var head: Head?

  /// The claim that the report opens with, and what it does not mean.
  package struct Sentence: Sendable, Equatable {
    package var claim = ""
    package var caveats: [String] = []

    package init(claim: String = "", caveats: [String] = []) {
      self.claim = claim
      self.caveats = caveats
    }
  }

  package struct Totals: Sendable, Equatable {
    package var calls = 0
    package var wouldAccepts = 0
    package var agree = 0
    package var disagree = 0
    package var unknown = 0
    /// Would-accepts without any comparison record.
    package var notCompared = 0
    package var reviews = Reviews()

    package var comparable: Int { agree + disagree }
    /// Exact one-sided bound at 95 %; 1 where nothing could be compared.
    package var disagreementUpper: Double { RateBounds.upper(disagree, of: comparable) }
  }

  /// People's labels of would-accepts; read as ``CallLabels`` does.
  package struct Reviews: Sendable, Equatable {
    package var accept = 0
    package var escalate = 0
    package var unsure = 0
    /// Labelled `escalate` with severity 2 or 3 by two people or the task's owner: what severe means everywhere.
    package var severe = 0
    package var missedStops = 0
    /// Disagreements that a person found acceptable all the same.
    package var clearedDisagreements = 0
    /// Would-accepts that a person or an outcome says were not acceptable; of the disagreements, those known to be so, and
    /// those of which nobody has said anything, or that they are unsure.
    package var knownFalse = 0
    package var knownDisagreements = 0
    package var openDisagreements = 0
    /// Drawn at random for review; of these, unlabelled; and false or taken for false (escalate, unsure, unlabelled).
    package var drawn = 0
    package var drawnUnlabelled = 0
    package var drawnFalse = 0

    package var labelled: Int { accept + escalate + unsure }
  }

  package struct Count: Sendable, Equatable {
    package var name: String
    package var count: Int

    package init(name: String, count: Int) {
      self.name = name
      self.count = count
    }
  }

  package struct Latency: Sendable, Equatable {
    package var count: Int
    package var p50: Double
    package var p95: Double
    package var p99: Double
  }

  package struct Change: Sendable, Equatable {
    package var ts: String
    package enum Weight: String, Sendable { case loud, normal, quiet }
    /// `policy`, `flag`, `receipt`, `evidence`, `candidate`, `calibration`, `probe`, `drill`, `start` or `stop`.
    package var kind: String
    package var task: String?
    package var text: String
    /// Loud: a demotion, an override, the kill switch, a policy that was refused.
    package var weight = Weight.normal
    /// A task sent back to shadow: always told, however much has changed since.
    package var isDemotion = false
  }

  package struct FalseAccept: Sendable, Equatable {
    package enum Standing: String, Sendable {
      /// A person labelled it `escalate`, or a local answer's outcome was a failure.
      case known
      /// It differs from the frontier, and nobody has said which was right.
      case suspected
    }
    package var standing = Standing.suspected
    package var callID = ""
    package var taskID: String?
    package var runID: String?
    package var task = ""
    package var ts = ""
    package var seq = 0
    package var model: String?
    package var confidence: Double?
    package var label: String?
    package var answerPreview: String?
    package var frontierLabel: String?
    package var frontierPreview: String?
    package var agreementScore: Double?
    package var agreementDetail: String?
    package var validatorResult: String?
    package var checks: [Check] = []
    package var inputPreview: String?
    package var inputHash: String?
    package var severity: Int?
    package var isMissedStop = false
    /// Severity 2 or 3, and two people or the task's owner said so.
    package var isSevere = false
    /// Decided in the epoch that its task's gate looks at; nil where no gate looks at any.
    package var isInEpoch: Bool?
    /// Reviewers who called it false.
    package var confirmedBy: [String] = []
    /// The agent was told to take this answer.
    package var wasServed = false
    package var remedy = Remedy(check: .none)
    package var reviewLabel: String?
    package var reviewer: String?
    package var note: String?
    /// Suspected ones of the same template and labels that this one stands for, itself included.
    package var alike = 1
    /// Of the input, what varies masked; nil where it stands alone.
    package var template: String?

    package struct Check: Sendable, Equatable {
      package var name: String
      package var outcome: String
    }

    /// The check that should have caught it: a proposal, and what it would have cost.
    package struct Remedy: Sendable, Equatable {
      package enum Check: String, Sendable, CaseIterable {
        case hardStop = "hard_stop"
        case minConfidence = "min_confidence"
        case escalateLabels = "escalate_labels"
        case none
      }
      package var check: Check
      /// The threshold or the label; nil where neither is meant.
      package var value: String?
      /// Share of the task's would-accepts that would stay with the frontier as well.
      package var acceptsLost: Double?
      /// Of the task's disagreements, those that it would have kept out.
      package var suspectedKeptOut: Int?
      package var suspected: Int?
    }
  }

  package struct Agent: Sendable, Equatable {
    package var name: String
    package var calls = 0
    package var wouldAccepts = 0
    package var fallbacks = 0
    package var runs = 0
    package var successes = 0
    package var failures = 0
    package var latencyMs = 0.0
    package var routedMs = 0.0
    package var cost = Cost()
  }

  package struct RunSum: Sendable, Equatable {
    package var runs = 0
    package var successes = 0
    package var calls = 0
    package var wouldAccepts = 0
    package var fallbacks = 0
    package var latencyMs = 0.0
    package var routedMs = 0.0
    package var cost = Cost()
  }

  package struct Run: Sendable, Equatable {
    package var id: String
    package var agent: String?
    package var outcome: String?
    package var calls = 0
    package var wouldAccepts = 0
    package var fallbacks = 0
    /// Of all its calls: the frontier's alone, and with would-accepts answered by the candidate, its own time included.
    package var latencyMs = 0.0
    package var routedMs = 0.0
    package var cost = Cost()
  }

  /// USD.
  package struct Cost: Sendable, Equatable {
    /// What the frontier was paid.
    package var paid = 0.0
    /// What of it went to would-accepts in shadow: what answering them locally would have spared.
    package var paidForAccepts = 0.0
    /// What the frontier would have been paid for local answers that it was not asked about: an estimate.
    package var spared = 0.0
    /// What running the candidate cost.
    package var local = 0.0

    package init(paid: Double = 0, paidForAccepts: Double = 0, spared: Double = 0, local: Double = 0) {
      self.paid = paid
      self.paidForAccepts = paidForAccepts
      self.spared = spared
      self.local = local
    }

    /// What the frontier alone costs.
    package var frontierOnly: Double { paid + spared }
    /// What of that goes to calls that are answered locally, or would be; not to audits and the control share.
    package var frontierOfAccepts: Double { paidForAccepts + spared }
    /// What the same calls cost, or in shadow would have cost, with would-accepts answered locally.
    package var withRouter: Double { frontierOnly - frontierOfAccepts + local }
    package var saving: Double { frontierOfAccepts - local }

    mutating func add(_ other: Self) {
      paid += other.paid
      paidForAccepts += other.paidForAccepts
      spared += other.spared
      local += other.local
    }
  }

  package struct HardStop: Sendable, Equatable {
    package var task: String
    package var stopClass: String
    package var term: String
    /// `input` or `answer`.
    package var place: String
    package var count: Int
  }

  package struct Balance: Sendable, Equatable {
    /// Records in the window by kind, in alphabetical order.
    package var kinds: [Count] = []
    package var recordsRead = 0
    package var outsideWindow = 0
    package var damaged = 0
    package var unknownKinds = 0
    /// Sequence numbers that are missing without a `gap` record that names them.
    package var unexplainedHoles = 0
    package var gaps: [Gap] = []
    package var recovered = 0
    /// Decisions of calls that drills of the kill switch sent; they stand in no other figure but the numbers of records.
    package var drillCalls = 0
    package var duplicateDecisions = 0
    package var duplicateComparisons = 0
    package var comparisonsWithoutDecision = 0
    /// Disagreements whose texts were no longer at hand when their comparison came.
    package var detailsNotKept = 0

    package struct Gap: Sendable, Equatable {
      package var from: Int
      package var to: Int
      package var cause: String
    }
  }

  package struct Reviewer: Sendable, Equatable {
    package var name: String
    package var accept = 0
    package var escalate = 0
    package var unsure = 0
    /// Items shown again that two people had called false; of these, those not accepted.
    package var planted = 0
    package var caught = 0

    package var labelled: Int { accept + escalate + unsure }
  }

  /// How far two people agree about the same calls.
  package struct ReviewerAgreement: Sendable, Equatable {
    package var pairs: Int
    package var agree: Int
    package var ac1: Double
    /// nil where chance alone would agree always.
    package var kappa: Double?
  }

  /// The last record read: the state of the chain that this report rests on.
  package struct Head: Sendable, Equatable {
    package var log: String
    package var seq: Int
    package var hash: String
    package var ts: String
  }

  /// What became of frames, as far as routers have told when they ended.
  package struct Frames: Sendable, Equatable {
    /// Clean ends of a router in the window.
    package var stops = 0
    package var received = 0
    package var recorded = 0
    package var answered = 0
    package var malformed = 0
    package var shed = 0
    package var inFlight = 0
    package var lostBySender = 0

    /// Zero where every frame is accounted for.
    package var missing: Int { received - recorded - answered - malformed - shed - inFlight }
  }

  /// What one day or week came to, by the time of the decisions.
  package struct Period: Sendable, Equatable {
    /// `2026-03-02` or `2026-W10`.
    package var name: String
    package var calls = 0
    package var wouldAccepts = 0
    package var disagree = 0
    package var knownFalse = 0
    package var answeredLocally = 0
  }

  /// What is answered locally now.
  package struct Rollout: Sendable, Equatable {
    package enum Stage: String, Sendable { case canary, live }
    package var stage: Stage
    /// The flag's own words, such as `10%`; nil where they are the stage's.
    package var extent: String?
    package var since: String

    /// `canary (10%)`.
    package var words: String { stage.rawValue + (extent.map { " (\($0))" } ?? "") }
  }

  package struct Action: Sendable, Equatable {
    package var task: String?
    package var text: String
    package var command: String?

    package init(task: String? = nil, text: String, command: String? = nil) {
      self.task = task
      self.text = text
      self.command = command
    }
  }

  /// Money, in USD. In shadow nothing is saved: the figures say what would have been.
  package struct Saving: Sendable, Equatable {
    /// Of would-accepts in shadow: what the frontier was paid for them, and what the candidate cost.
    package var shadowFrontier = 0.0
    package var shadowLocal = 0.0
    /// Served locally; of these, those that the frontier was asked as well.
    package var served = 0
    package var audited = 0
    package var control = 0
    /// What the frontier would have been paid for what it was spared: an estimate, by the mean of the task's compared answers.
    package var spared = 0.0
    package var liveLocal = 0.0
    package var audits = 0.0
    /// Stated upkeep of the policy for the time of the report; of it, for the time since the first live call.
    package var upkeep = 0.0
    package var liveUpkeep = 0.0
    package var frontierOnly = 0.0

    package var isLive: Bool { served > 0 }
    /// What would have been saved, net of the rest of the upkeep.
    package var shadowNet: Double { shadowFrontier - shadowLocal - (upkeep - liveUpkeep) }
    /// Net of running the candidate and of upkeep; audits spare nothing and so are no part of what was spared.
    package var liveNet: Double { spared - liveLocal - liveUpkeep }
  }
}

extension Report.FalseAccept {
  /// The same, with what its task's gate looks at.
  func placed(_ gates: [Gate], _ rotated: Set<String>) -> Self {
    var item = self
    guard let gate = gates.first(where: { $0.subject == Report.subject(task, rotated) }),
      let at = LogTime.parse(ts)
    else { return item }
    item.isInEpoch = gate.epoch.map { at >= $0.start && at < ($0.end ?? .max) }
    return item
  }

  /// What shows its records.
  package var findCommand: String { "shadow-router tail --find \(ShellWord.of(callID))" }
}

extension Report {
  /// The gate of the model that answers a task's calls, or of the other one.
  package func gate(_ task: String, isChallenger: Bool = false) -> Gate? {
    gates.first { $0.subject == Self.subject(task, isChallenger: isChallenger, rotated) }
  }

  package static func subject(_ task: String, isChallenger: Bool = false, _ rotated: Set<String>)
    -> EvidenceSubject
  {
    EvidenceSubject(task: task, isChallenger: isChallenger != rotated.contains(task))
  }
}

extension Gate {
  package func isUnmet(_ name: GateCondition.Name) -> Bool {
    conditions.contains { $0.name == name && $0.state == .unmet }
  }
}
