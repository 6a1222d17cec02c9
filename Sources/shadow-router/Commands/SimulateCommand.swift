import Commands
import Journal
import LogReading
import LogRequests
import PolicyFiles
import Posix
import Reports
import RouterCore
import Simulations
import Wire

enum SimulateCommand {
  static let command = Command(
    name: "simulate", summary: "what another policy, or another threshold, would have decided",
    help: """
      Examples:
        shadow-router simulate new-policy.yaml --since 7d
        shadow-router simulate new-policy.yaml --was old-policy.yaml --fail-if-more-false
        shadow-router simulate --thresholds triage_ticket --html thresholds.html

      Decides the calls of the log again under POLICY from what their records keep; asks no model. What depends on a text
      is counted as "cannot be told". The policies that decided then are found by their revision: those that the router kept in
        its state folder, --policy, and every --was.

        --since SPAN           such as 7d or 12h, or a day such as 2026-11-01; default: the whole log
        --week W               an ISO week, such as 2026-W47
        --was FILE             a policy that was in force; may be given again
        --fail-if-more-false   exit 1 where more known or suspected false accepts are let in than kept out
        --thresholds TASK      accept rate against the bound for each threshold from 0.99 to 0.50
        --html FILE            with --thresholds: also as a page with a chart

      """,
    options: [
      "since": true, "week": true, "was": true, "fail-if-more-false": false, "thresholds": true, "html": true,
    ],
    run: run)

  private static func run(_ arguments: Arguments) throws(Failure) -> Exit {
    let now = Clocks.realtime()
    let window = try window(arguments, now: now)
    if let task = arguments.value("thresholds") { return try thresholds(task, arguments, window, now: now) }
    let file = try arguments.operands(1...1, "simulate POLICY [options], or simulate --thresholds TASK")[0]
    guard arguments.value("html") == nil else { throw .usage("--html goes with --thresholds") }
    let policy = try policy(file, now: now)
    var earlier: [Policy] = []
    for path in arguments.all("was") { earlier.append(try Self.policy(path, now: now)) }
    earlier += PolicyArchive(folder: arguments.paths.policies).policies(now: now)
    // The policy in force, where there is one that can be read: most calls were decided by it.
    if let present = try? PolicyLoading(path: arguments.paths.policy, keys: .temporary()).policy(now: now) {
      earlier.append(present)
    }
    var simulation = PolicySimulation(policy, earlier: earlier, window: window)
    try read(arguments, from: window.from) { line in simulation.add(line) }
    return report(simulation.simulation(), file, arguments)
  }

  private static func report(_ simulation: Simulation, _ file: String, _ arguments: Arguments) -> Exit {
    Terminal.out(arguments.wantsJSON ? simulation.json.jsonText + "\n" : "\(file): " + simulation.text)
    guard arguments.has("fail-if-more-false") else { return .yes }
    let open = simulation.tasks.reduce(0) { $0 + $1.openCalls }
    if open > 0 {
      Terminal.message("shadow-router simulate: of \(open) calls it cannot be told\n")
    }
    for task in simulation.tasks where task.hasMoreFalse {
      Terminal.message(
        "shadow-router simulate: \(task.name): more false accepts let in than kept out: known \(task.knownFalse.letIn) in, "
          + "\(task.knownFalse.keptOut) out; suspected \(task.suspected.letIn) in, \(task.suspected.keptOut) out\n"
      )
    }
    return simulation.hasMoreFalse ? .no : .yes
  }

  private static func thresholds(
    _ name: String, _ arguments: Arguments, _ window: ReportWindow, now: Int64
  ) throws(Failure) -> Exit {
    _ = try arguments.operands(0...0, "simulate --thresholds TASK [options]")
    guard !arguments.has("fail-if-more-false"), arguments.all("was").isEmpty else {
      throw .usage("--was and --fail-if-more-false go with a policy, not with --thresholds")
    }
    // The policy adds the task's limit and threshold; without one the contract's defaults hold.
    let task = (try? PolicyLoading(path: arguments.paths.policy, keys: .temporary()).policy(now: now))?.task(
      name)
    var fold = ThresholdFold(task: name, window: window)
    try read(arguments, from: window.from) { line in fold.add(line) }
    let gate = task?.gate ?? GatePolicy()
    let curve = fold.curve(
      limit: gate.maxFalseAcceptRate, current: task.flatMap { $0.local ? $0.minConfidence : nil })
    guard curve.calls + curve.stopped + curve.earlier > 0 else {
      throw Failure(exit: .no, message: "the log has no call of task \(name) in the window")
    }
    if let path = arguments.value("html") {
      do throws(PosixError) {
        try Files.replace(path, with: Array(curve.html.utf8), mode: 0o644)
      } catch {
        throw .surroundings(error.description)
      }
      Terminal.message("wrote \(path)\n")
    }
    Terminal.out(arguments.wantsJSON ? curve.json.jsonText + "\n" : curve.text)
    return .yes
  }

  private static func policy(_ path: String, now: Int64) throws(Failure) -> Policy {
    do throws(PolicyLoading.Refusal) {
      return try PolicyLoading(path: path, keys: .temporary()).policy(now: now)
    } catch {
      if error.isUnreadable { throw .surroundings(error.problems.map(\.message).joined(separator: "; ")) }
      throw Failure(exit: .no, message: "the policy is refused\n" + error.lines(path).joined(separator: "\n"))
    }
  }

  private static func window(_ arguments: Arguments, now: Int64) throws(Failure) -> ReportWindow {
    var request = ReportRequest(logFolder: "")
    request.since = arguments.value("since")
    request.week = arguments.value("week")
    do throws(ReportRequest.Fault) { return try request.window(now: now) } catch {
      throw .usage(error.message)
    }
  }

  /// Reads the log of a router that may be running, to the end that it has now.
  private static func read(
    _ arguments: Arguments, from start: Int64?, _ add: (Span<UInt8>) -> Void
  ) throws(Failure) {
    let folder = try arguments.logFolder()
    var progress = Progress("reading the log")
    do throws(JournalError) {
      var bytes = 0
      var reader = try JournalReader(folder: folder, from: start.map { .time($0) } ?? .beginning)
      try reader.visit { line, _ in
        add(line)
        bytes += line.count + 1
        progress.show(nil, "\(bytes >> 20) MiB")
        return true
      }
    } catch {
      progress.end()
      throw .surroundings(error.description)
    }
    progress.end()
  }
}
