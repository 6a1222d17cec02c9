import RouterCore
package import Wire

/// The JSON Schema of the log's records (`schema record`).
package enum RecordSchema {
  package static let kinds = [
    "start", "stop", "recovered", "gap", "policy", "flag", "decision", "challenge", "comparison", "outcome",
    "review",
    "access", "gate", "eval", "receipt", "drill", "probe", "week", "checkpoint",
    "retention", "erasure", "key",
  ]

  package static func document() -> JSONValue {
    [
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "shadow-router log record",
      "description":
        "One JSON object a line. h is the SHA-256, in hex, of the line's bytes before ,\"h\": and prev the h before it.",
      "type": "object",
      "required": ["v", "log", "seq", "ts", "kind", "prev", "h"],
      "properties": [
        "v": ["const": 1], "log": ["type": "string"], "seq": ["type": "integer", "minimum": 1],
        "ts": ["type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z$"],
        "kind": ["enum": .array(kinds.map { .string($0) })], "prev": digest, "h": digest,
      ],
      "allOf": [
        when("decision", decision), when("challenge", challenge), when("comparison", comparison),
        when("outcome", outcome),
        when("policy", policy),
        when("start", start), when("gate", gate), when("eval", evaluation), when("gap", gap),
        when("probe", probe),
        when("review", review), when("access", access), when("week", week), when("flag", flagChange),
        when("receipt", receipt), when("checkpoint", checkpoint), when("retention", retention),
        when("erasure", erasure), when("key", key),
      ],
    ]
  }

  private static let digest: JSONValue = ["type": "string", "pattern": "^[0-9a-f]{64}$"]
  private static let text: JSONValue = ["type": ["string", "null"]]
  private static let number: JSONValue = ["type": ["number", "null"]]
  private static let count: JSONValue = ["type": ["integer", "null"], "minimum": 0]
  private static let flag: JSONValue = ["type": "boolean"]

  private static func when(_ kind: String, _ then: JSONValue) -> JSONValue {
    ["if": ["properties": ["kind": ["const": .string(kind)]]], "then": then]
  }

  /// All members are always there; what is absent or unknown is null.
  /// - Parameter added: Members that records of earlier versions have not.
  private static func members(_ members: [(String, JSONValue)], added: [(String, JSONValue)] = [])
    -> JSONValue
  {
    [
      "required": .array(members.map { .string($0.0) }),
      "properties": .object((members + added).map { JSONMember($0.0, $0.1) }),
    ]
  }

  private static func list(_ names: [String], _ type: JSONValue) -> [(String, JSONValue)] {
    names.map { ($0, type) }
  }

  /// What `decision` and `challenge` have in common: the decision, the model's names and answer, what asking it took.
  private static var candidate: [(String, JSONValue)] {
    let reasons = Reason.allCases.map { JSONValue.string($0.rawValue) } + [.null]
    let checks = Reason.allCases.map { JSONMember($0.rawValue, ["enum": ["pass", "fail", "skipped"]]) }
    let hit: JSONValue = [
      "type": "object", "required": ["class", "term", "where"],
      "properties": [
        "class": ["enum": .array(HardStopClass.allCases.map { .string($0.rawValue) })],
        "term": ["type": "string"],
        "where": ["enum": ["input", "answer"]],
      ],
    ]
    return [
      ("generation", count), ("policy_revision", ["type": "string"]), ("prompt_revision", text),
      ("task_revision", ["type": ["string", "null"], "pattern": "^[0-9a-f]{12}$"]),
      ("route_candidate", ["enum": ["local", "frontier"]]),
      ("reason", ["enum": .array(reasons)]),
      ("reason_code", ["type": "integer", "minimum": 0, "maximum": 12]),
      ("detail", text), ("validator_result", text),
      ("checks", ["type": "object", "properties": .object(checks)]),
      ("hard_stop_match", ["type": "array", "items": hit]),
    ]
      + list(["local_model", "local_model_id", "local_model_digest", "label"], text)
      + list(["confidence", "confidence_raw"], ["type": ["number", "null"], "minimum": 0, "maximum": 1])
      + [
        ("confidence_source", ["enum": ["self_reported", "logprob", "samples", "builtin", .null]]),
        ("calibration", ["type": ["string", "null"], "pattern": "^[0-9a-f]{12}$"]),
      ]
      + list(["answer_hash", "answer_preview"], text) + [("local_latency_ms", number)]
      + list(["local_input_tokens", "local_output_tokens"], count)
      + [
        ("local_tokens_estimated", ["type": ["boolean", "null"]]), ("local_cost_usd", number),
        ("attempts", count), ("local_steps", steps),
      ]
  }

  private static var steps: JSONValue {
    let request = members([
      ("model_id", text), ("step", ["type": "integer", "minimum": 1]),
      ("purpose", ["enum": ["first", "retry", "correction", "sample", "probabilities"]]), ("fault", text),
      ("latency_ms", number), ("input_tokens", count), ("output_tokens", count), ("cost_usd", number),
    ])
    let omitted = members([("omitted", ["type": "integer", "minimum": 1])])
    return [
      "type": ["array", "null"], "maxItems": .number(JSONNumber(LocalRequests.limit + 1)),
      "items": ["anyOf": [request, omitted]],
    ]
  }

  private static var challenge: JSONValue {
    members(
      [("call_id", ["type": "string"]), ("task_type", text)] + candidate + list(["sampled", "rotated"], flag))
  }

  private static var decision: JSONValue {
    members(
      [("call_id", ["type": "string"])]
        + list(["task_id", "run_id", "task_type"], text)
        + [("task_type_source", ["enum": ["given", "rule", "classified", .null]])]
        + list(["tenant", "user_group", "agent", "step", "traceparent"], text)
        + [
          ("stage", ["enum": ["shadow", "canary", "live"]]),
          ("cohort", ["enum": ["shadow", "local", "control"]]),
          ("route", ["enum": ["local", "frontier"]]),
          ("route_detail", ["enum": ["no_reply", "demoted", "gone", .null]]),
          ("signals", ["type": "object", "additionalProperties": ["enum": ["given", "predicted"]]]),
          ("flag_reason", text),
          ("input_chars", ["type": "integer", "minimum": 0]), ("input_hash", text), ("input_preview", text),
          ("decide_us", count),
        ]
        + list(["cascade_step", "cascade_length"], count)
        + list(["fallback_triggered", "audit", "sampled", "rotated"], flag) + candidate)
  }

  private static var comparison: JSONValue {
    members(
      [
        ("call_id", ["type": "string"]), ("frontier_model", text),
        ("frontier_status", ["enum": ["ok", "error"]]),
      ]
        + list(["frontier_answer_hash", "frontier_answer_preview", "frontier_label"], text)
        + [("agreement", ["enum": ["agree", "disagree", "unknown"]]), ("agreement_score", number)]
        + [("agreement_detail", text)]
        + list(["frontier_latency_ms", "fallback_latency_ms"], number)
        + list(["frontier_input_tokens", "frontier_output_tokens"], count) + [("frontier_cost_usd", number)]
        + [
          ("challenger_agreement", ["enum": ["agree", "disagree", "unknown", .null]]),
          ("challenger_agreement_score", number), ("challenger_agreement_detail", text),
        ])
  }

  private static var outcome: JSONValue {
    members(
      list(["call_id", "run_id"], text)
        + [
          ("result", ["enum": .array(Outcome.Result.allCases.map { .string($0.rawValue) })]),
          ("source", ["enum": .array(Outcome.Source.allCases.map { .string($0.rawValue) })]),
          ("approved_by", text),
        ])
  }

  private static var policy: JSONValue {
    members(
      [
        ("revision", text), ("generation", count), ("taken", flag),
        ("errors", ["type": "array", "items": ["type": "string"]]), ("tasks", tasks),
      ],
      added: [
        ("sent_back", ["type": "array", "items": members(list(["task", "reason"], ["type": "string"]))])
      ])
  }

  private static var start: JSONValue { members([("tasks", tasks)]) }

  /// What a policy does to the evidence of each task.
  private static var tasks: JSONValue {
    let task = members([
      ("task", ["type": "string"]), ("subject", subject), ("revision", ["type": "string"]),
      ("previous", text), ("change", ["enum": ["same", "tightened", "restarted"]]),
    ])
    return ["type": "array", "items": task]
  }

  private static let subject: JSONValue = ["enum": ["candidate", "challenger"]]

  private static var gate: JSONValue {
    let condition = members([
      ("name", ["type": "string"]), ("state", ["enum": ["met", "unmet", "not_applicable"]]),
      ("figure", number), ("limit", number),
    ])
    return members([
      ("task", ["type": "string"]), ("subject", subject), ("epoch", ["type": "string"]),
      ("attempt", ["type": "integer", "minimum": 1]),
      ("outcome", ["enum": ["pass", "fail", "inconclusive", "insufficient_data", "error"]]),
      ("alpha", ["type": "number", "minimum": 0]),
      ("false_accept_upper_bound", ["type": "number", "minimum": 0, "maximum": 1]),
      ("conditions", ["type": "array", "items": condition]),
    ])
  }

  private static var evaluation: JSONValue {
    members(
      list(["task", "local_model_id", "policy_revision"], ["type": "string"])
        + list(
          ["local_model", "local_model_digest", "prompt_revision", "calibration", "task_revision"], text)
        + [("eval_set_sha256", digest), ("met", flag)] + list(["cases", "accepted", "accepted_wrong"], count)
        + [("wrong_upper_bound", ["type": "number", "minimum": 0, "maximum": 1]), ("actor", text)])
  }

  private static var probe: JSONValue {
    let maybe: JSONValue = ["type": ["boolean", "null"]]
    return members(
      list(["model_id", "model", "provider"], ["type": "string"]) + [("host", text), ("present", maybe)]
        + list(["digest", "previous_digest"], text)
        + [("digest_changed", flag), ("server_version", text), ("schema_enforced", maybe)]
        + [("logprobs", ["enum": ["returned", "dropped", "refused", "not_offered", "unknown"]])]
        + [("post_sampling_probs", maybe), ("fault", text), ("latency_ms", number)]
        + [("cost_usd", ["type": "number", "minimum": 0])]
        + [("by", ["enum": ["start", "reload", "recovery", "timer"]])])
  }

  private static var review: JSONValue {
    members([
      ("call_id", ["type": "string"]), ("subject", ["enum": ["candidate", "challenger"]]),
      ("review_label", ["enum": ["accept", "escalate", "unsure", .null]]),
      ("stream", ["enum": ["certificate", "hunt", "planted", "second"]]),
      ("severity", ["enum": [1, 2, 3, .null]]), ("missed_stop", flag), ("reviewer", ["type": "string"]),
      ("note", text), ("rubric_revision", text),
    ])
  }

  private static var access: JSONValue {
    members([
      ("call_id", ["type": "string"]), ("who", ["type": "string"]), ("reason", text),
      ("what", ["enum": ["review", "evalset", "replay"]]),
    ])
  }

  private static var week: JSONValue {
    let key: JSONValue = ["type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"]
    let shares: JSONValue = [
      "type": ["object", "null"], "additionalProperties": ["type": "number", "minimum": 0, "maximum": 1],
    ]
    return members([
      ("week", ["type": "string", "pattern": "^\\d{4}-W\\d{2}$"]), ("key_sha256", digest), ("key", key),
      ("shares", shares),
    ])
  }

  /// Of the kill switch (`task` null, nothing beyond the first six) or of a task's rollout.
  private static var flagChange: JSONValue {
    let always =
      list(["task", "flag"], text) + list(["old", "new"], ["type": "string"])
      + [("reason", text), ("actor", ["type": "string"])]
    let ofTasks: [(String, JSONValue)] =
      [
        ("stage", ["enum": ["shadow", "canary", "live"]]),
        ("percent", ["type": "integer", "minimum": 0, "maximum": 100]),
        ("user_groups", ["type": "array", "items": ["type": "string"]]),
        ("rotated", flag), ("override", flag),
      ] + list(["approver", "receipt", "expires_at"], text)
      + [
        ("flags_before_sha256", ["type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"]),
        ("flags_sha256", digest),
      ]
    return [
      "required": .array(always.map { .string($0.0) }),
      "properties": .object((always + ofTasks).map { JSONMember($0.0, $0.1) }),
    ]
  }

  private static var receipt: JSONValue {
    let model = members(
      [("id", ["type": "string"])] + list(["name", "digest", "prompt_revision"], text)
        + [("calibrations", ["type": "array", "items": ["type": "string"]])])
    return members(
      list(["task", "id"], ["type": "string"]) + [("subject", subject), ("override", flag), ("reason", text)]
        + list(["task_revision", "policy_revision"], ["type": "string"])
        + [("models", ["type": "array", "items": model]), ("epoch", text)]
        + list(["attempt", "would_accepts", "drawn", "false_or_unlabelled"], count)
        + [("false_accept_upper_bound", number)] + list(["compared", "disagreed"], count)
        + list(["approver", "issued_at", "expires_at"], ["type": "string"]),
      added: [("safeguards", ["type": "object"])])
  }

  private static let base64: JSONValue = ["type": "string", "pattern": "^[A-Za-z0-9+/]{43}=$"]

  private static var checkpoint: JSONValue {
    members([("origin", ["type": "string"]), ("size", count), ("root", base64), ("last_seq", count)])
  }

  private static var retention: JSONValue {
    let attempt = members([("task", ["type": "string"]), ("attempt", ["type": "integer", "minimum": 1])])
    return members(
      [("cause", ["enum": ["age", "size"]])] + list(["segments", "records"], count)
        + list(["last_removed", "first_segment"], ["type": "string"])
        + [("first_seq", count), ("first_prev", digest), ("size", count)]
        + [
          ("nodes", ["type": "array", "items": base64]), ("attempts", ["type": "array", "items": attempt]),
        ])
  }

  private static var erasure: JSONValue {
    let entry = members([("seq", ["type": "integer", "minimum": 1]), ("kept_sha256", digest)])
    return members([
      ("call_id", ["type": "string"]), ("who", ["type": "string"]), ("reason", text),
      ("records", ["type": "array", "items": entry]), ("captured", flag),
    ])
  }

  private static var key: JSONValue {
    members([
      ("change", ["enum": ["rotated", "destroyed"]]), ("kid", ["type": "string"]), ("previous", text),
      ("actor", ["type": "string"]),
    ])
  }

  private static var gap: JSONValue { members([("from", count), ("to", count), ("cause", text)]) }
}
