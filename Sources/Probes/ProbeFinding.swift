package import Candidates
package import RouterCore

/// What one probe of a model brought.
package struct ProbeFinding: Sendable, Equatable {
  /// What came of asking for the log-probabilities of the answer's tokens.
  package enum LogProbabilities: String, CaseIterable, Sendable {
    case returned
    /// Asked for, answered without them, and nothing said about it.
    case dropped
    /// A request with the field was answered 400, the same without it was not.
    case refused
    /// The provider's format has none.
    case notOffered = "not_offered"
    case unknown
  }

  package var capabilities = ModelCapabilities()
  package var logProbabilities = LogProbabilities.unknown
  /// Milliseconds of the small ask; nil where none was answered.
  package var latencyMs: Double?
  /// USD, of all that the probe asked the model.
  package var costUSD = 0.0
  /// The model was asked, not only its server looked at.
  package var hasAsked = false

  package init() {}

  /// Whether both say the same of the model; time and money aside.
  package func says(_ other: ProbeFinding) -> Bool {
    var (left, right) = (self, other)
    (left.latencyMs, right.latencyMs) = (nil, nil)
    (left.costUSD, right.costUSD) = (0, 0)
    (left.capabilities.probedAt, right.capabilities.probedAt) = (nil, nil)
    return left == right
  }

  /// Whether the model can be asked at all.
  package var isUsable: Bool { capabilities.fault == nil && capabilities.isPresent != false }
}

/// What is wrong with a model, for people, and what to do about it.
package struct ProbeProblem: Sendable, Equatable {
  package let text: String
  package let remedy: String
}

extension ProbeFinding {
  /// nil where nothing is wrong.
  package func problem(of model: ModelPolicy) -> ProbeProblem? {
    let key = "models.\(model.id)"
    if let fault = capabilities.fault { return Self.problem(fault, model, key) }
    if capabilities.isPresent == false {
      return ProbeProblem(
        text: "the server does not have \(model.name)",
        remedy: model.provider == .ollama
          ? "ollama pull \(model.name)" : "load it there, or correct \(key).name")
    }
    if capabilities.enforcesSchema == false {
      return ProbeProblem(
        text: "the server does not enforce the answer's schema",
        remedy: "use a server with structured output, or set schema_retry for its tasks")
    }
    return nil
  }

  private static func problem(_ fault: String, _ model: ModelPolicy, _ key: String) -> ProbeProblem {
    switch fault {
    case AskFault.refused.cause:
      ProbeProblem(
        text: "nobody listens there", remedy: "start the server, or correct \(key).endpoint")
    case AskFault.timeout.cause:
      ProbeProblem(
        text: "no answer within \(Probe.stepMilliseconds(model)) ms",
        remedy: "look after the server, or raise \(key).timeout_ms")
    case loading:
      ProbeProblem(
        text: "the server is still loading the model", remedy: "wait; a running router asks again by itself")
    case AskFault.status(401).cause, AskFault.status(403).cause:
      ProbeProblem(
        text: "the server refuses the key (\(fault))",
        remedy: "check the key that \(key).api_key_env or .api_key_file names")
    case AskFault.status(404).cause:
      ProbeProblem(
        text: "the server has no such path, or no such model",
        remedy: "correct \(key).endpoint or .name")
    default:
      ProbeProblem(text: "the probe failed: \(fault)", remedy: "look into the server's own log")
    }
  }

  /// The one fault that is not one of ``AskFault``.
  static let loading = "loading"
}
