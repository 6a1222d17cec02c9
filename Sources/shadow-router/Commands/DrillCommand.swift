import Commands
import Wire

enum DrillCommand {
  static let command = Command(
    name: "drill", summary: "proves that the kill switch works, and records it",
    help: """
      Examples:
        shadow-router drill
        shadow-router drill --reason "monthly drill"

      Turns the kill switch of the running router on while its own calls go over the tap, measures the time until the
      first of them is sent to the frontier, makes sure that none after it is answered locally, and turns the switch
      off again. For that moment every call of every task goes to the frontier. A switch that is on already is left
      alone (exit 4). A gate asks for a passed drill within 30 days. Exit 1 where the drill failed.

        --reason TEXT   kept in the log

      """,
    options: ["reason": true],
    run: run)

  private static func run(_ arguments: Arguments) throws(Failure) -> Exit {
    _ = try arguments.operands(0...0, "drill [--reason TEXT]")
    let reason = try arguments.line("reason").map { JSONValue.string($0) } ?? .null
    let (status, value) = try ControlClient.json(
      "POST", "/v1/drill", body: ["reason": reason], at: arguments.paths)
    guard status == 200 else {
      let message = value["error"]?.stringValue ?? "the router refused (\(status))"
      throw Failure(
        exit: status == 400 ? .usage : status == 409 ? .refused : .surroundings, message: message)
    }
    let isPassed = value["result"]?.stringValue == "passed"
    if arguments.wantsJSON {
      Terminal.out(value.jsonText + "\n")
    } else {
      Terminal.out(text(value, isPassed))
    }
    return isPassed ? .yes : .no
  }

  private static func text(_ value: JSONValue, _ isPassed: Bool) -> String {
    let decisions = value["decisions"]?.intValue ?? 0
    let isOff = value["restored"]?.boolValue == true
    var text = "drill \(isPassed ? "passed" : "FAILED")\n"
    if let time = value["effective_us"]?.intValue {
      text += "  first decision to the frontier after \(time) µs\n"
    }
    text +=
      "  \(decisions) decisions with the switch on, \(value["local_answers"]?.intValue ?? 0) local answers\n"
    if value["latched"]?.boolValue == false {
      text += "  the latch could not be written: a restart would have lifted the switch\n"
    }
    text += isOff ? "  the switch is off again\n" : "  THE SWITCH IS STILL ON\n"
    if let problem = value["problem"]?.stringValue { text += "  \(problem)\n" }
    return text
  }
}
