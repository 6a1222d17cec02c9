import Agreements
package import RouterCore
package import Wire

/// What a labelled case says is right (contract, section 6).
package struct CaseTruth: Sendable {
  package var label: String?
  /// String or object; for a tool call its name and arguments.
  package var answer: JSONValue?
  /// Where the call belongs, whatever the label.
  package var route: Route?

  package enum Route: String, Sendable { case local, frontier }

  package init(label: String? = nil, answer: JSONValue? = nil, route: Route? = nil) {
    self.label = label
    self.answer = answer
    self.route = route
  }

  /// Whether an answer is the true one; nil where the case does not say, or a program cannot tell.
  ///
  /// The label decides where there is one, of a tool call its name; else the answer, by the method of the task.
  package func isRight(_ said: CandidateAnswer, task: TaskPolicy) -> Bool? {
    if let label { return Self.name(of: said) == label }
    guard let answer else { return nil }
    var truth = FrontierAnswer()
    truth.value = answer.stringValue == nil ? answer : nil
    truth.text = answer.stringValue ?? answer.jsonText
    switch Agreement.compare(candidate: said, frontier: truth, task: task).verdict {
    case .agree: return true
    case .disagree: return false
    case .unknown: return nil
    }
  }

  /// What stands in a table of labels.
  static func name(of said: CandidateAnswer) -> String? {
    said.label ?? said.toolCall?.name ?? said.answer.stringValue
  }
}

/// One case of an evaluation: what the router decided about it, and what would have been right.
package struct EvaluatedCase: Sendable {
  package let id: String
  /// No check stopped it before the candidate.
  package let isAsked: Bool
  package let reason: Reason?
  package let isValid: Bool
  /// Of a valid answer; nil where nobody can tell.
  package let isRight: Bool?
  package let truth: CaseTruth
  package let said: String?
  package let confidence: Double?
  package let confidenceRaw: Double?
  package let source: Decision.ConfidenceSource?
  package var latencyMs: Double?
  package var costUSD: Double?
  package var requests = 0

  package init(id: String, truth: CaseTruth, screening: Screening, decision: Decision, task: TaskPolicy) {
    self.id = id
    self.truth = truth
    isAsked = screening.reason == nil
    reason = decision.reason
    isValid = isAsked && decision.checks[.schemaInvalid] == .pass
    isRight = isValid ? decision.answer.flatMap { truth.isRight($0, task: task) } : nil
    said = isValid ? decision.answer.flatMap(CaseTruth.name) : nil
    confidence = decision.confidence
    confidenceRaw = decision.confidenceRaw
    source = decision.confidenceSource
  }

  package var isAccepted: Bool { reason == nil }

  /// Whether letting the answer through is right; nil where the case does not say.
  package var isAcceptable: Bool? {
    if truth.route == .frontier { return false }
    return isRight
      ?? (truth.route == .local && truth.label == nil && truth.answer == nil && isValid ? true : nil)
  }

  /// Nothing but its confidence decides about it.
  var hangsOnConfidence: Bool { isAccepted || reason == .confidenceLow }
}
