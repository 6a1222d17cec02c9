import Candidates
import Journal
import Overload
import PolicyFiles
import Posix
import Rollout
import RouterCore
import Synchronization
import Wire

/// A call on its way through its candidates. A value: it belongs to whoever works on it, the tap's thread at first,
/// then the thread of the model that was asked.
package struct Conversation: Sendable {
  let call: Call
  let screening: Screening
  let generation: Generation
  /// What the flags said when the call came; nil where they were not asked.
  let standing: Standing?
  /// Of the agent that waits for the answer; nil where none does.
  package var ticket: LiveTicket?
  /// Monotonic nanoseconds of the call frame.
  let arrived: UInt64
  /// Spent deciding so far, the candidates' own time not counted.
  var nanoseconds: UInt64
  var steps: CandidateSteps
  /// Its text counts as waiting for as long as anybody works on it.
  var held: Pressure.Held?
}

extension Conversation {
  /// Candidate and challenger have changed places.
  var isRotated: Bool { standing?.isRotated ?? false }

  /// Id of the model that is asked beside the candidate.
  var challenger: String? { screening.task?.policy.models(isRotated: isRotated).challenger }
}

extension Pipeline {
  /// Puts a call that no check stopped to its candidates in turn, and to the challenger of its task.
  func converse(_ conversation: Conversation) {
    let call = conversation.call
    let challenger = conversation.challenger
    // Before anybody is asked: the candidate may have answered by the time that the challenger is, and an outcome that
    // comes while it is asked is one of the call's task.
    recorder.joining.withLock {
      $0.asked(call.callID, as: conversation.screening.task?.policy.name, hasChallenger: challenger != nil)
    }
    ask(conversation)
    if let challenger { challenge(conversation, challenger) }
  }

  // MARK: - The candidate

  /// Asks the model of the present step, and the next ones at once where a model does not take the question.
  private func ask(_ conversation: Conversation) {
    var conversation = conversation
    while let asked = put(conversation) {
      guard hear(asked, &conversation) else { return }
    }
  }

  /// - Returns: What came of the question where it was not taken; otherwise the answer is heard on the model's thread.
  private func put(_ conversation: Conversation) -> Asked? {
    guard let pool = conversation.steps.model.flatMap({ conversation.generation.pools[$0] }) else {
      return Asked(outcome: .unavailable(cause: "no_candidate"), figures: AskFigures(), nanoseconds: 0)
    }
    // Under pressure the log comes first: a call that is decided without a candidate is still a decided call.
    guard pressure.level == .calm else { return pool.dropped(Self.shed) }
    // Each step has its model's own time; that of the first counts from the call frame.
    let start = conversation.steps.position == 0 ? conversation.arrived : Clocks.monotonic()
    let priority: Question.Priority = conversation.ticket == nil ? .shadow : .live
    let question = question(conversation, for: pool, since: start, priority)
    return submit(question, to: pool) { [self] asked in
      var conversation = conversation
      if hear(asked, &conversation) { ask(conversation) }
    }
  }

  /// Judges an answer, and records the decision unless a further model is to be asked.
  ///
  /// - Returns: Whether one is; the conversation is then at its step.
  private func hear(_ asked: Asked, _ conversation: inout Conversation) -> Bool {
    let start = Clocks.monotonic()
    // What an agent was told before stays the decision: the switch decides nothing about it any more.
    let isOpen = conversation.ticket?.isWaiting != false
    let context = DecisionContext(
      override: isOpen ? kill.override : nil, today: PolicyLoading.day(Clocks.realtime()))
    var judged = judge(asked, conversation, context)
    let mayGoOn =
      conversation.steps.heard(judged.asked, judged: judged.decision)
      && conversation.ticket?.isWaiting != false
    // Time has passed since the call was screened: what stops it now stops it before the next model gets its text.
    let stop = mayGoOn ? screenedAgain(conversation, context) : nil
    if let stop { judged.decision = stop }
    conversation.nanoseconds += Clocks.monotonic() - start
    if mayGoOn, stop == nil {
      conversation.steps.goOn()
      return true
    }
    var candidate = conversation.steps.candidate(judged.decision, of: conversation.screening.task)
    candidate.calibration = judged.calibration
    let outcome = CallOutcome(conversation: conversation, candidate: candidate)
    if conversation.ticket == nil || !desk.post(outcome) { record(outcome) }
    return false
  }

  /// The decision of a call that may not be put to a further model under the policy that screened it; nil: it may.
  private func screenedAgain(_ conversation: Conversation, _ context: DecisionContext) -> Decision? {
    var scratch = Engine.Scratch()
    let screening = Engine.screen(
      conversation.call, policy: conversation.generation.prepared, context: context, scratch: &scratch)
    return screening.reason == nil ? nil : Engine.withoutCandidate(screening)
  }

  // MARK: - The challenger

  /// Asks the second candidate about the call. Nothing waits for it but the comparison.
  private func challenge(_ conversation: Conversation, _ challenger: String) {
    guard let pool = conversation.generation.pools[challenger] else {
      let nobody = Asked(outcome: .unavailable(cause: "no_candidate"), figures: AskFigures(), nanoseconds: 0)
      return hearChallenger(nobody, conversation)
    }
    // Let go of long before the candidate is.
    guard pressure.mayChallenge else {
      return hearChallenger(pool.dropped(Self.shed), conversation)
    }
    let question = question(conversation, for: pool, since: conversation.arrived, .challenge)
    let refused = submit(question, to: pool) { [self] asked in hearChallenger(asked, conversation) }
    if let refused { hearChallenger(refused, conversation) }
  }

  private func hearChallenger(_ asked: Asked, _ conversation: Conversation) {
    let context = DecisionContext(override: kill.override, today: PolicyLoading.day(Clocks.realtime()))
    let judged = judge(asked, conversation, context)
    var steps = CandidateSteps(asked: asked.figures.modelID)
    _ = steps.heard(judged.asked, judged: judged.decision)
    var candidate = steps.candidate(judged.decision, of: conversation.screening.task)
    candidate.calibration = judged.calibration
    var record = ChallengeRecord(
      callID: conversation.call.callID, policy: conversation.generation.prepared, candidate: candidate)
    record.isRotated = conversation.isRotated
    recorder.challenged(record, to: conversation.call, generation: conversation.generation)
  }

  // MARK: - Both

  /// The `detail` of a call whose candidate is not asked because too much is waiting.
  static let shed = "shed"

  private func question(
    _ conversation: Conversation, for pool: ModelPool, since start: UInt64, _ priority: Question.Priority
  ) -> Question {
    let (call, screening, generation) = (
      conversation.call, conversation.screening, conversation.generation
    )
    let task = screening.task?.policy ?? TaskPolicy(name: "", mark: Mark(line: 1, column: 1))
    var question = Question(
      task: task, text: call.text.bytes, deadline: start + UInt64(pool.model.timeoutMs) * 1_000_000)
    question.priority = priority
    if task.output == .toolCall { question.tools = call.toolDefinitions }
    let ticket = conversation.ticket
    if priority == .live { question.sender = ticket?.connection ?? 0 }
    // An agent that has been told has no use for an answer, and others wait.
    question.isWanted = { [kill] in kill.override == nil && (priority != .live || ticket?.isWaiting == true) }
    question.verdict = { reply in
      Engine.verdict(
        on: reply, to: call, screening, policy: generation.prepared,
        today: PolicyLoading.day(Clocks.realtime()))
    }
    return question
  }

  /// - Returns: What came of the question where the pool did not take it.
  private func submit(
    _ question: Question, to pool: ModelPool, _ completion: @escaping ModelPool.Completion
  ) -> Asked? {
    let refusal = pool.submit(question) { [recorder] asked in
      recorder.metrics.withLock {
        $0.asked(model: pool.model.id, outcome: asked.outcome, nanoseconds: asked.nanoseconds)
      }
      completion(asked)
    }
    guard let refusal else { return nil }
    let asked = pool.dropped(refusal.rawValue)
    recorder.metrics.withLock { $0.asked(model: pool.model.id, outcome: asked.outcome, nanoseconds: 0) }
    return asked
  }

  private func judge(_ asked: Asked, _ conversation: Conversation, _ context: DecisionContext) -> Judged {
    conversation.generation.judge(asked, to: conversation.call, conversation.screening, context)
  }
}

extension ModelPool {
  /// What stands for an answer where the model was not asked.
  fileprivate func dropped(_ cause: String) -> Asked {
    Asked(outcome: .unavailable(cause: cause), figures: names, nanoseconds: 0)
  }
}
