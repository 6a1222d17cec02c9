import Evidence
import Reports
import Statistics

/// The words of an evaluation that the page and the terminal share.
package enum EvaluationWords {
  /// What a careful reader wants to know before believing the figures.
  package static func notes(_ evaluation: Evaluation) -> [String] {
    var notes: [String] = []
    if evaluation.seenByCalibration > 0 {
      notes.append(
        "\(Figures.count(evaluation.seenByCalibration)) of these cases were used to fit the calibration in force: on them it "
          + "looks better than it is.")
    }
    let open = evaluation.accepted - evaluation.acceptedJudged
    if open > 0 {
      notes.append(
        "\(Figures.count(open)) accepted cases have no truth that can be compared; they count in no rate.")
    }
    let unanswered = evaluation.reasons.first { $0.name == "local_unavailable" }?.count ?? 0
    if unanswered > 0 { notes.append("\(Figures.count(unanswered)) cases got no answer from the model.") }
    return notes
  }

  package static func confidence(_ evaluation: Evaluation) -> String {
    let words = AcceptanceBar.words(evaluation.quality)
    let sources = evaluation.sources.map(\.name).joined(separator: ", ")
    let how =
      evaluation.calibration == nil ? "no calibration is in force" : "corrected by the calibration in force"
    return words.prefix(1).uppercased() + words.dropFirst()
      + " (right: \(Figures.percent(evaluation.quality.accuracy))). Source: \(sources); \(how)."
  }

  static func figures(_ evaluation: Evaluation) -> [[HTMLText.Cell]] {
    let (now, raw) = (evaluation.quality, CalibrationQuality(evaluation.gradedRaw))
    let rows: [(String, KeyPath<CalibrationQuality, Double>, Bool)] = [
      ("Says, on average", \.meanConfidence, false), ("Right", \.accuracy, true),
      ("Calibration error (ECE, 15 equal-mass bins)", \.expectedError, false),
      ("Brier score", \.brier, false),
      ("Log-loss, nats", \.logLoss, false),
    ]
    return rows.map { name, figure, isShare in
      let text = { (quality: CalibrationQuality) in
        quality.count == 0
          ? "–"
          : isShare ? Figures.percent(quality[keyPath: figure]) : Figures.fixed(quality[keyPath: figure], 3)
      }
      let cells: [HTMLText.Cell] = [.text(name), .number(text(now)), .number(text(raw))]
      return evaluation.calibration == nil ? Array(cells.prefix(2)) : cells
    }
  }

  package static func proposal(_ evaluation: Evaluation) -> String {
    let limit = Figures.percent(evaluation.limit)
    guard let threshold = evaluation.proposal.threshold,
      let step = evaluation.proposal.steps.first(where: { $0.threshold == threshold })
    else {
      return
        "None: not even the strictest threshold (0.99) is shown to keep the wrong among the accepted at or below \(limit). "
        + "Either too few cases are accepted there to show it, or too many of them are wrong."
    }
    return
      "min_confidence \(Figures.confidence(threshold)): \(Figures.count(step.accepted)) cases would be accepted, "
      + "\(Figures.count(step.wrong)) of them wrong, and these cases show at 95 % that the rate is at or below \(limit)."
  }

  package static let proposalNote =
    "A proposal, not a decision: the lowest threshold that Learn-then-Test lets these cases speak for, from 0.99 down in steps of "
    + "0.01, stopping at the first that fails. Nothing is changed, and these cases must not feed a gate afterwards."
}
