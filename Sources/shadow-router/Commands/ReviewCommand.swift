import Commands
import Journal
import LabelledFiles
import LogReading
import Posix
import Reviews
import RouterCore
import Wire

enum ReviewCommand {
  static let command = Command(
    name: "review", summary: "label the calls that were drawn for people",
    help: """
      Examples:
        shadow-router review                         the queue in the terminal, one key a label; ? shows the keys
        shadow-router review list --json             what waits, from the log
        shadow-router review label c-42 escalate --severity 2 --note "wrong queue"
        shadow-router review export > labels.ndjson
        shadow-router review export --evalset --reason "bar of 2026-W47" > cases.ndjson
        shadow-router review audit-sample 2026-W46   was the week's sample the one that its key says?

      Without a verb, `label`, `import` and `export --evalset` talk to the running router; it writes each label to the
      disk before it answers, signed with the name of your account. The other verbs read the log alone.

        --task T         only this task
        --severity 1|2|3 1 annoying, 2 costly, 3 security or customer
        --missed-stop    a hard stop should have caught it
        --note TEXT      kept with the label, redacted
        --challenger     the label is about the challenger's answer
        --evalset        labelled cases whose text is still kept, as an EVALSET; every text opened is written down
        --reason TEXT    why the texts are opened
        --output FILE    instead of standard output; mode 0600

      """,
    options: [
      "task": true, "severity": true, "missed-stop": false, "note": true, "challenger": false,
      "evalset": false,
      "reason": true, "output": true,
    ],
    run: run)

  private static let usage =
    "review [list|label CALL_ID accept|escalate|unsure|export|import FILE|audit-sample WEEK]"

  private static func run(_ arguments: Arguments) throws(Failure) -> Exit {
    guard let verb = arguments.operands.first else {
      do throws(Failure) {
        return try ReviewTerminal.run(at: arguments.paths, task: arguments.value("task"))
      } catch {
        guard error.exit == .surroundings else { throw error }
        throw .surroundings(
          error.message
            + "\nlabels go through the running router; start one with: shadow-router run --policy FILE")
      }
    }
    switch verb {
    case "list":
      _ = try arguments.operands(1...1, "review list [--task T]")
      return try list(arguments)
    case "label":
      let words = try arguments.operands(3...3, "review label CALL_ID accept|escalate|unsure")
      return try label(words[1], words[2], arguments)
    case "export":
      _ = try arguments.operands(1...1, "review export [--evalset --reason TEXT]")
      return arguments.has("evalset") ? try exportCases(arguments) : try exportLabels(arguments)
    case "import":
      let words = try arguments.operands(2...2, "review import FILE|-")
      return try importLabels(words[1], arguments)
    case "audit-sample":
      let words = try arguments.operands(2...2, "review audit-sample WEEK")
      return try audit(words[1], arguments)
    default: throw .usage("usage: shadow-router \(usage)")
    }
  }

  // MARK: - The queue

  /// As the router would fold it: thresholds and windows that only the policy knows count as their defaults.
  private static func list(_ arguments: Arguments) throws(Failure) -> Exit {
    var queue = ReviewQueue()
    try eachLine(arguments) { queue.add($0) }
    let now = Clocks.realtime()
    queue.prune(now: now)
    let task = arguments.value("task")
    let open = queue.offers(.max, task: task, reviewer: "", now: now) { _ in false }
    if arguments.wantsJSON {
      for offer in open { Terminal.out(document(offer.item).jsonText + "\n") }
      return .yes
    }
    for offer in open {
      let item = offer.item
      let answer = [item.label, item.answerPreview].compactMap(\.self).joined(separator: ": ")
      Terminal.out(
        "\(item.task)  \(item.key.callID)  \(oneLine(answer))  against  \(oneLine(item.frontierPreview ?? "-"))\n"
      )
    }
    Terminal.message("\(open.count) wait for a label\n")
    return .yes
  }

  private static func document(_ item: ReviewItem) -> JSONValue {
    func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
    return [
      "call_id": .string(item.key.callID), "subject": .string(item.key.subject),
      "task_type": .string(item.task),
      "at": .string(Timestamp.string(item.at)), "input_preview": text(item.inputPreview),
      "candidate": ["label": text(item.label), "answer": text(item.answerPreview)],
      "frontier": ["label": text(item.frontierLabel), "answer": text(item.frontierPreview)],
    ]
  }

  private static func oneLine(_ text: String) -> String {
    String(text.map { $0.isNewline || $0 == "\t" ? " " : $0 }.prefix(60))
  }

  private static func eachLine(_ arguments: Arguments, _ body: (Span<UInt8>) -> Void) throws(Failure) {
    let folder = try arguments.logFolder()
    do throws(JournalError) {
      var reader = try JournalReader(folder: folder)
      try reader.visit { line, _ in
        body(line)
        return true
      }
    } catch {
      throw .surroundings(error.description)
    }
  }

  // MARK: - Labels

  private static func label(_ callID: String, _ word: String, _ arguments: Arguments) throws(Failure) -> Exit
  {
    guard ReviewLabel(rawValue: word) != nil else {
      throw .usage("a label is accept, escalate or unsure, not \(word)")
    }
    var body = [JSONMember("call_id", .string(callID)), JSONMember("review_label", .string(word))]
    if let severity = try arguments.wholeNumber("severity", in: 1...3) {
      body.append(JSONMember("severity", .number(JSONNumber(severity))))
    }
    if arguments.has("missed-stop") { body.append(JSONMember("missed_stop", true)) }
    if let note = arguments.value("note") { body.append(JSONMember("note", .string(note))) }
    if arguments.has("challenger") { body.append(JSONMember("subject", "challenger")) }
    let reply = try post(.object(body), arguments)
    let line = "\(callID): \(word), by \(reply["reviewer"]?.stringValue ?? "?")\n"
    Terminal.out(arguments.wantsJSON ? reply.jsonText + "\n" : line)
    return .yes
  }

  /// - Throws: Exit 1 where the router refuses what was asked, 3 where it cannot.
  private static func post(_ body: JSONValue, _ arguments: Arguments) throws(Failure) -> JSONValue {
    let (status, reply) = try ControlClient.json("POST", "/v1/review", body: body, at: arguments.paths)
    guard status == 200 else {
      let message = reply["error"]?["message"]?.stringValue ?? "the router refused (\(status))"
      throw Failure(exit: status >= 500 ? .surroundings : .no, message: message)
    }
    return reply
  }

  /// The last label of each reviewer for each call, one JSON object a line.
  private static func exportLabels(_ arguments: Arguments) throws(Failure) -> Exit {
    let output = try lastReviews(arguments).map { review in
      var members = [JSONMember("call_id", .string(review.callID))]
      for name in [
        "subject", "review_label", "severity", "missed_stop", "reviewer", "note", "stream", "rubric_revision",
        "ts",
      ] {
        members.append(JSONMember(name, review.record[name] ?? .null))
      }
      return JSONValue.object(members).jsonText + "\n"
    }
    try write(output.joined(), arguments)
    return .yes
  }

  private struct Review {
    var callID: String
    var record: JSONValue
  }

  private static func lastReviews(_ arguments: Arguments) throws(Failure) -> [Review] {
    var order: [[String]] = []
    var last: [[String]: Review] = [:]
    let task = arguments.value("task")
    var ofTask: Set<String> = []
    try eachLine(arguments) { line in
      if let task, let decision = RecordKind.read(line, "decision"),
        decision["task_type"]?.stringValue == task,
        let callID = decision["call_id"]?.stringValue
      {
        ofTask.insert(callID)
      }
      guard let record = RecordKind.read(line, "review"), let callID = record["call_id"]?.stringValue,
        let reviewer = record["reviewer"]?.stringValue
      else { return }
      let key = [callID, record["subject"]?.stringValue ?? "candidate", reviewer]
      if last[key] == nil { order.append(key) }
      last[key] = Review(callID: callID, record: record)
    }
    // What was taken back is no label.
    return order.compactMap { last[$0] }.filter {
      $0.record["review_label"]?.stringValue != nil && (task == nil || ofTask.contains($0.callID))
    }
  }

  private static func importLabels(_ path: String, _ arguments: Arguments) throws(Failure) -> Exit {
    let bytes = try Input.read(path, limit: 1 << 28)
    let bodies: [(line: Int, body: JSONValue)]
    do throws(LabelledFileFault) {
      bodies = try LabelFile(bytes).labels
    } catch {
      throw Failure(exit: .no, message: error.sentence(about: path))
    }
    var refused = 0
    for (line, body) in bodies {
      do throws(Failure) {
        _ = try post(body, arguments)
      } catch {
        guard error.exit == .no else { throw error }
        refused += 1
        Terminal.message("\(path):\(line): \(error.message)\n")
      }
    }
    Terminal.out(
      "\(bodies.count - refused) labels written, \(refused) refused; all are signed with your account\n")
    return refused == 0 ? .yes : .no
  }

  // MARK: - Cases

  /// Labelled calls whose text is still kept, as an EVALSET. `accept` makes the candidate's answer the truth,
  /// `escalate` says that the frontier is the right route; `unsure`, and what people disagree about, is left out.
  private static func exportCases(_ arguments: Arguments) throws(Failure) -> Exit {
    guard let reason = arguments.value("reason") else {
      throw .usage("--evalset opens captured texts: say why with --reason TEXT")
    }
    var labels: [String: Set<String>] = [:]
    var order: [String] = []
    for review in try lastReviews(arguments) {
      guard review.record["subject"]?.stringValue != "challenger",
        let label = review.record["review_label"]?.stringValue
      else { continue }
      if labels[review.callID] == nil { order.append(review.callID) }
      labels[review.callID, default: []].insert(label)
    }
    var cases: [String] = []
    var missing = 0
    for callID in order {
      guard let said = labels[callID], said.count == 1, let label = said.first, label != "unsure" else {
        continue
      }
      let (status, kept) = try ControlClient.json(
        "POST", "/v1/review", body: ["open": .string(callID), "reason": .string(reason), "what": "evalset"],
        at: arguments.paths)
      guard status == 200 else {
        if status == 404 {
          missing += 1
          continue
        }
        throw .surroundings(kept["error"]?["message"]?.stringValue ?? "the router refused (\(status))")
      }
      cases.append(evalCase(callID, label, kept).jsonText + "\n")
    }
    try write(cases.joined(), arguments)
    Terminal.message("\(cases.count) cases; \(missing) labelled calls whose text is no longer kept\n")
    return .yes
  }

  private static func evalCase(_ callID: String, _ label: String, _ kept: JSONValue) -> JSONValue {
    var truth: [JSONMember] = []
    if label == "accept", let candidate = kept["candidate"] {
      if let word = candidate["label"], !word.isNull {
        truth.append(JSONMember("label", word))
      } else {
        truth.append(JSONMember("answer", candidate["answer"] ?? .null))
      }
    }
    truth.append(JSONMember("route", .string(label == "accept" ? "local" : "frontier")))
    return [
      "id": .string(callID), "task_type": kept["task_type"] ?? .null, "input": kept["input"] ?? .null,
      "truth": .object(truth),
    ]
  }

  private static func write(_ text: String, _ arguments: Arguments) throws(Failure) {
    guard let path = arguments.value("output") else { return Terminal.out(text) }
    do throws(PosixError) {
      try Files.replace(path, with: Array(text.utf8), mode: 0o600)
    } catch {
      throw .surroundings(error.description)
    }
  }

  // MARK: - The sample

  private static func audit(_ name: String, _ arguments: Arguments) throws(Failure) -> Exit {
    guard let week = ISOWeek(name: name) else { throw .usage("\(name) is no ISO week such as 2026-W47") }
    var audit = SampleAudit(week: week)
    try eachLine(arguments) { audit.note($0) }
    if audit.prepare() { try eachLine(arguments) { audit.check($0) } }
    if audit.faults.contains(.keyNotRevealed) {
      throw Failure(
        exit: .refused,
        message: "the key of \(name) is not in the log yet; it is written ten minutes after the week ends")
    }
    if arguments.wantsJSON {
      Terminal.out(document(audit).jsonText + "\n")
    } else {
      Terminal.out(text(audit))
    }
    return audit.isClean ? .yes : .no
  }

  private static func document(_ audit: SampleAudit) -> JSONValue {
    [
      "week": .string(audit.week.name), "clean": .bool(audit.isClean),
      "key_sha256": audit.keySHA256.map { .string($0) } ?? .null,
      "committed_before_week": .bool(audit.wasCommittedBefore),
      "shares": .object(
        audit.shares.sorted { $0.key < $1.key }.map {
          JSONMember($0.key, JSONNumber($0.value).map { .number($0) } ?? .null)
        }),
      "would_accepts": .number(JSONNumber(audit.wouldAccepts)), "drawn": .number(JSONNumber(audit.drawn)),
      "faults": .array(audit.faults.map { .string($0.rawValue) }),
      "difference_count": .number(JSONNumber(audit.differenceCount)),
      "differences": .array(
        audit.differences.map {
          [
            "call_id": .string($0.callID), "subject": .string($0.isChallenger ? "challenger" : "candidate"),
            "cause": .string($0.cause.rawValue),
          ]
        }),
    ]
  }

  private static func text(_ audit: SampleAudit) -> String {
    var lines = [
      "\(audit.week.name)  \(audit.drawn) drawn of \(audit.wouldAccepts) would-accepts",
      audit.wasCommittedBefore
        ? "the key's digest stood in the log before the week began"
        : "the key's digest came late: this router first ran in that week, or after its start",
    ]
    lines += audit.faults.map { "fault: \($0.rawValue)" }
    lines += audit.differences.map {
      "\($0.callID)\($0.isChallenger ? " (challenger)" : ""): \($0.cause.rawValue)"
    }
    if audit.differenceCount > audit.differences.count {
      lines.append("… \(audit.differenceCount - audit.differences.count) more differences")
    }
    lines.append(
      audit.isClean ? "the sample is the one that the key says" : "NOT the sample that the key says")
    return lines.joined(separator: "\n") + "\n"
  }

  /// A value of a query.
  static func escaped(_ text: String) -> String {
    text.utf8.map { byte in
      let isPlain =
        (0x30...0x39 ~= byte) || (0x61...0x7A ~= byte | 0x20) || byte == 0x5F || byte == 0x2D || byte == 0x2E
      return isPlain ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }.joined()
  }
}

/// Records of one kind, without reading the others as JSON.
enum RecordKind {
  static func read(_ line: Span<UInt8>, _ kind: String) -> JSONValue? {
    // `kind` stands within the first 200 bytes of every record.
    let head = String(decoding: (0..<min(line.count, 200)).map { line[$0] }, as: UTF8.self)
    guard head.contains("\"kind\":\"\(kind)\"") else { return nil }
    return try? JSONValue(parsing: line)
  }
}
