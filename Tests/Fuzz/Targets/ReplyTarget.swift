import Agreements
import Candidates
import RouterCore
import Wire

/// Providers' formats with the questions that tasks of each kind ask.
enum Providers {
  static let formats: [ProviderFormat] = [.ollamaGenerate, .ollamaChat, .openAI, .llamaCpp, .anthropic]

  static func question(_ task: TaskPolicy) -> Question {
    Question(task: task, text: SamplePolicy.call(task).text.bytes, deadline: 0)
  }

  static func model(_ format: ProviderFormat) -> ModelPolicy {
    let (provider, path): (ModelPolicy.Provider, String) =
      switch format {
      case .ollamaGenerate: (.ollama, "/api/generate")
      case .ollamaChat: (.ollama, "/api/chat")
      case .openAI: (.openai, "/v1/chat/completions")
      case .llamaCpp: (.llamacpp, "/completion")
      case .anthropic: (.anthropic, "/v1/messages")
      }
    var model = ModelPolicy(id: "m", mark: Mark(line: 1, column: 1), provider: provider, name: "m:1b")
    model.endpoint = try? HTTPURL(parsing: "http://127.0.0.1:1" + path)
    return model
  }

  /// Judges a reply that was read, records the decision, and asks once more where that is what follows.
  static func check(_ reply: CandidateReply, _ format: ProviderFormat, _ task: TaskPolicy) throws(Finding) {
    if let measured = reply.measured {
      try require((0...1).contains(measured.value), "a measured confidence of \(measured.value)")
      for (label, share) in measured.byLabel {
        try require((0...1).contains(share), "the label \(label) at \(share)")
      }
    }
    for count in [reply.inputTokens, reply.outputTokens] {
      if let count { try require(count >= 0, "\(count) tokens") }
    }
    let call = SamplePolicy.call(task)
    let screening = DecisionCheck.screen(call)
    let decision = try DecisionCheck.judge(reply, to: call, screening)
    try DecisionCheck.record(decision, call, screening)
    let style = AskStyle(correction: AskStyle.Correction(answer: reply.text, fault: "not_json"))
    let body = format.body(question(task), model: model(format), style: style)
    try require((try? JSONValue(parsing: body)) != nil, "the next request is no JSON")
  }
}

/// A body of any provider: a reply or a refusal of the body, and a reply can be decided, recorded and answered.
enum ReplyTarget {
  static func check(_ input: [UInt8]) throws(Finding) {
    var input = Input(input)
    let format = Providers.formats[input.choice(Providers.formats.count)]
    let task = SamplePolicy.tasks[input.choice(SamplePolicy.tasks.count)]
    let body = input.everything()
    let question = Providers.question(task)
    guard let reply = try? format.reply(body, to: question, style: AskStyle()) else {
      guard format == .llamaCpp else { return }
      let known = CandidateReply(text: #"{"label":"bug","confidence":0.9}"#)
      if let measured = try? format.measured(known, followUp: body, to: question) {
        try Providers.check(measured, format, task)
      }
      return
    }
    try Providers.check(reply, format, task)
    guard format == .llamaCpp else { return }
    var capabilities = ModelCapabilities()
    capabilities.returnsPostSamplingProbabilities = true
    _ = format.followUp(
      reply, to: question, model: Providers.model(format), style: AskStyle(), capabilities: capabilities)
    if let measured = try? format.measured(reply, followUp: body, to: question) {
      try Providers.check(measured, format, task)
    }
  }
}

/// A streamed reply is the same however its bytes are cut.
enum StreamTarget {
  static func check(_ input: [UInt8]) throws(Finding) {
    var input = Input(input)
    let format = Providers.formats[input.choice(Providers.formats.count)]
    let task = SamplePolicy.tasks[input.choice(SamplePolicy.tasks.count)]
    let size = 1 + input.byte() % 64
    let body = input.everything()
    let question = Providers.question(task)
    let whole = read([body], format, question)
    try require(read(body.pieces(of: size), format, question) == whole, "read otherwise in pieces of \(size)")
    try require(read(body.pieces(of: 1), format, question) == whole, "read otherwise byte by byte")
    if let reply = whole.reply { try Providers.check(reply, format, task) }
  }

  private struct Read: Equatable {
    var reply: CandidateReply?
    var fault: AskFault?

    static func == (one: Read, other: Read) -> Bool {
      one.fault == other.fault && one.summary == other.summary
    }

    private var summary: [String] {
      guard let reply else { return [] }
      let calls = reply.toolCalls.map { "\($0.name) \($0.arguments.jsonText)" }
      let figures =
        "\(reply.isRefusal) \(reply.isCut) \(reply.inputTokens as Any) \(reply.outputTokens as Any)"
      return [reply.text, figures, "\(reply.measured?.value as Any)"] + calls
    }
  }

  private static func read(_ pieces: [[UInt8]], _ format: ProviderFormat, _ question: Question) -> Read {
    var stream = format.stream(to: question, style: AskStyle())
    do throws(AskFault) {
      for piece in pieces where try stream.feed(piece.span) { break }
      return Read(reply: try stream.finish())
    } catch {
      return Read(fault: error)
    }
  }
}

/// Whatever a model says, only an answer of the shape asked for is let through.
enum AnswerTarget {
  static func check(_ input: [UInt8]) throws(Finding) {
    var input = Input(input)
    let task = SamplePolicy.tasks[input.choice(SamplePolicy.tasks.count)]
    let kind = input.choice(8)
    var reply = CandidateReply(text: "")
    reply.isCut = kind & 1 != 0
    reply.isRefusal = kind == 6
    var call = SamplePolicy.call(task)
    if kind & 2 != 0 {
      // The first line is the request's tools, which come from the agent.
      let tools = input.line()
      let request = Array(
        #"{"kind":"call","call_id":"c","task_type":"\#(task.name)","request":{"messages":[],"tools":"#.utf8)
      var decoder = FrameDecoder()
      decoder.keepsTools = true
      if case .call(let read)? = try? decoder.decode((request + tools + Array("}}".utf8)).span) {
        call = read
      }
      call.artifacts = ["a.txt"]
    }
    if kind & 4 != 0 {
      // The server called a tool by its own means.
      let name = input.line().text
      let arguments = input.line()
      reply.toolCalls = [
        ToolCall(name: name, arguments: (try? JSONValue(parsing: arguments)) ?? .string(arguments.text))
      ]
    }
    reply.text = input.everything().text
    let screening = DecisionCheck.screen(call)
    let decision = try DecisionCheck.judge(reply, to: call, screening)
    try DecisionCheck.record(decision, call, screening)
  }
}

/// Two answers of any kind can be compared, both ways round, and each agrees with itself.
enum AgreementTarget {
  static func check(_ input: [UInt8]) throws(Finding) {
    var input = Input(input)
    var task = SamplePolicy.tasks[input.choice(SamplePolicy.tasks.count)]
    let methods = AgreementPolicy.Method.allCases
    task.agreement.by = methods[input.choice(methods.count)]
    let first = input.line()
    let second = input.everything()
    for (one, other) in [(first, second), (second, first), (first, first)] {
      let value = (try? JSONValue(parsing: one)) ?? .string(one.text)
      var frontier = FrontierAnswer()
      frontier.text = other.text
      frontier.value = try? JSONValue(parsing: other)
      frontier.toolCalls = frontier.value.flatMap { ToolCall.read($0) } ?? []
      let candidate = CandidateAnswer(
        label: value["label"]?.stringValue ?? value.stringValue, answer: value,
        toolCall: ToolCall.read(value)?.first)
      let result = try checkResult(candidate, frontier, task)
      let again = Agreement.compare(candidate: candidate, frontier: frontier, task: task)
      try require(again == result, "compared again, another result")
    }
  }

  @discardableResult
  static func checkResult(_ candidate: CandidateAnswer, _ frontier: FrontierAnswer, _ task: TaskPolicy)
    throws(Finding) -> AgreementResult
  {
    let result = Agreement.compare(candidate: candidate, frontier: frontier, task: task)
    if let score = result.score { try require((0...1).contains(score), "a score of \(score)") }
    let word = result.detail.prefix { $0 != ":" && $0 != " " }
    try require(result.detail.utf8.count <= 1_024, "a detail of \(result.detail.utf8.count) bytes: \(word)")
    if let label = result.frontierLabel {
      let isKnown = task.labels.contains { $0.name == label }
      try require(
        isKnown || label.unicodeScalars.count <= 64, "a label of \(label.unicodeScalars.count) characters")
    }
    return result
  }
}
