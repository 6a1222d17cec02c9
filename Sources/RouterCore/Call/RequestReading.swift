import Wire

/// Finds the text of a call in chat messages and in providers' request bodies.
///
/// The three request shapes share most of their parts, so one reading serves all: what differs is where the system
/// prompt stands and what a content block is called. Blocks that carry no text that a person or a tool wrote (images,
/// audio, model reasoning, ids) are passed over; a block of an unknown type that holds `text` counts, because text
/// that the scanner does not see is the dangerous side.
struct RequestReading {
  /// What the check of the frame noted.
  let strings: LongStrings
  var keepsTools = false

  /// The frame's `messages`: a chat without the rest of a request.
  func readMessages(_ frame: Span<UInt8>, _ range: Range<Int>, into call: inout Call)
    throws(FrameFault)
  {
    for element in try frame.elements(in: range, knowing: strings) {
      guard element.kind == .object else { throw .wrongType }
      try readMessage(frame, TopLevel(try frame.members(in: element.value, knowing: strings)), into: &call)
    }
  }

  /// A provider's request body as the agent sends it.
  func readRequest(_ frame: Span<UInt8>, _ range: Range<Int>, into call: inout Call) throws(FrameFault) {
    let body = TopLevel(try frame.members(in: range, knowing: strings))
    // What telling the form has read of a chat is not read again.
    var chat: [TopLevel] = []
    call.form = try form(frame, body, chat: &chat)
    if call.frontierModel == nil, let model = body.find(frame, "model"), model.kind == .string {
      call.frontierModel = frame.string(in: model).clipped()
    }
    if let system = body.find(frame, call.form == .openAIResponses ? "instructions" : "system") {
      guard system.kind == .string || system.kind == .array else { throw .wrongType }
      try readContent(frame, system.value, system.kind, into: &call)
      if let first = call.text.parts.first { call.system = first.lowerBound..<call.text.bytes.count }
    }
    if let prompt = body.find(frame, "prompt"), prompt.kind == .object,
      let variables = TopLevel(try frame.members(in: prompt.value, knowing: strings)).find(
        frame, "variables")
    {
      appendTexts(frame, variables.value, into: &call)
    }
    if let tools = body.find(frame, "tools"), tools.kind == .array {
      call.tools = try toolNames(frame, tools.value)
      if keepsTools { call.toolText = Array(copying: frame, tools.value) }
    }
    if let messages = body.find(frame, call.form == .openAIResponses ? "input" : "messages") {
      if messages.kind == .string {
        appendString(frame, messages.value, into: &call)
      } else if call.form != .openAIResponses {
        for message in chat { try readMessage(frame, message, into: &call) }
      } else {
        try readMessages(frame, messages.value, into: &call)
      }
    }
  }

  // MARK: - Shapes

  private func form(
    _ frame: Span<UInt8>, _ body: TopLevel, chat: inout [TopLevel]
  ) throws(FrameFault) -> Call.Form {
    if body.find(frame, "contents") != nil { throw .unknownShapeGoogle }
    if body.find(frame, "inferenceConfig") != nil || body.find(frame, "toolConfig") != nil {
      throw .unknownShapeBedrock
    }
    if let messages = body.find(frame, "messages") {
      guard messages.kind == .array else { throw .unknownShape }
      return try chatForm(frame, body, messages.value, &chat)
    }
    if let input = body.find(frame, "input") {
      guard input.kind == .array || input.kind == .string else { throw .unknownShape }
      return .openAIResponses
    }
    if body.find(frame, "previous_response_id") != nil || body.find(frame, "instructions") != nil {
      return .openAIResponses
    }
    throw body.find(frame, "prompt") != nil ? .unknownShapeCompletion : .unknownShape
  }

  /// OpenAI chat, Anthropic messages or Bedrock Converse: all three say `messages`.
  private func chatForm(
    _ frame: Span<UInt8>, _ body: TopLevel, _ messages: Range<Int>, _ chat: inout [TopLevel]
  ) throws(FrameFault) -> Call.Form {
    var form = Call.Form.openAIChat
    if body.find(frame, "system") != nil || body.find(frame, "anthropic_version") != nil {
      form = .anthropicMessages
    }
    for message in try frame.elements(in: messages, knowing: strings) {
      guard message.kind == .object else { throw .unknownShape }
      let members = TopLevel(try frame.members(in: message.value, knowing: strings))
      chat.append(members)
      guard members.find(frame, "role")?.kind == .string else { throw .unknownShape }
      guard let content = members.find(frame, "content"), content.kind == .array else { continue }
      for block in try frame.elements(in: content.value, knowing: strings) where block.kind == .object {
        let block = TopLevel(try frame.members(in: block.value, knowing: strings))
        // Both other providers name the type of every block; Converse tells it by the member's name.
        guard let type = block.find(frame, "type") else { throw .unknownShapeBedrock }
        if ["tool_use", "tool_result", "thinking"].contains(where: { frame.holds($0, in: type) }) {
          form = .anthropicMessages
        }
      }
    }
    return form
  }

  private func toolNames(_ frame: Span<UInt8>, _ range: Range<Int>) throws(FrameFault) -> [String] {
    var names: [String] = []
    for tool in try frame.elements(in: range, knowing: strings) where tool.kind == .object {
      let members = TopLevel(try frame.members(in: tool.value, knowing: strings))
      if let name = members.find(frame, "name"), name.kind == .string {
        names.append(frame.string(in: name).clipped())
      } else if let function = members.find(frame, "function"), function.kind == .object,
        let name = TopLevel(try frame.members(in: function.value, knowing: strings)).find(frame, "name"),
        name.kind == .string
      {
        names.append(frame.string(in: name).clipped())
      }
    }
    return names
  }

  // MARK: - Messages and their parts

  /// A chat message, or an item of a responses request (a tool call or its output stands for itself there).
  private func readMessage(
    _ frame: Span<UInt8>, _ message: TopLevel, into call: inout Call
  ) throws(FrameFault) {
    let isFirst = call.text.parts.isEmpty
    let role = message.find(frame, "role")
    if let content = message.find(frame, "content") {
      if let role, frame.holds("tool", in: role) || frame.holds("function", in: role) {
        try readResult(frame, content.value, content.kind, into: &call)
      } else {
        try readContent(frame, content.value, content.kind, into: &call)
      }
    }
    if let refusal = message.find(frame, "refusal"), refusal.kind == .string {
      appendString(frame, refusal.value, into: &call)
    }
    if isFirst, call.system == nil, let role,
      frame.holds("system", in: role) || frame.holds("developer", in: role), let first = call.text.parts.first
    {
      call.system = first.lowerBound..<call.text.bytes.count
    }
    if let calls = message.find(frame, "tool_calls") {
      guard calls.kind == .array else { throw .wrongType }
      for element in try frame.elements(in: calls.value, knowing: strings) {
        guard element.kind == .object else { throw .wrongType }
        let toolCall = TopLevel(try frame.members(in: element.value, knowing: strings))
        var function = toolCall
        for name: StaticString in ["function", "custom"] {
          guard let member = toolCall.find(frame, name) else { continue }
          guard member.kind == .object else { throw .wrongType }
          function = TopLevel(try frame.members(in: member.value, knowing: strings))
        }
        try readToolCall(frame, function, into: &call)
      }
    }
    if let function = message.find(frame, "function_call") {
      guard function.kind == .object else { throw .wrongType }
      try readToolCall(frame, TopLevel(try frame.members(in: function.value, knowing: strings)), into: &call)
    }
    if let type = message.find(frame, "type"), !frame.holds("message", in: type) {
      try readToolBlock(frame, message, into: &call, hasReadContent: true)
    }
  }

  /// A string, an array of content blocks, or one of them. A bare number is refused: read as blank it would pass by every
  /// term.
  private func readContent(
    _ frame: Span<UInt8>, _ range: Range<Int>, _ kind: JSONKind, into call: inout Call
  ) throws(FrameFault) {
    switch kind {
    case .string: appendString(frame, range, into: &call)
    case .array:
      for element in try frame.elements(in: range, knowing: strings) {
        switch element.kind {
        case .string: appendString(frame, element.value, into: &call)
        case .object: try readBlock(frame, element.value, into: &call)
        case .null: break
        case .array, .bool, .number: throw .wrongType
        }
      }
    case .object: try readBlock(frame, range, into: &call)
    case .null: break
    case .bool, .number: throw .wrongType
    }
  }

  /// Blocks that hold no text that a person or a tool wrote.
  private static let silent: [StaticString] = [
    "thinking", "redacted_thinking", "reasoning", "reasoning_text", "summary_text",
  ]
  /// Blocks whose members are known: binary ones, and those with members of their own.
  private static let known: [StaticString] = [
    "text", "input_text", "output_text", "refusal", "image", "image_url", "input_image", "audio",
    "input_audio",
    "file", "input_file", "computer_screenshot", "video_url", "container_upload", "document", "search_result",
    "tool_use", "server_tool_use",
    "mcp_tool_use", "tool_result", "mcp_tool_result",
  ]

  private func isOne(of names: [StaticString], _ frame: Span<UInt8>, _ type: JSONMemberRange) -> Bool {
    names.contains { frame.holds($0, in: type) }
  }

  private func readBlock(
    _ frame: Span<UInt8>, _ range: Range<Int>, into call: inout Call
  ) throws(FrameFault) {
    let block = TopLevel(try frame.members(in: range, knowing: strings))
    let type = block.find(frame, "type")
    if let type, isOne(of: Self.silent, frame, type) { return }
    if type == nil, block.find(frame, "text") == nil, block.find(frame, "content") == nil {
      return appendTexts(frame, range, into: &call)
    }
    let parts = call.text.parts.count
    for name: StaticString in ["title", "context", "text", "refusal"] {
      if let text = block.find(frame, name) { appendTexts(frame, text.value, into: &call) }
    }
    if let source = block.find(frame, "source"), source.kind == .object {
      try readDocument(frame, TopLevel(try frame.members(in: source.value, knowing: strings)), into: &call)
    }
    try readToolBlock(frame, block, into: &call)
    // Of a shape that nobody knows everything counts that is text, rather than nothing.
    if call.text.parts.count == parts, !(type.map { isOne(of: Self.known, frame, $0) } ?? false) {
      appendTexts(frame, range, into: &call)
    }
  }

  /// A document given as text; one given as base64 is binary and no part of the text.
  private func readDocument(
    _ frame: Span<UInt8>, _ source: TopLevel, into call: inout Call
  ) throws(FrameFault) {
    guard let type = source.find(frame, "type") else { return }
    if frame.holds("text", in: type), let data = source.find(frame, "data"), data.kind == .string {
      appendString(frame, data.value, into: &call)
    } else if frame.holds("content", in: type), let content = source.find(frame, "content") {
      try readContent(frame, content.value, content.kind, into: &call)
    }
  }

  /// A tool's call or its result, by whatever provider: told by the members it has.
  private func readToolBlock(
    _ frame: Span<UInt8>, _ block: TopLevel, into call: inout Call, hasReadContent: Bool = false
  ) throws(FrameFault) {
    if block.find(frame, "name") != nil { try readToolCall(frame, block, into: &call) }
    if let output = block.find(frame, "output") {
      try readResult(frame, output.value, output.kind, into: &call)
    }
    // Calls of a provider's own tools (shells, patches, searches, code) name their arguments otherwise.
    for name: StaticString in [
      "code", "action", "operation", "patch", "queries", "query", "outputs", "results", "error", "reason",
    ] {
      guard let member = block.find(frame, name) else { continue }
      appendTexts(frame, member.value, into: &call)
    }
    // A message's own content was read already; a tool result's stands beside its `tool_use_id`.
    if !hasReadContent, let content = block.find(frame, "content") {
      try readResult(frame, content.value, content.kind, into: &call)
    }
  }

  /// A result is text, blocks, or any JSON value, whose names and values count like arguments.
  private func readResult(
    _ frame: Span<UInt8>, _ range: Range<Int>, _ kind: JSONKind, into call: inout Call
  ) throws(FrameFault) {
    guard kind == .array else { return appendTexts(frame, range, into: &call) }
    for element in try frame.elements(in: range, knowing: strings) {
      if element.kind == .object {
        try readBlock(frame, element.value, into: &call)
      } else {
        appendTexts(frame, element.value, into: &call)
      }
    }
  }

  private func readToolCall(
    _ frame: Span<UInt8>, _ function: TopLevel, into call: inout Call
  ) throws(FrameFault) {
    if let name = function.find(frame, "name") {
      guard name.kind == .string else { throw .wrongType }
      appendString(frame, name.value, into: &call)
    }
    for name: StaticString in ["arguments", "input"] {
      guard let arguments = function.find(frame, name) else { continue }
      if arguments.kind == .string {
        // OpenAI sends arguments as JSON text. What is not JSON is text of the model's own making.
        var text: [UInt8] = []
        JSONIndex.unescape(frame, arguments.value, into: &text)
        if JSONIndex.isValue(text.span) {
          appendTexts(text.span, 0..<text.count, into: &call)
        } else {
          call.text.appendPart { bytes in bytes += text }
        }
      } else {
        appendTexts(frame, arguments.value, into: &call)
      }
    }
  }

  // MARK: - Parts

  private func appendString(_ frame: Span<UInt8>, _ range: Range<Int>, into call: inout Call) {
    call.text.appendPart { bytes in JSONIndex.unescape(frame, range, into: &bytes) }
  }

  /// Member names and values, each a part of its own.
  private func appendTexts(_ frame: Span<UInt8>, _ range: Range<Int>, into call: inout Call) {
    JSONIndex.forEachText(of: frame, in: range) { part, isString in
      if isString { return appendString(frame, part, into: &call) }
      call.text.appendPart { bytes in for index in part { bytes.append(frame[index]) } }
    }
  }
}

extension [UInt8] {
  init(copying frame: Span<UInt8>, _ range: Range<Int>) {
    let part = frame.extracting(range)
    self = unsafe part.withUnsafeBufferPointer { unsafe Array($0) }
  }
}

extension JSONValue {
  /// Every member name and every scalar inside, as text, in document order: what a person would read of it.
  package func forEachText(_ body: (String) -> Void) {
    switch self {
    case .null: break
    case .bool(let value): body(value ? "true" : "false")
    case .number(let number): body(number.literal)
    case .string(let text): body(text)
    case .array(let elements): for element in elements { element.forEachText(body) }
    case .object(let members):
      for member in members {
        body(member.name)
        member.value.forEachText(body)
      }
    }
  }
}
