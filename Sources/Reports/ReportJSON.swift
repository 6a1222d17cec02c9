package import Evidence
import Gates
import LogReading
package import Wire

extension Report {
  /// The report as one JSON object, versioned, ending in a newline. ``ReportSchema`` describes it.
  package var json: [UInt8] {
    var writer = JSONWriter(capacity: 16_384)
    writer.beginObject()
    writer.key("v")
    writer.int(1)
    writeFrame(&writer)
    writer.list("changes", changes) { $0.object($1.write) }
    writer.member("changes_not_shown", changesNotShown)
    writer.list("false_accepts", falseAccepts) { $0.object($1.write) }
    writer.list("tasks", tasks) { writer, task in
      writer.object { task.write(&$0, gates: [false, true].map { gate(task.name, isChallenger: $0) }) }
    }
    writer.list("periods", periods) { $0.object($1.write) }
    writer.list("agents", agents) { $0.object($1.write) }
    writer.list("runs", runs) { $0.object($1.write) }
    writer.key("other_runs")
    if let otherRuns { writer.object(otherRuns.write) } else { writer.null() }
    writer.member("calls_without_run", callsWithoutRun)
    writer.list("hard_stops", hardStops) { $0.object($1.write) }
    writer.list("reviewers", reviewers) { $0.object($1.write) }
    writer.key("reviewer_agreement")
    if let reviewerAgreement { writer.object(reviewerAgreement.write) } else { writer.null() }
    writer.key("frames")
    writer.object(frames.write)
    writer.key("balance")
    writer.object(balance.write)
    writer.key("head")
    if let head { writer.object(head.write) } else { writer.null() }
    writer.endObject()
    writer.newline()
    return writer.bytes
  }

  private func writeFrame(_ writer: inout JSONWriter) {
    writer.key("window")
    writer.object {
      $0.member("name", window.name)
      $0.member("from", window.from.map(LogTime.format))
      $0.member("to", window.to.map(LogTime.format))
      $0.member("first_decision", firstDecision.map(LogTime.format))
      $0.member("last_decision", lastDecision.map(LogTime.format))
    }
    writer.member("command", command)
    writer.key("sentence")
    writer.object {
      $0.member("claim", sentence.claim)
      $0.list("caveats", sentence.caveats) { $0.string($1) }
    }
    writer.member("as_of", asOf.map(LogTime.format))
    writer.list("actions", actions) { writer, action in
      writer.object {
        $0.member("task", action.task)
        $0.member("text", action.text)
        $0.member("command", action.command)
      }
    }
    writer.key("saving")
    writer.object(saving.write)
    writer.key("totals")
    writer.object { writer in
      writer.member("calls", totals.calls)
      writer.member("would_accepts", totals.wouldAccepts)
      writer.member("agree", totals.agree)
      writer.member("disagree", totals.disagree)
      writer.member("unknown", totals.unknown)
      writer.member("not_compared", totals.notCompared)
      writer.member("comparable", totals.comparable)
      writer.member("disagreement_upper", totals.disagreementUpper)
      writer.key("reviews")
      writer.object(totals.reviews.write)
    }
  }
}

extension Report.Reviews {
  func write(_ writer: inout JSONWriter) {
    writer.member("labelled", labelled)
    writer.member("accept", accept)
    writer.member("escalate", escalate)
    writer.member("unsure", unsure)
    writer.member("severe", severe)
    writer.member("missed_stops", missedStops)
    writer.member("cleared_disagreements", clearedDisagreements)
    writer.member("drawn", drawn)
    writer.member("drawn_unlabelled", drawnUnlabelled)
    writer.member("drawn_false", drawnFalse)
    writer.member("known_false", knownFalse)
    writer.member("known_disagreements", knownDisagreements)
    writer.member("open_disagreements", openDisagreements)
  }
}

extension Report.Change {
  fileprivate func write(_ writer: inout JSONWriter) {
    writer.member("ts", ts)
    writer.member("kind", kind)
    writer.member("task", task)
    writer.member("text", text)
    writer.member("weight", weight.rawValue)
  }
}

extension Report.FalseAccept {
  fileprivate func write(_ writer: inout JSONWriter) {
    writer.member("standing", standing.rawValue)
    writer.member("call_id", callID)
    writer.member("task_id", taskID)
    writer.member("run_id", runID)
    writer.member("task_type", task)
    writer.member("ts", ts)
    writer.member("seq", seq)
    writer.member("local_model", model)
    writer.member("confidence", confidence)
    writer.member("label", label)
    writer.member("answer_preview", answerPreview)
    writer.member("frontier_label", frontierLabel)
    writer.member("frontier_answer_preview", frontierPreview)
    writer.member("agreement_score", agreementScore)
    writer.member("agreement_detail", agreementDetail)
    writer.member("validator_result", validatorResult)
    writer.key("checks")
    writer.object { writer in
      for check in checks {
        writer.key(check.name)
        writer.string(check.outcome)
      }
    }
    writer.member("input_preview", inputPreview)
    writer.member("input_hash", inputHash)
    writer.member("severity", severity)
    writer.member("review_label", reviewLabel)
    writer.member("reviewer", reviewer)
    writer.member("note", note)
    writer.member("stands_for", alike)
    writer.member("template", template)
    writer.key("missed_stop")
    writer.bool(isMissedStop)
    writer.key("severe")
    writer.bool(isSevere)
    writer.key("in_epoch")
    if let isInEpoch { writer.bool(isInEpoch) } else { writer.null() }
    writer.key("served")
    writer.bool(wasServed)
    writer.list("confirmed_by", confirmedBy) { $0.string($1) }
    writer.key("should_have_caught")
    writer.object { writer in
      writer.member("check", remedy.check.rawValue)
      writer.member("value", remedy.value)
      writer.member("would_accepts_lost", remedy.acceptsLost)
      writer.member("suspected_kept_out", remedy.suspectedKeptOut)
    }
  }
}

extension Report.Task {
  /// - Parameter gates: That of the model that answers, and the challenger's.
  fileprivate func write(_ writer: inout JSONWriter, gates: [Gate?]) {
    writer.member("task_type", name)
    writer.member("owner", owner)
    writer.key("ready")
    writer.object {
      $0.member("answer", readiness.answer.rawValue)
      $0.member("code", readiness.code)
      $0.member("condition", readiness.condition)
      $0.member("unmet", readiness.unmet)
      $0.member("next", readiness.next)
      $0.member("command", readiness.command)
    }
    writer.member("looks", looks.rawValue)
    writer.key("rollout")
    if let rollout {
      writer.object {
        $0.member("stage", rollout.stage.rawValue)
        $0.member("extent", rollout.extent)
        $0.member("since", rollout.since)
      }
    } else {
      writer.null()
    }
    writer.key("local")
    if let isLocal { writer.bool(isLocal) } else { writer.null() }
    writer.member("min_confidence", minConfidence)
    writer.list("models", models) { writer, model in
      writer.object {
        $0.member("name", model.name)
        $0.member("digest", model.digest)
        $0.member("calls", model.calls)
      }
    }
    writer.list("confidence_sources", confidenceSources) { writer, source in
      writer.object {
        $0.member("name", source.name)
        $0.member("calibration", source.calibration)
        $0.member("calls", source.calls)
      }
    }
    writer.key("tokens")
    writer.object {
      $0.member("calls", tokens.calls)
      $0.member("input", tokens.input)
      $0.member("output", tokens.output)
      $0.member("estimated_calls", tokens.estimated)
    }
    writer.list("challengers", challenges) { $0.object($1.write) }
    writeCounts(&writer)
    writeRates(&writer)
    writeCost(&writer)
    writeConfidence(&writer)
    writePace(&writer)
    for (name, gate) in zip(["gate", "challenger_gate"], gates) {
      writer.key(name)
      if let gate {
        writer.value(gate.json)
      } else {
        writer.null()
      }
    }
  }

  private func writeCounts(_ writer: inout JSONWriter) {
    writer.member("calls", calls)
    writer.member("would_accepts", wouldAccepts)
    writer.member("agree", agree)
    writer.member("disagree", disagree)
    writer.member("unknown", unknown)
    writer.member("not_compared", notCompared)
    writer.counts("reasons", reasons)
    writer.counts("reason_details", reasonDetails)
    writer.counts("unknown_causes", unknownCauses)
    writer.counts("disagreement_kinds", disagreementKinds)
    writer.list("confusions", confusions) { writer, pair in
      writer.object {
        $0.member("label", pair.candidate)
        $0.member("frontier_label", pair.frontier)
        $0.member("count", pair.count)
      }
    }
    writer.key("reviews")
    writer.object(reviews.write)
    writer.member("answered", answered)
    writer.member("invalid", invalid)
    writer.member("successes", successes)
    writer.member("failures", failures)
  }

  private func writeRates(_ writer: inout JSONWriter) {
    writer.member("acceptance_rate", acceptanceRate)
    writer.member("escalation_rate", escalationRate)
    writer.member("disagreement_rate", disagreementRate)
    writer.member("disagreement_lower", comparable > 0 ? disagreementLower : nil)
    writer.member("disagreement_upper", comparable > 0 ? disagreementUpper : nil)
    writer.member("unknown_share", unknownShare)
    writer.member("validity", validity)
    writer.latency("local_latency_ms", localLatency)
    writer.latency("frontier_latency_ms", frontierLatency)
    writer.latency("fallback_latency_ms", fallbackLatency)
  }

  private func writeCost(_ writer: inout JSONWriter) {
    writer.key("cost")
    writer.object { writer in
      cost.write(&writer)
      writer.member("upkeep_usd", upkeep)
      writer.member("answers_seen", answersSeen)
      writer.member("answers_with_cost", answersCosted)
      writer.member("per_success_usd", costPerSuccess)
      writer.member("frontier_only_per_success_usd", frontierOnlyCostPerSuccess)
    }
    writer.key("saving")
    writer.object(saving.write)
  }

  private func writeConfidence(_ writer: inout JSONWriter) {
    writer.key("confidence")
    writer.object { writer in
      writer.member("auc", confidence.auc)
      writer.list("bins", confidence.bins) { writer, bin in
        writer.object {
          $0.member("from", bin.from)
          $0.member("to", bin.to)
          $0.member("agree", bin.agree)
          $0.member("disagree", bin.disagree)
          $0.member("unknown", bin.unknown)
        }
      }
      writer.list("thresholds", confidence.thresholds) { writer, row in
        writer.object {
          $0.member("min_confidence", row.minConfidence)
          $0.member("accepted", row.accepted)
          $0.member("agree", row.agree)
          $0.member("disagree", row.disagree)
          $0.member("disagreement_upper", row.agree + row.disagree > 0 ? row.disagreementUpper : nil)
        }
      }
    }
  }

  private func writePace(_ writer: inout JSONWriter) {
    writer.key("pace")
    guard let pace else { return writer.null() }
    writer.object {
      $0.member("needed", pace.needed)
      $0.member("expected", pace.expected)
      $0.member("window_days", pace.windowDays)
      $0.member("review_sample", pace.sampleShare)
      $0.member("review_sample_needed", pace.shareNeeded)
      $0.key("in_a_new_window")
      $0.bool(pace.isFresh)
      $0.member("labelled", pace.labelled)
      $0.member("labels_expected", pace.labelsExpected)
      $0.member("days_left", pace.daysLeft)
      $0.member("weekly_now", pace.weeklyNow)
      $0.member("weekly_needed", pace.weeklyNeeded)
      $0.key("suffices")
      $0.bool(pace.suffices)
    }
  }
}

extension Report.Challenge {
  fileprivate func write(_ writer: inout JSONWriter) {
    writer.member("name", name)
    writer.member("digest", digest)
    writer.member("records", records)
    writer.member("calls", calls)
    writer.member("both_agree", bothAgree)
    writer.member("only_candidate", onlyCandidate)
    writer.member("only_challenger", onlyChallenger)
    writer.member("neither", neither)
    writer.member("mcnemar_p", paired > 0 ? mcNemar : nil)
    writer.key("candidate")
    writer.object(candidate.write)
    writer.key("challenger")
    writer.object(challenger.write)
  }
}

extension Report.Challenge.Side {
  fileprivate func write(_ writer: inout JSONWriter) {
    writer.member("would_accepts", wouldAccepts)
    writer.member("agree", agree)
    writer.member("disagree", disagree)
    writer.member("disagreement_upper", agree + disagree > 0 ? disagreementUpper : nil)
    writer.latency("latency_ms", latency)
    writer.member("cost_usd", cost)
    writer.member("cost_per_call_usd", costPerCall)
  }
}

extension Report.Cost {
  func write(_ writer: inout JSONWriter) {
    writer.member("frontier_only_usd", frontierOnly)
    writer.member("frontier_of_would_accepts_usd", frontierOfAccepts)
    writer.member("local_usd", local)
    writer.member("with_router_usd", withRouter)
    writer.member("spared_estimate_usd", spared)
  }
}

extension Report.Saving {
  fileprivate func write(_ writer: inout JSONWriter) {
    writer.member("shadow_frontier_usd", shadowFrontier)
    writer.member("shadow_local_usd", shadowLocal)
    writer.member("shadow_net_usd", shadowNet)
    writer.member("served", served)
    writer.member("audited", audited)
    writer.member("control", control)
    writer.member("spared_estimate_usd", spared)
    writer.member("live_local_usd", liveLocal)
    writer.member("audits_usd", audits)
    writer.member("live_net_usd", liveNet)
    writer.member("upkeep_usd", upkeep)
    writer.member("live_upkeep_usd", liveUpkeep)
  }
}

extension Report.Period {
  fileprivate func write(_ writer: inout JSONWriter) {
    writer.member("name", name)
    writer.member("calls", calls)
    writer.member("would_accepts", wouldAccepts)
    writer.member("disagree", disagree)
    writer.member("known_false", knownFalse)
    writer.member("answered_locally", answeredLocally)
  }
}

extension Report.Frames {
  fileprivate func write(_ writer: inout JSONWriter) {
    writer.member("stops", stops)
    writer.member("received", received)
    writer.member("recorded", recorded)
    writer.member("answered", answered)
    writer.member("malformed", malformed)
    writer.member("shed", shed)
    writer.member("in_flight", inFlight)
    writer.member("lost_by_sender", lostBySender)
  }
}

extension Report.ReviewerAgreement {
  fileprivate func write(_ writer: inout JSONWriter) {
    writer.member("pairs", pairs)
    writer.member("agree", agree)
    writer.member("ac1", ac1)
    writer.member("kappa", kappa)
  }
}

extension Report.RunSum {
  fileprivate func write(_ writer: inout JSONWriter) {
    writer.member("runs", runs)
    writer.member("successes", successes)
    writer.member("calls", calls)
    writer.member("would_accepts", wouldAccepts)
    writer.member("fallbacks", fallbacks)
    writer.member("frontier_latency_ms", latencyMs)
    writer.member("with_router_latency_ms", routedMs)
    cost.write(&writer)
  }
}

extension Report.Agent {
  fileprivate func write(_ writer: inout JSONWriter) {
    writer.member("agent", name)
    writer.member("runs", runs)
    writer.member("successes", successes)
    writer.member("failures", failures)
    writer.member("calls", calls)
    writer.member("would_accepts", wouldAccepts)
    writer.member("fallbacks", fallbacks)
    writer.member("frontier_latency_ms", latencyMs)
    writer.member("with_router_latency_ms", routedMs)
    cost.write(&writer)
    writer.member("per_successful_run_usd", successes > 0 ? cost.withRouter / Double(successes) : nil)
    writer.member(
      "frontier_only_per_successful_run_usd", successes > 0 ? cost.frontierOnly / Double(successes) : nil)
  }
}

extension Report.Run {
  fileprivate func write(_ writer: inout JSONWriter) {
    writer.member("run_id", id)
    writer.member("agent", agent)
    writer.member("outcome", outcome)
    writer.member("calls", calls)
    writer.member("would_accepts", wouldAccepts)
    writer.member("fallbacks", fallbacks)
    writer.member("frontier_latency_ms", latencyMs)
    writer.member("with_router_latency_ms", routedMs)
    cost.write(&writer)
  }
}

extension Report.HardStop {
  fileprivate func write(_ writer: inout JSONWriter) {
    writer.member("task_type", task)
    writer.member("class", stopClass)
    writer.member("term", term)
    writer.member("where", place)
    writer.member("count", count)
  }
}

extension Report.Reviewer {
  fileprivate func write(_ writer: inout JSONWriter) {
    writer.member("reviewer", name)
    writer.member("accept", accept)
    writer.member("escalate", escalate)
    writer.member("unsure", unsure)
    writer.member("planted", planted)
    writer.member("caught", caught)
  }
}

extension Report.Balance {
  fileprivate func write(_ writer: inout JSONWriter) {
    writer.counts("records", kinds)
    writer.member("records_read", recordsRead)
    writer.member("outside_window", outsideWindow)
    writer.member("damaged", damaged)
    writer.member("unknown_kinds", unknownKinds)
    writer.member("unexplained_holes", unexplainedHoles)
    writer.list("gaps", gaps) { writer, gap in
      writer.object {
        $0.member("from", gap.from)
        $0.member("to", gap.to)
        $0.member("cause", gap.cause)
      }
    }
    writer.member("recovered", recovered)
    writer.member("drill_calls", drillCalls)
    writer.member("duplicate_decisions", duplicateDecisions)
    writer.member("duplicate_comparisons", duplicateComparisons)
    writer.member("comparisons_without_decision", comparisonsWithoutDecision)
    writer.member("details_not_kept", detailsNotKept)
  }
}

extension Report.Head {
  fileprivate func write(_ writer: inout JSONWriter) {
    writer.member("log", log)
    writer.member("seq", seq)
    writer.member("h", hash)
    writer.member("ts", ts)
  }
}

/// Members and lists in one line each.
extension JSONWriter {
  package mutating func object(_ body: (inout JSONWriter) -> Void) {
    beginObject()
    body(&self)
    endObject()
  }

  package mutating func member(_ name: StaticString, _ value: Int?) {
    key(name)
    if let value { int(value) } else { null() }
  }

  package mutating func member(_ name: StaticString, _ value: Double?) {
    key(name)
    if let value { double(value) } else { null() }
  }

  package mutating func member(_ name: StaticString, _ value: String?) {
    key(name)
    if let value { string(value) } else { null() }
  }

  package mutating func list<Element>(
    _ name: StaticString, _ elements: [Element], _ body: (inout JSONWriter, Element) -> Void
  ) {
    key(name)
    beginArray()
    for element in elements { body(&self, element) }
    endArray()
  }

  package mutating func counts(_ name: StaticString, _ counts: [Report.Count]) {
    key(name)
    object { writer in
      for count in counts {
        writer.key(count.name)
        writer.int(count.count)
      }
    }
  }

  package mutating func latency(_ name: StaticString, _ latency: Report.Latency?) {
    key(name)
    guard let latency else { return null() }
    object {
      $0.member("count", latency.count)
      $0.member("p50", latency.p50)
      $0.member("p95", latency.p95)
      $0.member("p99", latency.p99)
    }
  }
}
