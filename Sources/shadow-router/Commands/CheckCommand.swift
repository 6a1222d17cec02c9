import Commands
import LogRequests
import PolicyFiles
import PolicyLanguage
import Posix
import Rollout
import RouterCore
import Wire

enum CheckCommand {
  static let command = Command(
    name: "check", summary: "loads policies whole and runs the tests inside them",
    help: """
      Examples:
        shadow-router check policies/router-policy.yaml
        shadow-router check --brief policies/router-policy.yaml      one page for the review meeting
        shadow-router check --against running new-policy.yaml        what would change, and whose evidence ends
        shadow-router check --live policies/router-policy.yaml       are the models there, and what can they do?

      One line `FILE:LINE:COL: error: …` per fault, all of them, on stderr; exit 1 with any error.

        --brief                 what may be local, which stops hold, which host receives the text of which task
        --against running|FILE  the difference to the policy in force or to another file
        --live                  also asks each candidate endpoint what it can do; exit 1 where one cannot be asked
        --strict                a task without an owner is an error

      """,
    options: ["brief": false, "against": true, "live": false, "strict": false],
    run: run)

  private static func run(_ arguments: Arguments) throws(Failure) -> Exit {
    guard !arguments.operands.isEmpty else { throw .usage("usage: shadow-router check [options] POLICY…") }
    guard !arguments.has("live") || !(arguments.has("brief") || arguments.value("against") != nil) else {
      throw .usage("--live goes with neither --brief nor --against")
    }
    var exit = Exit.yes
    for file in arguments.operands {
      let result = try check(file, arguments)
      if exit == .yes || result == .surroundings { exit = result }
    }
    return exit
  }

  private static func check(_ file: String, _ arguments: Arguments) throws(Failure) -> Exit {
    var loading = PolicyLoading(path: file, keys: .temporary())
    loading.isStrict = arguments.has("strict")
    loading.isElsewhere = true
    let now = Clocks.realtime()
    let loaded: PolicyLoading.Loaded
    do throws(PolicyLoading.Refusal) {
      loaded = try loading.load(number: 1, now: now)
    } catch {
      if error.isUnreadable { throw .surroundings(error.problems.map(\.message).joined(separator: "; ")) }
      for problem in error.problems { Terminal.message(problem.line(in: file) + "\n") }
      if arguments.wantsJSON { Terminal.out(outcome(file, nil, error.problems).jsonText + "\n") }
      return .no
    }
    let policy = loaded.generation.prepared.policy
    for remark in loaded.remarks { Terminal.message(remark.line(in: file) + "\n") }
    if arguments.has("brief") {
      brief(policy, now: now, asJSON: arguments.wantsJSON)
    } else if let other = arguments.value("against") {
      try difference(policy, against: other, arguments, now: now)
    } else {
      return verdict(loaded, file, arguments)
    }
    return .yes
  }

  private static func verdict(_ loaded: PolicyLoading.Loaded, _ file: String, _ arguments: Arguments) -> Exit
  {
    let policy = loaded.generation.prepared.policy
    if !arguments.wantsJSON {
      let tests = policy.tests.count
      Terminal.out(
        "\(file): ok, \(policy.tasks.count) tasks, \(tests) test\(tests == 1 ? "" : "s") passed, \(policy.revision)\n"
      )
    }
    let live = arguments.has("live") ? live(loaded.generation, file: file) : nil
    if arguments.wantsJSON {
      var document = outcome(file, policy.revision, loaded.remarks)
      if case .object(let members) = document, let live {
        document = .object(members + [JSONMember("candidates", live.candidates)])
      }
      Terminal.out(document.jsonText + "\n")
    } else if let live {
      Terminal.out(CandidateTable.table(live.candidates.arrayValue ?? []))
    }
    return live?.isUsable == false ? .no : .yes
  }

  private static func outcome(_ file: String, _ revision: String?, _ problems: [PolicyProblem]) -> JSONValue {
    [
      "file": .string(file), "ok": .bool(revision != nil), "revision": revision.map { .string($0) } ?? .null,
      "problems": .array(
        problems.map { problem in
          [
            "severity": .string(problem.severity.rawValue), "line": .number(JSONNumber(problem.mark.line)),
            "column": .number(JSONNumber(problem.mark.column)), "message": .string(problem.message),
          ]
        }),
    ]
  }

  private static func brief(_ policy: Policy, now: Int64, asJSON: Bool) {
    let today = PolicyLoading.day(now)
    Terminal.out(
      asJSON ? PolicyBrief.json(policy, today: today).jsonText + "\n" : PolicyBrief.text(policy, today: today)
    )
  }

  /// Where the policy in force can be read: its file, or the copy that the router kept when the file was edited since.
  private static func inForce(_ revision: String, from file: String, _ paths: SidecarPaths) throws(Failure)
    -> String
  {
    let kept = Files.join(paths.policies, revision.dropFirst("sha256:".count) + ".yaml")
    for path in [file, kept] {
      guard let bytes = try? Files.read(path, limit: 2 << 20) else { continue }
      if "sha256:" + SHA256.hash(bytes).hex == revision { return path }
    }
    throw Failure(
      exit: .refused,
      message:
        "the policy in force (\(revision)) stands neither in \(file) nor in \(kept); is --state-dir the "
        + "router's? Or compare with a file instead")
  }

  private static func difference(
    _ policy: Policy, against other: String, _ arguments: Arguments, now: Int64
  ) throws(Failure) {
    var path = other
    var live: [String: PolicyDifference.Served] = [:]
    if other == "running" {
      let (_, status) = try ControlClient.json("GET", "/v1/status", at: arguments.paths)
      guard let file = status["policy"]?["file"]?.stringValue,
        let revision = status["policy"]?["revision"]?.stringValue
      else { throw .surroundings("the router does not say which policy it runs") }
      path = try inForce(revision, from: file, arguments.paths)
      for task in status["live_tasks"]?.arrayValue ?? [] {
        guard let name = task["task"]?.stringValue else { continue }
        let safeguards = task["safeguards"].flatMap(Safeguards.init)
        live[name] = PolicyDifference.Served(
          isRotated: task["rotated"]?.boolValue ?? false,
          loosened: policy.task(name).flatMap { safeguards?.loosened(by: Safeguards($0)) })
      }
    }
    do throws(PolicyLoading.Refusal) {
      let old = try PolicyLoading(path: path, keys: .temporary()).policy(now: now)
      let difference = PolicyDifference.between(old, policy, live: live)
      Terminal.out(arguments.wantsJSON ? difference.json.jsonText + "\n" : difference.text)
    } catch {
      throw .surroundings("\(path): \(error.errors.first?.message ?? "cannot be read as a policy")")
    }
  }
}
