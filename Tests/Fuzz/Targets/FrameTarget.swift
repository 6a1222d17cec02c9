import RouterCore
import Wire

/// A frame says to the fast reader what it says to one that builds the tree; what it asks for can be decided and recorded.
enum FrameTarget {
  static func check(_ frame: [UInt8]) throws(Finding) {
    var decoder = FrameDecoder()
    decoder.keepsTools = true
    let (read, fault) = decode(frame, &decoder)
    if let fault {
      try checkFault(fault, frame, &decoder)
    } else if let read {
      guard let tree = tree(frame) else { throw Finding("a frame is taken that is no JSON") }
      try require(decoder.number(frame.span) == number(tree), "another frame number")
      switch read {
      case .call(let call): try checkCall(call, tree)
      case .answer(let answer): try checkAnswer(answer, tree)
      case .outcome(let outcome): try checkOutcome(outcome, tree)
      case .ping: try require(tree["kind"]?.stringValue == "ping", "a ping that is none")
      }
    }
    // A decoder's memory is used again: what came before must not tell.
    let (again, secondFault) = decode(frame, &decoder)
    try require((again == nil) == (read == nil) && secondFault == fault, "read otherwise the second time")
  }

  /// Frames are refused for repeated names where they look; deeper ones are nobody's business.
  private static func tree(_ frame: [UInt8]) -> JSONValue? {
    let tree = try? JSONValue(parsing: frame, options: JSONOptions(allowsRepeatedNames: true))
    return tree?.members == nil ? nil : tree
  }

  private static func decode(_ frame: [UInt8], _ decoder: inout FrameDecoder) -> (Frame?, FrameFault?) {
    do throws(FrameFault) {
      return (try decoder.decode(frame.span), nil)
    } catch {
      return (nil, error)
    }
  }

  private static func checkFault(_ fault: FrameFault, _ frame: [UInt8], _ decoder: inout FrameDecoder)
    throws(Finding)
  {
    let remedy = decoder.remedy(fault, frame.span)
    try require(!remedy.isEmpty, "no remedy for \(fault)")
    try require(remedy.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }, "the remedy quotes the frame: \(remedy)")
    let address = decoder.replyAddress(frame.span)
    guard address.wantsReply else { return }
    guard let tree = tree(frame) else { throw Finding("an error frame for what is no JSON") }
    let members = tree.members ?? []
    try require(
      members.contains { $0.name == "reply" && $0.value.boolValue == true },
      "an error frame that nobody asked for")
    if let callID = address.callID {
      try require(members.count { $0.name == "call_id" } == 1, "an error frame for one of two calls")
      try require(same(tree["call_id"], callID), "an error frame for another call")
    }
  }

  private static func same(_ value: JSONValue?, _ text: String?) -> Bool {
    guard let value, !value.isNull else { return text == nil }
    guard let text, let other = value.stringValue else { return false }
    return text.utf8.elementsEqual(other.utf8)
  }

  private static func number(_ tree: JSONValue) -> Int? { tree["n"]?.intValue }

  // MARK: - Kinds

  private static func checkCall(_ call: Call, _ tree: JSONValue) throws(Finding) {
    try require(same(tree["kind"], "call") && same(tree["call_id"], call.callID), "another call")
    for (name, text) in [
      ("task_id", call.taskID), ("run_id", call.runID), ("agent", call.agent), ("step", call.step),
      ("tenant", call.tenant), ("user_group", call.userGroup), ("traceparent", call.traceparent),
    ] {
      try require(same(tree[name], text), "another \(name): \(text as Any)")
    }
    if let task = call.taskType { try require(same(tree["task_type"], task), "another task_type") }
    try require(call.wantsReply == (tree["reply"]?.boolValue ?? false), "another reply")
    try require(call.deadlineMs == tree["deadline_ms"]?.intValue, "another deadline_ms")
    let raised = RiskSignal.allCases.filter { tree["signals"]?[$0.rawValue]?.boolValue == true }
    try require(raised == RiskSignal.allCases.filter { call.signals[$0] == true }, "other signals")
    let artifacts = tree["artifacts"]?.arrayValue?.compactMap(\.stringValue) ?? []
    try require(
      artifacts.count == call.artifacts.count
        && zip(artifacts, call.artifacts).allSatisfy { $0.utf8.elementsEqual($1.utf8) }, "other artifacts")
    try checkText(call, tree)
    let screening = DecisionCheck.screen(call)
    try DecisionCheck.record(Engine.withoutCandidate(screening), call, screening)
    if screening.reason == nil {
      let reply = CandidateReply(text: #"{"label":"bug","answer":"bug","confidence":0.9}"#)
      let decision = try DecisionCheck.judge(reply, to: call, screening)
      try DecisionCheck.record(decision, call, screening)
    }
  }

  private static func checkText(_ call: Call, _ tree: JSONValue) throws(Finding) {
    if let input = tree["input"]?.stringValue, call.form == .input {
      try require(call.text.bytes.elementsEqual(input.utf8), "another text of `input`")
    }
    var end = 0
    for part in call.text.parts {
      try require(
        part.lowerBound >= end && part.upperBound <= call.text.bytes.count, "parts of the text overlap")
      end = part.upperBound
    }
    if let system = call.system {
      try require(
        system.lowerBound >= 0 && system.upperBound <= call.text.bytes.count, "the system prompt is elsewhere"
      )
    }
    try require(call.text.bytes.isUTF8, "a text that is no UTF-8")
    // Text that the scanner does not see is the dangerous side: what a user says in a plain message is in it.
    if call.form == .messages, let messages = tree["messages"]?.arrayValue {
      for message in messages {
        guard let content = message["content"]?.stringValue, !content.isEmpty else { continue }
        try require(
          call.text.parts.contains { call.text.bytes[$0].elementsEqual(content.utf8) },
          "a message is not seen")
      }
    }
  }

  private static func checkAnswer(_ frame: AnswerFrame, _ tree: JSONValue) throws(Finding) {
    try require(same(tree["kind"], "answer") && same(tree["call_id"], frame.callID), "another answer")
    let answer = frame.answer
    try require(same(tree["label"], answer.label), "another label")
    if let output = tree["output"]?.stringValue {
      try require(same(.string(output), answer.text), "another output")
    }
    for (name, figure) in [("latency_ms", answer.latencyMs), ("cost_usd", answer.costUSD)] {
      guard let figure else { continue }
      try require(
        figure >= 0 && figure <= 1e15 && figure == tree[name]?.doubleValue, "another \(name): \(figure)")
    }
    for task in SamplePolicy.tasks {
      let candidate = CandidateAnswer(label: "bug", answer: "bug")
      try AgreementTarget.checkResult(candidate, answer, task)
    }
  }

  private static func checkOutcome(_ outcome: Outcome, _ tree: JSONValue) throws(Finding) {
    try require(same(tree["kind"], "outcome"), "another outcome")
    try require(
      same(tree["call_id"], outcome.callID) && same(tree["run_id"], outcome.runID), "of another call")
    try require(tree["result"]?.stringValue == outcome.result.rawValue, "another result")
    try require(tree["source"]?.stringValue == outcome.source.rawValue, "another source")
  }
}
