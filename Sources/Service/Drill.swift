import Deciding
import Journal
import LogReading
import LogRequests
import PolicyFiles
import Posix
import RouterCore
import Synchronization
import Wire

/// A drill of the kill switch: turned on while probe calls go over the tap, proved, turned off again, recorded.
///
/// Its calls have a task type that no policy may have, ``task``, so that no candidate is ever asked about them and no
/// task's evidence counts them. Their reason tells: `unknown_task` with the switch off, `manual_override` with it on.
struct Drill {
  let state: SidecarState
  let actor: String
  let reason: String?

  static let task = "\(DrillCall.taskType)"
  /// Probe calls after the first that was overridden.
  private static let proofs = 100
  /// Milliseconds in which each step has to be done.
  private static let patience: Int64 = 5_000

  struct Refusal: Error {
    let status: Int
    let message: String
  }

  struct Result: Sendable {
    var isPassed: Bool
    /// Why not, or why the switch is on afterwards.
    var problem: String?
    /// From turning the switch on to the arrival of the first overridden decision at its sender.
    var microseconds: Int?
    /// Of the drill and of agents, from then until the switch was turned off.
    var decisions = 0
    /// Local answers that agents were given in that time.
    var localAnswers = 0
    var isLatched = false
    /// The switch is off again.
    var isRestored = false
  }

  func run() throws(Refusal) -> Result {
    let kill = state.pipeline.kill
    if let override = kill.override {
      throw Refusal(
        status: 409,
        message: "the kill switch is on already (\(override)), and a drill begins with it off; first: "
          + KillSwitch.remedy(override.description))
    }
    guard state.pipeline.current.prepared.task(Self.task) == nil else {
      throw Refusal(status: 409, message: "the policy has a task \(Self.task); that name is the drill's own")
    }
    var probe: Probe
    do throws(PosixError) {
      probe = try Probe(tap: state.paths.tap)
    } catch {
      throw Refusal(status: 503, message: "the tap does not take the drill's calls: \(error.description)")
    }
    guard probe.ask() == "unknown_task" else {
      throw Refusal(status: 503, message: "the drill's first call was not decided as it should be")
    }
    let result = carryOut(&probe)
    guard record(result) else {
      throw Refusal(
        status: 503,
        message: "the log cannot be written: a drill that is not recorded counts for nothing (it "
          + (result.isPassed ? "passed)" : "failed: \(result.problem ?? "unknown"))"))
    }
    return result
  }

  private func carryOut(_ probe: inout Probe) -> Result {
    var result = Result(isPassed: false)
    let started = Mutex<UInt64>(0)
    let turned = Mutex<KillSwitch.Turn?>(nil)
    // On a thread of its own: calls are on their way all the time, as an agent's would be.
    let name = "drill:\(actor)"
    let switcher: Thread
    do throws(PosixError) {
      switcher = try Thread.spawn(name: "drill") { [state, reason] in
        started.withLock { $0 = Clocks.monotonic() }
        let turn = state.pipeline.kill.turnOn(
          by: name, reason: reason ?? "drill", now: Clocks.realtime())
        state.pipeline.desk.wake()
        turned.withLock { $0 = turn }
      }
    } catch {
      result.problem = "no thread could be had: \(error.description)"
      return result
    }
    let first = probe.askUntilOverridden(by: Clocks.deadline(afterMilliseconds: Self.patience))
    let before = counts
    if let first {
      let start = started.withLock { $0 }
      result.microseconds = Int((first - min(start, first)) / 1000)
      result.problem = probe.prove(Self.proofs)
    } else {
      result.problem = "no call was overridden within \(Self.patience) ms"
    }
    let after = counts
    switcher.join()
    result.decisions = after.decisions - before.decisions
    result.localAnswers = after.local - before.local
    if result.localAnswers > 0 { result.problem = "an agent was given a local answer with the switch on" }
    note(old: "off", new: "on")
    if let turn = turned.withLock({ $0 }) {
      result.isLatched = turn.isPersistent
      restore(turn, name, &probe, &result)
    }
    result.isPassed = result.problem == nil
    return result
  }

  /// Turns the switch off again, unless somebody else turned it on meanwhile: then it stays on, and the drill has still
  /// passed.
  private func restore(
    _ turn: KillSwitch.Turn, _ name: String, _ probe: inout Probe, _ result: inout Result
  ) {
    do throws(PosixError) {
      let isOurs = try state.pipeline.kill.takeBack(turn, by: name)
      if isOurs { note(old: "on", new: "off") }
      result.isRestored = state.pipeline.kill.override == nil
      if result.isRestored, probe.ask() != "unknown_task" {
        result.problem = result.problem ?? "a call was not decided as before after the switch was turned off"
      }
    } catch {
      result.problem = "the switch stays on, its latch cannot be removed: \(error.description)"
    }
  }

  private func note(old: String, new: String) {
    state.log.warning(
      new == "on" ? "kill_switch_on" : "kill_switch_off", ["by": "drill:\(actor)"])
    Control.recordFlag(state, old: old, new: new, reason: reason ?? "drill", actor: "drill:\(actor)")
  }

  private var counts: (decisions: Int, local: Int) {
    state.pipeline.recorder.metrics.withLock { metrics in
      (Int(metrics.decisions.values.reduce(0, +)), Int(metrics.localReplies))
    }
  }

  /// - Returns: Whether the record is on the disk.
  private func record(_ result: Result) -> Bool {
    var body = RecordBody()
    body.field("result", result.isPassed ? "passed" : "failed")
    body.field("passed", result.isPassed)
    body.field("effective_us", result.microseconds)
    body.field("decisions", result.decisions)
    body.field("local_answers", result.localAnswers)
    body.field("latched", result.isLatched)
    body.field("restored", result.isRestored)
    body.field("problem", result.problem)
    body.field("reason", reason)
    body.field("actor", actor)
    let recorder = state.pipeline.recorder
    return recorder.write("drill", body)
      && recorder.journal.flush(deadline: Clocks.deadline(afterMilliseconds: Self.patience))
  }
}

extension Drill.Result {
  var json: JSONValue {
    [
      "result": .string(isPassed ? "passed" : "failed"),
      "effective_us": microseconds.map { .number(JSONNumber($0)) } ?? .null,
      "decisions": .number(JSONNumber(decisions)), "local_answers": .number(JSONNumber(localAnswers)),
      "latched": .bool(isLatched), "restored": .bool(isRestored),
      "problem": problem.map { .string($0) } ?? .null,
    ]
  }
}

/// A sender of probe calls.
private struct Probe: ~Copyable {
  private let socket: Descriptor
  private let prefix: String
  private var asked = 0
  private var buffer: [UInt8] = []
  private var space = [UInt8](repeating: 0, count: 16 << 10)

  /// Milliseconds in which a decision must come.
  private static let patience: Int64 = 2_000

  init(tap: String) throws(PosixError) {
    socket = try UnixSocket.connect(to: tap)
    prefix = DrillCall.idPrefix + Random.bytes(6).map { String($0, radix: 16) }.joined()
  }

  /// Puts one call, and waits for its decision.
  ///
  /// - Returns: Its reason; nil where none came, or one that is not `frontier`.
  mutating func ask() -> String? {
    asked += 1
    var writer = JSONWriter()
    writer.beginObject()
    for (key, value) in [
      ("kind", "call"), ("call_id", "\(prefix)-\(asked)"), ("task_type", Drill.task),
      ("agent", "shadow-router drill"), ("input", "a probe of the kill switch"),
    ] {
      writer.key(key)
      writer.string(value)
    }
    writer.key("reply")
    writer.bool(true)
    writer.endObject()
    guard (try? socket.writeAll(writer.bytes + [UInt8(ascii: "\n")])) != nil,
      let reply = receive(), reply["call_id"]?.stringValue == "\(prefix)-\(asked)",
      reply["route"]?.stringValue == "frontier"
    else { return nil }
    return reply["reason"]?.stringValue
  }

  /// - Returns: When the first overridden decision came, in monotonic nanoseconds.
  mutating func askUntilOverridden(by deadline: UInt64) -> UInt64? {
    while Clocks.monotonic() < deadline {
      guard let reason = ask() else { return nil }
      if reason == "manual_override" { return Clocks.monotonic() }
    }
    return nil
  }

  /// - Returns: What was wrong; nil: every call was overridden.
  mutating func prove(_ count: Int) -> String? {
    for number in 1...count {
      guard let reason = ask() else { return "call \(number) after the first got no decision" }
      guard reason == "manual_override" else { return "call \(number) after the first was \(reason)" }
    }
    return nil
  }

  private mutating func receive() -> JSONValue? {
    let deadline = Clocks.deadline(afterMilliseconds: Self.patience)
    while true {
      if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
        defer { buffer.removeFirst(end + 1) }
        return try? JSONValue(parsing: Array(buffer[..<end]))
      }
      guard (try? Poll.wait(socket, for: .readable, until: deadline)) == true,
        case .bytes(let count)? = try? socket.read(into: &space)
      else { return nil }
      buffer += space[..<count]
    }
  }
}
