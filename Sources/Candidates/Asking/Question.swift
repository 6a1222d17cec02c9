package import RouterCore

/// One call put to a candidate.
package struct Question: Sendable {
  package let task: TaskPolicy
  /// The text of the call: UTF-8.
  package let text: [UInt8]
  /// Monotonic nanoseconds, of the whole answer: waiting in the queue counts.
  package let deadline: UInt64

  package init(task: TaskPolicy, text: [UInt8], deadline: UInt64) {
    self.task = task
    self.text = text
    self.deadline = deadline
  }
}

/// What came of a question.
package struct Asked: Sendable {
  package var outcome: CandidateOutcome
  package var figures: AskFigures
  /// Nanoseconds from being taken out of the queue to the answer.
  package var nanoseconds: UInt64

  package init(outcome: CandidateOutcome, figures: AskFigures, nanoseconds: UInt64) {
    self.outcome = outcome
    self.figures = figures
    self.nanoseconds = nanoseconds
  }
}
