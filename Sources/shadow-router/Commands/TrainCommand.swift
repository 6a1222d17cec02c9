import BuiltIn
import Commands
import Evaluations
import LabelledFiles
import Posix
import RouterCore
import Statistics
import Wire

enum TrainCommand {
  static let command = Command(
    name: "train", summary: "fits the built-in model on labelled cases",
    help: """
      Examples:
        shadow-router train cases.ndjson --task triage_ticket --output triage.model

      EVALSET is NDJSON, one case a line: {"id", "task_type", "input", "truth": {"label": …}}. Prints the accuracy on
      cases that the model had not seen (cross-validation), and how far its confidence can be trusted. FILE.cases beside
      the model says, by digest, which cases it has seen: `eval` leaves them out of what a gate asks for.

        --task T        only cases of this task type
        --output FILE   the model's file, named in the policy as models.ID.file
        --reject LABEL  cases with this label are outside the task: the model learns to abstain on their like, as it
                        does on cases that have only {"route": "frontier"} for a truth

      """,
    options: ["task": true, "output": true, "reject": true],
    run: run)

  private static func run(_ arguments: Arguments) throws(Failure) -> Exit {
    let file = try arguments.operands(1...1, "train EVALSET --task T --output FILE")[0]
    guard let task = arguments.value("task"), let output = arguments.value("output") else {
      throw .usage("`train` needs --task and --output")
    }
    let cases = try EvalSet.read(file, task: task)
    var options = BuiltInTrainingOptions()
    options.rejectionLabel = arguments.value("reject")
    let rejection = options.rejectionLabel ?? "unknown"
    let rows = cases.compactMap { item in
      // What belongs to the frontier whatever its label teaches the model when to abstain.
      let label = item.label ?? (item.truth.route == .frontier ? rejection : nil)
      return label.map { TrainingRow(text: Array(item.text.utf8), label: $0) }
    }
    if cases.contains(where: { $0.label == nil && $0.truth.route == .frontier }) {
      options.rejectionLabel = rejection
    }
    guard rows.count == cases.count else {
      throw Failure(
        exit: .no,
        message:
          "\(cases.count - rows.count) of \(cases.count) cases have neither truth.label nor truth.route frontier"
      )
    }
    var progress = Progress("training")
    let result: TrainingResult
    do throws(BuiltInTrainingError) {
      result = try BuiltInTrainer.train(rows, options: options) { step in
        progress.show(
          Double(step.step - 1) / Double(step.steps),
          "part \(step.step) of \(step.steps), round \(step.epoch)")
      }
    } catch {
      progress.end()
      throw Failure(exit: .no, message: "\(error)")
    }
    progress.end()
    let bytes = result.model.encoded()
    let used = TrainedCases(modelDigest: result.model.digest, caseIDs: cases.map(\.id))
    do throws(PosixError) {
      try Files.replace(
        TrainedCases.path(ofModel: output), with: used.json.jsonBytes + [UInt8(ascii: "\n")], mode: 0o644)
      try Files.replace(output, with: bytes, mode: 0o644)
    } catch {
      throw .surroundings(error.description)
    }
    let labels = result.model.answers.count
    if arguments.wantsJSON {
      let value: JSONValue = [
        "file": .string(output), "digest": .string(result.model.digest),
        "rows": .number(JSONNumber(rows.count)),
        "labels": .number(JSONNumber(labels)),
        "held_out_accuracy": JSONNumber(result.accuracy).map { .number($0) } ?? .null,
        "calibration_error": JSONNumber(result.calibrationError).map { .number($0) } ?? .null,
        "bytes": .number(JSONNumber(bytes.count)),
      ]
      Terminal.out(value.jsonText + "\n")
    } else {
      Terminal.out(
        """
        \(output): \(labels) labels from \(rows.count) cases, \(bytes.count / 1024) KiB
        held-out accuracy    \(Figures.percent(result.accuracy))
        calibration error    \(Figures.percent(result.calibrationError))
        digest               \(result.model.digest)

        """)
    }
    return .yes
  }
}
