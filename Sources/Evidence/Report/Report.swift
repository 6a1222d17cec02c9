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
  package var totals = Totals()
  package var changes: [Change] = []
  package var changesNotShown = 0
  /// Worst first: what people called false, then what is only suspected.
  package var falseAccepts: [FalseAccept] = []
  /// In the order of the policy, where there is one, then by name.
  package var tasks: [Task] = []
  package var agents: [Agent] = []
  /// Those that the candidate would have helped least, first.
  package var runs: [Run] = []
  package var hardStops: [HardStop] = []
  package var balance = Balance()
  package var reviewers: [Reviewer] = []
  package var head: Head?

  /// The claim that the report opens with, and what it does not mean.
  package struct Sentence: Sendable, Equatable {
    package var claim = ""
    package var caveats: [String] = []
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
    /// Labelled `escalate` with severity 2 or 3 by two people or the task's owner.
    package var severe = 0
    package var missedStops = 0
    /// Disagreements that a person found acceptable all the same.
    package var clearedDisagreements = 0
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
    /// `policy`, `flag`, `candidate`, `drill`, `start` or `stop`.
    package var kind: String
    package var task: String?
    package var text: String
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
  }

  package struct Agent: Sendable, Equatable {
    package var name: String
    package var calls = 0
    package var wouldAccepts = 0
    package var fallbacks = 0
    package var runs = 0
    package var successes = 0
    package var failures = 0
    package var cost = Cost()
  }

  package struct Run: Sendable, Equatable {
    package var id: String
    package var agent: String?
    package var outcome: String?
    package var calls = 0
    package var wouldAccepts = 0
    package var fallbacks = 0
    package var latencyMs = 0.0
    package var cost = Cost()
  }

  /// USD.
  package struct Cost: Sendable, Equatable {
    /// What the frontier was paid for every call: what things cost today.
    package var frontierOnly = 0.0
    /// What of it went to would-accepts.
    package var frontierOfAccepts = 0.0
    /// What running the candidate cost.
    package var local = 0.0

    /// What the same calls would have cost with would-accepts answered locally.
    package var withRouter: Double { frontierOnly - frontierOfAccepts + local }
    package var saving: Double { frontierOfAccepts - local }
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
  }

  /// The last record read: the state of the chain that this report rests on.
  package struct Head: Sendable, Equatable {
    package var log: String
    package var seq: Int
    package var hash: String
    package var ts: String
  }
}
