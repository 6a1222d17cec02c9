import Commands
import Journal
import LogRequests
import PolicyFiles
import Posix
import RouterCore
import Wire

/// What a demonstration comes to: is the log whole, what does each task look like, where is the report.
struct DemoEnding {
  private let folder: DemoFolder
  private let balance: JSONValue
  private let verification: JournalVerification.Outcome
  private let request: ReportRequest
  /// The report's JSON.
  private let report: JSONValue

  init(folder: DemoFolder, balance: JSONValue) throws(Failure) {
    self.folder = folder
    self.balance = balance
    do throws(JournalError) { verification = try JournalVerification.verify(folder.paths.log) } catch {
      throw .surroundings(error.description)
    }
    var request = ReportRequest(folder.paths)
    request.policy = try? PolicyLoading(path: folder.policy, keys: .temporary()).policy(
      now: Clocks.realtime())
    self.request = request
    report = (try? JSONValue(parsing: Self.make(request, "json"))) ?? .null
  }

  var isWhole: Bool { verification.isWhole && balance["in_flight"]?.intValue == 0 }

  func writeReport(to path: String) throws(Failure) {
    let text = try Self.make(request, "html")
    do throws(PosixError) { try Files.replace(path, with: Array(text.utf8), mode: 0o644) } catch {
      throw .surroundings("\(error.description); name another place with --output FILE")
    }
  }

  private static func make(_ request: ReportRequest, _ format: String) throws(Failure) -> String {
    var request = request
    request.format = format
    do throws(ReportRequest.Fault) { return try request.make(now: Clocks.realtime()).text } catch {
      throw .surroundings(error.message)
    }
  }

  // MARK: - For people

  func text(report path: String, sample: String) -> String {
    var lines = ["", "log".padded(to: DemoWords.margin) + logWords]
    lines.append("balance".padded(to: DemoWords.margin) + balanceWords[0])
    lines += balanceWords.dropFirst().map { "".padded(to: DemoWords.margin) + $0 }
    lines += [""] + table + [""] + examples + [""] + explanation + [""]
    lines += ["Report: " + Terminal.styled(path, .bold) + "   (one file: open it in a browser)", ""]
    lines += next(sample: sample)
    return lines.joined(separator: "\n") + "\n"
  }

  private var logWords: String {
    guard let damage = verification.damage else {
      return Terminal.styled("whole", .green)
        + ": \(DemoWords.count(Int(verification.records))) records, each hash chained to the one before"
    }
    return Terminal.styled("DAMAGED", .red) + ": \(damage.description)"
  }

  private var balanceWords: [String] {
    func number(_ name: String) -> String { DemoWords.count(balance[name]?.intValue ?? 0) }
    return [
      "received \(number("received")) = recorded \(number("recorded")) + answered \(number("answered"))",
      "+ malformed \(number("malformed")) + shed \(number("shed")) + in flight \(number("in_flight"))",
    ]
  }

  private static func looks(_ task: JSONValue) -> (words: String, style: Terminal.Style) {
    switch task["looks"]?.stringValue {
    case "looks_ready_for_review": ("looks ready", .green)
    case "looks_bad": ("looks bad", .red)
    case "frontier_only": ("not asked", .dim)
    case "unclear": ("unclear", .yellow)
    case let other?: (other.replacing("_", with: " "), .yellow)
    case nil: ("?", .yellow)
    }
  }

  private var table: [String] {
    func row(_ cells: [String]) -> String {
      let widths = [17, 7, 15, 12, 13]
      let padded = zip(cells, widths).enumerated().map { place, cell in
        let gap = String(repeating: " ", count: max(0, cell.1 - cell.0.count))
        return place == 0 ? cell.0 + gap : gap + cell.0
      }
      return padded.joined() + "   "
    }
    let head = row(["task", "calls", "would accept", "suspected", "bound"])
    let rows = (report["tasks"]?.arrayValue ?? []).map { task in
      func count(_ name: String) -> String { DemoWords.count(task[name]?.intValue ?? 0) }
      let looks = Self.looks(task)
      let bound = task["disagreement_upper"]?.doubleValue.map { "≤ \(DemoWords.fixed($0 * 100, 1)) %" } ?? "–"
      return row([
        task["task_type"]?.stringValue ?? "?", count("calls"), count("would_accepts"), count("disagree"),
        bound,
      ])
        + Terminal.styled(looks.words, looks.style)
    }
    return [Terminal.styled(head + "verdict", .bold)] + rows
  }

  private var examples: [String] {
    let suspected = report["false_accepts"]?.arrayValue ?? []
    guard !suspected.isEmpty else { return [] }
    return ["The first of the suspected false accepts, as the report lists them:"]
      + suspected.prefix(3).flatMap { item in
        func value(_ name: String) -> String { item[name]?.stringValue ?? "?" }
        let confidence =
          item["confidence"]?.doubleValue.map(ConfidenceText.cut)
          ?? "?"
        return [
          "  “\(DemoWords.cut(value("input_preview"), to: 74))”",
          DemoWords.cut(
            "     local: \(value("label")) (\(confidence))   frontier: \(value("frontier_label"))",
            to: DemoWords.width),
        ]
      }
  }

  private var explanation: [String] {
    [
      "would accept: calls that the small model would have answered, by this policy.",
      "suspected:    of these, answers that differ from the frontier's. False accepts,",
      "              until a person has looked and says otherwise.",
      "bound:        their share is at most this, with 95 % confidence.",
      "Nothing went live. People promote a task, after labelling a random sample.",
    ]
  }

  private func next(sample: String) -> [String] {
    let program = CommandLine.arguments.first ?? "shadow-router"
    let starter = Files.join(sample, "router-policy.yaml")
    let lookInside =
      folder.isKept
      ? "\(program) tail --last 20 --state-dir \(folder.state)"
      : "\(program) demo --keep demo-run"
    let review =
      folder.isKept
      ? [
        "  \(program) run --state-dir \(folder.state) --policy \(folder.policy) --console 127.0.0.1:8710",
        "      the same router again: then `\(program) review --state-dir \(folder.state)` labels what the report asks for",
      ] : []
    return [
      "Try next:",
      "  \(lookInside)",
      folder.isKept
        ? "      the log, a line a record"
        : "      the same, with policy and log left in ./demo-run to look into",
      "  \(program) check --brief \(starter)",
      "      the starter policy on one page, as a review meeting reads it",
      "  \(program) run --policy \(starter)",
      "      the sidecar for your own agent; `run --help` says how",
    ] + review
  }

  // MARK: - For programs

  func document(report path: String) -> JSONValue {
    [
      "report": .string(path), "kept": folder.isKept ? .string(folder.root) : .null,
      "log_whole": .bool(verification.isWhole), "records": .number(JSONNumber(Int(verification.records))),
      "balance": balance,
      "tasks": .array(
        (report["tasks"]?.arrayValue ?? []).map { task in
          .object(
            ["task_type", "calls", "would_accepts", "disagree", "disagreement_upper", "looks"].map { name in
              JSONMember(name, task[name] ?? .null)
            })
        }),
    ]
  }
}
