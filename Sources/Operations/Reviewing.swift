package import Captures
package import Deciding
import Journal
import LogReading
import LogRequests
import PolicyFiles
package import Posix
import Reviews
import RouterCore
import Synchronization
package import Wire

/// The review queue of the running router: reads the log as it grows, hands items to reviewers, writes their labels.
///
/// The log is the only truth: a label counts when its record is on the disk, and a restart folds the same queue again.
/// One thread keeps it up to date; whoever asks brings it up to date first.
package final class Reviewing: Sendable {
  /// What a request came to: an HTTP status and a body.
  package struct Reply: Sendable {
    package var status = 200
    package var body: JSONValue

    package static func problem(_ status: Int, _ code: String, _ message: String) -> Reply {
      Reply(status: status, body: ["error": ["code": .string(code), "message": .string(message)]])
    }
  }

  private struct Given: Sendable {
    var key: ReviewKey
    var stream: ReviewStream
    /// What it replaced.
    var before: ReviewLabel?
  }

  private struct State: ~Copyable {
    var queue = ReviewQueue()
    var reader: JournalReader?
    var reservations: Reservations
    /// By reviewer: labels of this run that can be taken back, the newest last.
    var given: [String: [Given]] = [:]
    var prunedAt: UInt64 = 0
  }

  /// What status and metrics show, without waiting for the queue.
  package struct Summary: Sendable {
    package var backlog: [String: Int] = [:]
    /// Drawn items that nobody labelled in time.
    package var overdue: [String: Int] = [:]
    /// The log has been read to its end once.
    package var isCaughtUp = false
    package var forgotten = 0
  }

  private let pipeline: Pipeline
  private let vault: Vault
  private let weeks: WeekKeys
  private let demotions: Demotions?
  private let logFolder: String
  private let graceMs: Int64
  private let state: Mutex<State>
  private let summary = Mutex(Summary())
  private let thread = PeriodicThread()

  private static let undoLimit = 1_000
  private static let mostItems = 100
  private static let linesAtOnce = 20_000
  private static let longestNote = 2_000
  /// Days of the log that are read at least.
  private static let windowDays = 56

  package init(
    pipeline: Pipeline, vault: Vault, weeks: WeekKeys, logFolder: String, reservationMs: Int64,
    graceMs: Int64, demotions: Demotions? = nil
  ) {
    self.pipeline = pipeline
    self.vault = vault
    self.weeks = weeks
    self.demotions = demotions
    self.logFolder = logFolder
    self.graceMs = graceMs
    state = Mutex(State(reservations: Reservations(patience: UInt64(reservationMs) * 1_000_000)))
  }

  // MARK: - Keeping up

  package func start() throws(PosixError) {
    try thread.start(name: "review", pauseMilliseconds: 1_000) { [self] in keepUp(round: $0) }
  }

  package func stop() { thread.stop() }

  private func keepUp(round: Int) {
    // In pieces, so that a reviewer's request comes between.
    while !refresh(atMost: Self.linesAtOnce), !thread.isStopping {}
    let now = Clocks.realtime()
    weeks.tick(now: now)
    if round % 60 == 59 { weeks.remember() }
    if round % 5 == 0 {
      vault.sweepWindows(pipeline.current.prepared.policy.tasks.compactMap(CaptureWindow.init), now: now)
      sweep(now: now)
    }
  }

  /// - Returns: Whether the end of the log was reached.
  @discardableResult
  private func refresh(atMost limit: Int = .max) -> Bool {
    let isAtEnd = state.withLock { state in read(&state, atMost: limit) }
    return isAtEnd
  }

  private func read(_ state: inout State, atMost limit: Int = .max) -> Bool {
    var queue = state.queue
    // One owner at a time: two would make every change a copy.
    state.queue = ReviewQueue()
    queue.rules = Dictionary(
      pipeline.current.prepared.policy.tasks.map { ($0.name, ReviewQueue.Rules($0)) },
      uniquingKeysWith: { $1 })
    let days = max(Self.windowDays, queue.rules.values.map(\.windowDays).max() ?? 0)
    let since = Clocks.realtime() - Int64(days) * 86_400_000
    if state.reader == nil { state.reader = try? JournalReader(folder: logFolder, from: .time(since)) }
    var left = limit
    let isAtEnd =
      (try? state.reader?.visit { line, _ in
        queue.add(line)
        left -= 1
        return left > 0
      }) ?? true
    let now = Clocks.monotonic()
    if now - state.prunedAt > 600_000_000_000 {
      queue.prune(now: Clocks.realtime())
      state.prunedAt = now
    }
    let backlog = queue.backlog(now: Clocks.realtime())
    let overdue = queue.overdue(now: Clocks.realtime())
    let forgotten = queue.forgotten
    summary.withLock {
      $0.backlog = backlog
      $0.overdue = overdue
      $0.forgotten = forgotten
      $0.isCaughtUp = $0.isCaughtUp || isAtEnd
    }
    state.queue = queue
    return isAtEnd
  }

  /// Removes the texts that nobody needs any more, once the whole log has been read.
  private func sweep(now: Int64) {
    guard latest.isCaughtUp else { return }
    let needed = state.withLock { $0.queue.callsInNeed(now: now, graceMs: graceMs) }
    // A call that was drawn a moment ago may be in the vault before the log's reader has seen it.
    vault.removeAll(but: needed, olderThan: now - max(5_000, min(graceMs, 60_000)))
  }

  /// When the oldest drawn item was decided that nobody has labelled; nil: there is none. To be asked once the log has
  /// been read (``Summary/isCaughtUp``).
  package var oldestWaiting: Int64? { state.withLock { $0.queue.oldestWaiting } }

  package var latest: Summary { summary.withLock { $0 } }

  // MARK: - Items

  /// `GET /v1/review`: reserves the next items for a reviewer.
  package func items(query: [(String, String)], reviewer: String) -> Reply {
    var limit = 1
    var task: String?
    for (name, value) in query {
      switch name {
      case "limit":
        guard let number = Int(value), 1...Self.mostItems ~= number else {
          return .problem(400, "bad_limit", "limit must be a whole number from 1 to \(Self.mostItems)")
        }
        limit = number
      case "task": task = value
      default: return .problem(400, "unknown_parameter", "unknown parameter; known are limit and task")
      }
    }
    let policy = pipeline.current.prepared.policy
    if let task, !policy.tasks.contains(where: { $0.name == task }) {
      let known = policy.tasks.map(\.name).joined(separator: ", ")
      return .problem(404, "unknown_task", "the policy has no task \(task); its tasks are \(known)")
    }
    _ = pipeline.recorder.journal.flush(deadline: Clocks.deadline(afterMilliseconds: 2_000))
    let (documents, backlog) = state.withLock { state -> ([JSONValue], [String: Int]) in
      _ = read(&state)
      let now = Clocks.monotonic()
      var chosen: [(item: ReviewItem, stream: ReviewStream)] = []
      for (key, stream) in state.reservations.renew(reviewer, now: now) where chosen.count < limit {
        guard let item = state.queue.item(key), task == nil || item.task == task else { continue }
        chosen.append((item, stream))
      }
      if chosen.count < limit {
        let reservations = state.reservations
        let held = Set(chosen.map(\.item.key))
        let offers = state.queue.offers(
          limit - chosen.count, task: task, reviewer: reviewer, now: Clocks.realtime()
        ) { held.contains($0) || reservations.isTaken($0, from: reviewer, now: now) }
        for offer in offers {
          state.reservations.take(offer.item.key, offer.stream, for: reviewer, now: now)
          chosen.append((offer.item, offer.stream))
        }
      }
      let until = Clocks.realtime() + Int64(state.reservations.patience / 1_000_000)
      let backlog = state.queue.backlog(now: Clocks.realtime(), reviewer: reviewer)
      let documents = chosen.map {
        document($0.item, alike: state.queue.alike($0.item), policy, until: until)
      }
      return (documents, backlog)
    }
    return Reply(body: [
      "items": .array(documents), "backlog": .number(JSONNumber(backlog.values.reduce(0, +))),
      "by_task": Self.counts(backlog),
    ])
  }

  package static func counts(_ counts: [String: Int]) -> JSONValue {
    .object(counts.sorted { $0.key < $1.key }.map { JSONMember($0.key, .number(JSONNumber($0.value))) })
  }

  /// Never the confidence nor the stream.
  private func document(_ item: ReviewItem, alike: Int, _ policy: Policy, until: Int64) -> JSONValue {
    func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
    // A check's outcome would tell the confidence where it is the confidence's.
    let checks = (item.checks.members ?? []).filter { $0.name != Reason.confidenceLow.rawValue }
    return [
      "call_id": .string(item.key.callID), "subject": .string(item.key.subject),
      "task_type": .string(item.task),
      "rubric": text(policy.tasks.first { $0.name == item.task }?.rubric), "checks": .object(checks),
      "hard_stop_match": item.hardStops, "input": ["preview": text(item.inputPreview), "text": .null],
      "candidate": ["label": text(item.label), "answer": text(item.answerPreview)],
      "frontier": ["label": text(item.frontierLabel), "answer": text(item.frontierPreview)],
      "captured": .bool(vault.holds(item.key.callID)),
      "cluster": ["template": .string(item.template), "count": .number(JSONNumber(alike))],
      "reserved_until": .string(Timestamp.string(until)),
    ]
  }

  // MARK: - Labels

  /// `POST /v1/review`.
  package func act(_ body: JSONValue, reviewer: String) -> Reply {
    if let fault = body.strange(Self.members(body)) { return .problem(400, "unknown_parameter", fault) }
    if body["undo"]?.boolValue == true { return undo(reviewer) }
    if let id = body["open"]?.stringValue {
      return open(pipeline.current.seal.identifier(id), body, reviewer)
    }
    if let ids = body["release"]?.arrayValue { return release(ids, reviewer) }
    return label(body, reviewer)
  }

  /// What a request may have. A `reviewer` is passed over: who labels is what the connection says.
  private static func members(_ body: JSONValue) -> [String] {
    if body["undo"] != nil { return ["undo"] }
    if body["open"] != nil { return ["open", "reason", "what"] }
    if body["release"] != nil { return ["release"] }
    return ["call_id", "review_label", "subject", "severity", "missed_stop", "note", "reviewer"]
  }

  private struct Label: Sendable {
    var key: ReviewKey
    var label: ReviewLabel?
    var stream: ReviewStream
    var severity: Int?
    var missedStop = false
    var note: String?
  }

  private func label(_ body: JSONValue, _ reviewer: String) -> Reply {
    guard let callID = body["call_id"]?.stringValue.map(pipeline.current.seal.identifier),
      let word = body["review_label"]?.stringValue.flatMap(ReviewLabel.init)
    else {
      return .problem(400, "bad_label", "give call_id and a review_label: accept, escalate or unsure")
    }
    let severity = body["severity"] ?? .null
    guard severity.isNull || severity.intValue.map({ 1...3 ~= $0 }) == true else {
      return .problem(400, "bad_severity", "severity is 1 (annoying), 2 (costly) or 3 (security or customer)")
    }
    let note = body["note"] ?? .null
    guard note.isNull || note.stringValue.map({ $0.utf8.count <= Self.longestNote }) == true else {
      return .problem(400, "bad_note", "a note is a text of at most \(Self.longestNote) bytes")
    }
    let missed = body["missed_stop"] ?? .null
    guard missed.isNull || missed.boolValue != nil else {
      return .problem(400, "bad_missed_stop", "missed_stop is true or false")
    }
    let key = ReviewKey(callID: callID, isChallenger: body["subject"]?.stringValue == "challenger")
    guard let item = find(key) else {
      return .problem(404, "unknown_call", "the log knows no would-accept of that id")
    }
    let now = Clocks.monotonic()
    let stream = state.withLock { state -> ReviewStream? in
      let isTaken = state.reservations.isTaken(item.key, from: reviewer, now: now)
      if isTaken, item.labels[reviewer] == nil { return nil }
      return state.reservations.held(item.key, by: reviewer, now: now)?.stream
        ?? state.queue.stream(of: item, for: reviewer)
    }
    guard let stream else {
      return .problem(409, "reserved", "another reviewer has this item before them")
    }
    var label = Label(key: key, label: word, stream: stream)
    label.severity = severity.intValue
    label.missedStop = missed.boolValue ?? false
    label.note = note.stringValue
    guard write(label, item: item, reviewer) else { return Self.notWritten }
    let given = Given(key: key, stream: label.stream, before: item.labels[reviewer])
    let backlog = state.withLock { state -> Int in
      state.reservations.release(item.key, by: reviewer)
      state.given[reviewer, default: []].append(given)
      if state.given[reviewer]?.count ?? 0 > Self.undoLimit { state.given[reviewer]?.removeFirst() }
      _ = read(&state)
      return latest.backlog.values.reduce(0, +)
    }
    return Reply(body: [
      "call_id": .string(callID), "review_label": .string(word.rawValue), "reviewer": .string(reviewer),
      "backlog": .number(JSONNumber(backlog)),
    ])
  }

  private static let notWritten = Reply.problem(
    503, "log_unavailable",
    "the log cannot be written; the label may or may not count: look again with `tail --find`")

  /// The item from the queue, else from the log.
  private func find(_ key: ReviewKey) -> ReviewItem? {
    for isAgain in [false, true] {
      // What was recorded a moment ago may not have reached the file.
      if isAgain { _ = synced() }
      let known = state.withLock { state -> ReviewItem? in
        _ = read(&state)
        return state.queue.item(key)
      }
      if let known { return known }
    }
    guard let records = try? LogSearch.records(about: key.callID, in: logFolder) else { return nil }
    let own = records.filter { $0["call_id"]?.stringValue == key.callID }
    return state.withLock { state in
      state.queue.recall(own)
      return state.queue.item(key)
    }
  }

  /// - Returns: Whether the record is on the disk.
  private func write(_ label: Label, item: ReviewItem, _ reviewer: String) -> Bool {
    let generation = pipeline.current
    let rubric = generation.prepared.policy.tasks.first { $0.name == item.task }?.rubric
    var body = RecordBody()
    body.field("call_id", label.key.callID)
    body.field("subject", label.key.subject)
    body.field("review_label", label.label?.rawValue)
    body.field("stream", label.stream.rawValue)
    body.field("severity", label.severity)
    body.field("missed_stop", label.missedStop)
    body.field("reviewer", reviewer)
    // What people write about a text may quote it.
    body.field("note", label.note.flatMap { generation.seal.label($0, limit: 500) })
    body.field("rubric_revision", rubric.map { "sha256:" + SHA256.hash(Array($0.utf8)).hex })
    guard pipeline.recorder.write("review", body), synced() else { return false }
    pipeline.recorder.metrics.withLock {
      $0.reviewed(task: item.task, label: label.label?.rawValue ?? "undone")
    }
    demotions?.labelled(
      label.key.callID, isChallenger: label.key.isChallenger,
      severity: label.label == .escalate ? label.severity : nil)
    return true
  }

  private func synced() -> Bool {
    pipeline.recorder.journal.flush(deadline: Clocks.deadline(afterMilliseconds: 5_000))
  }

  private func undo(_ reviewer: String) -> Reply {
    guard let last = state.withLock({ $0.given[reviewer]?.popLast() }) else {
      return .problem(409, "nothing_to_undo", "no label of yours since the router started")
    }
    guard let item = find(last.key) else {
      return .problem(404, "unknown_call", "the log knows no would-accept of that id")
    }
    let label = Label(key: last.key, label: last.before, stream: last.stream)
    guard write(label, item: item, reviewer) else { return Self.notWritten }
    state.withLock { state in
      _ = read(&state)
      // It comes first again.
      state.reservations.take(item.key, last.stream, for: reviewer, now: Clocks.monotonic())
    }
    return Reply(body: [
      "call_id": .string(last.key.callID), "undone": true,
      "review_label": last.before.map { .string($0.rawValue) } ?? .null,
    ])
  }

  private func release(_ ids: [JSONValue], _ reviewer: String) -> Reply {
    state.withLock { state in
      for id in ids.compactMap(\.stringValue) {
        for isChallenger in [false, true] {
          state.reservations.release(ReviewKey(callID: id, isChallenger: isChallenger), by: reviewer)
        }
      }
    }
    return Reply(body: ["released": .number(JSONNumber(ids.count))])
  }

  // MARK: - Captured text

  private func open(_ callID: String, _ body: JSONValue, _ reviewer: String) -> Reply {
    let reason = (body["reason"]?.stringValue ?? "").filter { !$0.isNewline }
    guard reason.contains(where: { !$0.isWhitespace }), reason.utf8.count <= 500 else {
      return .problem(400, "no_reason", "captured text is opened only with a reason, of at most 500 bytes")
    }
    guard vault.holds(callID) else {
      return .problem(
        404, "not_captured",
        "no text of this call is kept: not captured, labelled already, or past its deadline")
    }
    let what =
      body["what"]?.stringValue.flatMap { ["evalset", "replay"].contains($0) ? $0 : nil } ?? "review"
    var record = RecordBody()
    record.field("call_id", callID)
    record.field("who", reviewer)
    record.field("reason", pipeline.current.seal.label(reason, limit: 240))
    record.field("what", what)
    // First the record on the disk, then the first byte.
    guard pipeline.recorder.write("access", record), synced() else {
      return .problem(503, "log_unavailable", "who asked cannot be written down, so nothing is shown")
    }
    guard let kept = vault.read(callID) else {
      return .problem(404, "not_captured", "the text of this call cannot be read")
    }
    return Reply(body: [
      "call_id": .string(callID), "task_type": kept["task_type"] ?? .null, "input": kept["input"] ?? .null,
      "candidate": kept["candidate"] ?? .null, "challenger": kept["challenger"] ?? .null,
      "frontier": kept["frontier"] ?? .null, "at": kept["at"] ?? .null, "call": kept["call"] ?? .null,
    ])
  }
}
