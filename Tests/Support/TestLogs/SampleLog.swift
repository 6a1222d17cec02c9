import LogReading
import TestData
package import Wire

/// Builds a log as the contract words it; the chain's hashes are made up.
package struct SampleLog {
  package private(set) var lines: [[UInt8]] = []
  private var seq = 0
  /// Milliseconds since 1970; moves on by a second with every record.
  package var now: Int64 = 1_772_445_600_000  // 2026-03-02T10:00:00Z

  package init() {}

  package var bytes: [UInt8] { lines.flatMap { $0 + [0x0A] } }

  package mutating func record(_ kind: String, _ members: [(String, JSONValue)]) {
    seq += 1
    now += 1_000
    var all: [(String, JSONValue)] = [
      ("v", 1), ("log", "log-1"), ("seq", .number(JSONNumber(seq))), ("ts", .string(time(now))),
      ("kind", .string(kind)),
    ]
    all += members
    all += [("prev", .string(String(repeating: "0", count: 64))), ("h", .string("hash-\(seq)"))]
    lines.append(JSONValue.object(all.map { JSONMember($0.0, $0.1) }).jsonBytes)
  }

  package mutating func raw(_ text: String) { lines.append(Array(text.utf8)) }

  package mutating func replaceLast(_ text: String) { lines[lines.count - 1] = Array(text.utf8) }

  package mutating func skip(_ records: Int) { seq += records }

  /// A call that the candidate was asked about; `reason` nil: accepted.
  package mutating func decision(
    _ id: String, task: String = "triage_ticket", reason: String? = nil, detail: String? = nil,
    label: String? = "crash", confidence: Double? = 0.9, model: String = "qwen3-1.7b", run: String? = nil,
    agent: String? = nil, localMs: Double? = 100, localCost: Double = 0.001, sampled: Bool = false,
    stops: [(String, String, String)] = [], input: String = "the importer crashes",
    checks: [(String, String)] = [], digest: String? = "sha256:feed", inputHash: String? = nil,
    more: [(String, JSONValue)] = []
  ) {
    let stopValues = stops.map { stop in
      JSONValue.object([
        JSONMember("class", .string(stop.0)), JSONMember("term", .string(stop.1)),
        JSONMember("where", .string(stop.2)),
      ])
    }
    record(
      "decision",
      [
        ("call_id", .string(id)), ("task_id", .string("t-\(id)")), ("run_id", text(run)),
        ("task_type", .string(task)), ("agent", text(agent)), ("stage", "shadow"), ("route", "frontier"),
        ("policy_revision", "sha256:abc"), ("route_candidate", .string(reason == nil ? "local" : "frontier")),
        ("reason", text(reason)), ("reason_code", 0), ("detail", text(detail)),
        ("validator_result", .string("passed schema, confidence 0.90")),
        ("checks", .object(checks.map { JSONMember($0.0, .string($0.1)) })),
        ("hard_stop_match", .array(stopValues)), ("local_model", .string(model)),
        ("local_model_digest", text(digest)), ("label", text(label)), ("confidence", number(confidence)),
        ("input_hash", .string("hmac-sha256:k1:\(inputHash ?? id)")), ("input_preview", .string(input)),
        ("answer_preview", text(label)), ("local_latency_ms", number(localMs)),
        ("local_cost_usd", number(localCost)), ("fallback_triggered", .bool(reason != nil)),
        ("sampled", .bool(sampled)),
      ] + more)
  }

  /// What a challenger said to a call; `ms` nil: it was not asked.
  package mutating func challenge(
    _ id: String, accepts: Bool, model: String = "qwen3-4b", digest: String? = "sha256:beef",
    ms: Double? = 300,
    cost: Double = 0.002
  ) {
    record(
      "challenge",
      [
        ("call_id", .string(id)), ("task_type", "triage_ticket"),
        ("route_candidate", accepts ? "local" : "frontier"), ("local_model", .string(model)),
        ("local_model_digest", text(digest)), ("local_latency_ms", number(ms)),
        ("local_cost_usd", number(ms == nil ? nil : cost)),
      ])
  }

  package mutating func comparison(
    _ id: String, _ agreement: String, detail: String? = nil, label: String? = "billing", ms: Double = 900,
    cost: Double? = 0.01, challenger: String? = nil, challengerDetail: String? = nil
  ) {
    let implied =
      agreement == "agree" ? "label_equal" : agreement == "disagree" ? "label_differs" : "no_label_found"
    record(
      "comparison",
      [
        ("call_id", .string(id)), ("frontier_model", "claude-sonnet-4-6"), ("frontier_status", "ok"),
        ("frontier_answer_hash", .string("hmac-sha256:k1:f\(id)")), ("frontier_answer_preview", text(label)),
        ("frontier_label", text(label)), ("agreement", .string(agreement)),
        ("agreement_score", agreement == "unknown" ? .null : agreement == "agree" ? 1 : 0),
        ("agreement_detail", .string(detail ?? implied)), ("frontier_latency_ms", number(ms)),
        ("fallback_latency_ms", number(ms + 50)), ("frontier_cost_usd", number(cost)),
        ("challenger_agreement", text(challenger)), ("challenger_agreement_detail", text(challengerDetail)),
      ])
  }

  package mutating func review(
    _ id: String, _ label: String, severity: Int? = nil, missedStop: Bool = false, reviewer: String = "ana"
  ) {
    record(
      "review",
      [
        ("call_id", .string(id)), ("review_label", .string(label)),
        ("severity", severity.map { .number(JSONNumber($0)) } ?? .null), ("missed_stop", .bool(missedStop)),
        ("reviewer", .string(reviewer)), ("note", "looked at it"),
      ])
  }

  package mutating func outcome(call: String? = nil, run: String? = nil, _ result: String) {
    record(
      "outcome",
      [("call_id", text(call)), ("run_id", text(run)), ("result", .string(result)), ("source", "agent")])
  }

  private func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }

  private func number(_ value: Double?) -> JSONValue {
    value.flatMap(JSONNumber.init).map { .number($0) } ?? .null
  }

  private func time(_ ms: Int64) -> String { LogTime.format(ms) }
}

extension SampleLog {
  /// One week of four tasks: one good, one bad, one that cannot be measured, one that hardly occurs.
  package static func week() -> SampleLog {
    var log = SampleLog()
    var dice = Dice(seed: 20_260_302)
    log.record("start", [])
    log.record("policy", [("revision", "sha256:abcdef0123456789"), ("generation", 1), ("taken", true)])
    for call in 0..<2_400 {
      log.now += 180_000
      log.one(call, &dice)
    }
    log.record(
      "policy",
      [
        ("revision", "sha256:0badc0de"), ("taken", false),
        ("errors", ["policy.yaml:3:1: error: <b>unknown key</b>"]),
      ])
    log.record(
      "flag", [("task", .null), ("old", "off"), ("new", "on"), ("actor", "uid 1000"), ("reason", "a test")])
    log.record("gap", [("from", 4_000), ("to", 4_002), ("cause", "disk_full")])
    log.record("recovered", [])
    return log
  }

  private mutating func one(_ call: Int, _ dice: inout Dice) {
    let id = "call-\(call)"
    let run = "run-\(call / 6)"
    let agent = call / 6 % 3 == 0 ? "fixer" : "triager"
    let task = ["triage_ticket", "triage_ticket", "label_issue", "summarize_log"][call % 4]
    let cost = 0.004 + 0.01 * dice.next()
    let ms = 600 + 2_400 * dice.next() * dice.next()
    if dice.next() < 0.12 {
      let term = dice.next() < 0.5 ? "token" : "403"
      decision(
        id, task: task, reason: "hard_stop_access", label: nil, confidence: nil, run: run, agent: agent,
        localMs: nil, localCost: 0, stops: [("access", term, "input")])
      comparison(id, "unknown", detail: "candidate_not_asked", label: nil, ms: ms, cost: cost)
    } else {
      let isGood = dice.next() < (task == "label_issue" ? 0.78 : 0.995)
      let confidence = isGood || dice.next() < 0.6 ? 0.75 + 0.25 * dice.next() : 0.5 + 0.4 * dice.next()
      let isLow = confidence < 0.72
      let stated = (confidence * 100).rounded() / 100
      decision(
        id, task: task, reason: isLow ? "confidence_low" : nil, detail: isLow ? "below" : nil,
        label: isGood ? "billing" : "crash", confidence: stated, run: run, agent: agent,
        localMs: 60 + 180 * dice.next(), localCost: 0.00002,
        input:
          "Customer says: <script>alert('\(call)')</script> the invoice of [email] is wrong & the app \"crashes\"",
        checks: [("schema_invalid", "pass"), ("confidence_low", isLow ? "fail" : "pass")])
      let isReadable = task != "summarize_log" || dice.next() < 0.6
      comparison(
        id, isReadable ? (isGood ? "agree" : "disagree") : "unknown", label: isReadable ? "billing" : nil,
        ms: ms,
        cost: cost)
    }
    if call % 6 == 5 { outcome(run: run, dice.next() < 0.85 ? "success" : "failure") }
    if call == 600 {
      decision("rare-1", task: "write_patch", reason: "policy_requires_frontier", label: nil, localMs: nil)
    }
  }
}
