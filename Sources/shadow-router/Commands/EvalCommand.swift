import Candidates
import Commands
import Evaluations
import Evidence
import Gates
import LabelledFiles
import LogRequests
import PolicyFiles
import PolicyLanguage
import Posix
import Reports
import RouterCore
import Statistics
import Wire

enum EvalCommand {
  static let command = Command(
    name: "eval", summary: "the acceptance bar over a labelled file",
    help: """
      Examples:
        shadow-router eval cases.ndjson --task triage_ticket --policy policies/router-policy.yaml
        shadow-router eval cases.ndjson --task triage_ticket --model other --html triage.html

      Asks the task's candidate (or --model) about every case that no check keeps from it, decides as the router would,
      with the calibration in force, and compares with the truth: label, answer (by the task's agreement; a tool call
      field by field) or route. Exit 1 when a figure of the bar is not met; the first line says which, and what the
      confidence is worth. Where EVALSET is the task's `eval_set` and a router is running, the result goes into its log:
      the task's gate asks for it.

        --task T     the task of the policy
        --model ID   another model of the policy
        --html FILE  a page with the reliability plot, thresholds, labels and confusions

      """,
    options: ["task": true, "model": true, "html": true],
    run: run)

  private static func run(_ arguments: Arguments) throws(Failure) -> Exit {
    let file = try arguments.operands(1...1, "eval EVALSET --task T [--model ID]")[0]
    guard let name = arguments.value("task") else { throw .usage("`eval` needs --task") }
    let cases = try EvalSet.read(file, task: name)
    // Found out before an hour of asking, not after it.
    if let path = arguments.value("html") { try write("", to: path) }
    let asking = try CaseAsking(arguments, task: name, model: arguments.value("model"), corrects: true)
    EvalSet.tellForeignLabels(in: cases, of: asking.task.policy, path: file)
    var evaluation = evaluate(cases, asking)
    evaluation.command = command(file, name, arguments)
    let used = UsedCases(evaluation, asking.pool, arguments.paths)
    evaluation.seenByCalibration = used.byCalibration(cases)
    if let path = arguments.value("html") {
      try write(evaluation.html, to: path)
    }
    Terminal.out(
      arguments.wantsJSON ? String(decoding: evaluation.json, as: UTF8.self) : EvaluationText.text(evaluation)
    )
    try tellRouter(evaluation.leavingOut { used.holds($0) }, file, asking, arguments)
    return AcceptanceBar(evaluation).isMet ? .yes : .no
  }

  /// Lets a running router record the result, for the gate. Cases that the model or its correction was fitted on are left
  /// out of what it is told.
  private static func tellRouter(
    _ evaluation: Evaluation, _ file: String, _ asking: CaseAsking, _ arguments: Arguments
  ) throws(Failure) {
    let (task, policy) = (asking.task.policy, asking.generation.prepared.policy)
    guard let named = task.evalSet, Files.exists(arguments.paths.control) else { return }
    let path = named.hasPrefix("/") ? named : Files.join(Files.folder(of: arguments.paths.policy), named)
    guard let digest = try? FileDigest.sha256(file), digest == (try? FileDigest.sha256(path)) else {
      return Terminal.message("not recorded: \(file) is not the task's eval_set, \(named)\n")
    }
    let isCandidate = task.steps.contains(evaluation.model)
    let revision =
      isCandidate || task.challenger == evaluation.model
      ? TaskRevision.of(task.name, in: policy, isChallenger: !isCandidate) : nil
    var result = EvalResult(
      task: evaluation.task, modelID: evaluation.model, policyRevision: evaluation.policyRevision,
      evalSetSHA256: digest, isMet: AcceptanceBar(evaluation).isMet, cases: evaluation.cases.count,
      accepted: evaluation.accepted, acceptedWrong: evaluation.acceptedWrong,
      upperBound: evaluation.wrongUpper)
    (result.modelName, result.modelDigest) = (evaluation.modelName, evaluation.modelDigest)
    (result.promptRevision, result.calibration) = (evaluation.promptRevision, evaluation.calibration)
    result.taskRevision = revision
    do throws(Failure) {
      let answer = try ControlClient.json("POST", "/v1/eval", body: result.json, at: arguments.paths)
      let why = answer.value["error"]?.stringValue ?? "the router refused (\(answer.status))"
      Terminal.message(
        answer.status == 200
          ? "recorded for the gate: the bar is \(result.isMet ? "met" : "NOT met") on \(Figures.count(result.cases)) cases that were not used to fit\n"
          : "not recorded: \(why)\n")
    } catch {
      // The evaluation stands on its own; a socket that a killed router left behind is no fault of it.
      Terminal.message("not recorded: \(error.message)\n")
    }
  }

  private static func write(_ page: String, to path: String) throws(Failure) {
    do throws(PosixError) {
      try Files.replace(path, with: Array(page.utf8), mode: 0o644)
    } catch {
      throw .surroundings("--html \(path): \(error.description)")
    }
  }

  private static func evaluate(_ cases: [EvalCase], _ asking: CaseAsking) -> Evaluation {
    let heard = asking.ask(cases.map(\.call))
    asking.stop()
    if let complaint = asking.complaint(heard) { Terminal.message("shadow-router eval: \(complaint)\n") }
    let task = asking.task.policy
    var evaluation = Evaluation(task: task, model: asking.pool.model.id)
    evaluation.modelName = asking.pool.names.model
    evaluation.modelDigest = asking.pool.names.modelDigest
    evaluation.promptRevision = asking.generation.promptRevision(task: task.name, model: asking.pool.model.id)
    evaluation.policyRevision = asking.generation.revision
    for (item, heard) in zip(cases, heard) {
      guard let asked = heard.asked else {
        let decision = Engine.withoutCandidate(heard.screening)
        evaluation.add(
          EvaluatedCase(
            id: item.id, truth: item.truth, screening: heard.screening, decision: decision, task: task))
        continue
      }
      let judged = asking.generation.judge(asked, to: item.call, heard.screening, asking.context)
      var result = EvaluatedCase(
        id: item.id, truth: item.truth, screening: heard.screening, decision: judged.decision, task: task)
      result.latencyMs = asked.figures.latencyMs
      result.costUSD = asked.figures.costUSD
      result.requests = asked.figures.attempts
      evaluation.calibration = evaluation.calibration ?? judged.calibration
      evaluation.add(result)
    }
    return evaluation
  }

  private static func command(_ file: String, _ task: String, _ arguments: Arguments) -> String {
    let model = arguments.value("model").map { " --model \($0)" } ?? ""
    return "shadow-router eval \(file) --task \(task)\(model) --policy \(arguments.paths.policy)"
  }
}

/// An evaluation for a terminal: the verdict in the first line, then what it rests on.
enum EvaluationText {
  static func text(_ evaluation: Evaluation) -> String {
    let bar = AcceptanceBar(evaluation)
    var lines = [
      Terminal.styled(bar.verdict, bar.isMet ? .green : .red), "\(evaluation.task) by \(evaluation.model)",
      "",
    ]
    lines += bar.lines.map { line in
      let mark = line.isMet ? Terminal.styled("met   ", .green) : Terminal.styled("NOT   ", .red)
      return "  \(mark)\(line.name.padded(to: 26))\(line.value)  (\(line.limit))"
    }
    lines += EvaluationWords.notes(evaluation).map { "  note: \($0)" }
    lines += confidence(evaluation) + threshold(evaluation) + labels(evaluation) + reasons(evaluation)
    return lines.joined(separator: "\n") + "\n"
  }

  private static func confidence(_ evaluation: Evaluation) -> [String] {
    let quality = evaluation.quality
    guard quality.count > 0 else { return [] }
    var lines = ["", EvaluationWords.confidence(evaluation)]
    lines.append(
      "  ECE \(Figures.fixed(quality.expectedError, 3))   Brier \(Figures.fixed(quality.brier, 3))   "
        + "log-loss \(Figures.fixed(quality.logLoss, 3))")
    return lines + ReliabilityText.table(evaluation.bins)
  }

  private static func threshold(_ evaluation: Evaluation) -> [String] {
    guard evaluation.quality.count > 0 else { return [] }
    return ["", "Proposed threshold (a proposal only). \(EvaluationWords.proposal(evaluation))"]
  }

  private static func labels(_ evaluation: Evaluation) -> [String] {
    let labels = evaluation.labels
    guard !labels.isEmpty else { return [] }
    let width = min(32, (labels.prefix(12).map(\.name.count).max() ?? 0) + 2)
    var lines = ["", "  \("label".padded(to: width))  right   said   let through   of them wrong"]
    lines += labels.prefix(12).map { label in
      "  \(label.name.clipped(to: width).padded(to: width))"
        + "\(label.right) of \(label.cases)".leftPadded(to: 9) + "\(label.said)".leftPadded(to: 7)
        + "\(label.accepted)".leftPadded(to: 14) + "\(label.acceptedWrong)".leftPadded(to: 16)
    }
    if labels.count > 12 {
      lines.append("  and \(labels.count - 12) more; --json and --html have all of them")
    }
    let confusions = evaluation.confusions
    guard !confusions.isEmpty else { return lines }
    lines += ["", "  most often confused (true → said)"]
    return lines
      + confusions.prefix(8).map { pair in
        "  \("\(pair.count)".leftPadded(to: 5)) × \(pair.truth.clipped(to: 32)) → \(pair.said.clipped(to: 32)), "
          + "\(pair.accepted) let through"
      }
  }

  private static func reasons(_ evaluation: Evaluation) -> [String] {
    let reasons = evaluation.reasons.map { "\($0.name) \(Figures.count($0.count))" }
    return reasons.isEmpty ? [] : ["", "Kept with the frontier: " + reasons.joined(separator: ", ")]
  }
}

/// A reliability table with small bars.
enum ReliabilityText {
  static func table(_ bins: [ReliabilityBin]) -> [String] {
    ["", "  confidence   says   right" + String(repeating: " ", count: 18) + "cases"]
      + bins.filter { $0.count > 0 }.map { bin in
        let accuracy = bin.accuracy ?? 0
        let mean = bin.meanConfidence ?? 0
        let style: Terminal.Style = bin.interval.upper < mean ? .red : .green
        return
          "  \(Figures.fixed(bin.from, 1))–\(Figures.fixed(bin.to, 1))      \(Figures.confidence(mean))   "
          + Terminal.styled(bar(accuracy, says: mean), style) + Figures.percent(accuracy).leftPadded(to: 9)
          + Figures.count(bin.count).leftPadded(to: 7)
      }
  }

  /// Filled as far as it is right; the mark is where it says it is.
  private static func bar(_ accuracy: Double, says mean: Double) -> String {
    let width = 12
    let mark = min(width - 1, Int(mean * Double(width)))
    let filled = Int((accuracy * Double(width)).rounded())
    return (0..<width).map { $0 == mark ? "┃" : $0 < filled ? "█" : "░" }.joined()
  }
}

extension String {
  func leftPadded(to width: Int) -> String {
    count >= width ? self : String(repeating: " ", count: width - count) + self
  }

  func clipped(to width: Int) -> String { count > width ? prefix(width - 1) + "…" : self }
}
