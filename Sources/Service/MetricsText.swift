import Candidates
import Captures
import Deciding
import Journal
import Operations
import Overload
import PolicyFiles
import Posix
import Rollout
import RouterCore
import Senders
import Synchronization

/// `/metrics` in Prometheus' text form.
struct MetricsText {
  private var text = ""

  static func render(_ sidecar: SidecarState) -> String {
    var page = MetricsText()
    // One snapshot of the balance for all its lines, so that they add up.
    let balance = sidecar.pipeline.recorder.balance.withLock { $0 }
    let metrics = sidecar.pipeline.recorder.metrics.withLock { $0 }
    page.frames(balance, metrics)
    page.work(metrics)
    page.log(sidecar.pipeline.recorder.journal.status, previewsDropped: metrics.previewsDropped)
    page.audit(sidecar.audit)
    page.limits(sidecar)
    page.state(sidecar)
    page.review(sidecar)
    return page.text
  }

  private mutating func frames(_ balance: Balance, _ metrics: Metrics) {
    family("frames_received_total", "counter", "Whole lines that came over the tap, by kind.")
    for kind in Balance.Kind.allCases {
      sample("frames_received_total", [("kind", kind.rawValue)], Double(balance.received[kind] ?? 0))
    }
    family("frames_malformed_total", "counter", "Frames skipped, by cause.")
    for fault in FrameFault.allCases {
      sample("frames_malformed_total", [("cause", fault.rawValue)], Double(balance.malformed[fault] ?? 0))
    }
    family("frames_shed_total", "counter", "Frames dropped under pressure, by cause.")
    for cause in Balance.ShedCause.allCases {
      sample("frames_shed_total", [("cause", cause.rawValue)], Double(balance.shed[cause] ?? 0))
    }
    family("frames_answered_total", "counter", "Pings answered.")
    sample("frames_answered_total", [], Double(balance.answered))
    family("frames_in_flight", "gauge", "Frames still being decided or compared.")
    sample("frames_in_flight", [], Double(balance.inFlight))
    family("frames_lost_by_sender_total", "counter", "Numbered frames that never came.")
    sample("frames_lost_by_sender_total", [], Double(balance.lostBySender))
    family("frames_incomplete_total", "counter", "Connections that ended in the middle of a line.")
    sample("frames_incomplete_total", [], Double(balance.incomplete))
    family("log_records_total", "counter", "Records that the log accepted, by kind.")
    for kind in [Balance.Kind.call, .answer, .outcome] {
      sample("log_records_total", [("kind", kind.record)], Double(balance.recorded[kind] ?? 0))
    }
    for (kind, count) in metrics.otherRecords.sorted(by: { $0.key < $1.key }) {
      sample("log_records_total", [("kind", kind)], Double(count))
    }
  }

  private mutating func work(_ metrics: Metrics) {
    family("decisions_total", "counter", "Decisions by task, route and reason.")
    for (key, count) in metrics.decisions.sorted(by: {
      ($0.key.task, $0.key.reason?.order ?? 99) < ($1.key.task, $1.key.reason?.order ?? 99)
    }) {
      sample(
        "decisions_total",
        [
          ("task", key.task), ("route_candidate", key.reason == nil ? "local" : "frontier"),
          ("reason", key.reason?.rawValue ?? ""),
        ], Double(count))
    }
    family("decision_duration_seconds", "histogram", "Time to decide, the candidate's own time not counted.")
    histogram("decision_duration_seconds", [], metrics.decisionDuration)
    family("candidate_duration_seconds", "histogram", "Time that a candidate took to answer or to fail.")
    for (model, durations) in metrics.candidateDurations.sorted(by: { $0.key < $1.key }) {
      histogram("candidate_duration_seconds", [("model", model)], durations)
    }
    pairs(
      "candidate_errors_total", "Candidates without an answer, by cause.", "model", "cause",
      metrics.candidateErrors)
    pairs("comparisons_total", "Comparisons by task and agreement.", "task", "agreement", metrics.comparisons)
    pairs("reviews_total", "Labels that people gave, by task.", "task", "label", metrics.reviews)
    pairs("outcomes_total", "Outcomes by task and result.", "task", "result", metrics.outcomes)
    pairs(
      "replies_total", "Decisions that agents were told, by task and route.", "task", "route", metrics.replies
    )
    family("cost_usd_total", "counter", "Cost by task and route, where known.")
    for (key, usd) in metrics.costs.sorted(by: {
      ($0.key.first, $0.key.second) < ($1.key.first, $1.key.second)
    }) {
      sample("cost_usd_total", [("task", key.first), ("route", key.second)], usd)
    }
    family("fallback_latency_seconds", "histogram", "From the call frame to the frontier's answer.")
    for (task, latencies) in metrics.fallbackLatencies.sorted(by: { $0.key < $1.key }) {
      histogram("fallback_latency_seconds", [("task", task)], latencies)
    }
  }

  private mutating func pairs(
    _ name: String, _ help: String, _ first: String, _ second: String, _ counts: [Metrics.PairKey: UInt64]
  ) {
    family(name, "counter", help)
    for (key, count) in counts.sorted(by: { ($0.key.first, $0.key.second) < ($1.key.first, $1.key.second) }) {
      sample(name, [(first, key.first), (second, key.second)], Double(count))
    }
  }

  private mutating func log(_ status: JournalStatus, previewsDropped: UInt64) {
    family("log_sync_duration_seconds", "histogram", "Time of each fdatasync of the log.")
    var cumulative: UInt64 = 0
    for (bound, count) in zip(DurationHistogram.bounds, status.syncDurations.counts) {
      cumulative += count
      sample("log_sync_duration_seconds_bucket", [("le", "\(bound)")], Double(cumulative))
    }
    sample("log_sync_duration_seconds_bucket", [("le", "+Inf")], Double(status.syncs))
    sample("log_sync_duration_seconds_sum", [], Double(status.syncDurations.totalNanoseconds) / 1e9)
    sample("log_sync_duration_seconds_count", [], Double(status.syncs))
    family("log_errors_total", "counter", "Failed operations on the log's files.")
    for operation in JournalStatus.Operation.allCases {
      sample("log_errors_total", [("op", operation.rawValue)], Double(status.errors[operation] ?? 0))
    }
    family("log_failing", "gauge", "1 while the log cannot be written.")
    sample("log_failing", [], status.failingSince == nil ? 0 : 1)
    family("log_pending_bytes", "gauge", "Bytes of records that are not yet on the disk.")
    sample("log_pending_bytes", [], Double(status.pendingBytes))
    family("log_previews_dropped_total", "counter", "Records written without previews for want of room.")
    sample("log_previews_dropped_total", [], Double(previewsDropped))
  }

  private mutating func audit(_ audit: JournalAudit) {
    family("log_damaged", "gauge", "1 while the log is known not to be as it was written.")
    sample("log_damaged", [], audit.damage == nil ? 0 : 1)
    family(
      "log_verified_timestamp_seconds", "gauge", "When the whole log was last read and checked; 0: not yet.")
    sample("log_verified_timestamp_seconds", [], Double(audit.latest?.at ?? 0) / 1000)
  }

  private mutating func limits(_ sidecar: SidecarState) {
    let (pressure, tap) = (sidecar.pipeline.pressure, sidecar.pipeline.activity.latest)
    family("queue_bytes", "gauge", "Bytes of records that wait for the disk and of texts with candidates.")
    sample("queue_bytes", [], Double(pressure.queuedBytes))
    family("queue_limit_bytes", "gauge", "What queue_bytes may come to.")
    sample("queue_limit_bytes", [], Double(pressure.plan.queueBytes))
    family("pressure", "gauge", "1 for the level in force: what is given up because of the queue.")
    let level = pressure.level
    for each in PressureGauge.Level.allCases {
      sample("pressure", [("level", each.rawValue)], each == level ? 1 : 0)
    }
    family("tap_connections", "gauge", "Senders that are connected.")
    sample("tap_connections", [], Double(tap.connections))
    family("tap_connections_limit", "gauge", "Past it nobody is accepted until one goes.")
    sample("tap_connections_limit", [], Double(sidecar.limits.connections))
    family("tap_turned_away_total", "counter", "Connections of users who had as many as they may.")
    sample("tap_turned_away_total", [], Double(tap.turnedAway))
    family("tap_let_go_total", "counter", "Half-open connections that had to make room.")
    sample("tap_let_go_total", [], Double(tap.letGo))
  }

  private mutating func state(_ sidecar: SidecarState) {
    let current = sidecar.pipeline.current
    let last = sidecar.reloading.latest
    var isGood = 1.0
    if case .refused = last.outcome { isGood = 0 }
    family("policy_generation", "gauge", "The generation in force.")
    sample("policy_generation", [], Double(current.number))
    family("policy_last_reload_successful", "gauge", "Whether the last reload was taken.")
    sample("policy_last_reload_successful", [], isGood)
    family("policy_last_reload_success_timestamp_seconds", "gauge", "When a policy was last taken.")
    sample("policy_last_reload_success_timestamp_seconds", [], Double(last.lastGood) / 1000)
    family("kill_switch", "gauge", "1 while everything goes to the frontier.")
    sample("kill_switch", [], sidecar.pipeline.kill.override == nil ? 0 : 1)
    family("candidate_breaker_open", "gauge", "1 while a candidate is not asked because it kept failing.")
    for (model, pool) in current.pools.sorted(by: { $0.key < $1.key }) {
      let isOpen: Double =
        switch pool.breaker {
        case .closed: 0
        case .open, .probing: 1
        }
      sample("candidate_breaker_open", [("model", model)], isOpen)
    }
    family(
      "stage", "gauge",
      "1 for the stage that a task is in; 0 while the kill switch keeps it from being served.")
    let isKilled = sidecar.pipeline.kill.override != nil
    for task in current.prepared.policy.tasks where task.local {
      let stage = sidecar.pipeline.rollouts.stage(of: task.name, in: current, at: Clocks.realtime())
      sample("stage", [("task", task.name), ("stage", stage.rawValue)], isKilled && stage != .shadow ? 0 : 1)
    }
    family("build_info", "gauge", "The version that runs.")
    sample("build_info", [("version", SidecarVersion.text)], 1)
  }

  private mutating func review(_ sidecar: SidecarState) {
    family("review_backlog", "gauge", "Items that wait for a label.")
    let queue = sidecar.reviewing.latest
    sample("review_backlog", [], Double(queue.backlog.values.reduce(0, +)))
    family("review_overdue", "gauge", "Drawn calls that nobody labelled by the task's review deadline.")
    for task in sidecar.pipeline.current.prepared.policy.tasks where task.mayBeLocal {
      sample("review_overdue", [("task", task.name)], Double(queue.overdue[task.name] ?? 0))
    }
    family(
      "false_accept_upper_bound", "gauge",
      "Anytime bound of the rate of false accepts in the task's epoch; absent where none has begun.")
    for bound in sidecar.gates.bounds {
      sample("false_accept_upper_bound", [("task", bound.task)], bound.upperBound)
    }
    let vault = sidecar.vault.counts
    family("captures_total", "counter", "Drawn calls by what came of keeping their text.")
    sample("captures_total", [("result", "kept")], Double(vault.kept))
    for loss in Vault.Loss.allCases {
      sample("captures_total", [("result", loss.rawValue)], Double(vault.lost[loss] ?? 0))
    }
  }

  // MARK: - Lines

  private mutating func family(_ name: String, _ type: String, _ help: String) {
    text += "# HELP shadow_router_\(name) \(help)\n# TYPE shadow_router_\(name) \(type)\n"
  }

  private mutating func histogram(_ name: String, _ labels: [(String, String)], _ histogram: Histogram) {
    var cumulative: UInt64 = 0
    for (bound, count) in zip(histogram.bounds, histogram.counts) {
      cumulative += count
      sample(name + "_bucket", labels + [("le", "\(bound)")], Double(cumulative))
    }
    let total = histogram.counts.reduce(0, +)
    sample(name + "_bucket", labels + [("le", "+Inf")], Double(total))
    sample(name + "_sum", labels, histogram.sum)
    sample(name + "_count", labels, Double(total))
  }

  private mutating func sample(_ name: String, _ labels: [(String, String)], _ value: Double) {
    text += "shadow_router_" + name
    if !labels.isEmpty {
      text += "{" + labels.map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",") + "}"
    }
    let isWhole = value == value.rounded() && abs(value) < 1e15
    text += isWhole ? " \(Int(value))\n" : " \(value)\n"
  }

  private static func escaped(_ value: String) -> String {
    value.map { $0 == "\\" ? "\\\\" : $0 == "\"" ? "\\\"" : $0 == "\n" ? "\\n" : String($0) }.joined()
  }
}
