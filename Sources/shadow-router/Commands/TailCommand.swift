import Commands
import Journal
import LogRequests
import PolicyFiles
import Posix
import RouterCore
import Rows
import Screens
import Wire

enum TailCommand {
  static let command = Command(
    name: "tail", summary: "the log, one readable line a record",
    help: """
      Examples:
        shadow-router tail -f
        shadow-router tail --rows --json       one joined row a call
        shadow-router tail --find run-42       one call, run or task

        -f, --follow   goes on as records come
        --rows         one row a call: decision, comparison, outcome and review together
        --find ID      all about a call, run or task id
        --last N       only the last N records, or rows (default 20 on a terminal, else all)

      """,
    options: ["follow": false, "rows": false, "find": true, "last": true],
    run: run)

  private static func run(_ arguments: Arguments) throws(Failure) -> Exit {
    _ = try arguments.operands(0...0, "tail [-f] [--rows] [--find ID]")
    let last = try arguments.wholeNumber("last", in: 0...1_000_000)
    _ = try arguments.logFolder()
    do throws(JournalError) {
      if let id = arguments.value("find") { return try find(id, arguments) }
      if arguments.has("rows") {
        try rows(arguments, last: last)
        return .yes
      }
      try records(arguments, last: last ?? (StandardStream.output.isTerminal ? 20 : nil))
      return .yes
    } catch {
      throw .surroundings(error.description)
    }
  }

  private static func records(_ arguments: Arguments, last: Int?) throws(JournalError) {
    let asJSON = arguments.wantsJSON
    func show(_ line: Span<UInt8>) {
      if asJSON {
        Terminal.out(
          unsafe line.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) } + "\n")
      } else {
        Terminal.out(RecordLineText.text(line) + "\n")
      }
    }
    var reader = try JournalReader(folder: arguments.paths.log)
    if let last {
      var kept: [[UInt8]] = []
      try reader.visit { line, _ in
        kept.append(unsafe line.withUnsafeBufferPointer { unsafe Array($0) })
        if kept.count > last { kept.removeFirst(max(1, kept.count - last)) }
        return true
      }
      for line in kept { show(line.span) }
    } else {
      try reader.visit { line, _ in
        show(line)
        return true
      }
    }
    guard arguments.has("follow") else { return }
    try reader.follow(
      while: { true },
      { line, _ in
        show(line)
        return true
      })
  }

  private static func rows(_ arguments: Arguments, last: Int?) throws(JournalError) {
    let asJSON = arguments.wantsJSON
    if !asJSON { Terminal.out(String(decoding: CSV.header, as: UTF8.self)) }
    func show(_ row: JoinedRow) {
      Terminal.out(asJSON ? row.json.jsonText + "\n" : String(decoding: CSV.line(row), as: UTF8.self))
    }
    var kept: [JoinedRow] = []
    /// Rows come as their calls are whole; of those that are there already only the last are asked for.
    func keep(_ row: JoinedRow) {
      guard let last else { return show(row) }
      kept.append(row)
      if kept.count > 2 * last + 1_000 { kept.removeFirst(kept.count - last) }
    }
    func showKept() { for row in kept.suffix(last ?? 0) { show(row) } }
    var join = RowJoin()
    if !arguments.has("follow") {
      var survey = try JournalReader(folder: arguments.paths.log)
      try survey.visit { line, _ in
        join.survey(line)
        return true
      }
    }
    var reader = try JournalReader(folder: arguments.paths.log)
    try reader.visit { line, _ in
      join.join(line, keep)
      return true
    }
    guard arguments.has("follow") else {
      join.finish(keep)
      return showKept()
    }
    showKept()
    try reader.follow(
      while: { true },
      { line, _ in
        join.join(line, show)
        return true
      })
  }

  private static func find(_ id: String, _ arguments: Arguments) throws(JournalError) -> Exit {
    var records = try LogSearch.records(about: id, in: arguments.paths.log)
    if records.isEmpty, let kept = Keyring.identifier(id, stateFolder: arguments.paths.state), kept != id {
      records = try LogSearch.records(about: kept, in: arguments.paths.log)
    }
    guard !records.isEmpty else {
      Terminal.message("no record about \(id)\n")
      return .no
    }
    for record in records {
      Terminal.out((arguments.wantsJSON ? record.jsonText : RecordLineText.text(record)) + "\n")
    }
    if !arguments.wantsJSON { Terminal.out(story(records) + "\n") }
    return .yes
  }

  /// The whole of it in one sentence a call: local, frontier, escalated after validation, approved by a person.
  private static func story(_ records: [JSONValue]) -> String {
    let decisions = records.filter { $0["kind"]?.stringValue == "decision" }
    let labels = records.filter {
      $0["kind"]?.stringValue == "review" && $0["subject"]?.stringValue != "challenger"
        && $0["stream"]?.stringValue != "planted"
    }
    let approvals = records.compactMap { $0["approved_by"]?.stringValue.map(RecordLineText.oneLine) }
    return decisions.map { decision in
      let id = decision["call_id"]?.stringValue ?? "?"
      let shownID = RecordLineText.oneLine(id)
      let reason = decision["reason"]?.stringValue
      let wasAsked = decision["checks"]?["local_unavailable"]?.stringValue == "pass"
      let end =
        reason.map { wasAsked ? "escalated after validation (\($0))" : "frontier (\($0))" }
        ?? (decision["route"]?.stringValue == "local" ? "local" : wouldBe(decision))
      let label = labels.last { $0["call_id"]?.stringValue == id }
      let said = label.flatMap { label in
        label["review_label"]?.stringValue.map {
          ", labelled \($0) by \(RecordLineText.oneLine(label["reviewer"]?.stringValue ?? "?"))"
        }
      }
      let comparison = records.first {
        $0["kind"]?.stringValue == "comparison" && $0["call_id"]?.stringValue == id
      }
      let sentence =
        "→ \(shownID): \(end)" + (said ?? "")
        + (approvals.isEmpty ? "" : ", approved by \(approvals.joined(separator: ", "))")
      return ([sentence] + grounds(decision, comparison)).joined(separator: "\n")
    }.joined(separator: "\n")
  }

  /// An accepted answer that the agent was not given; under live routing the log says why.
  private static func wouldBe(_ decision: JSONValue) -> String {
    let isControl = decision["cohort"]?.stringValue == "control"
    let why = decision["route_detail"]?.stringValue ?? (isControl ? "control" : nil)
    return "would have been local" + (why.map { " (\($0))" } ?? "")
  }

  /// What the decision rests on: the terms that stopped it, the redacted previews, the policy.
  private static func grounds(_ decision: JSONValue, _ comparison: JSONValue?) -> [String] {
    let terms = (decision["hard_stop_match"]?.arrayValue ?? []).map { hit in
      "\"\(hit["term"]?.stringValue ?? "?")\" (\(hit["class"]?.stringValue ?? "?")) in the \(hit["where"]?.stringValue ?? "?")"
    }
    let generation = decision["generation"]?.intValue.map { "generation \($0), " } ?? ""
    let rows: [(name: String, value: String?)] = [
      ("stopped by", terms.isEmpty ? nil : terms.prefix(5).joined(separator: ", ")),
      ("checked", decision["validator_result"]?.stringValue),
      ("input", decision["input_preview"]?.stringValue),
      ("candidate", decision["answer_preview"]?.stringValue),
      ("frontier", comparison?["frontier_answer_preview"]?.stringValue),
      ("policy", decision["policy_revision"]?.stringValue.map { "\(generation)\($0.prefix(19))" }),
    ]
    return rows.compactMap { row in
      row.value.map { "  \(row.name.padded(to: 12))\(RecordLineText.oneLine($0))" }
    }
  }
}

/// A record in one line for people.
enum RecordLineText {
  static func text(_ line: Span<UInt8>) -> String {
    guard let record = try? JSONValue(parsing: line) else { return "not a record" }
    return text(record)
  }

  /// What others wrote, as it may stand in a line of a terminal.
  static func oneLine(_ text: String) -> String { TerminalText.oneLine(text) }

  static func text(_ record: JSONValue) -> String {
    func value(_ key: String) -> String? {
      switch record[key] {
      case .string(let text)?: oneLine(text)
      case .number(let number)?: number.literal
      case .bool(let value)?: value ? "true" : "false"
      default: nil
      }
    }
    let kind = value("kind") ?? "?"
    let time = (value("ts") ?? "").dropFirst(11).prefix(12)
    var words = [Terminal.styled(String(time), .dim), kind.padded(to: 10)]
    switch kind {
    case "decision", "challenge":
      let isLocal = value("route_candidate") == "local"
      words.append(Terminal.styled((isLocal ? "local" : "frontier").padded(to: 8), isLocal ? .green : .dim))
      words += [value("call_id") ?? "", value("task_type") ?? "no task"]
      if let reason = value("reason") { words.append(Terminal.styled(reason, .yellow)) }
      if let detail = value("detail") { words.append("(\(detail))") }
      if let label = value("label") { words.append("label \(label)") }
      if let confidence = value("confidence") { words.append("confidence \(confidence)") }
      if let step = value("cascade_step"), let length = value("cascade_length") {
        words.append("step \(step) of \(length)")
      }
      if kind == "challenge", let model = value("local_model_id") { words.append("by \(model)") }
    case "comparison":
      let agreement = value("agreement") ?? "?"
      words.append(Terminal.styled(agreement.padded(to: 8), agreement == "disagree" ? .red : .dim))
      words += [value("call_id") ?? "", value("agreement_detail") ?? ""]
      if let label = value("frontier_label") { words.append("frontier \(label)") }
      if let challenger = value("challenger_agreement") { words.append("challenger \(challenger)") }
    default:
      let hidden: Set<String> = ["v", "log", "seq", "ts", "kind", "prev", "h"]
      for member in record.members ?? [] where !hidden.contains(member.name) && !member.value.isNull {
        words.append("\(member.name)=\(value(member.name) ?? oneLine(member.value.jsonText))")
      }
    }
    return words.joined(separator: "  ")
  }
}
