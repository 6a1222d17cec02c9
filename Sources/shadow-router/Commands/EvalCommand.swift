import Candidates
import Evidence
import Posix
import RouterCore
import Service
import Synchronization
import Wire

enum EvalCommand {
  static let command = Command(
    name: "eval", summary: "the acceptance bar over a labelled file",
    help: """
      Examples:
        shadow-router eval cases.ndjson --task triage_ticket --policy policies/router-policy.yaml

      Asks the task's candidate (or --model) about every case, decides as the router would, and compares with the
      truth. Every figure of the bar is printed; exit 1 when one fails.

        --task T     the task of the policy
        --model ID   another model of the policy

      """,
    options: ["task": true, "model": true],
    run: run)

  private static func run(_ arguments: Arguments) throws(Failure) -> Exit {
    let file = try arguments.operands(1...1, "eval EVALSET --task T [--model ID]")[0]
    guard let name = arguments.value("task") else { throw .usage("`eval` needs --task") }
    let path = arguments.paths.policy
    let generation: Generation
    do throws(PolicyLoading.Refusal) {
      generation = try PolicyLoading(path: path, keys: .temporary()).load(number: 1, now: Clocks.realtime())
        .generation
    } catch {
      throw .surroundings(error.lines(path).first ?? "\(path) cannot be read")
    }
    guard let task = generation.prepared.task(name) else { throw .usage("the policy has no task \(name)") }
    let id = arguments.value("model") ?? task.policy.model ?? ""
    guard let pool = generation.pools[id] else {
      throw .usage("the policy has no model \(id.isEmpty ? "for \(name)" : id) that can be asked")
    }
    let cases = try EvalSet.read(file, task: name)
    let tally = ask(cases, task: task.policy, pool: pool, generation)
    let bar = AcceptanceBar(tally, limit: task.policy.gate.maxFalseAcceptRate)
    Terminal.out(
      arguments.wantsJSON
        ? bar.document(task: name, model: id).jsonText + "\n" : bar.text(task: name, model: id))
    return bar.isMet ? .yes : .no
  }

  private static func ask(
    _ cases: [EvalCase], task: TaskPolicy, pool: ModelPool, _ generation: Generation
  ) -> EvalTally {
    let answers = Monitor<[Int: Asked]>([:])
    var progress = Progress("asking \(pool.model.id)")
    let window = pool.model.maxConcurrency + 1
    for (place, item) in cases.enumerated() {
      answers.wait(for: { place - $0.count < window }, { _ in })
      let deadline = Clocks.deadline(afterMilliseconds: Int64(pool.model.timeoutMs))
      let question = Question(task: task, text: Array(item.text.utf8), deadline: deadline)
      let refusal = pool.submit(question) { asked in
        answers.withLock { $0[place] = asked }
        answers.notify()
      }
      if let refusal {
        let asked = Asked(
          outcome: .unavailable(cause: refusal.rawValue), figures: AskFigures(), nanoseconds: 0)
        answers.withLock { $0[place] = asked }
      }
      progress.show(Double(place + 1) / Double(cases.count), "\(place + 1) of \(cases.count)")
    }
    answers.wait(for: { $0.count == cases.count }, { _ in })
    progress.end()
    let done = answers.withLock { $0 }
    var tally = EvalTally()
    var scratch = Engine.Scratch()
    let today = PolicyLoading.day(Clocks.realtime())
    for (place, item) in cases.enumerated() {
      guard let asked = done[place] else { continue }
      tally.add(item, asked, task: task, generation, today: today, &scratch)
    }
    pool.stop(until: Clocks.deadline(afterMilliseconds: 1_000))
    return tally
  }
}

/// What an evaluation counted.
struct EvalTally {
  var cases = 0
  var asked = 0
  var valid = 0
  var labelled = 0
  var rightLabels = 0
  var accepted = 0
  var wrongAccepted = 0
  /// Accepted though the truth says that the call belongs to the frontier.
  var frontierAccepted = 0
  var reasons: [Reason: Int] = [:]

  mutating func add(
    _ item: EvalCase, _ answer: Asked, task: TaskPolicy, _ generation: Generation, today: String,
    _ scratch: inout Engine.Scratch
  ) {
    cases += 1
    var call = Call(callID: item.id)
    call.taskType = task.name
    call.text = CallText(item.text)
    let context = DecisionContext(today: today)
    let screening = Engine.screen(call, policy: generation.prepared, context: context, scratch: &scratch)
    let decision = Engine.judge(
      screening, call: call, outcome: answer.outcome, policy: generation.prepared, context: context,
      scratch: &scratch)
    if let reason = decision.reason { reasons[reason, default: 0] += 1 }
    guard screening.reason == nil else { return }
    asked += 1
    let isValid = decision.checks[.schemaInvalid] == .pass
    if isValid { valid += 1 }
    let isRight = item.isRight(decision.answer)
    if isValid, let isRight {
      labelled += 1
      if isRight { rightLabels += 1 }
    }
    guard decision.isLocal else { return }
    accepted += 1
    if item.route == "frontier" { frontierAccepted += 1 }
    if isRight == false || item.route == "frontier" { wrongAccepted += 1 }
  }
}

/// The acceptance bar of a candidate: every figure with its limit.
struct AcceptanceBar {
  struct Line {
    let name: String
    let value: String
    let number: Double
    let limit: String
    let isMet: Bool
  }

  let lines: [Line]
  var isMet: Bool { lines.allSatisfy(\.isMet) }

  init(_ tally: EvalTally, limit: Double) {
    let validity = tally.asked == 0 ? 0 : Double(tally.valid) / Double(tally.asked)
    let accuracy = tally.labelled == 0 ? 0 : Double(tally.rightLabels) / Double(tally.labelled)
    let upper = tally.accepted == 0 ? 1 : RateBounds.upper(tally.wrongAccepted, of: tally.accepted)
    lines = [
      Line(
        name: "JSON validity", value: "\(Figures.percent(validity)) of \(tally.asked) asked",
        number: validity,
        limit: "at least 99 %", isMet: validity >= 0.99),
      Line(
        name: "label accuracy", value: "\(Figures.percent(accuracy)) of \(tally.labelled) valid",
        number: accuracy,
        limit: "at least 95 %", isMet: accuracy >= 0.95),
      Line(
        name: "frontier cases accepted", value: "\(tally.frontierAccepted)",
        number: Double(tally.frontierAccepted),
        limit: "none", isMet: tally.frontierAccepted == 0),
      Line(
        name: "wrong among accepted",
        value:
          "\(tally.wrongAccepted) of \(tally.accepted), below \(Figures.percent(upper)) with 95 % confidence",
        number: upper, limit: "at most \(Figures.percent(limit))", isMet: upper <= limit),
      Line(
        name: "accepted", value: "\(tally.accepted) of \(tally.cases)", number: Double(tally.accepted),
        limit: "at least 30", isMet: tally.accepted >= 30),
    ]
  }

  func text(task: String, model: String) -> String {
    let rows = lines.map { line in
      let mark = line.isMet ? Terminal.styled("met   ", .green) : Terminal.styled("NOT   ", .red)
      return "  \(mark)\(line.name.padded(to: 26))\(line.value)  (\(line.limit))"
    }
    return "\(task) by \(model): the bar is \(isMet ? "met" : "not met")\n" + rows.joined(separator: "\n")
      + "\n"
  }

  func document(task: String, model: String) -> JSONValue {
    [
      "task": .string(task), "model": .string(model), "met": .bool(isMet),
      "figures": .array(
        lines.map { line in
          [
            "name": .string(line.name), "number": JSONNumber(line.number).map { .number($0) } ?? .null,
            "value": .string(line.value),
            "limit": .string(line.limit), "met": .bool(line.isMet),
          ]
        }),
    ]
  }
}
