import Candidates
import Commands
import Evaluations
import LabelledFiles
import LogRequests
import PolicyFiles
import Posix
import RouterCore
import Statistics
import Wire

enum CalibrateCommand {
  static let command = Command(
    name: "calibrate", summary: "fits the correction of a task's and model's confidence on labelled cases",
    help: """
      Examples:
        shadow-router calibrate triage_ticket
        shadow-router calibrate triage_ticket cases.ndjson --model other --dry-run

      Asks the task's candidate (or --model) about labelled cases, of EVALSET or else of the task's eval_set, and fits how
      its confidence has to be corrected: with log-probabilities a prior and a temperature, with single numbers a shift
      and a temperature. The figures are cross-validated: each case is judged by a fit to others. It is written into the
      state folder for `reload` to put in force, unless there are fewer than 30 cases or it makes the held-out log-loss
      worse (exit 1). Cases used here must not feed a gate; their ids are kept in the file as hashes.

        --model ID   another model of the policy
        --dry-run    print only

      """,
    options: ["model": true, "dry-run": false],
    run: run)

  private static func run(_ arguments: Arguments) throws(Failure) -> Exit {
    let words = try arguments.operands(1...2, "calibrate TASK [EVALSET]")
    let asking = try CaseAsking(arguments, task: words[0], model: arguments.value("model"), corrects: false)
    defer { asking.stop() }
    let file = try words.count > 1 ? words[1] : evalSet(of: asking.task.policy, arguments)
    let bytes = try Input.read(file, limit: 1 << 30)
    let cases = try EvalSet.read(bytes, from: file, task: words[0])
    EvalSet.tellForeignLabels(in: cases, of: asking.task.policy, path: file)
    let sample = try CalibrationSample(cases, asking)
    if let complaint = sample.complaint { Terminal.message("shadow-router calibrate: \(complaint)\n") }
    let study: CalibrationStudy
    do throws(CalibrationStudy.Refusal) {
      study = try CalibrationStudy(sample.cases, prior: sample.prior)
    } catch {
      throw Failure(exit: .no, message: message(error, sample))
    }
    let correction = ConfidenceCorrection(
      task: words[0], modelID: asking.pool.model.id, modelDigest: sample.modelDigest,
      promptRevision: asking.generation.promptRevision(task: words[0], model: asking.pool.model.id),
      source: sample.source, temperature: study.fit.temperature, prior: study.fit.prior,
      shift: study.fit.shift)
    let result = CalibrationFile(
      correction: correction, before: study.qualityBefore, after: study.qualityAfter,
      fileDigest: SHA256.hash(bytes).hex, caseIDs: sample.ids, at: Clocks.realtime())
    let isWritten = study.helps && !arguments.has("dry-run")
    let path = isWritten ? try result.write(arguments.paths) : nil
    Terminal.out(
      arguments.wantsJSON
        ? document(result, study, sample, path).jsonText + "\n" : text(result, study, sample, path))
    if !study.helps {
      Terminal.message(
        "shadow-router calibrate: nothing written: on cases that it had not seen, the fit made the log-loss worse\n"
      )
    }
    return study.helps ? .yes : .no
  }

  private static func evalSet(of task: TaskPolicy, _ arguments: Arguments) throws(Failure) -> String {
    guard let file = task.evalSet else {
      throw .usage("the task \(task.name) has no eval_set: name a file of labelled cases")
    }
    return file.hasPrefix("/") ? file : Files.join(Files.folder(of: arguments.paths.policy), file)
  }

  private static func message(_ refusal: CalibrationStudy.Refusal, _ sample: CalibrationSample) -> String {
    switch refusal {
    case .tooFewCases(let count):
      "only \(count) cases have a valid answer with a confidence and a truth to compare it with; at least "
        + "\(CalibrationStudy.leastCases) are needed" + sample.leftOutText
    case .oneSided(let right, let wrong):
      "there must be right and wrong answers to learn from: \(right) are right, \(wrong) wrong"
    }
  }

  // MARK: - What is printed

  private static func text(
    _ result: CalibrationFile, _ study: CalibrationStudy, _ sample: CalibrationSample, _ path: String?
  ) -> String {
    let correction = result.correction
    var lines = [
      "\(correction.task) by \(correction.modelID), confidence from \(correction.source.rawValue): fitted on "
        + "\(Figures.count(result.caseIDs.count)) labelled cases\(sample.leftOutText)", "",
      "  on cases not seen by the fit (5 folds)    before    after",
    ]
    let rows: [(String, KeyPath<CalibrationQuality, Double>)] = [
      ("says, on average", \.meanConfidence), ("is right", \.accuracy),
      ("calibration error (ECE)", \.expectedError), ("Brier score", \.brier), ("log-loss, nats", \.logLoss),
    ]
    lines += rows.map { name, figure in
      "  " + name.padded(to: 40) + Figures.fixed(result.before[keyPath: figure], 3).leftPadded(to: 8)
        + Figures.fixed(result.after[keyPath: figure], 3).leftPadded(to: 9)
    }
    lines += ReliabilityText.table(Calibration.reliability(study.before))
    lines += ["", "  corrected:"] + ReliabilityText.table(Calibration.reliability(study.after)).dropFirst()
    lines += ["", "  " + fitText(study.fit, sample)]
    guard let path else { return lines.joined(separator: "\n") + "\n" }
    lines += [
      "", "written: \(path)",
      "`shadow-router reload` puts it in force; a new evidence epoch of \(correction.task) then begins.",
    ]
    return lines.joined(separator: "\n") + "\n"
  }

  private static func fitText(_ fit: ConfidenceFit, _ sample: CalibrationSample) -> String {
    let temperature = "temperature \(Figures.fixed(fit.temperature, 3))"
    if fit.prior.isEmpty { return "\(temperature), shift \(Figures.fixed(fit.shift, 3))" }
    let shares = fit.prior.values
    guard let least = shares.min(), let most = shares.max(), most > least else {
      return "\(temperature), no prior"
        + (sample.prior.isEmpty ? "" : " (the one measured without content did not help)")
    }
    return
      "\(temperature), prior from \(Figures.percent(least)) to \(Figures.percent(most)) over \(shares.count) labels"
  }

  private static func document(
    _ result: CalibrationFile, _ study: CalibrationStudy, _ sample: CalibrationSample, _ path: String?
  ) -> JSONValue {
    func number(_ value: Double) -> JSONValue { JSONNumber(value).map { .number($0) } ?? .null }
    func quality(_ quality: CalibrationQuality) -> JSONValue {
      [
        "mean": number(quality.meanConfidence), "right": number(quality.accuracy),
        "ece": number(quality.expectedError), "brier": number(quality.brier),
        "log_loss": number(quality.logLoss),
      ]
    }
    return [
      "correction": result.correction.json, "cases": .number(JSONNumber(result.caseIDs.count)),
      "left_out": .number(JSONNumber(sample.leftOut)), "before": quality(result.before),
      "after": quality(result.after), "helps": .bool(study.helps),
      "file": path.map { .string($0) } ?? .null,
    ]
  }
}

/// The answers to labelled cases that a correction can be fitted on: of one model, one source and a known truth.
struct CalibrationSample {
  private(set) var ids: [String] = []
  private(set) var cases: [ConfidenceCase] = []
  let source: Decision.ConfidenceSource
  private(set) var modelDigest: String?
  /// Cases without a valid answer, a confidence of the source or a truth to compare with.
  var leftOut: Int { total - cases.count }
  /// What the model says where there is nothing to say anything about; empty where it is not known.
  private(set) var prior: [String: Double] = [:]
  private let total: Int
  /// Why cases got no answer; nil where each got one.
  let complaint: String?

  var leftOutText: String { leftOut > 0 ? " (\(leftOut) of \(total) left out)" : "" }

  init(_ labelled: [EvalCase], _ asking: CaseAsking) throws(Failure) {
    total = labelled.count
    let heard = asking.ask(labelled.map(\.call))
    complaint = asking.complaint(heard)
    var found: [(id: String, source: Decision.ConfidenceSource, item: ConfidenceCase)] = []
    var digests: Set<String?> = []
    for (item, heard) in zip(labelled, heard) {
      guard let asked = heard.asked else { continue }
      let decision = asking.generation.judge(asked, to: item.call, heard.screening, asking.context).decision
      let result = EvaluatedCase(
        id: item.id, truth: item.truth, screening: heard.screening, decision: decision,
        task: asking.task.policy)
      guard result.isValid, let isRight = result.isAcceptable, let confidence = result.confidenceRaw,
        let source = result.source
      else { continue }
      digests.insert(asked.figures.modelDigest)
      let byLabel = source == .logprob ? Self.distribution(asked) : [:]
      found.append(
        (
          item.id, source,
          ConfidenceCase(
            confidence: confidence, label: decision.answer?.label, byLabel: byLabel, isCorrect: isRight)
        ))
    }
    guard digests.count <= 1 else {
      throw Failure(exit: .no, message: "the model changed while it was asked; try again")
    }
    modelDigest = digests.first ?? nil
    var counts: [Decision.ConfidenceSource: Int] = [:]
    for item in found { counts[item.source, default: 0] += 1 }
    source = counts.max { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }?.key ?? .selfReported
    var kept = found.filter { $0.source == source }
    // Distributions and bare numbers are corrected in different ways; what there is more of counts.
    let withDistribution = kept.filter { !$0.item.byLabel.isEmpty }
    if withDistribution.count * 2 > kept.count { kept = withDistribution }
    ids = kept.map(\.id)
    cases = kept.map(\.item)
    if cases.contains(where: { !$0.byLabel.isEmpty }) { prior = Self.prior(asking) }
  }

  private static func distribution(_ asked: Asked) -> [String: Double] {
    guard case .said(let reply) = asked.outcome else { return [:] }
    return reply.measured?.byLabel ?? [:]
  }

  /// The mean answer to inputs without content.
  private static func prior(_ asking: CaseAsking) -> [String: Double] {
    let calls = ["N/A", "", "[MASK]"].map { text in
      var call = Call(callID: "no content")
      call.taskType = asking.task.policy.name
      call.text = CallText(text)
      return call
    }
    let answers = asking.ask(calls).compactMap(\.asked).map(distribution).filter { !$0.isEmpty }
    var sums: [String: Double] = [:]
    for answer in answers { for (label, share) in answer { sums[label, default: 0] += share } }
    return sums.mapValues { $0 / Double(answers.count) }
  }
}
