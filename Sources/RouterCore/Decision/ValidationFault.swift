extension Engine {
  /// What keeps a reply from being the answer that was asked for, in words for the model; nil where asking once more
  /// with them would be of no use.
  ///
  /// Only the shape can be mended: a low confidence or an escalated label is an answer. A refusal is one too, and a
  /// reply in which a hard-stop term stands is not to be written anew without it.
  ///
  /// - Returns: The fault's word as `detail` has it, a colon, a space and a sentence that quotes nothing of the reply.
  package static func validationFault(
    _ reply: CandidateReply, to call: Call, _ screening: Screening, policy: PreparedPolicy, today: String
  ) -> String? {
    var scratch = Scratch()
    let decision = judge(
      screening, call: call, outcome: .said(reply), policy: policy,
      context: DecisionContext(today: today), scratch: &scratch)
    guard decision.reason == .schemaInvalid, let detail = decision.detail else { return nil }
    // What was taken off the answer first stands behind the fault.
    let fault = detail.split(separator: ",").first.map(String.init) ?? detail
    guard fault != "refusal" else { return nil }
    return "\(fault): \(remedy(fault))"
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
    case "uncited_artifact": "`answer` must name one of the artifacts given"
    default: "the answer does not have the shape asked for"
    }
  }
}
