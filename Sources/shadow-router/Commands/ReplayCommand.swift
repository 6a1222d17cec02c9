import Commands
import Journal
import PolicyFiles
import Posix
import RouterCore
import Screens
import Wire

enum ReplayCommand {
  static let command = Command(
    name: "replay", summary: "captured text, after writing who asked and why; and who opened what",
    help: """
      Examples:
        shadow-router replay c-42 --reason "wrong queue, ticket 311"
        shadow-router replay c-42 --reason "does the new stop catch it?" --explain policies/new-policy.yaml
        shadow-router replay --log

      Text is kept where a task says capture: sampled or {until, sample, max_mb}. The running router writes who asked and
      why, and the record is on the disk before the first byte is shown.

        --reason TEXT     why; kept in the log, redacted
        --explain POLICY  instead of the text: what that policy decides about the call before any model is asked
        --log             every text that was opened: when, by whom, for what, why. Reads the log alone

      """,
    options: ["reason": true, "explain": true, "log": false],
    run: run)

  private static let usage = "replay CALL_ID --reason TEXT [--explain POLICY] | replay --log"

  private static func run(_ arguments: Arguments) throws(Failure) -> Exit {
    if arguments.has("log") {
      _ = try arguments.operands(0...0, usage)
      return try overview(arguments)
    }
    let callID = try arguments.operands(1...1, usage)[0]
    guard let reason = arguments.value("reason") else {
      throw .usage("captured text is opened only with a reason: --reason TEXT")
    }
    // Loaded first: nobody is written down as having opened what could not be shown.
    let generation = try arguments.value("explain").map { (path) throws(Failure) in try load(path) }
    let (status, kept) = try ControlClient.json(
      "POST", "/v1/review", body: ["open": .string(callID), "reason": .string(reason), "what": "replay"],
      at: arguments.paths)
    guard status == 200 else {
      let message = kept["error"]?["message"]?.stringValue ?? "the router refused (\(status))"
      throw Failure(exit: status == 400 ? .usage : status >= 500 ? .surroundings : .no, message: message)
    }
    if let generation { return try explain(kept, generation, wantsJSON: arguments.wantsJSON) }
    Terminal.out(arguments.wantsJSON ? kept.jsonText + "\n" : text(kept))
    return .yes
  }

  // MARK: - Text

  private static func text(_ kept: JSONValue) -> String {
    func part(_ name: String, _ value: JSONValue?) -> String {
      guard let value, !value.isNull else { return "" }
      let label = value["label"]?.stringValue.map { " (\($0))" } ?? ""
      let answer = value["answer"] ?? value
      return "\n\(name)\(label):\n\(TerminalText.plain(answer.stringValue ?? answer.jsonText))\n"
    }
    let head =
      "\(kept["call_id"]?.stringValue ?? "?")  \(kept["task_type"]?.stringValue ?? "?")  \(kept["at"]?.stringValue ?? "?")\n"
    return head + part("input", kept["input"]) + part("candidate", kept["candidate"])
      + part("challenger", kept["challenger"]) + part("frontier", kept["frontier"])
  }

  // MARK: - Explained again

  private static func load(_ path: String) throws(Failure) -> Generation {
    do throws(PolicyLoading.Refusal) {
      return try PolicyLoading(path: path, keys: .temporary()).load(number: 1, now: Clocks.realtime())
        .generation
    } catch {
      throw error.isUnreadable
        ? .surroundings(error.problems.map(\.message).joined(separator: "; "))
        : Failure(exit: .no, message: error.lines(path).joined(separator: "\n"))
    }
  }

  private static func explain(_ kept: JSONValue, _ generation: Generation, wantsJSON: Bool) throws(Failure)
    -> Exit
  {
    // The frame that the call would come in.
    var members = kept["call"]?.members ?? []
    members.append(JSONMember("kind", "call"))
    for name in ["call_id", "task_type", "input"] { members.append(JSONMember(name, kept[name] ?? .null)) }
    let call = try ExplainCommand.call(JSONValue.object(members).jsonBytes, isFrame: true)
    ExplainCommand.show(call, generation, wantsJSON: wantsJSON)
    return .yes
  }

  // MARK: - Who opened what

  private static func overview(_ arguments: Arguments) throws(Failure) -> Exit {
    var opened: [JSONValue] = []
    let folder = try arguments.logFolder()
    do throws(JournalError) {
      var reader = try JournalReader(folder: folder)
      try reader.visit { line, _ in
        if let record = RecordKind.read(line, "access") { opened.append(record) }
        return true
      }
    } catch {
      throw .surroundings(error.description)
    }
    if arguments.wantsJSON {
      for record in opened { Terminal.out(document(record).jsonText + "\n") }
      return .yes
    }
    for record in opened {
      func word(_ name: String) -> String { TerminalText.plain(record[name]?.stringValue ?? "-") }
      Terminal.out("\(word("ts"))  \(word("who"))  \(word("what"))  \(word("call_id"))  \(word("reason"))\n")
    }
    let people = Dictionary(grouping: opened) { $0["who"]?.stringValue ?? "-" }.mapValues(\.count)
    let most = people.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map {
      "\(TerminalText.plain($0.key)) \($0.value)"
    }
    Terminal.message(
      "\(opened.count) texts opened\(most.isEmpty ? "" : ": ")\(most.joined(separator: ", "))\n")
    return .yes
  }

  private static func document(_ record: JSONValue) -> JSONValue {
    .object(["ts", "who", "what", "call_id", "reason"].map { JSONMember($0, record[$0] ?? .null) })
  }
}
