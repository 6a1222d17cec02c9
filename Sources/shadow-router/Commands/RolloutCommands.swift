import Commands
import Screens
import Wire

enum PromoteCommand {
  static let command = Command(
    name: "promote", summary: "live routing of a task: one stage up, under a receipt",
    help: """
      Examples:
        shadow-router promote triage_ticket --percent 1 --user-group beta
        shadow-router promote triage_ticket --percent 10
        shadow-router promote triage_ticket --percent 1 --override --reason "drill" --approver ana

      Asks the gate first: unless it passes nothing changes, exit 4 with the conditions that are not met. Stages are 1, 10,
      50 and 100 % of the eligible calls, one at a time on the way up; the way down is always open. The same stage again
      renews the receipt from the present epoch.

        --percent N       the next stage where it is absent; with groups alone everybody else stays where they are
        --user-group G    callers of this group are always in; may be given again
        --approver A      stands in the receipt; your account where it is absent
        --reason T        stands in the log
        --override        for drills: no gate is asked, any stage, for 24 hours; needs --reason and --approver.
                          Hard stops, `impact: high` and `local: false` hold all the same

      """,
    options: [
      "percent": true, "user-group": true, "approver": true, "reason": true, "override": false,
    ]
  ) { (arguments) throws(Failure) in
    let task = try arguments.operands(1...1, "promote TASK [--percent N] [--user-group G]…")[0]
    var body = [JSONMember("task", .string(task))]
    if let text = arguments.value("percent") {
      guard let percent = Int(text), [0, 1, 10, 50, 100].contains(percent) else {
        throw .usage("--percent must be a stage: 1, 10, 50 or 100 (0 for groups alone), not \(text)")
      }
      body.append(JSONMember("percent", .number(JSONNumber(percent))))
    }
    let groups = arguments.all("user-group")
    for group in groups where !(1...256 ~= group.unicodeScalars.count) {
      throw .usage("--user-group must have 1 to 256 characters; it has \(group.unicodeScalars.count)")
    }
    if !groups.isEmpty { body.append(JSONMember("user_groups", .array(groups.map { .string($0) }))) }
    for name in ["approver", "reason"] {
      if let value = try arguments.line(name) { body.append(JSONMember(name, .string(value))) }
    }
    if arguments.has("override") { body.append(JSONMember("override", true)) }
    return try RolloutAnswer.of("/v1/promote", body, arguments)
  }
}

enum DemoteCommand {
  static let command = Command(
    name: "demote", summary: "sends a task back to shadow, at once",
    help: """
      Examples:
        shadow-router demote triage_ticket --reason "wrong labels since Monday"

      Takes effect for the very next decision, whatever the log and the disk say. The way up begins again at 1 %.

        --reason T   required; stands in the log and in `status`

      """,
    options: ["reason": true]
  ) { (arguments) throws(Failure) in
    let task = try arguments.operands(1...1, "demote TASK --reason T")[0]
    guard let reason = try arguments.line("reason") else { throw .usage("`demote` needs --reason") }
    return try RolloutAnswer.of(
      "/v1/demote", [JSONMember("task", .string(task)), JSONMember("reason", .string(reason))], arguments)
  }
}

enum RotateCommand {
  static let command = Command(
    name: "rotate", summary: "makes a task's challenger its candidate, or goes back",
    help: """
      Examples:
        shadow-router rotate triage_ticket
        shadow-router rotate triage_ticket --back

      The challenger takes the candidate's place only when `gate TASK --challenger` passes (else exit 4), with the evidence of
      its own epoch and at the stage that the task has. The candidate is watched as challenger from then on.

        --back   the previous model again, at once, under its receipt where that has not ended

      """,
    options: ["back": false]
  ) { (arguments) throws(Failure) in
    let task = try arguments.operands(1...1, "rotate TASK [--back]")[0]
    return try RolloutAnswer.of(
      "/v1/rotate", [JSONMember("task", .string(task)), JSONMember("back", .bool(arguments.has("back")))],
      arguments)
  }
}

/// What the router said to a change of a flag.
private enum RolloutAnswer {
  static func of(_ path: String, _ body: [JSONMember], _ arguments: Arguments) throws(Failure) -> Exit {
    let (status, value) = try ControlClient.json(
      "POST", path, body: .object(body), at: arguments.paths, within: 600_000)
    if arguments.wantsJSON { Terminal.out(value.jsonText + "\n") }
    guard status == 200 else {
      let message = value["error"]?.stringValue ?? "the router refused (\(status))"
      let unmet = arguments.wantsJSON ? "" : GateText.unmet(value["gate"])
      throw Failure(exit: exit(status), message: message + unmet)
    }
    if !arguments.wantsJSON { Terminal.out(text(value) + "\n") }
    if value["saved"]?.boolValue == false {
      Terminal.message(
        "it holds in memory; the log or the disk does not take it yet, and it is tried again\n")
    }
    return .yes
  }

  private static func exit(_ status: Int) -> Exit {
    switch status {
    case 400, 404: .usage
    case 409: .refused
    default: .surroundings
    }
  }

  private static func text(_ value: JSONValue) -> String {
    let task = value["task"]?.stringValue ?? "?"
    if let changed = value["changed"]?.boolValue {
      let words = changed ? "\(task): shadow" : "\(task): was in shadow already"
      guard value["rewritten"]?.boolValue == true else { return words }
      return words + "\nflags.json could not be read and is written anew: only what status shows is served"
    }
    var lines = [RolloutText.line(value)]
    if let next = value["next"]?.stringValue { lines.append("next: \(next)") }
    if let note = value["note"]?.stringValue { lines.append(Terminal.styled(note, .yellow)) }
    return lines.joined(separator: "\n")
  }
}

/// A task's stage as `status` says it, in a line for people.
enum RolloutText {
  static func line(_ task: JSONValue) -> String {
    func text(_ key: String) -> String? { task[key]?.stringValue.map(TerminalText.oneLine) }
    let name = text("task") ?? "?"
    var words = ["\(name): \(text("stage") ?? "?")"]
    if let percent = task["percent"]?.intValue, percent > 0 || !groups(task).isEmpty {
      words.append("\(percent) %")
    }
    if !groups(task).isEmpty { words.append("groups \(groups(task).joined(separator: " "))") }
    if task["rotated"]?.boolValue == true { words.append("rotated: the challenger is asked first") }
    if let end = text("receipt_expires_at") {
      words.append("receipt \(text("receipt") ?? "?") until \(end.prefix(16))")
    }
    if task["override"]?.boolValue == true {
      words.append(Terminal.styled("OVERRIDE by \(text("approver") ?? "?"): no gate passed", .red))
    }
    if let why = text("why") { words.append(Terminal.styled(why, .yellow)) }
    return words.joined(separator: ", ")
  }

  private static func groups(_ task: JSONValue) -> [String] {
    (task["user_groups"]?.arrayValue ?? []).compactMap { $0.stringValue.map(TerminalText.oneLine) }
  }
}
