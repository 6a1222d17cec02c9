import Candidates
import Journal
package import Live
package import Overload
package import PolicyFiles
package import Posix
package import Rollout
package import RouterCore
package import Senders
package import Synchronization
import Wire

/// The way of one frame: decode, screen, ask, judge, record.
///
/// `handle` runs on the tap's thread alone; a candidate's answer comes back on its model's thread.
package final class Pipeline: Sendable {
  package let recorder: Recorder
  package let pressure: Pressure
  package let kill: KillSwitch
  package let rollouts: Rollouts
  /// What the flags say of a call whose task is known: those of ``rollouts``, but in tests.
  let standing: @Sendable (Call, PreparedTask, Generation) -> Standing
  package let desk: LiveDesk
  package let unmatched = Mutex(UnmatchedShapes())
  package let refused = Mutex(RefusedPeers())
  package let activity = TapActivity()
  private let generation: Mutex<Generation>

  package init(
    recorder: Recorder, kill: KillSwitch, generation: Generation, plan: MemoryPlan = MemoryPlan(),
    rollouts: Rollouts = Rollouts(),
    standing: (@Sendable (Call, PreparedTask, Generation) -> Standing)? = nil
  ) throws(PosixError) {
    self.recorder = recorder
    pressure = Pressure(plan, journal: recorder.journal)
    self.kill = kill
    self.rollouts = rollouts
    self.standing = standing ?? { rollouts.standing(of: $0, task: $1, in: $2) }
    desk = try LiveDesk()
    self.generation = Mutex(generation)
  }

  package var current: Generation { generation.withLock { $0 } }

  /// Puts a new generation in force: the next call is decided by it, those under way by their own.
  package func adopt(_ new: Generation) { generation.withLock { $0 = new } }

  /// What the tap's thread keeps between frames.
  package struct Scratch: ~Copyable {
    var decoder = FrameDecoder()
    var engine = Engine.Scratch()
    package var today = Today()
    /// What the look after the last read gave.
    package var seesKillFile = false
    /// The tap's token of the connection that frames are read from.
    package var connection: UInt64 = 0
    package var live = LiveCalls()
    package var runs = RunModels()

    package init() {}
  }

  /// Takes in one whole line.
  ///
  /// - Returns: The frame to send back, where one was asked for.
  package func handle(_ line: Span<UInt8>, _ scratch: inout Scratch, numbered: inout Int?) -> [UInt8]? {
    let arrived = Clocks.monotonic()
    let frame: Frame
    let generation = current
    do throws(FrameFault) {
      scratch.decoder.keepsTools = generation.prepared.needsTools
      frame = try scratch.decoder.decode(line)
      numbered = scratch.decoder.number(line)
    } catch {
      // A frame that is skipped has come all the same; only what is no JSON object has no number to read.
      if error != .notJSON { numbered = scratch.decoder.number(line) }
      return refuse(line, error, kind: .invalid, &scratch)
    }
    switch frame {
    case .ping:
      recorder.balance.withLock { balance in
        balance.arrived(.ping)
        balance.answeredPing()
      }
      return Reply.pong
    case .outcome(var outcome):
      outcome.callID = outcome.callID.map(generation.seal.identifier)
      outcome.runID = outcome.runID.map(generation.seal.identifier)
      outcome.approvedBy = generation.seal.name(outcome.approvedBy)
      recorder.balance.withLock { $0.arrived(.outcome) }
      recorder.ended(outcome)
      return nil
    case .answer(var answer):
      answer.callID = generation.seal.identifier(answer.callID)
      return handle(answer, line, &scratch)
    case .call(var call):
      call.sealIdentifiers(generation.seal)
      return handle(call, line, generation, arrived: arrived, &scratch)
    }
  }

  /// A line that was skipped, so that nothing of it is known: over the limit, or given up on the way for want of memory.
  package func skipped(forMemory: Bool) {
    recorder.balance.withLock { balance in
      balance.arrived(.invalid)
      if forMemory { balance.dropped(.overload) } else { balance.skipped(.frameTooLarge) }
    }
  }

  /// A frame of a user who sends more than it may: not looked at but for whether somebody waits for a reply.
  ///
  /// - Returns: As ``handle(_:_:numbered:)``.
  package func turnAway(_ line: Span<UInt8>, _ scratch: inout Scratch, numbered: inout Int?) -> [UInt8]? {
    recorder.balance.withLock { balance in
      balance.arrived(.invalid)
      balance.dropped(.rateLimited)
    }
    numbered = scratch.decoder.number(unread: line)
    let address = scratch.decoder.replyAddress(line)
    guard address.wantsReply else { return nil }
    return Reply.error(
      Balance.ShedCause.rateLimited.rawValue, callID: address.callID,
      "more frames a second than this user may send (`run --peer-frames-per-second`); go on with the frontier"
    )
  }

  private func refuse(
    _ line: Span<UInt8>, _ fault: FrameFault, kind: Balance.Kind, _ scratch: inout Scratch
  ) -> [UInt8]? {
    recorder.balance.withLock { balance in
      balance.arrived(kind)
      balance.skipped(fault)
    }
    return complaint(line, fault, &scratch)
  }

  /// What its sender is told, where it asked to be.
  private func complaint(_ line: Span<UInt8>, _ fault: FrameFault, _ scratch: inout Scratch) -> [UInt8]? {
    let address = scratch.decoder.replyAddress(line)
    guard address.wantsReply else { return nil }
    return Reply.error(fault.rawValue, callID: address.callID, scratch.decoder.remedy(fault, line))
  }

  private func handle(_ frame: AnswerFrame, _ line: Span<UInt8>, _ scratch: inout Scratch) -> [UInt8]? {
    // Its comparison would only be refused. What is known of its call stays, until it is forgotten with time.
    if pressure.level == .shedding {
      recorder.shedAnswer()
      return nil
    }
    // Counted before it is joined: from then on a candidate's thread may have its comparison in the log at any time, and
    // more would have been recorded than ever came.
    recorder.balance.withLock { $0.arrived(.answer) }
    let admission = recorder.joining.withLock { $0.answered(frame, now: Clocks.monotonic()) }
    if case .duplicate = admission {
      recorder.balance.withLock { $0.skipped(.duplicateAnswer) }
      return complaint(line, .duplicateAnswer, &scratch)
    }
    switch admission {
    case .compare(let pair): recorder.compare(pair, generation: current)
    case .unmatched(let cause): recorder.unmatched(frame, cause: cause, generation: current)
    case .waits, .duplicate: break
    }
    return nil
  }

  // MARK: - Calls

  /// - Parameter generation: That the frame was read for: no other decides it.
  private func handle(
    _ call: Call, _ line: Span<UInt8>, _ generation: Generation, arrived: UInt64, _ scratch: inout Scratch
  ) -> [UInt8]? {
    guard recorder.joining.withLock({ $0.called(call.callID) }) else {
      return refuse(line, .duplicateCall, kind: .call, &scratch)
    }
    recorder.balance.withLock { $0.arrived(.call) }
    let level = pressure.level
    let context = DecisionContext(
      override: kill.override(seesFile: scratch.seesKillFile), today: scratch.today.text)
    let screening = Engine.screen(
      call, policy: generation.prepared, context: context, scratch: &scratch.engine)
    let screened = Clocks.monotonic()
    if screening.taskType == nil { unmatched.withLock { $0.count(call, sealedBy: generation.seal) } }
    let standing = standing(of: call, screening, in: generation)
    var decision = screening.reason == nil ? nil : Engine.withoutCandidate(screening)
    var conversation = Conversation(
      call: call, screening: screening, generation: generation, standing: standing, arrived: arrived,
      nanoseconds: screened - arrived, steps: CandidateSteps(nil))
    if decision == nil, let task = screening.task, let standing {
      let budget = budget(of: task, call)
      conversation.steps = steps(
        of: task, generation, isRotated: standing.isRotated, maySpend: budget.maySpend)
      let cause =
        level == .calm
        ? refusal(call, task, standing, budget, conversation.steps)
        : (standing.isLive(for: call) && !isLogSound ? Self.logFailing : Self.shed)
      if let cause {
        var refused = Engine.withoutCandidate(screening)
        refused.withhold(cause)
        decision = refused
      } else if standing.isLive(for: call) {
        conversation.held = pressure.hold(call)
        wait(for: &conversation, task, standing, &scratch)
        converse(conversation)
        return nil
      }
    }
    let reply = call.wantsReply ? immediateReply(conversation, decision, &scratch) : nil
    let told = RouteTold(standing, screening)
    if level == .shedding, told.isShadow {
      recorder.shed(call)
    } else if let decision {
      let candidate = CandidateRecord(task: screening.task, decision: decision)
      record(
        call, screening, candidate, generation, told, arrived: arrived, nanoseconds: screened - arrived)
    } else {
      conversation.held = pressure.hold(call)
      converse(conversation)
    }
    return reply
  }

  /// The candidates that a call may be put to: those that cost nothing, where the money is spent.
  private func steps(
    of task: PreparedTask, _ generation: Generation, isRotated: Bool, maySpend: Bool
  ) -> CandidateSteps {
    var steps = CandidateSteps(task.policy, isRotated: isRotated)
    if !maySpend { steps.keepLeading { generation.pools[$0]?.model.isFree == true } }
    return steps
  }

  /// Notes that the agent of a call waits for its candidate.
  private func wait(
    for conversation: inout Conversation, _ task: PreparedTask, _ standing: Standing,
    _ scratch: inout Scratch
  ) {
    let model = conversation.steps.model.flatMap { conversation.generation.pools[$0]?.model }
    let ticket = scratch.live.ticket(
      for: scratch.connection, due: Self.due(conversation.call, model, arrived: conversation.arrived))
    conversation.ticket = ticket
    scratch.live.add(
      LiveCall(
        ticket: ticket, call: conversation.call, task: task, generation: conversation.generation,
        standing: standing))
  }

  /// `frontier` at once; the reason is null where a candidate will be asked all the same.
  private func immediateReply(
    _ conversation: Conversation, _ decision: Decision?, _ scratch: inout Scratch
  ) -> [UInt8] {
    let (call, generation) = (conversation.call, conversation.generation)
    var reply = frontierReply(
      call, conversation.screening.task, generation, conversation.standing, &scratch.runs)
    reply.reason = decision?.reason
    reply.detail = decision?.detail
    if decision?.detail == Self.budgetExhausted, case .frontier(var frontier) = reply.content {
      frontier.model = cheaper(frontier, call, generation)
      reply.content = .frontier(frontier)
    }
    countReply(conversation.screening.task, reply)
    return reply.line
  }

  /// - Returns: Whether the log accepted the record.
  @discardableResult
  func record(
    _ call: Call, _ screening: Screening, _ candidate: CandidateRecord, _ generation: Generation,
    _ told: RouteTold, arrived: UInt64, nanoseconds: UInt64
  ) -> Bool {
    var record = DecisionRecord(
      call: call, screening: screening, candidate: candidate, policy: generation.prepared,
      decideUs: Int(nanoseconds / 1000))
    record.told = told
    return recorder.decided(record, generation: generation, arrived: arrived)
  }
}

/// The day as waivers need it, made anew when it changes rather than for every call.
package struct Today {
  private(set) var text = ""
  private var day: Int64 = -1

  package mutating func refresh(now: Int64) {
    let day = now / 86_400_000
    guard day != self.day else { return }
    self.day = day
    text = PolicyLoading.day(now)
  }
}

/// Frames that the router sends, beside decisions.
enum Reply {
  static let pong = Array("{\"kind\":\"pong\"}\n".utf8)

  static func error(_ code: String, callID: String?, _ message: String) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("kind")
    writer.string("error")
    writer.key("call_id")
    if let callID { writer.string(callID) } else { writer.null() }
    writer.key("code")
    writer.string(code)
    writer.key("message")
    writer.string(message)
    writer.endObject()
    return writer.bytes + [UInt8(ascii: "\n")]
  }
}

/// The shapes of calls that no rule gave a task type, most frequent first: what `status` offers rules for.
package struct UnmatchedShapes: Sendable {
  package struct Shape: Hashable, Sendable {
    package var agent: String?
    package var step: String?
    package var model: String?
    package var tool: String?
  }

  /// Shapes kept; later ones are only counted.
  static let capacity = 200
  private(set) var counts: [Shape: Int] = [:]
  private(set) var others = 0

  mutating func count(_ call: Call, sealedBy seal: TextSeal) {
    let shape = Shape(
      agent: seal.name(call.agent), step: seal.name(call.step), model: seal.name(call.frontierModel),
      tool: seal.name(call.tools.first))
    if counts[shape] != nil || counts.count < Self.capacity {
      counts[shape, default: 0] += 1
    } else {
      others += 1
    }
  }

  /// The five most frequent, with the classifier rule to paste.
  package var top: [(shape: Shape, count: Int, rule: String)] {
    counts.sorted { ($0.value, $0.key.rule) > ($1.value, $1.key.rule) }.prefix(5).map {
      ($0.key, $0.value, $0.key.rule)
    }
  }
}

extension UnmatchedShapes.Shape {
  /// A line of `classifier.rules`, with the task left to fill in.
  var rule: String {
    let conditions = [("agent", agent), ("step", step), ("model", model), ("tool", tool)].compactMap {
      key, value in
      value.map { "\(key): \(JSONValue.string($0).jsonText)" }
    }
    return
      "- {task: TASK, when: {\(conditions.isEmpty ? "text_prefix: \"…\"" : conditions.joined(separator: ", "))}}"
  }
}
