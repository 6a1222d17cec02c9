import Advice
import Commands
import Deciding
import Journal
import LogReading
import LogRequests
import PolicyFiles
import PolicyLanguage
import Posix
import Reports
import RouterCore
import Schemas
import Screens
import Wire

enum SchemaCommand {
  static let command = Command(
    name: "schema", summary: "the JSON Schema of a format",
    help: """
      Examples:
        shadow-router schema policy > policy.schema.json
        shadow-router schema tap

      Prints the JSON Schema (2020-12) of `policy`, `tap`, `record` or `report`.

      """,
    options: [:]
  ) { (arguments) throws(Failure) in
    let name = try arguments.operands(1...1, "schema policy|tap|record|report")[0]
    let document: JSONValue
    switch name {
    case "policy": document = PolicySchema.document()
    case "tap": document = TapSchema.document()
    case "record": document = RecordSchema.document()
    case "report": document = ReportSchema.document()
    default: throw .usage("no schema `\(name)`; known are policy, tap, record and report")
    }
    Terminal.out(document.jsonText + "\n")
    return .yes
  }
}

enum ReloadCommand {
  static let command = Command(
    name: "reload", summary: "asks the running router to reload its policy, and waits",
    help: """
      Examples:
        shadow-router reload

      Prints the revision in force, and each task whose live serving the policy ended. A refused policy leaves the old one deciding: exit 1, with its errors.

      """,
    options: [:]
  ) { (arguments) throws(Failure) in
    _ = try arguments.operands(0...0, "reload")
    let (_, value) = try ControlClient.json("POST", "/v1/reload", at: arguments.paths)
    let result = value["result"]?.stringValue ?? value["error"]?.stringValue ?? "unknown"
    if arguments.wantsJSON { Terminal.out(value.jsonText + "\n") }
    for line in value["errors"]?.arrayValue ?? [] { Terminal.message((line.stringValue ?? "") + "\n") }
    let revision = value["revision"]?.stringValue ?? "?"
    if !arguments.wantsJSON {
      let generation = value["generation"]?.intValue.map { "\($0)" } ?? "?"
      Terminal.out("\(result): in force is \(revision), generation \(generation)\n")
      for task in value["sent_back"]?.arrayValue ?? [] {
        let (name, reason) = (task["task"]?.stringValue ?? "?", task["reason"]?.stringValue ?? "?")
        Terminal.out(TerminalText.oneLine("\(name): sent back to shadow: \(reason)") + "\n")
      }
    }
    return result == "taken" || result == "unchanged" ? .yes : .no
  }
}

enum KillCommand {
  static let command = Command(
    name: "kill", summary: "frontier-only, at once; and the way back",
    help: """
      Examples:
        shadow-router kill on --reason "wrong labels in billing"
        shadow-router kill off

      `on` works with no router running (by a file in the state folder), on a full disk and with a broken policy.
      `off` removes every latch, or names the one it may not remove (exit 4).

        --reason TEXT   kept in the log and shown by `status`

      """,
    options: ["reason": true],
    run: run)

  private static func run(_ arguments: Arguments) throws(Failure) -> Exit {
    let operand = try arguments.operands(1...1, "kill on|off [--reason TEXT]")[0]
    guard operand == "on" || operand == "off" else { throw .usage("`kill` takes on or off, not \(operand)") }
    if let reason = arguments.value("reason"), !TerminalText.isOneLine(reason) || reason.utf8.count > 500 {
      throw .usage("--reason must be one line of at most 500 bytes without control characters")
    }
    let paths = arguments.paths
    var body: [JSONMember] = [JSONMember("on", .bool(operand == "on"))]
    if let reason = arguments.value("reason") { body.append(JSONMember("reason", .string(reason))) }
    let answer: (status: Int, value: JSONValue)
    do throws(Failure) {
      answer = try ControlClient.json("PUT", "/v1/kill", body: .object(body), at: paths, within: 3_000)
    } catch {
      return try withoutRouter(operand == "on", arguments, cause: error.message)
    }
    if arguments.wantsJSON { Terminal.out(answer.value.jsonText + "\n") }
    guard answer.status == 200 else {
      throw Failure(exit: .refused, message: answer.value["error"]?.stringValue ?? "the router refused")
    }
    let isLatched = answer.value["latched"]?.boolValue ?? true
    if !arguments.wantsJSON {
      Terminal.out(
        operand == "on" ? "kill switch on: every call goes to the frontier\n" : "kill switch off\n")
    }
    if operand == "on", !isLatched {
      Terminal.message("it holds in memory only: the file could not be written, so a restart would lift it\n")
    }
    return .yes
  }

  /// Whether a router writes this log just now.
  private static func isInUse(_ log: String) -> Bool {
    guard Files.exists(log) else { return false }
    do throws(PosixError) {
      if (try FolderLock.take(log)) != nil { return false }
      return true
    } catch {
      return false
    }
  }

  private static func withoutRouter(
    _ isOn: Bool, _ arguments: Arguments, cause: String
  ) throws(Failure) -> Exit {
    let (paths, reason) = (arguments.paths, arguments.value("reason"))
    let kill = KillSwitch(stateFolder: paths.state, runtimeFolder: paths.runtime)
    if !isOn, isInUse(paths.log) {
      throw Failure(
        exit: .refused,
        message:
          "the switch stays on: a router runs with \(paths.state) and holds it in memory too, but \(cause)")
    }
    do throws(PosixError) {
      if isOn {
        try Files.makeFolder(paths.state, mode: 0o700)
        try KillSwitch.write(
          kill.stateFile, by: "uid:\(ProcessState.user)",
          reason: reason.flatMap { Keyring.temporary().seal.label($0, limit: 500) }, now: Clocks.realtime())
        Terminal.out("kill switch on (by \(kill.stateFile); no router answered)\n")
        guard !Files.exists(paths.log) else { return .yes }
        // A latch where no router looks stops nothing, and who believes in it is worse off than with an error.
        Terminal.message(
          "no router has ever written to \(paths.state): if one runs with another folder, it goes on as before. "
            + "Be its user (sudo), or name its folder with --state-dir, and look at shadow-router status\n")
        return arguments.namesState ? .yes : .surroundings
      } else {
        try kill.turnOff()
        Terminal.out("kill switch off (no router answered)\n")
      }
      return .yes
    } catch {
      guard isOn else { throw Failure(exit: .refused, message: kill.stays(error)) }
      throw .surroundings("\(cause), and the file cannot be written: \(error.description)")
    }
  }
}

enum SendCommand {
  static let command = Command(
    name: "send", summary: "sends tap frames from a file; prints replies, if any are asked for",
    help: """
      Examples:
        shadow-router send frames.ndjson
        echo '{"kind":"ping"}' | shadow-router send -

        --tap PATH   the tap socket (default: tap.sock in the runtime folder)

      """,
    options: ["tap": true],
    run: run)

  private static func run(_ arguments: Arguments) throws(Failure) -> Exit {
    let file = try arguments.operands(1...1, "send FILE|-")[0]
    let bytes = try Input.read(file, limit: 2 << 30)
    let socket: Descriptor
    do throws(PosixError) { socket = try UnixSocket.connect(to: arguments.paths.tap) } catch {
      throw .surroundings(
        error.isForbidden
          ? "\(arguments.paths.tap): \(error.reason). It is for members of the socket's group and for whom the router names: "
            + "run --allow-uid \(ProcessState.effectiveUser)"
          : "no router listens at \(arguments.paths.tap) (\(error.reason)). Is it running, and is --tap or --runtime-dir right?"
      )
    }
    do {
      var sender = FrameSender(expecting: FrameSender.repliesAsked(in: bytes))
      try sender.send(bytes, over: socket)
      Terminal.message("sent \(sender.frames) frame\(sender.frames == 1 ? "" : "s")\n")
      return .yes
    } catch {
      throw .surroundings("\(arguments.paths.tap): \(error)")
    }
  }
}

/// Writes frames and prints what comes back, until every reply that was asked for has come.
private struct FrameSender {
  let expected: Int
  private(set) var frames = 0
  private var replies = 0

  init(expecting expected: Int) { self.expected = expected }

  /// Frames that are answered: pings, and those with `reply: true`.
  static func repliesAsked(in bytes: [UInt8]) -> Int {
    bytes.split(separator: 0x0A).count { line in
      guard let frame = try? JSONValue(parsing: Array(line)) else { return false }
      return frame["kind"]?.stringValue == "ping" || frame["reply"]?.boolValue == true
    }
  }

  mutating func send(_ bytes: [UInt8], over socket: borrowing Descriptor) throws {
    frames = bytes.count { $0 == 0x0A } + (bytes.isEmpty || bytes.last == 0x0A ? 0 : 1)
    try socket.setNonBlocking(true)
    let closed = bytes.last == 0x0A || bytes.isEmpty ? bytes : bytes + [0x0A]
    var sent = 0
    while sent < closed.count {
      if let count = try socket.send(closed.span.extracting(sent..<closed.count)) {
        sent += count
      } else {
        _ = try Poll.wait(socket, for: [.readable, .writable], until: nil)
      }
      try readReplies(socket)
    }
    let deadline = Clocks.deadline(afterMilliseconds: 10_000)
    while replies < expected, try Poll.wait(socket, for: .readable, until: deadline) {
      guard try readReplies(socket) else { break }
    }
  }

  /// - Returns: False when the router has closed.
  @discardableResult
  private mutating func readReplies(_ socket: borrowing Descriptor) throws -> Bool {
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      switch try socket.read(into: &buffer) {
      case .bytes(let count):
        replies += buffer[..<count].count { $0 == 0x0A }
        Terminal.out(String(decoding: buffer[..<count], as: UTF8.self))
      case .wouldBlock: return true
      case .end: return false
      }
    }
  }
}

enum ReportCommand {
  static let command = Command(
    name: "report", summary: "the false-accept report",
    help: """
      Examples:
        shadow-router report --since 7d
        shadow-router report --week 2026-W47 --format html --output report.html
        shadow-router report --week last --format html --output 'reports/%W.html' --check

        --week W        an ISO week, such as 2026-W47, or `this` or `last`
        --since SPAN    such as 7d or 12h, or a day such as 2026-11-01; default: the whole log
        --format F      md (default), html, json or csv
        --output FILE   write there instead of standard output, all at once; %W is the week's name (this week's without --week)
        --check         exit 1, with a line for each, where suspected or known false accepts were not reviewed within the task's
                        gate.review_deadline_days, or where a task was demoted

      """,
    options: ["week": true, "since": true, "format": true, "output": true, "check": false],
    run: run)

  private static func run(_ arguments: Arguments) throws(Failure) -> Exit {
    _ = try arguments.operands(0...0, "report [options]")
    ProcessState.returnFreedMemory()
    var request = ReportRequest(arguments.paths)
    request.format = arguments.value("format") ?? (arguments.wantsJSON ? "json" : "md")
    request.week = arguments.value("week")
    request.since = arguments.value("since")
    let now = Clocks.realtime()
    request.resolve(now: now)
    let window: ReportWindow
    do throws(ReportRequest.Fault) {
      try request.validate(now: now)
      window = try request.window(now: now)
    } catch {
      throw .usage(error.message)
    }
    _ = try arguments.logFolder()
    // The policy adds limits and owners; without one the log still tells most.
    request.policy = try? PolicyLoading(path: arguments.paths.policy, keys: .temporary()).policy(
      now: now)
    var attention = AttentionFold(window: window, policy: request.policy, now: now)
    let isChecked = arguments.has("check")
    var progress = Progress("reading the log")
    do throws(ReportRequest.Fault) {
      let made = try request.make(
        now: now, observe: isChecked ? { line in attention.add(line) } : nil,
        progress: { bytes in progress.show(nil, "\(bytes >> 20) MiB") })
      progress.end()
      let week = request.week ?? ISOWeek(containing: now).name
      try write(made.text, to: arguments.value("output")?.replacing("%W", with: week))
      return isChecked ? verdict(attention.attention()) : .yes
    } catch {
      progress.end()
      throw error.isRequest ? .usage(error.message) : .surroundings(error.message)
    }
  }

  /// A line a reason to look, for whoever the hook writes to.
  private static func verdict(_ attention: Attention) -> Exit {
    for overdue in attention.overdue {
      let count = overdue.count
      Terminal.message(
        "\(overdue.task): \(count) suspected or known false accepts unreviewed for over \(overdue.deadlineDays) days\n"
      )
    }
    for task in attention.demoted { Terminal.message("\(task): sent back to shadow\n") }
    return attention.isNeeded ? .no : .yes
  }

  static func write(_ text: String, to path: String?) throws(ReportRequest.Fault) {
    guard let path else { return Terminal.out(text) }
    do throws(PosixError) {
      try Files.replace(path, with: Array(text.utf8), mode: 0o644)
      Terminal.message("wrote \(path)\n")
    } catch {
      throw ReportRequest.Fault(isRequest: false, message: error.description)
    }
  }
}
