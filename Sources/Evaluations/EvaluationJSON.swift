import Reports
import Statistics
import Wire

extension Evaluation {
  /// The evaluation as one JSON object, ending in a newline.
  package var json: [UInt8] {
    let bar = AcceptanceBar(self)
    var writer = JSONWriter(capacity: 8_192)
    writer.beginObject()
    writer.member("task", task)
    writer.member("model", model)
    writer.member("model_name", modelName)
    writer.member("model_digest", modelDigest)
    writer.member("prompt_revision", promptRevision)
    writer.member("policy_revision", policyRevision)
    writer.member("min_confidence", minConfidence)
    writer.key("met")
    writer.bool(bar.isMet)
    writer.member("verdict", bar.verdict)
    writer.list("figures", bar.lines) { writer, line in
      writer.object {
        $0.member("name", line.name)
        $0.member("number", line.number)
        $0.member("value", line.value)
        $0.member("limit", line.limit)
        $0.key("met")
        $0.bool(line.isMet)
      }
    }
    writer.member("cases", cases.count)
    writer.member("asked", asked)
    writer.counts("reasons", reasons)
    writeConfidence(&writer)
    writeThresholds(&writer)
    writeLabels(&writer)
    writer.member("requests", requests)
    writer.latency("latency_ms", latency)
    writer.member("cost_usd", costUSD)
    writer.endObject()
    writer.newline()
    return writer.bytes
  }

  private func writeConfidence(_ writer: inout JSONWriter) {
    writer.key("confidence")
    writer.object { writer in
      writer.counts("sources", sources)
      writer.member("calibration", calibration)
      writer.member("seen_by_calibration", seenByCalibration)
      quality.writeMembers(&writer)
      writer.key("raw")
      writer.object(CalibrationQuality(gradedRaw).writeMembers)
      writer.list("bins", bins.filter { $0.count > 0 }) { $0.object($1.write) }
    }
  }

  private func writeThresholds(_ writer: inout JSONWriter) {
    let proposal = proposal
    writer.member("proposed_min_confidence", proposal.threshold)
    writer.list("thresholds", proposal.steps) { writer, step in
      writer.object {
        $0.member("min_confidence", step.threshold)
        $0.member("accepted", step.accepted)
        $0.member("wrong", step.wrong)
        $0.member("wrong_upper", step.accepted > 0 ? step.wrongUpper : nil)
      }
    }
  }

  private func writeLabels(_ writer: inout JSONWriter) {
    writer.list("labels", labels) { writer, label in
      writer.object {
        $0.member("label", label.name)
        $0.member("cases", label.cases)
        $0.member("right", label.right)
        $0.member("said", label.said)
        $0.member("accepted", label.accepted)
        $0.member("accepted_wrong", label.acceptedWrong)
      }
    }
    writer.list("confusions", Array(confusions.prefix(50))) { writer, pair in
      writer.object {
        $0.member("truth", pair.truth)
        $0.member("said", pair.said)
        $0.member("count", pair.count)
        $0.member("accepted", pair.accepted)
      }
    }
  }
}

extension CalibrationQuality {
  /// Null where there was nothing to measure.
  func writeMembers(_ writer: inout JSONWriter) {
    let known = count > 0
    writer.member("cases", count)
    writer.member("mean", known ? meanConfidence : nil)
    writer.member("right", known ? accuracy : nil)
    writer.member("ece", known ? expectedError : nil)
    writer.member("brier", known ? brier : nil)
    writer.member("log_loss", known ? logLoss : nil)
  }
}

extension ReliabilityBin {
  fileprivate func write(_ writer: inout JSONWriter) {
    writer.member("from", from)
    writer.member("to", to)
    writer.member("count", count)
    writer.member("mean_confidence", meanConfidence)
    writer.member("right", accuracy)
  }
}
