import Commands
import LogRequests
import Posix
import Screens
import Wire

/// The review queue on a terminal: one item a screen, one key a label.
struct ReviewTerminal: ~Copyable {
  private let paths: SidecarPaths
  private let task: String?
  private let terminal: RawTerminal
  private var screen: ReviewScreen?
  private var labelled = 0
  /// Bytes read and not yet used: people type ahead.
  private var typed: [UInt8] = []

  private init(paths: SidecarPaths, task: String?, terminal: consuming RawTerminal) {
    self.paths = paths
    self.task = task
    self.terminal = terminal
  }

  /// Labels until the queue is empty or the reviewer goes.
  static func run(at paths: SidecarPaths, task: String?) throws(Failure) -> Exit {
    // Asked before the terminal changes: where no router runs, the reason is an ordinary message.
    _ = try ControlClient.json("GET", "/v1/status", at: paths)
    let labelled: Int
    do {
      guard let terminal = try RawTerminal.take() else {
        throw Failure.usage("labelling by key needs a terminal; `review list` and `review label` do not")
      }
      var session = ReviewTerminal(paths: paths, task: task, terminal: terminal)
      labelled = try session.work()
    } catch let failure as Failure {
      throw failure
    } catch {
      throw .surroundings("\(error)")
    }
    // Behind the terminal's return to what it was.
    Terminal.out("\(labelled) labelled\n")
    return .yes
  }

  /// - Returns: How many labels were given and not taken back.
  private mutating func work() throws -> Int {
    // The other screen, without a cursor: the shell's own lines come back afterwards.
    Terminal.out("\u{1B}[?1049h\u{1B}[?25l")
    defer { Terminal.out("\u{1B}[?25h\u{1B}[?1049l") }
    try fetch(message: nil)
    while screen != nil {
      guard let key = try nextKey() else { break }
      do {
        guard try handle(key) else { break }
      } catch let failure as Failure {
        // The router may be back in a moment; the item stays, and the key can be pressed again.
        screen?.message = failure.message
      }
    }
    if let id = callID { _ = try? post(["release": [.string(id)]]) }
    return labelled
  }

  // MARK: - Keys

  private enum Key: Equatable {
    case text(String)
    case enter, escape, backspace, up, down, interrupt
  }

  /// nil where there is nobody to type any more.
  private mutating func nextKey() throws -> Key? {
    var size = (columns: 0, rows: 0)
    while typed.isEmpty {
      let now = terminal.size
      // First, and whenever the window has changed.
      if now != size {
        draw()
        size = now
      }
      switch try terminal.next(withinMilliseconds: 250) {
      case .keys(let bytes): typed += bytes
      case .idle: continue
      case .end: return nil
      }
    }
    return takeKey()
  }

  private mutating func takeKey() -> Key {
    let byte = typed.removeFirst()
    switch byte {
    case 0x03, 0x04: return .interrupt
    case 0x0D, 0x0A: return .enter
    case 0x7F, 0x08: return .backspace
    case 0x1B:
      guard typed.first == UInt8(ascii: "[") || typed.first == UInt8(ascii: "O") else { return .escape }
      typed.removeFirst()
      while let next = typed.first, !(0x40...0x7E ~= next) { typed.removeFirst() }
      switch typed.isEmpty ? 0 : typed.removeFirst() {
      case UInt8(ascii: "A"): return .up
      case UInt8(ascii: "B"): return .down
      default: return .text("")
      }
    default:
      var bytes = [byte]
      while bytes[0] >= 0xC0, let next = typed.first, 0x80...0xBF ~= next, bytes.count < 4 {
        bytes.append(typed.removeFirst())
      }
      return .text(byte < 0x20 ? "" : String(decoding: bytes, as: UTF8.self))
    }
  }

  /// - Returns: Whether to go on.
  private mutating func handle(_ key: Key) throws -> Bool {
    if screen?.showsHelp == true {
      screen?.showsHelp = false
      return key != .interrupt
    }
    screen?.message = nil
    switch key {
    case .text("a"): try label("accept")
    case .text("e"): try label("escalate")
    case .text(" "): try label("unsure")
    case .text("u"): try undo()
    case .text("f"): try askSeverity()
    case .text("n"):
      if let note = try ask("note: ") { screen?.note = note.isEmpty ? nil : note }
    case .text("o"): try open()
    case .text("j"), .down: scroll(by: 5)
    case .text("k"), .up: scroll(by: -5)
    case .text("?"): screen?.showsHelp = true
    case .text("q"), .interrupt: return false
    default: break
    }
    return true
  }

  /// A line typed into the screen's last one; nil where the reviewer thought better of it.
  private mutating func ask(_ question: String) throws -> String? {
    var answer = ""
    defer { screen?.prompt = nil }
    while true {
      screen?.prompt = "\(question)\(answer)▏   (enter keeps, esc leaves)"
      guard let key = try nextKey() else { return nil }
      switch key {
      case .enter: return answer
      case .escape, .interrupt: return nil
      case .backspace: if !answer.isEmpty { answer.removeLast() }
      case .text(let text): if answer.utf8.count < 400 { answer += text }
      case .up, .down: break
      }
    }
  }

  private mutating func askSeverity() throws {
    guard
      let answer = try ask(
        "severity 1 annoying, 2 costly, 3 security or customer; m after it: a stop missed it: ")
    else { return }
    screen?.missedStop = answer.contains("m")
    let digits = answer.filter { $0 != "m" && $0 != " " }
    guard !digits.isEmpty else {
      screen?.severity = nil
      return
    }
    guard let severity = Int(digits), 1...3 ~= severity else {
      screen?.message = "severity is 1, 2 or 3"
      return
    }
    screen?.severity = severity
  }

  // MARK: - The router

  private var callID: String? { screen?.item["call_id"]?.stringValue }

  private func post(_ body: JSONValue) throws -> (status: Int, value: JSONValue) {
    try ControlClient.json("POST", "/v1/review", body: body, at: paths)
  }

  private static func problem(_ reply: JSONValue) -> String {
    reply["error"]?["message"]?.stringValue ?? "the router refused"
  }

  private mutating func fetch(message: String?) throws {
    let query = task.map { "&task=" + ReviewCommand.escaped($0) } ?? ""
    let (status, reply) = try ControlClient.json("GET", "/v1/review?limit=1" + query, at: paths)
    if status == 404 { throw Failure.usage("--task: " + Self.problem(reply)) }
    guard status == 200 else { throw Failure.surroundings(Self.problem(reply)) }
    guard let item = reply["items"]?[0] else {
      screen = nil
      return
    }
    var next = ReviewScreen(item: item)
    next.backlog = (task.map { reply["by_task"]?[$0] } ?? reply["backlog"])?.intValue ?? 0
    next.message = message
    next.hasColour = Terminal.hasColour
    screen = next
  }

  private mutating func label(_ word: String) throws {
    guard let screen, let callID else { return }
    var body = [JSONMember("call_id", .string(callID)), JSONMember("review_label", .string(word))]
    if let subject = screen.item["subject"] { body.append(JSONMember("subject", subject)) }
    if let severity = screen.severity { body.append(JSONMember("severity", .number(JSONNumber(severity)))) }
    if screen.missedStop { body.append(JSONMember("missed_stop", true)) }
    if let note = screen.note { body.append(JSONMember("note", .string(note))) }
    let (status, reply) = try post(.object(body))
    guard status == 200 else {
      self.screen?.message = Self.problem(reply)
      return
    }
    labelled += 1
    try fetch(message: "\(callID): \(word)")
  }

  private mutating func undo() throws {
    let current = callID
    let (status, reply) = try post(["undo": true])
    guard status == 200 else {
      screen?.message = Self.problem(reply)
      return
    }
    labelled = max(0, labelled - 1)
    // The one that is back comes first.
    if let current { _ = try post(["release": [.string(current)]]) }
    try fetch(message: "\(reply["call_id"]?.stringValue ?? ""): label taken back")
  }

  private mutating func open() throws {
    guard let callID, screen?.item["captured"]?.boolValue == true else {
      screen?.message = "no text of this call is kept"
      return
    }
    guard let reason = try ask("reason (it is written down): ") else { return }
    let (status, reply) = try post(["open": .string(callID), "reason": .string(reason)])
    guard status == 200 else {
      screen?.message = Self.problem(reply)
      return
    }
    screen?.opened = reply
    screen?.scroll = 0
  }

  // MARK: - Drawing

  private mutating func scroll(by lines: Int) {
    let place = screen?.scroll ?? 0
    screen?.scroll = max(0, place + lines)
  }

  private func draw() {
    guard let screen else { return }
    let (columns, rows) = terminal.size
    // Each line is cleared to its end as it is written: clearing the whole screen first would flicker.
    let lines = screen.lines(columns: columns, rows: rows).map { $0 + "\u{1B}[K" }
    Terminal.out("\u{1B}[H" + lines.joined(separator: "\r\n") + "\u{1B}[J")
  }
}
