import Journal
package import Live
import PolicyFiles
import Posix
import Rollout
import RouterCore
import Synchronization
import Wire

/// What came of a call that was put to its candidates, before it is recorded.
package struct CallOutcome: Sendable {
  package var conversation: Conversation
  var candidate: CandidateRecord
}

extension Pipeline {
  /// Milliseconds that an agent may ask to wait at most: a day.
  private static let longestWait = 86_400_000
  /// A reply that comes with the deadline comes too late: the agent has to read it, and timers wake by the millisecond.
  private static let margin: UInt64 = 2_000_000

  /// How a call stands with the flags; nil where they are not asked.
  func standing(of call: Call, _ screening: Screening, in generation: Generation) -> Standing? {
    guard let task = screening.task, screening.reason != .manualOverride else { return nil }
    return standing(call, task, generation)
  }

  /// Whether a record that is made now can be expected to reach the disk. A live answer that the log does not hold would
  /// be one that nobody can account for.
  var isLogSound: Bool {
    recorder.journal.status.failingSince == nil && pressure.isLogNear
  }

  /// Why a call that no check stopped is not put to its candidates, where the agent or the budget forbid it.
  ///
  /// - Parameter budget: What the task's budgets leave the tenant.
  func refusal(
    _ call: Call, _ task: PreparedTask, _ standing: Standing, _ budget: BudgetState, _ steps: CandidateSteps
  ) -> String? {
    if standing.isLive(for: call) {
      guard isLogSound else { return Self.logFailing }
      guard budget.mayAnswer else { return Self.budgetExhausted }
    }
    return steps.model == nil && !budget.maySpend ? Self.budgetExhausted : nil
  }

  static let logFailing = "log_failing"
  static let budgetExhausted = "budget_exhausted"
  package static let deadline = "deadline"

  /// When the agent of a call is told `frontier` at the latest, in monotonic nanoseconds.
  static func due(_ call: Call, _ model: ModelPolicy?, arrived: UInt64) -> UInt64 {
    let wait = min(max(0, call.deadlineMs ?? model?.timeoutMs ?? 0), longestWait)
    let nanoseconds = UInt64(wait) * 1_000_000
    return arrived + nanoseconds - min(margin, nanoseconds / 4)
  }

  // MARK: - Told by the tap's thread

  /// Tells an agent that waits what came of its call, and records it; or only records it, where the agent was told before
  /// or is gone.
  ///
  /// - Parameters:
  ///   - isReachable: Whether its connection still takes replies.
  ///   - override: Of the kill switch, looked at after the outcome was taken: the last moment before the reply.
  /// - Returns: The frame to send.
  package func tell(
    _ outcome: CallOutcome, _ ticket: LiveTicket, isReachable: Bool, override: String?,
    _ runs: inout RunModels
  ) -> [UInt8]? {
    guard ticket.isWaiting else {
      record(outcome)
      return nil
    }
    var outcome = outcome
    let conversation = outcome.conversation
    var told = routeTold(conversation)
    var holdsBudget = false
    if let override {
      outcome.candidate.decision.override(by: override)
    } else if Clocks.monotonic() >= ticket.due {
      outcome.candidate.decision.withhold(Self.deadline)
    } else if outcome.candidate.decision.isLocal {
      if !isReachable {
        told.detail = "gone"
      } else if !isLogSound {
        outcome.candidate.decision.withhold(Self.logFailing)
      } else if !isStillLive(conversation) {
        told.detail = "demoted"
      } else if !takeBudget(conversation) {
        outcome.candidate.decision.withhold(Self.budgetExhausted)
      } else {
        holdsBudget = true
        told.isLocal = true
        told.isAudited = conversation.standing?.isAudited == true
      }
    }
    ticket.tell(.answered)
    if !record(outcome, told), told.isLocal {
      // The log would not have it: an answer that nobody can account for is not given.
      if holdsBudget { giveBackBudget(conversation) }
      told.isLocal = false
      outcome.candidate.decision.withhold(Self.logFailing)
    }
    let reply = reply(outcome, told, &runs)
    countReply(conversation.screening.task, reply)
    return isReachable ? reply.line : nil
  }

  /// Tells an agent `frontier` before its candidate has answered. What the candidate says later is recorded, not sent.
  package func tellFrontier(_ live: LiveCall, _ told: LiveTicket.Told, _ runs: inout RunModels) -> [UInt8] {
    live.ticket.tell(told)
    var reply = frontierReply(live.call, live.task, live.generation, live.standing, &runs)
    switch told {
    case .overridden(let detail): (reply.reason, reply.detail) = (.manualOverride, detail)
    case .withheld(let cause): (reply.reason, reply.detail) = (.localUnavailable, cause)
    case .answered: break
    }
    countReply(live.task, reply)
    return reply.line
  }

  /// Whether the flags in force now would still have the call answered as it was asked: under the very same receipt.
  private func isStillLive(_ conversation: Conversation) -> Bool {
    guard let known = conversation.screening.task, let before = conversation.standing else { return false }
    let generation = current
    let task = generation === conversation.generation ? known : generation.prepared.task(known.policy.name)
    guard let task, task.policy.mayBeLocal else { return false }
    let now = standing(conversation.call, task, generation)
    return now.cohort == .local && now.serving == before.serving && now.isRotated == before.isRotated
  }

  // MARK: - Records

  /// Records a call whose agent was told before, or did not ask.
  @discardableResult
  func record(_ outcome: CallOutcome) -> Bool {
    var outcome = outcome
    var told = routeTold(outcome.conversation)
    if let ticket = outcome.conversation.ticket {
      switch ticket.told {
      case .overridden(let detail): outcome.candidate.decision.override(by: detail)
      case .withheld(let cause):
        // The switch came on after that: it decides nothing about a call whose agent has been told.
        if outcome.candidate.decision.reason == .manualOverride {
          outcome.candidate.decision = Engine.withoutCandidate(outcome.conversation.screening)
        }
        outcome.candidate.decision.withhold(cause)
      // Nobody tells it any more: the router stops.
      case .answered, nil: outcome.candidate.decision.withhold("stopping")
      }
    } else if outcome.conversation.standing?.cohort == .local, outcome.candidate.decision.isLocal {
      told.detail = "no_reply"
    }
    return record(outcome, told)
  }

  private func record(_ outcome: CallOutcome, _ told: RouteTold) -> Bool {
    let conversation = outcome.conversation
    return record(
      conversation.call, conversation.screening, outcome.candidate, conversation.generation, told,
      arrived: conversation.arrived, nanoseconds: conversation.nanoseconds)
  }

  private func routeTold(_ conversation: Conversation) -> RouteTold {
    RouteTold(conversation.standing, conversation.screening)
  }

  // MARK: - Replies

  /// The reply to a call that is not answered locally, as far as the call alone tells.
  func frontierReply(
    _ call: Call, _ task: PreparedTask?, _ generation: Generation, _ standing: Standing?,
    _ runs: inout RunModels
  ) -> DecisionReply {
    let policy = generation.prepared.policy
    let advice = task?.policy.advice ?? TaskPolicy.Advice()
    var model = policy.frontier.flatMap(policy.model)?.name
    if advice.switchMidRun == false, let run = call.runID, let first = call.frontierModel ?? model {
      model = runs.model(of: run, first: first)
    }
    var reply = DecisionReply(
      callID: call.sentID, policyRevision: generation.revision,
      content: .frontier(DecisionReply.Frontier(model: model, advice: advice)))
    reply.task = task?.policy.name
    reply.stage = standing?.stage ?? .shadow
    reply.cohort = standing?.cohort ?? .shadow
    return reply
  }

  private func reply(_ outcome: CallOutcome, _ told: RouteTold, _ runs: inout RunModels) -> DecisionReply {
    let (conversation, decision) = (outcome.conversation, outcome.candidate.decision)
    var reply = frontierReply(
      conversation.call, conversation.screening.task, conversation.generation, conversation.standing, &runs)
    reply.reason = decision.reason
    reply.detail = decision.detail ?? told.detail
    if told.isLocal, let answer = decision.answer {
      reply.content = .local(
        DecisionReply.Local(
          answer: answer.answer, label: answer.label, confidence: decision.confidence,
          model: outcome.candidate.ask.model, isAudited: told.isAudited))
    } else if case .frontier(var frontier) = reply.content {
      frontier.localOutput = Self.handedOn(decision)
      if decision.detail == Self.budgetExhausted {
        frontier.model = cheaper(frontier, conversation.call, conversation.generation)
      }
      reply.content = .frontier(frontier)
    }
    return reply
  }

  /// A tenant whose budget is spent is advised the cheapest of the models that the task may use; a run that keeps to its
  /// model keeps it.
  func cheaper(_ frontier: DecisionReply.Frontier, _ call: Call, _ generation: Generation) -> String? {
    if frontier.advice.switchMidRun == false, call.runID != nil { return frontier.model }
    return frontier.model.map {
      generation.prepared.policy.cheapest(of: $0, or: frontier.advice.fallbacks)
    }
  }

  /// What of the candidate's output goes back with an escalation: nothing in which a hard stop stands.
  private static func handedOn(_ decision: Decision) -> String? {
    switch decision.reason {
    case .schemaInvalid, .labelEscalated, .confidenceLow, nil:
      decision.answer.map { $0.answer.stringValue ?? $0.answer.jsonText }
    default: nil
    }
  }

  func countReply(_ task: PreparedTask?, _ reply: DecisionReply) {
    let isLocal = if case .local = reply.content { true } else { false }
    recorder.metrics.withLock { $0.replied(task: task?.policy.name, isLocal: isLocal) }
  }

  // MARK: - Budgets

  func budget(of task: PreparedTask, _ call: Call) -> BudgetState {
    guard !task.policy.budgets.isEmpty else { return BudgetState() }
    return recorder.budgets.withLock {
      $0.state(of: task.policy, tenant: call.tenant, at: Clocks.realtime())
    }
  }

  /// Counts a local answer against its budget, unless that is spent meanwhile.
  private func takeBudget(_ conversation: Conversation) -> Bool {
    guard let task = conversation.screening.task?.policy else { return false }
    let (now, tenant) = (Clocks.realtime(), conversation.call.tenant)
    return recorder.budgets.withLock { ledger in
      guard ledger.state(of: task, tenant: tenant, at: now).mayAnswer else { return false }
      ledger.spend(task: task.name, tenant: tenant, calls: 1, usd: 0, at: now)
      return true
    }
  }

  private func giveBackBudget(_ conversation: Conversation) {
    guard let task = conversation.screening.task?.policy else { return }
    recorder.budgets.withLock {
      $0.giveBack(task: task.name, tenant: conversation.call.tenant, at: Clocks.realtime())
    }
  }
}

extension Standing {
  /// Whether the agent of a call is to be given the candidate's answer.
  func isLive(for call: Call) -> Bool { cohort == .local && call.wantsReply }
}

extension RouteTold {
  init(_ standing: Standing?, _ screening: Screening) {
    self.init()
    guard let standing else {
      if screening.detail == KillSwitch.flagsUnreadable { flagReason = FlagReason.error.rawValue }
      return
    }
    stage = standing.stage.rawValue
    cohort = standing.cohort.rawValue
    flagReason = standing.reason.rawValue
    isRotated = standing.isRotated
  }
}
