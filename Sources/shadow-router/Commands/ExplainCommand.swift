import Commands
import PolicyFiles
import Posix
import RouterCore
import Wire

enum ExplainCommand {
  static let command = Command(
    name: "explain", summary: "what the router would decide before any model is asked",
    help: """
      Examples:
        echo 'npm ERR! code E401' | shadow-router explain policies/router-policy.yaml --task triage_ticket -
        shadow-router explain policies/router-policy.yaml --frame call.json
        shadow-router explain policies/router-policy.yaml --task triage_ticket --json prompt.txt

      FILE (or - for standard input) is the raw prompt, or with --frame a call frame. Nothing is stored.

        --task T      the task type; without it the policy's classifier decides
        --frame       FILE holds one call frame

      """,
    options: ["task": true, "frame": false],
    run: run)

  private static func run(_ arguments: Arguments) throws(Failure) -> Exit {
    let operands = try arguments.operands(1...2, "explain POLICY [--task T] [--frame] [FILE|-]")
    let loaded: PolicyLoading.Loaded
    do throws(PolicyLoading.Refusal) {
      loaded = try PolicyLoading(path: operands[0], keys: .temporary()).load(
        number: 1, now: Clocks.realtime())
    } catch {
      if error.isUnreadable { throw .surroundings(error.problems.map(\.message).joined(separator: "; ")) }
      for line in error.lines(operands[0]) { Terminal.message(line + "\n") }
      return .no
    }
    let bytes = try Input.read(operands.count > 1 ? operands[1] : "-", limit: 64 << 20)
    var call = try call(bytes, isFrame: arguments.has("frame"))
    if let task = arguments.value("task") { call.taskType = task }
    show(call, loaded.generation, wantsJSON: arguments.wantsJSON)
    return .yes
  }

  /// Prints what a policy decides of a call before any model is asked.
  static func show(_ call: Call, _ generation: Generation, wantsJSON: Bool) {
    let today = PolicyLoading.day(Clocks.realtime())
    var scratch = Engine.Scratch()
    let screening = Engine.screen(
      call, policy: generation.prepared, context: DecisionContext(today: today), scratch: &scratch)
    let value = document(call, screening, generation)
    Terminal.out(wantsJSON ? value.jsonText + "\n" : text(screening))
  }

  static func call(_ bytes: [UInt8], isFrame: Bool) throws(Failure) -> Call {
    guard isFrame else {
      var call = Call(callID: "explain")
      call.text = CallText(String(decoding: bytes, as: UTF8.self))
      return call
    }
    var decoder = FrameDecoder()
    do throws(FrameFault) {
      if case .call(let call) = try decoder.decode(bytes.span) { return call }
    } catch {
      throw Failure(exit: .no, message: "the frame is malformed: \(error.rawValue): \(error.remedy)")
    }
    throw Failure(exit: .no, message: "the frame is not a call")
  }

  private static func document(_ call: Call, _ screening: Screening, _ generation: Generation) -> JSONValue {
    var checks = JSONWriter()
    checks.checks(screening.checks)
    var hits = JSONWriter()
    hits.hits(screening.hits)
    func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
    return [
      "next": .string(screening.reason == nil ? "candidate" : "frontier"),
      "task_type": text(screening.taskType), "task_type_source": text(screening.taskTypeSource?.rawValue),
      "reason": text(screening.reason?.rawValue),
      "reason_code": .number(JSONNumber(screening.reason?.code ?? 0)),
      "detail": text(screening.detail),
      "checks": (try? JSONValue(parsing: checks.bytes)) ?? .null,
      "hard_stop_match": (try? JSONValue(parsing: hits.bytes)) ?? .null,
      "input_chars": .number(JSONNumber(screening.inputChars)),
      "input_hash": .string(generation.seal.hash(call.text.bytes.span)),
    ]
  }

  private static func text(_ screening: Screening) -> String {
    var lines: [String] = []
    if let reason = screening.reason {
      let detail = screening.detail.map { " (\($0))" } ?? ""
      lines.append("stays with the frontier: \(reason.rawValue)\(detail)")
    } else {
      lines.append("the candidate would be asked")
    }
    let source = screening.taskTypeSource.map { " (\($0.rawValue))" } ?? ""
    lines.append("task        \(screening.taskType ?? "none")\(source)")
    lines.append("characters  \(screening.inputChars)")
    for hit in screening.hits { lines.append("hard stop   \(hit.kind.rawValue): \(hit.term)") }
    for reason in Reason.allCases where screening.checks[reason] != .skipped {
      lines.append("  \(screening.checks[reason] == .pass ? "pass" : "FAIL")  \(reason.rawValue)")
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
