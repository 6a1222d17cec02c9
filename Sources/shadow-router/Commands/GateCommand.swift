import Commands
import Gates
import Journal
import LogRequests
import PolicyFiles
import Posix
import RouterCore
import Statistics
import Wire

enum GateCommand {
  static let command = Command(
    name: "gate", summary: "each condition for promoting a task, with its evidence",
    help: """
      Examples:
        shadow-router gate triage_ticket
        shadow-router gate triage_ticket --challenger --json

      Exit 0 only when all conditions are met. Asking a running router is written to the log: the first time in an epoch
      takes one of the task's attempts, each of which has less to spend; asking again within the epoch costs nothing.
      With no router running it reads the log alone, as of its last record, and writes nothing.

        --challenger   the gate of the task's second candidate

      """,
    options: ["challenger": false],
    run: run)

  private static func run(_ arguments: Arguments) throws(Failure) -> Exit {
    let task = try arguments.operands(1...1, "gate TASK [--challenger]")[0]
    let subject = EvidenceSubject(task: task, isChallenger: arguments.has("challenger"))
    let value = try ask(subject, arguments)
    Terminal.out(arguments.wantsJSON ? value.jsonText + "\n" : GateText(value).text)
    return value["outcome"]?.stringValue == Gate.Outcome.pass.rawValue ? .yes : .no
  }

  private static func ask(_ subject: EvidenceSubject, _ arguments: Arguments) throws(Failure) -> JSONValue {
    let paths = arguments.paths
    guard Files.exists(paths.control) else { return try withoutRouter(subject, arguments) }
    let target = "/v1/gate/" + subject.task.percentEncoded + (subject.isChallenger ? "?challenger=1" : "")
    let answer: (status: Int, value: JSONValue)
    do throws(Failure) {
      answer = try ControlClient.json("GET", target, at: paths, within: 600_000)
    } catch {
      // A socket that a killed router left behind.
      guard error.isNobody else { throw error }
      return try withoutRouter(subject, arguments)
    }
    guard answer.status == 200 else {
      let message = answer.value["error"]?.stringValue ?? "the router refused (\(answer.status))"
      throw answer.status == 404 ? .usage(message) : .surroundings(message)
    }
    return answer.value
  }

  private static func withoutRouter(_ subject: EvidenceSubject, _ arguments: Arguments) throws(Failure)
    -> JSONValue
  {
    let paths = arguments.paths
    _ = try arguments.logFolder()
    let policy: Policy
    do throws(PolicyLoading.Refusal) {
      policy = try PolicyLoading(path: paths.policy, keys: .temporary()).policy(now: Clocks.realtime())
    } catch {
      throw .surroundings(error.lines(paths.policy).first ?? "\(paths.policy) cannot be read")
    }
    if let fault = GateRequest(subject, policy: policy, paths: paths).fault { throw .usage(fault) }
    let isRotated: Bool
    do throws(JournalError) {
      let hasChallenger = policy.task(subject.task)?.challenger != nil
      isRotated =
        hasChallenger ? try GateRequest.isRotated(subject.task, logFolder: paths.log) : false
    } catch {
      throw .surroundings(error.description)
    }
    // As a running router has it: the gate is that of the model in the candidate's place.
    let asked = EvidenceSubject(task: subject.task, isChallenger: subject.isChallenger != isRotated)
    let request = GateRequest(asked, policy: policy, paths: paths)
    if let fault = request.fault { throw .usage(fault) }
    if !arguments.wantsJSON {
      Terminal.message("no router is running: read from the log alone, nothing is written\n")
    }
    return request.make().gate.json
  }
}

/// The gate as people read it: what comes out, a line a condition, what to do next.
struct GateText {
  private let gate: JSONValue

  init(_ gate: JSONValue) { self.gate = gate }

  /// A line for each condition that is not met; empty where there is no gate.
  static func unmet(_ gate: JSONValue?) -> String {
    guard let gate else { return "" }
    let conditions = (gate["conditions"]?.arrayValue ?? []).filter { $0["state"]?.stringValue == "unmet" }
    let problem = gate["problem"]?.stringValue.map { ["  \($0)"] } ?? []
    let lines = conditions.map { condition in
      let (name, shown) = (condition["name"]?.stringValue ?? "?", condition["shown"]?.stringValue ?? "?")
      let missing = condition["missing"]?.stringValue.map { "; missing: \($0)" } ?? ""
      return "  UNMET  \(name): \(shown)\(missing)"
    }
    return (problem + lines).map { "\n" + $0 }.joined()
  }

  var text: String {
    let challenger = string(gate["subject"]) == "challenger" ? " (challenger)" : ""
    var lines = ["\(string(gate["task"]))\(challenger): \(string(gate["outcome"]))"]
    if let problem = gate["problem"]?.stringValue { lines.append("  " + problem) }
    lines += head + [""] + table + ["", "next: \(string(gate["next"]))"]
    return lines.joined(separator: "\n") + "\n"
  }

  private var head: [String] {
    guard let epoch = gate["epoch"], !epoch.isNull else { return ["  no epoch has begun"] }
    let end = epoch["end"]?.stringValue.map { ", window closes \($0.prefix(10))" } ?? ""
    let bound = Statistics.Figures.bound(gate["false_accept_upper_bound"]?.doubleValue ?? 1)
    return [
      "  epoch \(string(epoch["id"])) since \(string(epoch["start"]).prefix(10))\(end), attempt \(count(gate["attempt"]))",
      "  \(count(epoch["false"])) known false accepts among \(count(epoch["drawn"])) drawn of \(count(epoch["would_accepts"])) would-accepts; \(count(epoch["unlabelled"])) unlabelled, counted as false",
      "  the rate is below \(bound), valid at every look; alpha \(Statistics.Figures.fixed(gate["alpha"]?.doubleValue ?? 0, 4)) needs \(count(gate["reviews_needed"])) reviews with none false",
    ]
  }

  private var table: [String] {
    let rows = (gate["conditions"]?.arrayValue ?? []).map { condition in
      [
        mark(condition), string(condition["name"]), string(condition["shown"]), string(condition["wants"]),
        string(condition["source"]),
      ]
    }
    let widths = (0..<5).map { column in column < 4 ? rows.map { $0[column].count }.max() ?? 0 : 0 }
    let missing = (gate["conditions"]?.arrayValue ?? []).map { $0["missing"]?.stringValue }
    return zip(rows, missing).flatMap { row, missing in
      let line = "  " + zip(row, widths).map { $0.padded(to: $1) }.joined(separator: "  ")
      return [line] + (missing.map { ["         missing: \($0)"] } ?? [])
    }
  }

  private func mark(_ condition: JSONValue) -> String {
    switch string(condition["state"]) {
    case "met": "met"
    case "unmet": "UNMET"
    default: "n/a"
    }
  }

  private func string(_ value: JSONValue?) -> String { value?.stringValue ?? "–" }
  private func count(_ value: JSONValue?) -> String {
    value?.intValue.map(Statistics.Figures.count) ?? "no number of"
  }
}

extension Failure {
  /// Nobody listens at the socket.
  fileprivate var isNobody: Bool { exit == .surroundings && message.hasPrefix("no router answers") }
}

extension String {
  /// As a segment of a path.
  fileprivate var percentEncoded: String {
    utf8.map { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
        return String(UnicodeScalar(byte))
      default:
        let digits = String(byte, radix: 16, uppercase: true)
        return "%" + (digits.count == 1 ? "0" : "") + digits
      }
    }.joined()
  }
}
