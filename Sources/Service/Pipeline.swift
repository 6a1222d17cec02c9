import Candidates
import Journal
import PolicyFiles
import Posix
import RouterCore
import Synchronization
import Wire

/// The way of one frame: decode, screen, ask, judge, record.
///
/// `handle` runs on the tap's thread alone; a candidate's answer comes back on its model's thread.
final class Pipeline: Sendable {
  let recorder: Recorder
  let kill: KillSwitch
  let rollouts = Rollouts()
  let unmatched = Mutex(UnmatchedShapes())
  let refused = Mutex(RefusedPeers())
  let activity = TapActivity()
  private let generation: Mutex<Generation>

  init(recorder: Recorder, kill: KillSwitch, generation: Generation) {
    self.recorder = recorder
    self.kill = kill
    self.generation = Mutex(generation)
  }

  var current: Generation { generation.withLock { $0 } }

  /// Puts a new generation in force: the next call is decided by it, those under way by their own.
  func adopt(_ new: Generation) { generation.withLock { $0 = new } }

  /// What the tap's thread keeps between frames.
  struct Scratch: ~Copyable {
    var decoder = FrameDecoder()
    var engine = Engine.Scratch()
    var today = Today()
    /// What the look after the last read gave.
    var seesKillFile = false
  }

  /// Takes in one whole line.
  ///
  /// - Returns: The frame to send back, where one was asked for.
  func handle(_ line: Span<UInt8>, _ scratch: inout Scratch, numbered: inout Int?) -> [UInt8]? {
    let arrived = Clocks.monotonic()
    let frame: Frame
    do throws(FrameFault) {
      scratch.decoder.keepsTools = current.prepared.needsTools
      frame = try scratch.decoder.decode(line)
      numbered = scratch.decoder.number(line)
    } catch {
      // A frame that is skipped has come all the same; only what is no JSON object has no number to read.
      if error != .notJSON, error != .duplicateMember { numbered = scratch.decoder.number(line) }
      return refuse(line, error, kind: .invalid, &scratch)
    }
    switch frame {
    case .ping:
      recorder.balance.withLock { balance in
        balance.arrived(.ping)
        balance.answeredPing()
      }
      return Reply.pong
    case .outcome(let outcome):
      recorder.balance.withLock { $0.arrived(.outcome) }
      recorder.ended(outcome)
      return nil
    case .answer(let answer): return handle(answer, line, &scratch)
    case .call(let call): return handle(call, line, arrived: arrived, &scratch)
    }
  }

  /// A line that was skipped: over the limit, so that nothing of it is known.
  func tooLong() {
    recorder.balance.withLock { balance in
      balance.arrived(.invalid)
      balance.skipped(.frameTooLarge)
    }
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
    return address.wantsReply ? Reply.error(fault, callID: address.callID) : nil
  }

  private func handle(_ frame: AnswerFrame, _ line: Span<UInt8>, _ scratch: inout Scratch) -> [UInt8]? {
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

  private func handle(
    _ call: Call, _ line: Span<UInt8>, arrived: UInt64, _ scratch: inout Scratch
  ) -> [UInt8]? {
    guard recorder.joining.withLock({ $0.called(call.callID) }) else {
      return refuse(line, .duplicateCall, kind: .call, &scratch)
    }
    recorder.balance.withLock { $0.arrived(.call) }
    let generation = current
    let context = DecisionContext(
      override: kill.override(seesFile: scratch.seesKillFile), today: scratch.today.text)
    let screening = Engine.screen(
      call, policy: generation.prepared, context: context, scratch: &scratch.engine)
    let screened = Clocks.monotonic()
    if screening.taskType == nil { unmatched.withLock { $0.count(call) } }
    let reply = call.wantsReply ? Reply.decision(call, screening, generation) : nil
    if screening.reason == nil {
      converse(call, screening, generation, arrived: arrived, nanoseconds: screened - arrived)
    } else {
      let candidate = CandidateRecord(task: screening.task, decision: Engine.withoutCandidate(screening))
      record(call, screening, candidate, generation, arrived: arrived, nanoseconds: screened - arrived)
    }
    return reply
  }

  func record(
    _ call: Call, _ screening: Screening, _ candidate: CandidateRecord, _ generation: Generation,
    arrived: UInt64, nanoseconds: UInt64
  ) {
    let record = DecisionRecord(
      call: call, screening: screening, candidate: candidate, policy: generation.prepared,
      decideUs: Int(nanoseconds / 1000))
    recorder.decided(record, generation: generation, arrived: arrived)
  }
}

/// The day as waivers need it, made anew when it changes rather than for every call.
struct Today {
  private(set) var text = ""
  private var day: Int64 = -1

  mutating func refresh(now: Int64) {
    let day = now / 86_400_000
    guard day != self.day else { return }
    self.day = day
    text = PolicyLoading.day(now)
  }
}

/// Frames that the router sends.
enum Reply {
  static let pong = Array("{\"kind\":\"pong\"}\n".utf8)

  /// In the stage `shadow` the answer is `frontier` at once; the reason is null where a candidate will be asked.
  static func decision(_ call: Call, _ screening: Screening, _ generation: Generation) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    func text(_ key: StaticString, _ value: String?) {
      writer.key(key)
      if let value { writer.string(value) } else { writer.null() }
    }
    text("kind", "decision")
    text("call_id", call.callID)
    text("route", "frontier")
    text("reason", screening.reason?.rawValue)
    writer.key("reason_code")
    writer.int(screening.reason?.code ?? 0)
    text("detail", screening.detail)
    text("policy_revision", generation.revision)
    text("stage", "shadow")
    advice(screening.task?.policy, generation, &writer)
    writer.key("escalation")
    writer.beginObject()
    text("task", screening.task?.policy.name)
    writer.key("local_output")
    writer.null()
    text("reason", screening.reason?.rawValue)
    writer.endObject()
    writer.endObject()
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  private static func advice(_ task: TaskPolicy?, _ generation: Generation, _ writer: inout JSONWriter) {
    let policy = generation.prepared.policy
    writer.key("model")
    if let model = policy.frontier.flatMap(policy.model) { writer.string(model.name) } else { writer.null() }
    func list(_ key: StaticString, _ values: [String]) {
      writer.key(key)
      writer.beginArray()
      for value in values { writer.string(value) }
      writer.endArray()
    }
    list("fallbacks", task?.advice.fallbacks ?? [])
    list("retry_on", task?.advice.retryOn ?? [])
    writer.key("max_attempts")
    if let attempts = task?.advice.maxAttempts { writer.int(attempts) } else { writer.null() }
    writer.key("on_exhausted")
    if let end = task?.advice.onExhausted { writer.string(end.rawValue) } else { writer.null() }
  }

  static func error(_ fault: FrameFault, callID: String?) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("kind")
    writer.string("error")
    writer.key("call_id")
    if let callID { writer.string(callID) } else { writer.null() }
    writer.key("code")
    writer.string(fault.rawValue)
    writer.key("message")
    writer.string(fault.remedy)
    writer.endObject()
    return writer.bytes + [UInt8(ascii: "\n")]
  }
}

/// The shapes of calls that no rule gave a task type, most frequent first: what `status` offers rules for.
struct UnmatchedShapes: Sendable {
  struct Shape: Hashable, Sendable {
    var agent: String?
    var step: String?
    var model: String?
    var tool: String?
  }

  /// Shapes kept; later ones are only counted.
  static let capacity = 200
  private(set) var counts: [Shape: Int] = [:]
  private(set) var others = 0

  mutating func count(_ call: Call) {
    let shape = Shape(agent: call.agent, step: call.step, model: call.frontierModel, tool: call.tools.first)
    if counts[shape] != nil || counts.count < Self.capacity {
      counts[shape, default: 0] += 1
    } else {
      others += 1
    }
  }

  /// The five most frequent, with the classifier rule to paste.
  var top: [(shape: Shape, count: Int, rule: String)] {
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
