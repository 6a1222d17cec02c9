/// What a reply means for asking on.
package enum ReplyVerdict: Sendable, Equatable {
  /// Of the shape asked for, and nothing in it stops the call. A low confidence or an escalated label is an answer too.
  case sound
  /// Of the wrong shape, which the model may mend: the fault's word as `detail` has it, a colon, a space and a sentence
  /// for the model that quotes nothing of the reply.
  case mendable(String)
  /// It is decided as it is, and the model is not asked again: a refusal is not argued with, and a reply in which a
  /// hard-stop term stands is neither written anew without it nor outvoted by samples. The word is for the record.
  case final(String)
}

extension Engine {
  /// Judges a reply for whether the model is asked once more.
  package static func verdict(
    on reply: CandidateReply, to call: Call, _ screening: Screening, policy: PreparedPolicy, today: String
  ) -> ReplyVerdict {
    var scratch = Scratch()
    let decision = judge(
      screening, call: call, outcome: .said(reply), policy: policy,
      context: DecisionContext(today: today), scratch: &scratch)
    switch decision.reason {
    case .schemaInvalid: break
    case nil, .confidenceLow, .labelEscalated: return .sound
    case .some(let reason): return .final(reason.rawValue)
    }
    let detail = decision.detail ?? "schema_invalid"
    // What was taken off the answer first stands behind the fault.
    let fault = detail.split(separator: ",").first.map(String.init) ?? detail
    return fault == "refusal" ? .final(fault) : .mendable("\(fault): \(remedy(fault))")
  }

  private static func remedy(_ fault: String) -> String {
    switch fault {
    case "empty", "not_json": "reply with one JSON object and nothing else"
    case "truncated_json": "the JSON object does not end; keep it short"
    case "not_an_object", "more_than_one_value": "reply with exactly one JSON object"
    case "duplicate_member": "a member stands twice"
    case "confidence_not_a_number", "confidence_out_of_range": "`confidence` must be a number from 0 to 1"
    case "label_missing", "label_wrong_type", "label_not_in_set": "`label` must be one of the labels given"
    case "answer_missing": "`answer` is missing"
    case "answer_wrong_type": "`answer` must be a string or an object"
    case "answer_blank": "`answer` is blank"
    case "answer_too_long": "`answer` is too long"
    case "answer_not_an_object": "`answer` must be an object"
    case "no_tool_call": "`answer` must name one tool and its arguments"
    case "more_than_one_tool_call": "`answer` must name exactly one tool"
    case "tool_not_defined": "`name` must be one of the tools given"
    case "uncited_artifact": "`answer` must name one of the artifacts given"
    default: "the answer does not have the shape asked for"
    }
  }
}
