import Wire

/// Reads frames of the tap. Holds only scratch memory; a decoder belongs to one thread.
///
/// A frame is checked whole (one strict JSON object) before anything of it is used, but no tree is built: the
/// prompt is copied once, the rest stays where it is. Reading a frame with `JSONValue` took twelve times as long.
package struct FrameDecoder: ~Copyable {
  var members: [JSONMemberRange] = []
  private var longStrings = LongStrings()
  /// Whether calls keep the tools that their requests define: they take memory, and few tasks have a use for them.
  package var keepsTools = false

  package init() {}

  /// Reads one frame, without its line feed.
  ///
  /// - Throws: The fault to count; the frame is skipped, nothing else changes.
  package mutating func decode(_ frame: Span<UInt8>) throws(FrameFault) -> Frame {
    do throws(JSONError) {
      try JSONIndex.members(of: frame, into: &members, noting: &longStrings)
    } catch {
      throw error.kind == .duplicateName && JSONIndex.isValue(frame) ? .duplicateMember : .notJSON
    }
    let top = TopLevel(members)
    guard let kind = top.find(frame, "kind") else { throw .noKind }
    guard kind.kind == .string else { throw .unknownKind }
    if frame.holds("call", in: kind) { return .call(try call(frame, top)) }
    if frame.holds("answer", in: kind) { return .answer(try answer(frame, top)) }
    if frame.holds("outcome", in: kind) { return .outcome(try outcome(frame, top)) }
    if frame.holds("ping", in: kind) { return .ping }
    throw .unknownKind
  }

  /// Whether a frame that could not be used asked for a reply, and its `call_id`: for an `error` frame.
  ///
  /// What is not JSON asked for nothing. Where a name stands twice an agent may wait for a reply all the same, and gets
  /// one; of two `call_id` none is told.
  package mutating func replyAddress(_ frame: Span<UInt8>) -> (callID: String?, wantsReply: Bool) {
    guard isObject(frame),
      members.contains(where: {
        $0.kind == .bool && $0.isNamed("reply", in: frame) && frame.bool(in: $0.value)
      })
    else { return (nil, false) }
    guard only("call_id", in: frame) != nil else { return (nil, true) }
    return ((try? TopLevel(members).string(frame, "call_id", limit: 128)) ?? nil, true)
  }

  /// The sender's frame number, where it gave one.
  package mutating func number(_ frame: Span<UInt8>) -> Int? {
    // `members` still holds the index of the frame that was decoded last.
    guard let number = only("n", in: frame), number.kind == .number else { return nil }
    return frame.integer(in: number.value)
  }

  /// The same of a frame that is not decoded.
  package mutating func number(unread frame: Span<UInt8>) -> Int? {
    isObject(frame) ? number(frame) : nil
  }

  /// Whether a frame is an object, in which names may stand twice; `members` then holds its index.
  private mutating func isObject(_ frame: Span<UInt8>) -> Bool {
    do throws(JSONError) {
      try JSONIndex.members(of: frame, into: &members)
      return true
    } catch {
      return error.kind == .duplicateName && JSONIndex.isValue(frame)
    }
  }

  /// nil: none, or several.
  private func only(_ name: StaticString, in frame: Span<UInt8>) -> JSONMemberRange? {
    var found: JSONMemberRange?
    for member in members where member.isNamed(name, in: frame) {
      guard found == nil else { return nil }
      found = member
    }
    return found
  }

  // MARK: - The three kinds

  private mutating func call(_ frame: Span<UInt8>, _ top: TopLevel) throws(FrameFault) -> Call {
    guard let id = try top.string(frame, "call_id", limit: 128), !id.isEmpty else { throw .noCallID }
    var call = Call(callID: id)
    call.taskType = try top.string(frame, "task_type", limit: nil).flatMap {
      $0.allSatisfy(\.isWhitespace) ? nil : $0
    }
    call.taskID = try top.string(frame, "task_id")
    call.runID = try top.string(frame, "run_id")
    call.agent = try top.string(frame, "agent")
    call.step = try top.string(frame, "step")
    call.tenant = try top.string(frame, "tenant")
    call.userGroup = try top.string(frame, "user_group")
    call.traceparent = try top.string(frame, "traceparent")
    call.wantsReply = try top.bool(frame, "reply") ?? false
    call.deadlineMs = try top.count(frame, "deadline_ms")
    call.signals = try signals(frame, top)
    call.artifacts = try strings(frame, top, "artifacts")
    try readFrontier(frame, top, into: &call)
    try readInput(frame, top, into: &call)
    return call
  }

  private mutating func readInput(
    _ frame: Span<UInt8>, _ top: TopLevel, into call: inout Call
  ) throws(FrameFault) {
    let input = top.find(frame, "input")
    let messages = top.find(frame, "messages")
    let request = top.find(frame, "request")
    switch (input, messages, request) {
    case (nil, nil, nil): throw .noInput
    case (let value?, nil, nil):
      guard value.kind == .string else { throw .wrongType }
      call.text.reserve(value.value.count)
      call.text.appendPart { bytes in JSONIndex.unescape(frame, value.value, into: &bytes) }
    case (nil, let value?, nil):
      guard value.kind == .array else { throw .wrongType }
      call.form = .messages
      try RequestReading(strings: longStrings).readMessages(frame, value.value, into: &call)
    case (nil, nil, let value?):
      guard value.kind == .object else { throw .unknownShape }
      try RequestReading(strings: longStrings, keepsTools: keepsTools).readRequest(
        frame, value.value, into: &call)
    default: throw .twoInputs
    }
  }

  private func readFrontier(_ frame: Span<UInt8>, _ top: TopLevel, into call: inout Call) throws(FrameFault) {
    guard let value = top.find(frame, "frontier") else { return }
    guard value.kind == .object else { throw .wrongType }
    let inner = try frame.members(in: value.value, knowing: longStrings)
    for member in inner where member.kind == .string {
      if member.isNamed("provider", in: frame) {
        call.frontierProvider = frame.string(in: member).clipped()
      } else if member.isNamed("model", in: frame) {
        call.frontierModel = frame.string(in: member).clipped()
      }
    }
  }

  private func signals(_ frame: Span<UInt8>, _ top: TopLevel) throws(FrameFault) -> [RiskSignal: Bool] {
    guard let value = top.find(frame, "signals") else { return [:] }
    guard value.kind == .object else { throw .wrongType }
    let inner = try frame.members(in: value.value, knowing: longStrings)
    var signals: [RiskSignal: Bool] = [:]
    for member in inner where member.kind != .null {
      guard let signal = RiskSignal(rawValue: frame.key(of: member))
      else { throw .unknownSignal }
      guard member.kind == .bool else { throw .wrongType }
      signals[signal] = frame.bool(in: member.value)
    }
    return signals
  }

  private func strings(
    _ frame: Span<UInt8>, _ top: TopLevel, _ key: StaticString
  ) throws(FrameFault) -> [String] {
    guard let value = top.find(frame, key) else { return [] }
    guard value.kind == .array else { throw .wrongType }
    var strings: [String] = []
    for element in try frame.elements(in: value.value, knowing: longStrings) {
      guard element.kind == .string else { throw .wrongType }
      strings.append(frame.string(in: element.value, hasEscapes: element.hasEscapes))
    }
    return strings
  }

  private mutating func answer(_ frame: Span<UInt8>, _ top: TopLevel) throws(FrameFault) -> AnswerFrame {
    guard let id = try top.string(frame, "call_id", limit: 128), !id.isEmpty else { throw .noCallID }
    var answer = FrontierAnswer()
    let error = try top.string(frame, "error", limit: nil)
    if let output = top.find(frame, "output") {
      guard top.find(frame, "response") == nil else { throw .twoInputs }
      if output.kind == .string {
        answer.text = frame.string(in: output)
      } else if let value = frame.tree(output.value) {
        answer.value = value
        answer.text = value.jsonText
      }
    } else if let response = top.find(frame, "response") {
      try ProviderResponse(strings: longStrings).read(frame, response, into: &answer)
    }
    answer.label = try top.string(frame, "label")
    answer.model = try top.string(frame, "model") ?? answer.model
    guard
      error != nil || top.find(frame, "output") != nil || top.find(frame, "response") != nil
        || answer.label != nil
    else {
      throw .noOutput
    }
    if let error { answer.error = error.isEmpty ? "unknown" : error }
    answer.latencyMs = try top.number(frame, "latency_ms")
    answer.costUSD = try top.number(frame, "cost_usd")
    if let usage = top.find(frame, "usage") {
      guard usage.kind == .object, let value = frame.tree(usage.value) else { throw .wrongType }
      answer.inputTokens = value.count("input_tokens") ?? answer.inputTokens
      answer.outputTokens = value.count("output_tokens") ?? answer.outputTokens
    }
    return AnswerFrame(callID: id, answer: answer)
  }

  private func outcome(_ frame: Span<UInt8>, _ top: TopLevel) throws(FrameFault) -> Outcome {
    let callID = try top.string(frame, "call_id", limit: 128)
    let runID = try top.string(frame, "run_id")
    guard callID?.isEmpty == false || runID?.isEmpty == false,
      let result = try top.string(frame, "result").flatMap(Outcome.Result.init),
      let source = try top.string(frame, "source").flatMap(Outcome.Source.init)
    else { throw .badResult }
    var outcome = Outcome(callID: callID, runID: runID, result: result, source: source)
    outcome.approvedBy = try top.string(frame, "approved_by")
    return outcome
  }

}
