import Candidates
import RouterCore

/// The candidates of one call, from cheap to dear: which is asked now, and what asking has come to so far.
///
/// It hears how each answer was judged and says whether the next model is to be asked. A refusal of the router itself
/// (the kill switch, a stop, pressure) and an answer that decides to escalate end it at once.
struct CandidateSteps: Sendable {
  /// Ids as the policy lists them.
  private(set) var models: [String]
  private let isCascade: Bool
  /// Position of the step that is asked now.
  private(set) var position = 0
  /// Sums over all that was asked; the names of the model that was heard last.
  private(set) var figures = AskFigures()
  private(set) var requests = LocalRequests()

  init(_ task: TaskPolicy?, isRotated: Bool = false) {
    models = task?.models(isRotated: isRotated).steps ?? []
    isCascade = task?.cascade.isEmpty == false && !isRotated
  }

  /// One model alone: a challenger.
  init(asked model: String?) {
    models = [model].compactMap(\.self)
    isCascade = false
  }

  /// Leaves out everything from the first model on that may not be asked. Before the first is asked.
  mutating func keepLeading(_ mayBeAsked: (String) -> Bool) {
    models = Array(models.prefix(while: mayBeAsked))
  }

  /// Id of the model to ask now; nil where the task has none.
  var model: String? { models.indices.contains(position) ? models[position] : nil }

  /// Takes down what the model of this step came to.
  ///
  /// - Returns: Whether the next step is to be asked, if the policy still lets it: ``goOn()`` then.
  mutating func heard(_ asked: Asked, judged decision: Decision) -> Bool {
    note(asked, decision)
    return next != nil && Self.mayGoOn(after: decision)
  }

  mutating func goOn() { position = next ?? position }

  /// A model that stands twice has said what it has to say.
  private var next: Int? { models.indices.first { $0 > position && !models[..<$0].contains(models[$0]) } }

  /// What the call's record says once no further step is asked.
  func candidate(_ decision: Decision, of task: PreparedTask?) -> CandidateRecord {
    var record = CandidateRecord(task: task, decision: decision, ask: figures)
    record.requests = requests
    record.cascadeStep = isCascade ? position + 1 : nil
    record.cascadeLength = isCascade ? models.count : nil
    return record
  }

  private static func mayGoOn(after decision: Decision) -> Bool {
    switch decision.reason {
    case .schemaInvalid, .confidenceLow: true
    // Not the model's doing: no other would be asked either.
    case .localUnavailable: decision.detail != AskFault.stopping.cause && decision.detail != Pipeline.shed
    default: false
    }
  }

  private mutating func note(_ asked: Asked, _ decision: Decision) {
    figures.add(asked.figures)
    var tries = asked.tries
    if tries.isEmpty {
      var only = AskTry(purpose: .first, fault: nil, latencyMs: asked.figures.latencyMs ?? 0)
      only.inputTokens = asked.figures.inputTokens
      only.outputTokens = asked.figures.outputTokens
      only.costUSD = asked.figures.costUSD
      tries = [only]
    }
    // The judgement names the fault of the last request's answer best, but a request that failed has none.
    let judged = Self.fault(of: decision)
    let told = tries[tries.count - 1].fault
    if told == nil || judged?.hasPrefix(told ?? "") == true { tries[tries.count - 1].fault = judged }
    for request in tries {
      requests.append(LocalRequest(modelID: asked.figures.modelID, step: position + 1, request: request))
    }
  }

  private static func fault(of decision: Decision) -> String? {
    switch decision.reason {
    case .localUnavailable: decision.detail
    case .schemaInvalid: decision.detail?.split(separator: ",").first.map(String.init)
    default: nil
    }
  }
}

extension AskFigures {
  /// Adds the requests of a further step, whose model's names then stand.
  mutating func add(_ step: AskFigures) {
    func sum<Value: AdditiveArithmetic>(_ left: Value?, _ right: Value?) -> Value? {
      guard let left, let right else { return left ?? right }
      return left + right
    }
    var whole = step
    whole.latencyMs = sum(latencyMs, step.latencyMs)
    whole.inputTokens = sum(inputTokens, step.inputTokens)
    whole.outputTokens = sum(outputTokens, step.outputTokens)
    whole.tokensAreEstimates = tokensAreEstimates || step.tokensAreEstimates
    whole.costUSD = sum(costUSD, step.costUSD)
    whole.attempts += attempts
    self = whole
  }
}
