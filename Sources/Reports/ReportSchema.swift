import Evidence
import Gates
package import Wire

/// The JSON Schema (2020-12) of the report's JSON form.
///
/// Members may be added within version 1; nothing here changes its meaning.
package enum ReportSchema {
  package static func document() -> JSONValue {
    var members: [JSONMember] = [
      JSONMember("$schema", "https://json-schema.org/draft/2020-12/schema"),
      JSONMember("$id", "urn:shadow-router:report:1"),
      JSONMember("title", "shadow-router report"),
    ]
    members += object(root).members ?? []
    return .object(members)
  }

  private typealias Fields = [(String, JSONValue)]

  private static let root: Fields = [
    ("v", .object([JSONMember("const", 1)])),
    (
      "window",
      object([
        ("name", text), ("from", optionalText), ("to", optionalText), ("first_decision", optionalText),
        ("last_decision", optionalText),
      ])
    ),
    ("command", text),
    ("sentence", object([("claim", text), ("caveats", list(text))])),
    ("as_of", optionalText),
    ("actions", list(object([("task", optionalText), ("text", text), ("command", optionalText)]))),
    ("saving", object(saving)),
    (
      "totals",
      object([
        ("calls", count), ("would_accepts", count), ("agree", count), ("disagree", count), ("unknown", count),
        ("not_compared", count), ("comparable", count), ("disagreement_upper", share), ("reviews", reviews),
      ])
    ),
    (
      "changes",
      list(
        object([
          ("ts", text), ("kind", text), ("task", optionalText), ("text", text),
          ("weight", oneOf("loud", "normal", "quiet")),
        ]))
    ),
    ("changes_not_shown", count),
    ("false_accepts", list(falseAccept)),
    ("tasks", list(task)),
    (
      "periods",
      list(
        object([
          ("name", text), ("calls", count), ("would_accepts", count), ("disagree", count),
          ("known_false", count), ("answered_locally", count),
        ]))
    ),
    ("agents", list(object([("agent", text)] + agentFields + latencies + cost + costPerRun))),
    (
      "runs",
      list(
        object(
          [
            ("run_id", text), ("agent", optionalText),
            ("outcome", oneOf("success", "failure", "partial", nil)),
            ("calls", count), ("would_accepts", count), ("fallbacks", count),
          ] + latencies + cost))
    ),
    (
      "other_runs",
      orNull(
        object(
          [
            ("runs", count), ("successes", count), ("calls", count), ("would_accepts", count),
            ("fallbacks", count),
          ] + latencies + cost))
    ),
    ("calls_without_run", count),
    (
      "hard_stops",
      list(
        object([
          ("task_type", text), ("class", text), ("term", text), ("where", oneOf("input", "answer")),
          ("count", count),
        ]))
    ),
    (
      "reviewers",
      list(
        object([
          ("reviewer", text), ("accept", count), ("escalate", count), ("unsure", count), ("planted", count),
          ("caught", count),
        ]))
    ),
    (
      "reviewer_agreement",
      orNull(
        object([
          ("pairs", count), ("agree", count), ("ac1", number), ("kappa", type("number", "null")),
        ]))
    ),
    (
      "frames",
      object([
        ("stops", count), ("received", count), ("recorded", count), ("answered", count),
        ("malformed", count), ("shed", count), ("in_flight", count), ("lost_by_sender", count),
      ])
    ),
    ("balance", balance),
    ("head", orNull(object([("log", text), ("seq", count), ("h", text), ("ts", text)]))),
  ]

  private static let task = object(
    [
      ("task_type", text), ("owner", optionalText),
      (
        "ready",
        object([
          ("answer", oneOf("yes", "no", "cannot_tell")), ("code", text), ("condition", optionalText),
          ("unmet", text), ("next", text), ("command", optionalText),
        ])
      ),
      ("looks", .object([JSONMember("enum", .array(Report.Looks.allCases.map { .string($0.rawValue) }))])),
      (
        "rollout",
        orNull(object([("stage", oneOf("canary", "live")), ("extent", optionalText), ("since", text)]))
      ),
      ("local", type("boolean", "null")), ("min_confidence", optionalShare),
      ("models", list(object([("name", text), ("digest", optionalText), ("calls", count)]))),
      (
        "confidence_sources",
        list(object([("name", text), ("calibration", optionalText), ("calls", count)]))
      ),
      (
        "tokens",
        object([("calls", count), ("input", count), ("output", count), ("estimated_calls", count)])
      ),
      ("challengers", list(challenge)),
      ("calls", count), ("would_accepts", count), ("agree", count), ("disagree", count), ("unknown", count),
      ("not_compared", count), ("reasons", counts), ("reason_details", counts), ("unknown_causes", counts),
      ("disagreement_kinds", counts),
      ("confusions", list(object([("label", text), ("frontier_label", text), ("count", count)]))),
      ("reviews", reviews), ("answered", count), ("invalid", count), ("successes", count),
      ("failures", count),
      ("acceptance_rate", optionalShare), ("escalation_rate", optionalShare),
      ("disagreement_rate", optionalShare), ("disagreement_lower", optionalShare),
      ("disagreement_upper", optionalShare), ("unknown_share", optionalShare), ("validity", optionalShare),
      ("local_latency_ms", latency), ("frontier_latency_ms", latency), ("fallback_latency_ms", latency),
      ("cost", object(cost + taskCost)), ("saving", object(saving)),
      ("confidence", confidence), ("pace", pace), ("gate", orNull(gate)), ("challenger_gate", orNull(gate)),
    ])

  private static let gate = object([
    ("task", text), ("subject", oneOf("candidate", "challenger")),
    (
      "outcome",
      .object([JSONMember("enum", .array(Gate.Outcome.allCases.map { .string($0.rawValue) }))])
    ),
    ("problem", optionalText), ("next", text), ("attempt", count), ("alpha", share),
    ("reviews_needed", type("integer", "null")), ("reviews_missing", type("integer", "null")),
    ("max_false_accept_rate", share), ("false_accept_upper_bound", share), ("catch_rate", share),
    (
      "epoch",
      orNull(
        object([
          ("id", text), ("start", text), ("first_drawn", optionalText), ("end", optionalText),
          ("task_revision", text),
          ("models", list(object([("id", text), ("name", optionalText), ("digest", optionalText)]))),
          ("would_accepts", count), ("drawn", count), ("accepted", count), ("false", count),
          ("unlabelled", count), ("asked", count), ("invalid", count), ("weeks", count),
        ]))
    ),
    (
      "conditions",
      list(
        object([
          ("name", text), ("state", oneOf("met", "unmet", "not_applicable")),
          ("figure", type("number", "null")), ("limit", type("number", "null")), ("shown", text),
          ("wants", text), ("source", text), ("missing", optionalText),
        ]))
    ),
  ])

  private static let saving: Fields = [
    ("shadow_frontier_usd", number), ("shadow_local_usd", number), ("shadow_net_usd", number),
    ("served", count), ("audited", count), ("control", count), ("spared_estimate_usd", number),
    ("live_local_usd", number), ("audits_usd", number), ("live_net_usd", number), ("upkeep_usd", number),
    ("live_upkeep_usd", number),
  ]

  private static let latencies: Fields = [
    ("frontier_latency_ms", number), ("with_router_latency_ms", number),
  ]

  private static let challenge = object([
    ("name", text), ("digest", optionalText), ("records", count), ("calls", count), ("both_agree", count),
    ("only_candidate", count), ("only_challenger", count), ("neither", count), ("mcnemar_p", optionalShare),
    ("candidate", challengeSide), ("challenger", challengeSide),
  ])

  private static let challengeSide = object([
    ("would_accepts", count), ("agree", count), ("disagree", count), ("disagreement_upper", optionalShare),
    ("latency_ms", latency), ("cost_usd", number), ("cost_per_call_usd", type("number", "null")),
  ])

  private static let falseAccept = object([
    ("standing", oneOf("known", "suspected")), ("call_id", text), ("task_id", optionalText),
    ("run_id", optionalText), ("task_type", text), ("ts", text), ("seq", count),
    ("local_model", optionalText),
    ("confidence", optionalShare), ("label", optionalText), ("answer_preview", optionalText),
    ("frontier_label", optionalText), ("frontier_answer_preview", optionalText),
    ("agreement_score", optionalShare), ("agreement_detail", optionalText),
    ("validator_result", optionalText),
    ("checks", .object([JSONMember("type", "object"), JSONMember("additionalProperties", text)])),
    ("input_preview", optionalText), ("input_hash", optionalText), ("severity", type("integer", "null")),
    ("review_label", oneOf("accept", "escalate", "unsure", nil)), ("reviewer", optionalText),
    ("note", optionalText), ("stands_for", count), ("template", optionalText),
    ("missed_stop", type("boolean")), ("severe", type("boolean")), ("in_epoch", type("boolean", "null")),
    ("served", type("boolean")), ("confirmed_by", list(text)),
    (
      "should_have_caught",
      object([
        (
          "check",
          .object([
            JSONMember(
              "enum", .array(Report.FalseAccept.Remedy.Check.allCases.map { .string($0.rawValue) }))
          ])
        ),
        ("value", optionalText), ("would_accepts_lost", optionalShare),
        ("suspected_kept_out", type("integer", "null")),
      ])
    ),
  ])

  private static let reviews = object([
    ("labelled", count), ("accept", count), ("escalate", count), ("unsure", count), ("severe", count),
    ("missed_stops", count), ("cleared_disagreements", count), ("drawn", count), ("drawn_unlabelled", count),
    ("drawn_false", count), ("known_false", count), ("known_disagreements", count),
    ("open_disagreements", count),
  ])

  private static let confidence = object([
    ("auc", optionalShare),
    (
      "bins",
      list(
        object([("from", share), ("to", share), ("agree", count), ("disagree", count), ("unknown", count)]))
    ),
    (
      "thresholds",
      list(
        object([
          ("min_confidence", share), ("accepted", count), ("agree", count), ("disagree", count),
          ("disagreement_upper", optionalShare),
        ]))
    ),
  ])

  private static let pace = orNull(
    object([
      ("needed", count), ("expected", count), ("window_days", count), ("review_sample", share),
      ("review_sample_needed", optionalShare), ("in_a_new_window", type("boolean")), ("labelled", count),
      ("labels_expected", count), ("days_left", number), ("weekly_now", number),
      ("weekly_needed", type("number", "null")), ("suffices", type("boolean")),
    ]))

  private static let balance = object([
    ("records", counts), ("records_read", count), ("outside_window", count), ("damaged", count),
    ("unknown_kinds", count), ("unexplained_holes", count),
    ("gaps", list(object([("from", count), ("to", count), ("cause", text)]))), ("recovered", count),
    ("drill_calls", count), ("duplicate_decisions", count), ("duplicate_comparisons", count),
    ("comparisons_without_decision", count),
    ("details_not_kept", count),
  ])

  private static let latency = orNull(
    object([("count", count), ("p50", number), ("p95", number), ("p99", number)]))

  private static let cost: Fields = [
    ("frontier_only_usd", number), ("frontier_of_would_accepts_usd", number), ("local_usd", number),
    ("with_router_usd", number), ("spared_estimate_usd", number),
  ]

  private static let taskCost: Fields = [
    ("upkeep_usd", number), ("answers_seen", count), ("answers_with_cost", count),
    ("per_success_usd", type("number", "null")), ("frontier_only_per_success_usd", type("number", "null")),
  ]

  private static let agentFields: Fields = [
    ("runs", count), ("successes", count), ("failures", count), ("calls", count), ("would_accepts", count),
    ("fallbacks", count),
  ]

  private static let costPerRun: Fields = [
    ("per_successful_run_usd", type("number", "null")),
    ("frontier_only_per_successful_run_usd", type("number", "null")),
  ]

  // MARK: Words of the schema

  private static let text = type("string")
  private static let optionalText = type("string", "null")
  private static let number = type("number")
  private static let count: JSONValue = .object([
    JSONMember("type", "integer"), JSONMember("minimum", 0),
  ])
  private static let share: JSONValue = .object([
    JSONMember("type", "number"), JSONMember("minimum", 0), JSONMember("maximum", 1),
  ])
  private static let optionalShare: JSONValue = .object([
    JSONMember("type", .array(["number", "null"])), JSONMember("minimum", 0), JSONMember("maximum", 1),
  ])
  private static let counts: JSONValue = .object([
    JSONMember("type", "object"), JSONMember("additionalProperties", count),
  ])

  private static func type(_ names: String...) -> JSONValue {
    .object([
      JSONMember("type", names.count == 1 ? .string(names[0]) : .array(names.map { .string($0) }))
    ])
  }

  private static func oneOf(_ names: String?...) -> JSONValue {
    .object([JSONMember("enum", .array(names.map { $0.map { .string($0) } ?? .null }))])
  }

  private static func list(_ items: JSONValue) -> JSONValue {
    .object([JSONMember("type", "array"), JSONMember("items", items)])
  }

  private static func orNull(_ schema: JSONValue) -> JSONValue {
    .object([JSONMember("anyOf", .array([schema, type("null")]))])
  }

  private static func object(_ fields: Fields) -> JSONValue {
    .object([
      JSONMember("type", "object"), JSONMember("required", .array(fields.map { .string($0.0) })),
      JSONMember("properties", .object(fields.map { JSONMember($0.0, $0.1) })),
    ])
  }
}
