import Commands
import Deciding
import RouterCore
import Screens
import Wire

enum StatusCommand {
  static let command = Command(
    name: "status", summary: "one screen about the running router",
    help: """
      Examples:
        shadow-router status
        shadow-router status --ready && echo up

        --ready   only the exit code: 0 when a router is ready, 1 otherwise

      """,
    options: ["ready": false]
  ) { (arguments) throws(Failure) in
    _ = try arguments.operands(0...0, "status [--ready]")
    if arguments.has("ready") {
      let response = try? ControlClient.ask("GET", "/readyz", at: arguments.paths)
      return response?.status == 200 ? .yes : .no
    }
    let (_, status) = try ControlClient.json("GET", "/v1/status", at: arguments.paths)
    Terminal.out(arguments.wantsJSON ? status.jsonText + "\n" : screen(status))
    return .yes
  }

  private static func screen(_ status: JSONValue) -> String {
    var lines: [String] = []
    func row(_ name: String, _ value: String) { lines.append(name.padded(to: 12) + value) }
    row(
      "router",
      "version \(text(status["version"])), pid \(text(status["pid"])), since \(text(status["started_at"]))")
    row("kill switch", kill(status["kill"]))
    if status["kill"]?["on"]?.boolValue == true {
      row("", "every call goes to the frontier; the way back: \(killRemedy(status["kill"]))")
    }
    let live = status["live_tasks"]?.arrayValue ?? []
    if live.isEmpty { row("local now", "nothing: every task is in shadow") }
    let isKilled = status["kill"]?["on"]?.boolValue == true
    if isKilled, !live.isEmpty { row("local now", "frontier only: the kill switch is on") }
    for (number, task) in live.enumerated() {
      row(number == 0 && !isKilled ? "local now" : "", (isKilled ? "would be " : "") + RolloutText.line(task))
      if !isKilled { row("", "next: \(text(task["next"]))") }
    }
    // In shadow, but not simply: sent back, waiting for a digest, or rotated.
    for task in status["rollout"]?.arrayValue ?? []
    where text(task["stage"]) == "shadow"
      && (task["why"]?.stringValue != nil || task["rotated"]?.boolValue == true)
    {
      row("", "\(RolloutText.line(task)); next: \(text(task["next"]))")
    }
    if status["flags"]?["problem"]?.stringValue != nil {
      row("flags", Terminal.styled("UNREADABLE: \(text(status["flags"]?["problem"]))", .red))
    } else if status["flags"]?["saved"]?.boolValue == false {
      row("flags", Terminal.styled("not saved yet: the log or the disk refuses", .red))
    }
    let policy = status["policy"]
    row("policy", "\(text(policy?["file"]))  generation \(text(policy?["generation"]))")
    row("", text(policy?["revision"]))
    let reload = policy?["last_reload"]
    row("reload", "\(text(reload?["result"])) at \(text(reload?["at"]))")
    for error in reload?["errors"]?.arrayValue ?? [] { row("", Terminal.styled(text(error), .red)) }
    for task in reload?["sent_back"]?.arrayValue ?? [] {
      row("", Terminal.styled("sent \(text(task["task"])) back to shadow: \(text(task["reason"]))", .yellow))
    }
    if reload?["result"]?.stringValue == "refused" {
      row(
        "",
        "generation \(text(policy?["generation"])) goes on deciding; correct the file, then: shadow-router reload"
      )
    }
    for (number, line) in BudgetLines.lines(status["budgets"]?.arrayValue ?? []).enumerated() {
      row(number == 0 ? "budget" : "", line.isAlarm ? Terminal.styled(line.text, .red) : line.text)
    }
    let demotion = status["last_demotion"]
    row(
      "demotion",
      demotion?["task"]?.stringValue == nil
        ? "none"
        : "\(text(demotion?["task"])) at \(text(demotion?["at"])) by \(text(demotion?["actor"])): \(text(demotion?["reason"]))"
    )
    for candidate in status["candidates"]?.arrayValue ?? [] {
      for (number, line) in CandidateTable.lines(candidate).enumerated() {
        row(number == 0 ? "candidate" : "", line)
      }
    }
    let tap = status["tap"]
    let last = tap?["last_frame_at"]?.stringValue
    row(
      "tap",
      "\(text(status["sockets"]?["tap"]))  \(text(tap?["connections"])) connected  "
        + (last.map { "last frame \($0)" } ?? "no frame since the start"))
    let balance = status["balance"]
    row(
      "frames",
      ["received", "recorded", "answered", "malformed", "shed", "in_flight"].map {
        "\($0) \(text(balance?[$0]))"
      }
      .joined(separator: "  "))
    for (title, key) in [("malformed", "malformed_by_cause"), ("shed", "shed_by_cause")] {
      let causes = (balance?[key]?.members ?? []).map { "\($0.name) \(text($0.value))" }
      if !causes.isEmpty { row("  \(title)", causes.joined(separator: "  ")) }
    }
    if (balance?["lost_by_sender"]?.intValue ?? 0) > 0 {
      row("  lost", "\(text(balance?["lost_by_sender"])) by senders")
    }
    let review = status["review"]
    row(
      "review",
      "\(text(review?["backlog"])) items wait for a label"
        + ((review?["backlog"]?.intValue ?? 0) > 0 ? "; shadow-router review" : ""))
    let overdue = (review?["overdue"]?.members ?? []).filter { $0.value.intValue ?? 0 > 0 }
    if !overdue.isEmpty {
      let list = overdue.map { "\($0.name) \(text($0.value))" }.joined(separator: "  ")
      row("", Terminal.styled("past their deadline: \(list)", .red))
      row("", "each counts as wrong in the gate until somebody labels it")
    }
    if let lost = review?["captures_lost"]?.intValue, lost > 0 {
      row("", "\(lost) drawn calls whose text could not be kept")
    }
    for window in status["vault"]?["windows"]?.arrayValue ?? [] {
      row(
        "vault",
        "debug window of \(text(window["task"])) until \(text(window["until"])): \(text(window["texts"])) texts, "
          + "\((window["bytes"]?.intValue ?? 0) >> 20) of \((window["max_bytes"]?.intValue ?? 0) >> 20) MB, unredacted"
      )
    }
    if let texts = status["vault"]?["texts"]?.intValue, texts > 0 {
      row("vault", "\(texts) texts of calls are kept; who opened any: shadow-router replay --log")
    }
    let log = status["log"]
    row(
      "log",
      "seq \(text(log?["seq"]))  head \(text(log?["head"]).prefix(16))…  segment \(text(log?["segment"]))")
    if log?["failing"]?.boolValue == true {
      let seconds = text(log?["failing_seconds"])
      row("", Terminal.styled("FAILING for \(seconds) s: \(text(log?["last_error"]))", .red))
      let waiting = (log?["pending_bytes"]?.intValue ?? 0) >> 20
      let queue = (status["limits"]?["queue_limit_bytes"]?.intValue ?? 0) >> 20
      row(
        "",
        "\(waiting) of \(queue) MiB wait in memory; past them calls are decided, but lost to the log; make room where \(text(log?["folder"])) is"
      )
    }
    if log?["damage"]?.stringValue != nil {
      row("", Terminal.styled("DAMAGED: \(text(log?["damage"])); shadow-router verify-log", .red))
      row("", "left as it is, the log goes on; copy \(text(log?["folder"])) elsewhere, then look at the disk")
    }
    for (number, line) in LimitLines.lines(status["limits"]).enumerated() {
      row(number == 0 ? "limits" : "", Terminal.styled(line, .red))
    }
    for peer in status["refused_peers"]?.arrayValue ?? [] {
      let times = "uid \(text(peer["uid"])) \(text(peer["count"])) times"
      guard let remedy = peer["admit_with"]?.stringValue else {
        row("refused", "\(times) at the control socket, which is for the router's own user and root")
        continue
      }
      row("refused", "\(times); admit it with:")
      row("", TerminalText.oneLine(remedy))
    }
    for shape in status["unmatched_shapes"]?.arrayValue ?? [] {
      row("unmatched", "\(text(shape["count"])) calls without a task type; under classifier.rules:")
      row("", text(shape["rule"]))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func killRemedy(_ kill: JSONValue?) -> String {
    KillSwitch.remedy(text(kill?["detail"]))
  }

  private static func kill(_ kill: JSONValue?) -> String {
    guard kill?["on"]?.boolValue == true else { return Terminal.styled("off", .green) }
    var words = "ON (\(text(kill?["detail"])))"
    if kill?["by"]?.stringValue != nil { words += " by \(text(kill?["by"]))" }
    if kill?["since"]?.stringValue != nil { words += " since \(text(kill?["since"]))" }
    if kill?["reason"]?.stringValue != nil { words += ": \(text(kill?["reason"]))" }
    if kill?["latched"]?.boolValue == false { words += " latched: false" }
    return Terminal.styled(words, .red)
  }

  private static func text(_ value: JSONValue?) -> String {
    switch value {
    // Reasons, names and notes are what people wrote: none may make a line of its own.
    case .string(let text)?: TerminalText.oneLine(text)
    case .number(let number)?: number.literal
    case .bool(let value)?: value ? "true" : "false"
    default: "-"
    }
  }
}
