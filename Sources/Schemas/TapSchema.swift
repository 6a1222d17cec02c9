import RouterCore
package import Wire

/// The JSON Schema of tap frames (`schema tap`): what senders write and what the router sends back.
package enum TapSchema {
  package static func document() -> JSONValue {
    [
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "shadow-router tap frame",
      "description":
        "One JSON object a line, at most 1 MiB. Unknown members are ignored; null equals absent.",
      "oneOf": [
        ["$ref": "#/$defs/call"], ["$ref": "#/$defs/answer"], ["$ref": "#/$defs/outcome"],
        ["$ref": "#/$defs/ping"],
      ],
      "$defs": ["id": id, "call": call, "answer": answer, "outcome": outcome, "ping": ping],
    ]
  }

  private static let id: JSONValue = ["type": ["string", "null"], "maxLength": 256]

  private static func object(_ kind: String, required: [JSONValue], _ properties: [(String, JSONValue)])
    -> JSONValue
  {
    let members = [
      JSONMember("kind", ["const": .string(kind)]),
      JSONMember("n", ["type": ["integer", "null"], "minimum": 1]),
    ]
    return [
      "type": "object", "required": .array(["kind"] + required),
      "properties": .object(members + properties.map { JSONMember($0.0, $0.1) }),
    ]
  }

  private static var call: JSONValue {
    let names = ["task_type", "task_id", "run_id", "agent", "step", "tenant", "user_group", "traceparent"]
    let signals = RiskSignal.allCases.map { JSONMember($0.rawValue, ["type": ["boolean", "null"]]) }
    let properties: [(String, JSONValue)] =
      [("call_id", ["type": "string", "minLength": 1, "maxLength": 128])]
      + names.map { ($0, $0 == "task_type" ? ["type": ["string", "null"]] : ["$ref": "#/$defs/id"]) }
      + [
        ("input", ["type": ["string", "null"]]), ("messages", ["type": ["array", "null"]]),
        (
          "request",
          [
            "type": ["object", "null"],
            "description": "The provider's body as sent: OpenAI chat, OpenAI responses, Anthropic messages.",
          ]
        ),
        (
          "frontier",
          [
            "type": ["object", "null"],
            "properties": [
              "provider": ["type": ["string", "null"]], "model": ["type": ["string", "null"]],
            ],
          ]
        ),
        (
          "signals",
          ["type": ["object", "null"], "properties": .object(signals), "additionalProperties": false]
        ),
        ("artifacts", ["type": ["array", "null"], "items": ["type": "string"]]),
        ("reply", ["type": ["boolean", "null"]]),
        ("deadline_ms", ["type": ["integer", "null"], "minimum": 0]),
      ]
    // Exactly one of the three that is not null.
    let inputs = ["input", "messages", "request"].map { name in
      JSONValue.object([
        JSONMember("required", .array([.string(name)])),
        JSONMember("properties", .object([JSONMember(name, ["not": ["type": "null"]])])),
      ])
    }
    let base = object("call", required: ["call_id"], properties)
    return .object((base.members ?? []) + [JSONMember("oneOf", .array(inputs))])
  }

  private static var answer: JSONValue {
    let amount: JSONValue = ["type": ["number", "null"], "minimum": 0]
    return object(
      "answer", required: ["call_id"],
      [
        ("call_id", ["type": "string", "minLength": 1, "maxLength": 128]),
        ("output", ["description": "Any JSON value but null."]),
        ("response", ["description": "The provider's body."]),
        ("label", ["$ref": "#/$defs/id"]), ("model", ["$ref": "#/$defs/id"]),
        (
          "usage",
          [
            "type": ["object", "null"],
            "properties": [
              "input_tokens": ["type": ["integer", "null"]], "output_tokens": ["type": ["integer", "null"]],
            ],
          ]
        ),
        ("latency_ms", amount), ("cost_usd", amount), ("error", ["type": ["string", "null"]]),
      ])
  }

  private static var outcome: JSONValue {
    object(
      "outcome", required: ["result", "source"],
      [
        ("call_id", ["type": ["string", "null"], "maxLength": 128]), ("run_id", ["$ref": "#/$defs/id"]),
        ("result", ["enum": .array(Outcome.Result.allCases.map { .string($0.rawValue) })]),
        ("source", ["enum": .array(Outcome.Source.allCases.map { .string($0.rawValue) })]),
        ("approved_by", ["$ref": "#/$defs/id"]),
      ])
  }

  private static var ping: JSONValue { object("ping", required: [], []) }
}
