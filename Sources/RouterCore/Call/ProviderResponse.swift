import Wire

/// Reads the answer out of a provider's response body: OpenAI chat and responses, Anthropic messages.
///
/// Reads it where it stands in the frame: only what the answer keeps is copied, and only a tool's arguments
/// become a tree.
struct ProviderResponse {
  /// What the check of the frame noted.
  let strings: LongStrings

  /// Fills in what the body says; what it does not say stays as it was.
  ///
  /// A body of no known shape gives an empty answer with an `error` that says so: it can be counted, not compared.
  func read(
    _ frame: Span<UInt8>, _ body: JSONMemberRange, into answer: inout FrontierAnswer
  ) throws(FrameFault) {
    if body.kind == .string {
      answer.text = frame.string(in: body)
      return
    }
    guard body.kind == .object else {
      answer.error = "unknown_response_shape"
      return
    }
    let body = TopLevel(try frame.members(in: body.value, knowing: strings))
    if let model = body.text(frame, "model") { answer.model = model.clipped() }
    try readUsage(frame, body, into: &answer)
    if let error = body.find(frame, "error") {
      let inner =
        error.kind == .object ? TopLevel(try frame.members(in: error.value, knowing: strings)) : TopLevel([])
      answer.error = inner.text(frame, "type") ?? inner.text(frame, "code") ?? "error"
    } else if let choices = body.array("choices", frame) {
      try readChat(frame, choices, into: &answer)
    } else if let output = body.array("output", frame) {
      try readResponses(frame, output, into: &answer)
    } else if let content = body.array("content", frame) {
      try readAnthropic(frame, content, into: &answer)
    } else {
      answer.error = "unknown_response_shape"
    }
  }

  private func readUsage(
    _ frame: Span<UInt8>, _ body: TopLevel, into answer: inout FrontierAnswer
  ) throws(FrameFault) {
    guard let usage = try body.object("usage", frame, strings) else { return }
    func count(_ name: StaticString) -> Int? {
      guard let member = usage.find(frame, name), member.kind == .number else { return nil }
      return frame.integer(in: member.value)
    }
    answer.inputTokens = count("prompt_tokens") ?? count("input_tokens")
    answer.outputTokens = count("completion_tokens") ?? count("output_tokens")
  }

  private func readChat(
    _ frame: Span<UInt8>, _ choices: Range<Int>, into answer: inout FrontierAnswer
  ) throws(FrameFault) {
    guard let first = try frame.elements(in: choices, knowing: strings).first, first.kind == .object,
      let message = try TopLevel(try frame.members(in: first.value, knowing: strings)).object(
        "message", frame, strings)
    else { return }
    if let text = message.text(frame, "content") {
      answer.text = text
    } else if let blocks = message.array("content", frame) {
      answer.text = try joined(frame, try objects(frame, blocks))
    }
    if let calls = message.array("tool_calls", frame) {
      for call in try objects(frame, calls) {
        guard let function = try call.object("function", frame, strings),
          let name = function.text(frame, "name")
        else {
          continue
        }
        answer.toolCalls.append(
          ToolCall(name: name, arguments: arguments(frame, function.find(frame, "arguments"))))
      }
    }
    if answer.text.isEmpty, message.text(frame, "refusal") != nil { answer.error = "refusal" }
  }

  private func readResponses(
    _ frame: Span<UInt8>, _ output: Range<Int>, into answer: inout FrontierAnswer
  ) throws(FrameFault) {
    for item in try objects(frame, output) {
      guard let type = item.find(frame, "type") else { continue }
      if frame.holds("message", in: type) {
        var blocks: [TopLevel] = []
        if let content = item.array("content", frame) { blocks = try objects(frame, content) }
        answer.text += (answer.text.isEmpty ? "" : "\n") + (try joined(frame, blocks))
      } else if frame.holds("function_call", in: type), let name = item.text(frame, "name") {
        answer.toolCalls.append(
          ToolCall(name: name, arguments: arguments(frame, item.find(frame, "arguments"))))
      }
    }
  }

  private func readAnthropic(
    _ frame: Span<UInt8>, _ content: Range<Int>, into answer: inout FrontierAnswer
  ) throws(FrameFault) {
    let blocks = try objects(frame, content)
    answer.text = try joined(frame, blocks)
    for block in blocks {
      guard let type = block.find(frame, "type"), frame.holds("tool_use", in: type),
        let name = block.text(frame, "name")
      else { continue }
      let input = block.find(frame, "input").flatMap { frame.tree($0.value) }
      answer.toolCalls.append(ToolCall(name: name, arguments: input ?? .object([])))
    }
  }

  /// The elements that are objects; others say nothing.
  private func objects(_ frame: Span<UInt8>, _ array: Range<Int>) throws(FrameFault) -> [TopLevel] {
    var objects: [TopLevel] = []
    for element in try frame.elements(in: array, knowing: strings) where element.kind == .object {
      objects.append(TopLevel(try frame.members(in: element.value, knowing: strings)))
    }
    return objects
  }

  /// The text blocks, joined by a line feed; others are passed over.
  private func joined(_ frame: Span<UInt8>, _ blocks: [TopLevel]) throws(FrameFault) -> String {
    var texts: [String] = []
    for block in blocks {
      guard let type = block.find(frame, "type"),
        frame.holds("text", in: type) || frame.holds("output_text", in: type),
        let text = block.text(frame, "text")
      else { continue }
      texts.append(text)
    }
    return texts.count == 1 ? texts[0] : texts.joined(separator: "\n")
  }

  /// OpenAI sends arguments as text; text that is not JSON stays a string.
  private func arguments(_ frame: Span<UInt8>, _ value: JSONMemberRange?) -> JSONValue {
    guard let value else { return .object([]) }
    guard value.kind == .string else { return frame.tree(value.value) ?? .object([]) }
    let text = frame.string(in: value)
    return (try? JSONValue(parsing: text)) ?? .string(text)
  }
}

extension TopLevel {
  /// The text of a member that is a string; nil for any other.
  fileprivate func text(_ frame: Span<UInt8>, _ name: StaticString) -> String? {
    guard let member = find(frame, name), member.kind == .string else { return nil }
    return frame.string(in: member)
  }

  fileprivate func array(_ name: StaticString, _ frame: Span<UInt8>) -> Range<Int>? {
    guard let member = find(frame, name), member.kind == .array else { return nil }
    return member.value
  }

  fileprivate func object(_ name: StaticString, _ frame: Span<UInt8>, _ strings: LongStrings)
    throws(FrameFault) -> TopLevel?
  {
    guard let member = find(frame, name), member.kind == .object else { return nil }
    return TopLevel(try frame.members(in: member.value, knowing: strings))
  }
}
