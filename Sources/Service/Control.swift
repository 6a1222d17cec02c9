import Deciding
import Gates
import Journal
import LogRequests
import Operations
import PolicyFiles
import Posix
import RouterCore
import Senders
import Synchronization
import Wire

/// The control socket: HTTP/1.1 for the command line, for scrapers and for scripts of the owner.
///
///     GET  /healthz /readyz /metrics
///     GET  /v1/status
///     POST /v1/reload
///     PUT  /v1/kill            {"on": true, "reason": "…"}
///     POST /v1/drill           {"reason": "…"}
///     GET  /v1/report          ?format=md|html|json|csv&since=7d&week=2026-W47
///     GET  /v1/find/ID
///     GET  /v1/gate/TASK       ?challenger=1
///     POST /v1/eval            what a run of `eval` found
///     GET  /v1/review          ?limit=N&task=T
///     POST /v1/promote         {"task": T, "percent"?: N, "user_groups"?: [G], "override"?, "reason"?, "approver"?}
///     POST /v1/demote          {"task": T, "reason": R}
///     POST /v1/rotate          {"task": T, "back"?: true}
///     POST /v1/erase           {"call_id": C, "reason": R}
///     POST /v1/keys            {"do": "rotate"} or {"do": "destroy", "kid": K}
///     POST /v1/review          a label, an undo, a captured text to open, items to release
///
/// For the router's own user and root, whatever rights the socket's file has.
/// A thread a connection, at most sixteen: a slow client must not stand before the kill switch. Where all are taken the one
/// that has been silent for longest makes room.
final class Control: Sendable {
  private let state: SidecarState
  private let connections = Atomic<Int>(0)
  private let stopping = Atomic<Bool>(false)
  private let thread = Mutex<Thread?>(nil)
  private let drilling = Mutex(())
  /// Connections that wait for a request, by number of descriptor, and since when. Who is in it is not closed.
  private let silent = Mutex<[Int32: UInt64]>([:])
  /// What the log says of the kill switch.
  private let isRecordedOn: Mutex<Bool>

  private static let mostConnections = 16

  init(_ state: SidecarState) {
    self.state = state
    isRecordedOn = Mutex(state.pipeline.kill.isOnByCommand || state.pipeline.kill.seesFile)
  }

  func start(_ listener: consuming Descriptor) throws(PosixError) {
    let number = listener.release()
    let started = try Thread.spawn(name: "control") { [self] in accept(from: Descriptor(owning: number)) }
    thread.withLock { $0 = started }
  }

  func stop() {
    stopping.store(true, ordering: .releasing)
    thread.withLock { $0.take() }?.join()
  }

  private func accept(from listener: consuming Descriptor) {
    var access = AccessList.control(ownUser: ProcessState.effectiveUser)
    while !stopping.load(ordering: .acquiring) {
      lookForKillFile()
      let deadline = Clocks.deadline(afterMilliseconds: 100)
      guard (try? Poll.wait(listener, for: .readable, until: deadline)) == true else { continue }
      guard let socket = acceptOne(from: listener) else { continue }
      guard let peer = try? UnixSocket.peer(of: socket) else { continue }
      guard access.admits(peer, at: Clocks.monotonic()) else {
        state.pipeline.refused.withLock { $0.count(peer.user, at: .control) }
        continue
      }
      guard makeRoom() else { continue }
      connections.add(1, ordering: .relaxed)
      let number = socket.release()
      let spawned = try? Thread.spawn(name: "control-client") { [self] in
        serve(Descriptor(owning: number), actor: "uid:\(peer.user)")
        connections.subtract(1, ordering: .relaxed)
      }
      if spawned == nil {
        _ = Descriptor(owning: number)
        connections.subtract(1, ordering: .relaxed)
      }
    }
  }

  /// - Returns: False where everybody was being answered for two seconds.
  private func makeRoom() -> Bool {
    let deadline = Clocks.deadline(afterMilliseconds: 2_000)
    while connections.load(ordering: .relaxed) >= Self.mostConnections {
      guard Clocks.monotonic() < deadline, !stopping.load(ordering: .acquiring) else { return false }
      silent.withLock { silent in
        guard let longest = silent.min(by: { $0.value < $1.value })?.key else { return }
        // Its thread sees the end and closes it.
        silent[longest] = nil
        UnixSocket.shutDown(longest)
      }
      Clocks.sleep(milliseconds: 2)
    }
    return true
  }

  private func acceptOne(from listener: borrowing Descriptor) -> Descriptor? {
    do throws(PosixError) {
      return try UnixSocket.accept(from: listener)
    } catch {
      // Out of descriptors, most likely: trying again at once would only spin.
      Clocks.sleep(milliseconds: 100)
      return nil
    }
  }

  /// One connection, until it closes or has been silent for ten seconds.
  private func serve(_ socket: consuming Descriptor, actor: String) {
    var parser = HTTPRequestParser()
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    silent.withLock { $0[socket.number] = Clocks.monotonic() }
    defer { silent.withLock { $0[socket.number] = nil } }
    while !stopping.load(ordering: .acquiring) {
      let deadline = Clocks.deadline(afterMilliseconds: 10_000)
      guard (try? Poll.wait(socket, for: .readable, until: deadline)) == true,
        case .bytes(let count)? = try? socket.read(into: &buffer)
      else { return }
      var at = 0
      while at < count {
        do throws(HTTPError) {
          at += try parser.feed(buffer.span.extracting(at..<count))
        } catch {
          return send(.problem(error.answerStatus, error.description), over: socket, keeps: false)
        }
        guard let request = parser.request else { break }
        silent.withLock { $0[socket.number] = nil }
        send(answer(request, actor: actor), over: socket, keeps: request.keepsConnection)
        guard request.keepsConnection else { return }
        silent.withLock { $0[socket.number] = Clocks.monotonic() }
        parser.reset()
      }
    }
  }

  private func send(_ answer: Answer, over socket: borrowing Descriptor, keeps: Bool) {
    var headers: HTTPHeaders = ["Content-Type": answer.type, "Cache-Control": "no-store"]
    if !keeps { headers.add("Connection", "close") }
    guard
      let bytes = try? HTTPResponseWriter.bytes(status: answer.status, headers: headers, body: answer.body)
    else { return }
    var sent = 0
    let deadline = Clocks.deadline(afterMilliseconds: 10_000)
    while sent < bytes.count {
      do throws(PosixError) {
        if let count = try socket.send(bytes.span.extracting(sent..<bytes.count)) {
          sent += count
        } else if try !Poll.wait(socket, for: .writable, until: deadline) {
          return
        }
      } catch {
        return
      }
    }
  }

  // MARK: - Answers

  struct Answer: Sendable {
    var status = 200
    var type = "application/json"
    var body: [UInt8]

    static func json(_ value: JSONValue, status: Int = 200) -> Answer {
      Answer(status: status, body: value.jsonBytes + [UInt8(ascii: "\n")])
    }

    static func text(_ text: String, type: String = "text/plain; charset=utf-8", status: Int = 200) -> Answer
    {
      Answer(status: status, type: type, body: Array(text.utf8))
    }

    static func problem(_ status: Int, _ message: String) -> Answer {
      .json(["error": .string(message)], status: status)
    }
  }

  /// - Parameter actor: Who asks, as records name them.
  func answer(_ request: HTTPRequest, actor: String) -> Answer {
    let path = request.path
    switch (request.method, path) {
    case ("GET", "/healthz"): return .text("ok\n")
    case ("GET", "/readyz"):
      let isFailing = state.pipeline.recorder.journal.status.failingSince != nil
      return isFailing ? .text("the log cannot be written\n", status: 503) : .text("ok\n")
    case ("GET", "/metrics"):
      return .text(MetricsText.render(state), type: "text/plain; version=0.0.4; charset=utf-8")
    case ("GET", "/v1/status"): return .json(StatusReport.document(state))
    case ("POST", "/v1/reload"): return reload(actor)
    case ("PUT", "/v1/kill"): return kill(request.body, actor)
    case ("POST", "/v1/drill"): return drill(request.body, actor)
    case ("GET", "/v1/report"): return report(request.query)
    case ("GET", "/v1/review"):
      return review(
        state.reviewing.items(query: PercentDecoding.query(request.query), reviewer: Self.reviewer(actor)))
    case ("POST", "/v1/review"):
      guard let body = try? JSONValue(parsing: request.body) else {
        return .json(
          ["error": ["code": "bad_json", "message": "the body must be one JSON object"]], status: 400)
      }
      return review(state.reviewing.act(body, reviewer: Self.reviewer(actor)))
    case ("POST", "/v1/promote"), ("POST", "/v1/demote"), ("POST", "/v1/rotate"):
      return rollout(path, request.body, actor)
    case ("POST", "/v1/eval"): return evaluated(request.body, actor)
    case ("POST", "/v1/erase"): return LogKeeping.erase(request.body, state, who: Self.reviewer(actor))
    case ("POST", "/v1/keys"): return LogKeeping.keys(request.body, state, who: Self.reviewer(actor))
    default: break
    }
    if request.method == "GET", path.hasPrefix("/v1/find/") {
      return find(PercentDecoding.decode(String(path.dropFirst("/v1/find/".count))))
    }
    if request.method == "GET", path.hasPrefix("/v1/gate/") {
      let task = PercentDecoding.decode(String(path.dropFirst("/v1/gate/".count)))
      return gate(task, request.query, mayWrite: actor != "console")
    }
    let known = [
      "/healthz", "/readyz", "/metrics", "/v1/status", "/v1/reload", "/v1/kill", "/v1/drill", "/v1/eval",
      "/v1/report", "/v1/review", "/v1/promote", "/v1/demote", "/v1/rotate", "/v1/erase", "/v1/keys",
    ]
    return known.contains(path)
      ? .problem(405, "\(request.method) is not allowed here") : .problem(404, "no such path")
  }

  /// The account's name where it has one: what labels are signed with.
  private static func reviewer(_ actor: String) -> String {
    let user = actor.hasPrefix("uid:") ? UInt32(actor.dropFirst("uid:".count)) : nil
    return user.flatMap { Accounts.name(ofUser: $0) } ?? actor
  }

  private func rollout(_ path: String, _ body: [UInt8], _ actor: String) -> Answer {
    guard let body = try? JSONValue(parsing: body), body.members != nil else {
      return .problem(400, "the body must be one JSON object")
    }
    let promotions = state.promotions
    let reply =
      switch path {
      case "/v1/promote": promotions.promote(body, actor: actor, person: Self.reviewer(actor))
      case "/v1/demote": promotions.demote(body, actor: actor)
      default: promotions.rotate(body, actor: actor, person: Self.reviewer(actor))
      }
    return .json(reply.body, status: reply.status)
  }

  private func review(_ reply: Reviewing.Reply) -> Answer { .json(reply.body, status: reply.status) }

  private func reload(_ actor: String) -> Answer {
    switch state.reloading.reload(by: actor) {
    case .taken(let revision, let generation, let sentBack):
      return .json([
        "result": "taken", "revision": .string(revision), "generation": .number(JSONNumber(generation)),
        "sent_back": Reloading.SentBack.json(sentBack),
      ])
    case .unchanged(let revision, let generation):
      return .json(
        ["result": "unchanged", "revision": .string(revision), "generation": .number(JSONNumber(generation))])
    case .refused(let lines):
      let current = state.pipeline.current
      return .json(
        [
          "result": "refused", "revision": .string(current.revision),
          "generation": .number(JSONNumber(current.number)), "errors": .array(lines.map { .string($0) }),
        ], status: 422)
    }
  }

  private func kill(_ body: [UInt8], _ actor: String) -> Answer {
    guard let value = try? JSONValue(parsing: body), let isOn = value["on"]?.boolValue else {
      return .problem(400, "the body must be {\"on\": true} or {\"on\": false}, with an optional \"reason\"")
    }
    // The way to safety is refused for no slip of the pen.
    if !isOn, let fault = value.strange(["on", "reason"]) { return .problem(400, fault) }
    var reason = value["reason"]?.stringValue
    guard reason.map(Promotions.isOneLine) ?? true else {
      return .problem(400, Promotions.oneLineWanted("reason"))
    }
    reason = reason.flatMap(sealed)
    return isOn ? turnOn(actor, reason) : turnOff(actor)
  }

  /// What people write may quote a text.
  private func sealed(_ words: String) -> String? { state.pipeline.current.seal.label(words, limit: 500) }

  func turnOn(_ actor: String, _ reason: String?) -> Answer {
    let isLatched = state.pipeline.kill.turnOn(by: actor, reason: reason, now: Clocks.realtime())
      .isPersistent
    // Those who wait for a candidate are told at once.
    state.pipeline.desk.wake()
    state.log.warning("kill_switch_on", ["by": actor, "latched": "\(isLatched)"])
    isRecordedOn.withLock { record(&$0, true, reason, actor) }
    return .json(["on": true, "latched": .bool(isLatched)])
  }

  private func turnOff(_ actor: String) -> Answer {
    do throws(PosixError) {
      // In one: else what looks for files would find it off and record that too.
      try isRecordedOn.withLock { (isRecordedOn) throws(PosixError) in
        try state.pipeline.kill.turnOff()
        record(&isRecordedOn, false, nil, actor)
      }
    } catch {
      return .json(["error": .string(state.pipeline.kill.stays(error)), "on": true], status: 409)
    }
    state.log.warning("kill_switch_off", ["by": actor])
    return .json(["on": false])
  }

  private func drill(_ body: [UInt8], _ actor: String) -> Answer {
    let value = body.isEmpty ? .null : try? JSONValue(parsing: body)
    guard let value, value.isNull || value.members != nil, value["reason"]?.isText != false else {
      return .problem(400, "the body must be empty or {\"reason\": \"…\"}")
    }
    if let fault = value.strange(["reason"]) { return .problem(400, fault) }
    var reason = value["reason"]?.stringValue
    guard reason.map(Promotions.isOneLine) ?? true else {
      return .problem(400, Promotions.oneLineWanted("reason"))
    }
    reason = reason.flatMap(sealed)
    // One at a time: a second one would find the switch on.
    return drilling.withLock { _ in
      let drill = Drill(state: state, actor: actor, reason: reason)
      do throws(Drill.Refusal) {
        let result = try drill.run()
        return .json(result.json)
      } catch {
        return .problem(error.status, error.message)
      }
    }
  }

  private func record(_ isRecordedOn: inout Bool, _ isOn: Bool, _ reason: String?, _ actor: String) {
    let word = { (isOn: Bool) in isOn ? "on" : "off" }
    Self.recordFlag(state, old: word(isRecordedOn), new: word(isOn), reason: reason, actor: actor)
    isRecordedOn = isOn
  }

  /// A `kill` file that somebody made or removed is a turn of the switch too.
  private func lookForKillFile() {
    let kill = state.pipeline.kill
    isRecordedOn.withLock { isRecordedOn in
      guard !kill.isOnByCommand, kill.seesFile != isRecordedOn else { return }
      record(&isRecordedOn, !isRecordedOn, nil, kill.current?.by ?? "file")
    }
  }

  /// That the kill switch was turned, and by whom.
  static func recordFlag(
    _ state: SidecarState, old: String, new: String, reason: String?, actor: String
  ) {
    var body = RecordBody()
    body.field("task", nil as String?)
    body.field("flag", "kill_switch")
    body.field("old", old)
    body.field("new", new)
    body.field("reason", reason)
    body.field("actor", actor)
    state.pipeline.recorder.write("flag", body)
  }

  private func report(_ query: String?) -> Answer {
    var wanted = ReportRequest(state.paths)
    wanted.policy = state.pipeline.current.prepared.policy
    for (name, value) in PercentDecoding.query(query) {
      switch name {
      case "format": wanted.format = value
      case "week": wanted.week = value
      case "since": wanted.since = value
      default: return .problem(400, "unknown parameter \(name); known are format, week and since")
      }
    }
    _ = state.pipeline.recorder.journal.flush(deadline: Clocks.deadline(afterMilliseconds: 2_000))
    do throws(ReportRequest.Fault) {
      let made = try wanted.make(now: Clocks.realtime())
      return .text(made.text, type: made.type)
    } catch {
      return .problem(error.isRequest ? 400 : 500, error.message)
    }
  }

  /// - Parameter mayWrite: Whether asking takes one of the task's attempts; the console only looks.
  private func gate(_ task: String, _ query: String?, mayWrite: Bool) -> Answer {
    var isChallenger = false
    for (name, value) in PercentDecoding.query(query) {
      guard name == "challenger", ["0", "1"].contains(value) else {
        return .problem(400, "the only parameter is challenger=1")
      }
      isChallenger = value == "1"
    }
    do throws(GateAsking.Refusal) {
      let subject = state.gateAsking.subject(task, isChallenger: isChallenger)
      return .json(try state.gateAsking.ask(subject, mayWrite: mayWrite).json)
    } catch {
      switch error {
      case .unknown(let why): return .problem(404, why)
      case .log: return .problem(503, "the log cannot be written; ask again later")
      }
    }
  }

  /// A gate that wants the eval set's bar looks for this record.
  private func evaluated(_ body: [UInt8], _ actor: String) -> Answer {
    guard let result = (try? JSONValue(parsing: body)).flatMap(EvalResult.init) else {
      return .problem(400, "the body must be what `eval` found, one JSON object")
    }
    guard state.pipeline.current.prepared.policy.task(result.task) != nil else {
      return .problem(404, "the policy in force has no task \(result.task)")
    }
    let recorder = state.pipeline.recorder
    guard recorder.write("eval", result.record(actor: actor)),
      recorder.journal.flush(deadline: Clocks.deadline(afterMilliseconds: 5_000))
    else { return .problem(503, "the log cannot be written; nothing is recorded") }
    return .json(["recorded": true])
  }

  private func find(_ id: String) -> Answer {
    _ = state.pipeline.recorder.journal.flush(deadline: Clocks.deadline(afterMilliseconds: 2_000))
    do throws(JournalError) {
      let id = state.pipeline.current.seal.identifier(id)
      let records = try LogSearch.records(about: id, in: state.paths.log)
      return records.isEmpty ? .problem(404, "no record about that id") : .json(["records": .array(records)])
    } catch {
      return .problem(500, "\(error)")
    }
  }
}

/// `%41` → `A`, in paths and queries of the control socket.
enum PercentDecoding {
  static func decode(_ text: String) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), rest.count >= 2,
        let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
      {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  static func query(_ text: String?) -> [(String, String)] {
    (text ?? "").split(separator: "&").map { pair in
      let halves = pair.split(separator: "=", maxSplits: 1).map { decode(String($0)) }
      return (halves.first ?? "", halves.count > 1 ? halves[1] : "")
    }
  }
}
