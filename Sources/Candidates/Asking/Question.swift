package import RouterCore
package import Wire

/// One call put to a candidate.
package struct Question: Sendable {
  /// Who is served first where a model has more to do than it can. Lower is sooner.
  package enum Priority: Int, Sendable, Comparable {
    /// An agent waits for the answer.
    case live
    case shadow
    case challenge

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
  }

  package let task: TaskPolicy
  /// The text of the call: UTF-8.
  package let text: [UInt8]
  /// The request's `tools`, in whichever provider's form, for a task whose output is a tool call.
  package var tools: JSONValue?
  /// Monotonic nanoseconds, of the whole answer: waiting in the queue, retries and samples count.
  package let deadline: UInt64
  package var priority = Priority.shadow
  /// Who asks. Senders of one priority have their turns one after the other, however much each of them asks.
  package var sender: UInt64 = 0
  /// Whether a reply may stand, be mended (`schema_retry`), be voted on (`samples`), or is final. Pure.
  package var verdict: @Sendable (CandidateReply) -> ReplyVerdict = { _ in .sound }
  /// Looked at before each request: false ends the question there, for text must not go out while the kill switch is on.
  package var isWanted: @Sendable () -> Bool = { true }

  package init(task: TaskPolicy, text: [UInt8], deadline: UInt64) {
    self.task = task
    self.text = text
    self.deadline = deadline
  }
}

/// What came of a question.
package struct Asked: Sendable {
  package var outcome: CandidateOutcome
  /// Over all tries together.
  package var figures: AskFigures
  /// Nanoseconds from being taken out of the queue to the answer.
  package var nanoseconds: UInt64
  /// Every request that was sent, in order: retries, samples and second attempts.
  package var tries: [AskTry] = []

  package init(outcome: CandidateOutcome, figures: AskFigures, nanoseconds: UInt64) {
    self.outcome = outcome
    self.figures = figures
    self.nanoseconds = nanoseconds
  }
}
