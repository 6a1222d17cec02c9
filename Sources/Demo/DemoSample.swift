import Commands
import Posix
import Wire

/// One call of the shipped sample, with what the frontier answered when it was recorded.
struct DemoCall {
  let id: String
  let task: String
  let input: String
  let answer: String
  let model: String
  /// Whether the task has labels: its answer then is one.
  let isLabelled: Bool
  /// Its place among the calls of its task, from 0.
  let place: Int

  /// Calls of one agent in a row that are told as one run. The sample knows no runs; twenty is made up.
  private static let callsPerRun = 20

  private static let agents = [
    "route_request": "assistant", "banking_intent": "bank-support", "price_direction": "market-desk",
    "ci_triage": "build-watch", "predict_output": "code-helper",
  ]

  private var agent: String { Self.agents[task] ?? "agent" }
  private var run: String { "\(agent)-run-\(place / Self.callsPerRun + 1)" }

  /// The `call` frame, with its line feed.
  func callFrame(number: Int, wantsReply: Bool) -> [UInt8] {
    var writer = Self.begin("call", id, number)
    writer.key("task_type")
    writer.string(task)
    writer.key("task_id")
    writer.string("\(run)/\(place % Self.callsPerRun + 1)")
    writer.key("run_id")
    writer.string(run)
    writer.key("agent")
    writer.string(agent)
    writer.key("frontier")
    writer.beginObject()
    writer.key("model")
    writer.string(model)
    writer.endObject()
    if wantsReply {
      writer.key("reply")
      writer.bool(true)
    }
    writer.key("input")
    writer.string(input)
    return Self.end(&writer)
  }

  /// The `answer` frame. The sample recorded neither times nor tokens: the tokens are estimated, four characters
  /// each, and a latency is not told at all.
  func answerFrame(number: Int) -> [UInt8] {
    var writer = Self.begin("answer", id, number)
    writer.key("output")
    writer.string(answer)
    if isLabelled {
      writer.key("label")
      writer.string(answer)
    }
    writer.key("model")
    writer.string(model)
    writer.key("usage")
    writer.beginObject()
    writer.key("input_tokens")
    writer.int(Self.tokens(input))
    writer.key("output_tokens")
    writer.int(Self.tokens(answer))
    writer.endObject()
    return Self.end(&writer)
  }

  private static func tokens(_ text: String) -> Int { (text.unicodeScalars.count + 3) / 4 }

  private static func begin(_ kind: String, _ id: String, _ number: Int) -> JSONWriter {
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("kind")
    writer.string(kind)
    writer.key("call_id")
    writer.string(id)
    writer.key("n")
    writer.int(number)
    return writer
  }

  private static func end(_ writer: inout JSONWriter) -> [UInt8] {
    writer.endObject()
    writer.newline()
    return writer.bytes
  }
}

/// The shipped sample: a policy and, in `demo/` beside it, calls and models.
struct DemoSample {
  /// Holds `demo.yaml` and `demo/`.
  let folder: String
  let calls: [DemoCall]

  /// - Parameter named: The folder given on the command line; nil looks in the usual places.
  init(named: String?) throws(Failure) {
    folder = try Self.find(named)
    let path = Files.join(folder, "demo/calls.ndjson")
    let tasks = try Self.labelledTasks(Files.join(folder, "demo/tasks.json"))
    let bytes = try Input.read(path, limit: 64 << 20)
    var calls: [DemoCall] = []
    var places: [String: Int] = [:]
    for (line, text) in bytes.split(separator: 0x0A).enumerated() {
      guard let value = try? JSONValue(parsing: Array(text)), let id = value["call_id"]?.stringValue,
        let task = value["task_type"]?.stringValue, let input = value["input"]?.stringValue,
        let answer = value["frontier_answer"]?.stringValue, let model = value["frontier_model"]?.stringValue
      else { throw .surroundings("\(path):\(line + 1) is no call of the sample; restore the file") }
      let place = places[task, default: 0]
      places[task] = place + 1
      calls.append(
        DemoCall(
          id: id, task: task, input: input, answer: answer, model: model, isLabelled: tasks.contains(task),
          place: place))
    }
    guard calls.count >= Self.leastCalls else {
      throw .surroundings("\(path) holds only \(calls.count) calls; restore the file")
    }
    self.calls = calls
  }

  /// Enough for two halves and a few calls under the kill switch.
  private static let leastCalls = 1_000

  private static func labelledTasks(_ path: String) throws(Failure) -> Set<String> {
    guard let members = (try? JSONValue(parsing: Input.read(path, limit: 1 << 20)))?.members else {
      throw .surroundings("\(path) cannot be read as JSON; restore the file")
    }
    return Set(members.filter { $0.value["labels"] != nil }.map(\.name))
  }

  private static func find(_ named: String?) throws(Failure) -> String {
    if let named {
      guard isWhole(named) else {
        throw .surroundings(
          "\(named) holds no demo.yaml with demo/calls.ndjson; name the project's `policies` folder")
      }
      return named
    }
    var places = ["policies"]
    var above = (try? ProcessState.executablePath()).map(Files.folder(of:)) ?? "/"
    while above != "/", above != "." {
      places.append(Files.join(above, "policies"))
      places.append(Files.join(above, "share/shadow-router/policies"))
      above = Files.folder(of: above)
    }
    places.append("/usr/share/shadow-router/policies")
    if let found = places.first(where: isWhole) { return found }
    throw .surroundings(
      "the demo's sample was not found; run this in the project's folder, or name its `policies` folder: "
        + "--demo-dir DIR")
  }

  private static func isWhole(_ folder: String) -> Bool {
    ["demo.yaml", "demo/calls.ndjson"].allSatisfy { name in
      (try? Files.status(Files.join(folder, name)))??.kind == .file
    }
  }
}
