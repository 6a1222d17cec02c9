import BuiltIn
import Posix
import RouterCore
import Wire

/// How a model is asked: what threads build their own ``Asker`` from.
enum AskerKind: Sendable {
  case builtIn(BuiltInModel)
  case server(ModelPolicy, HTTPURL, ProviderFormat, Connector, Credential?)
  /// Nothing that could be asked.
  case unsupported

  init(_ model: ModelPolicy, builtIn: BuiltInModel?, credential: Credential?) {
    if let builtIn {
      self = .builtIn(builtIn)
    } else if let format = ProviderFormat(model), let url = model.endpoint {
      self = .server(model, url, format, Connector(model, url), credential)
    } else {
      self = .unsupported
    }
  }

  /// Where connections to the model come from; nil where none are made.
  var connector: Connector? {
    if case .server(_, _, _, let connector, _) = self { connector } else { nil }
  }

  /// Whether a request of this question would ask for log-probabilities where it may.
  func asksLogProbabilities(_ question: Question) -> Bool {
    switch self {
    case .server(_, _, let format, _, _): format.asksLogProbabilities(question, style: AskStyle())
    case .builtIn, .unsupported: false
    }
  }

  /// The body of a second request for the probabilities of a reply's label, where the server has them.
  func followUp(
    _ reply: CandidateReply, to question: Question, style: AskStyle, _ capabilities: ModelCapabilities
  ) -> [UInt8]? {
    switch self {
    case .server(let model, _, let format, _, _):
      format.followUp(reply, to: question, model: model, style: style, capabilities: capabilities)
    case .builtIn, .unsupported: nil
    }
  }
}

/// What one thread asks with: a connection or scratch memory of its own.
enum Asker: ~Copyable {
  case builtIn(BuiltInModel, BuiltInScratch)
  case server(ServerAsker)
  case unsupported

  init(_ kind: AskerKind, _ interrupt: Interrupt) {
    switch kind {
    case .builtIn(let model): self = .builtIn(model, BuiltInScratch())
    case .server(let model, let url, let format, let connector, let credential):
      self = .server(
        ServerAsker(
          model, format, HTTPClient(url, over: connector, interrupt: interrupt), credential, interrupt))
    case .unsupported: self = .unsupported
    }
  }

  /// Sends one request and waits for what comes of it.
  mutating func send(_ request: Inquiry.Request, of question: Question) -> Inquiry.Reception {
    switch consume self {
    case .builtIn(let model, var scratch):
      let answer = model.classify(question.text.span, scratch: &scratch)
      self = .builtIn(model, scratch)
      return .outcome(
        .classified(label: answer.label, confidence: answer.confidence, isNovel: answer.novel))
    case .server(var server):
      let reception = server.send(request, of: question)
      self = .server(server)
      return reception
    case .unsupported:
      self = .unsupported
      return .fault(.unsupported, RetryHint())
    }
  }

  /// Whether the last request went out twice.
  var wasResent: Bool {
    switch self {
    case .server(let server): server.client.wasResent
    case .builtIn: false
    case .unsupported: false
    }
  }
}

/// One connection to one server: the place where a provider's format meets the client.
struct ServerAsker: ~Copyable {
  private let model: ModelPolicy
  private let format: ProviderFormat
  private let headers: HTTPHeaders
  private let interrupt: Interrupt
  fileprivate var client: HTTPClient

  init(
    _ model: ModelPolicy, _ format: ProviderFormat, _ client: consuming HTTPClient, _ credential: Credential?,
    _ interrupt: Interrupt
  ) {
    self.model = model
    self.format = format
    self.interrupt = interrupt
    self.client = client
    var headers = format.headers
    credential?.add(to: &headers, for: model.provider)
    self.headers = headers
  }

  mutating func send(_ request: Inquiry.Request, of question: Question) -> Inquiry.Reception {
    do throws(AskFault) {
      if let followUp = request.followUp {
        let response = try post(followUp.body, request)
        guard response.status == 200 else { return Self.fault(response) }
        return .outcome(.said(try format.measured(followUp.reply, followUp: response.body, to: question)))
      }
      let body = format.body(question, model: model, style: request.style)
      if model.stream { return try stream(body, request, question) }
      let response = try post(body, request)
      guard response.status == 200 else { return Self.fault(response) }
      return .outcome(.said(try format.reply(response.body, to: question, style: request.style)))
    } catch {
      return .fault(error == .stopping ? interrupt.fault ?? error : error, RetryHint())
    }
  }

  private mutating func post(_ body: [UInt8], _ request: Inquiry.Request) throws(AskFault) -> HTTPResponse {
    let interrupt = interrupt
    return try client.post(body, headers: headers, deadline: request.deadline) { interrupt.fault != nil }
  }

  private mutating func stream(_ body: [UInt8], _ request: Inquiry.Request, _ question: Question)
    throws(AskFault) -> Inquiry.Reception
  {
    let interrupt = interrupt
    var stream = format.stream(to: question, style: request.style)
    let response = try client.stream(
      body, headers: headers, deadline: request.deadline, isStopping: { interrupt.fault != nil },
      onBody: { (part) throws(AskFault) in try stream.feed(part) })
    guard response.status == 200 else { return Self.fault(response) }
    return .outcome(.said(try stream.finish()))
  }

  private static func fault(_ response: HTTPResponse) -> Inquiry.Reception {
    .fault(.status(response.status), RetryHint(response.headers, now: Clocks.realtime()))
  }
}
