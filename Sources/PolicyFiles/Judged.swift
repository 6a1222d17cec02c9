package import Candidates
package import RouterCore

/// An answer as one generation judges it: in the sidecar and in `eval` alike.
package struct Judged: Sendable {
  /// With the prompt's revision, which its pool does not know.
  package var asked: Asked
  package var decision: Decision
  /// The id of the correction that the confidence went through.
  package var calibration: String?
}

extension Generation {
  package func judge(_ asked: Asked, to call: Call, _ screening: Screening, _ context: DecisionContext)
    -> Judged
  {
    var asked = asked
    let task = screening.task?.policy.name
    asked.figures.promptRevision = promptRevision(task: task, model: asked.figures.modelID)
    let fitting = calibrations.fitting(task: task, asked.figures)
    var scratch = Engine.Scratch()
    let decision = Engine.judge(
      screening, call: call, outcome: asked.outcome, policy: prepared, context: context,
      corrections: fitting.map(\.correction), scratch: &scratch)
    // Only where the decision tells the raw figure from the corrected one was there anything to correct.
    let used = decision.confidenceRaw.flatMap { _ in
      fitting.first { $0.correction.source == decision.confidenceSource }
    }
    return Judged(asked: asked, decision: decision, calibration: used?.id)
  }
}
