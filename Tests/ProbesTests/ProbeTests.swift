import RouterCore
import Testing
import Wire

@testable import Candidates
@testable import Probes

@Suite("Looking at a model's server")
struct ServerLookTests {
  private static func model(_ provider: ModelPolicy.Provider, _ endpoint: String, name: String = "m:1b")
    throws
    -> ModelPolicy
  {
    var model = ModelPolicy(id: "small", mark: Mark(line: 1, column: 1), provider: provider, name: name)
    model.endpoint = try HTTPURL(parsing: endpoint)
    return model
  }

  /// What is known after the looks, where each place answers with this body.
  private static func found(_ model: ModelPolicy, _ bodies: [String: String]) throws -> ModelCapabilities {
    var found = ModelCapabilities()
    for look in ServerLook.all(model) {
      guard let body = bodies[look.target] else { continue }
      look.read(try JSONValue(parsing: Array(body.utf8)), &found)
    }
    return found
  }

  @Test(
    "the places stand beside the endpoint, whatever is before it",
    arguments: [
      (ModelPolicy.Provider.ollama, "http://h/api/generate", ["/api/version", "/api/tags"]),
      (.ollama, "http://h/gpu/1/api/chat", ["/gpu/1/api/version", "/gpu/1/api/tags"]),
      (.openai, "http://h/v1/chat/completions", ["/v1/models"]),
      (.openai, "http://h/p/v1/chat/completions?api-version=3", ["/p/v1/models?api-version=3"]),
      (.openai, "http://h/odd", ["/v1/models"]),
      (.openai, "http://h/v1beta/openai/chat/completions", ["/v1beta/openai/models"]),
      (.llamacpp, "http://h/gpu/v1/chat/completions", ["/gpu/props", "/gpu/v1/models"]),
      (.llamacpp, "http://h/completion", ["/props", "/v1/models"]),
      (.llamacpp, "http://h/one/completion", ["/one/props", "/one/v1/models"]),
      (.anthropic, "http://h/v1/messages", ["/v1/models/m%3A1b"]),
    ])
  func places(provider: ModelPolicy.Provider, endpoint: String, targets: [String]) throws {
    #expect(ServerLook.all(try Self.model(provider, endpoint)).map(\.target) == targets)
  }

  @Test(
    "Ollama: a name without a tag means latest, on both sides",
    arguments: [
      ("m:1b", "m:1b", true), ("m", "m:latest", true), ("m:latest", "m", true), ("m", "m:1b", false),
      ("m:1b", "m", false), ("m", "mm:latest", false),
    ])
  func ollamaNames(asked: String, listed: String, isPresent: Bool) throws {
    let digest = String(repeating: "ab", count: 32)
    let found = try Self.found(
      Self.model(.ollama, "http://h/api/generate", name: asked),
      [
        "/api/tags": #"{"models":[{"name":"x"},{"name":"\#(listed)","digest":"\#(digest)"}]}"#,
        "/api/version": #"{"version":"0.9.1\n"}"#,
      ])
    #expect(found.isPresent == isPresent)
    #expect(found.digest == (isPresent ? "sha256:" + digest : nil))
    #expect(found.serverVersion == "0.9.1")
  }

  @Test(
    "what is no list of models says nothing",
    arguments: ["{}", "[]", "null", #"{"models":null,"data":null}"#, #"{"models":{},"data":7}"#])
  func shapeless(body: String) throws {
    for (provider, endpoint) in [
      (ModelPolicy.Provider.ollama, "http://h/api/generate"), (.openai, "http://h/v1/chat/completions"),
      (.llamacpp, "http://h/completion"), (.anthropic, "http://h/v1/messages"),
    ] {
      let model = try Self.model(provider, endpoint)
      let bodies = Dictionary(uniqueKeysWithValues: ServerLook.all(model).map { ($0.target, body) })
      #expect(try Self.found(model, bodies) == ModelCapabilities())
    }
  }

  /// An entry of `/v1/models`; whether a digest can be made of it.
  private static let entries: [(entry: String, states: Bool)] = [
    (#"{"id":"m:1b","object":"model","created":1,"owned_by":"library"}"#, false),
    (#"{"id":"m:1b","root":null,"permission":[{"id":"p1"}]}"#, false),
    (#"{"id":"m:1b","owned_by":"llamacpp","meta":{"n_params":268098176,"size":241}}"#, true),
    (#"{"id":"m:1b","owned_by":"vllm","root":"org/m","max_model_len":4096}"#, true),
  ]

  @Test("OpenAI's list: a digest where the server states more than the name", arguments: entries.indices)
  func openAI(index: Int) throws {
    let model = try Self.model(.openai, "http://h/v1/chat/completions")
    let found = try Self.found(model, ["/v1/models": #"{"data":[\#(Self.entries[index].entry)]}"#])
    #expect(found.isPresent == true)
    #expect((found.digest?.hasPrefix("sha256:") == true) == Self.entries[index].states)
  }

  private static func openAIDigest(_ entry: String) throws -> String? {
    try found(model(.openai, "http://h/v1/chat/completions"), ["/v1/models": #"{"data":[\#(entry)]}"#]).digest
  }

  @Test("a digest changes with what is stated, not with times or the order of members")
  func stable() throws {
    let one = try Self.openAIDigest(#"{"id":"m:1b","created":1,"root":"org/m","max_model_len":4096}"#)
    let same = try Self.openAIDigest(#"{"max_model_len":4096,"root":"org/m","created":2,"id":"m:1b"}"#)
    let other = try Self.openAIDigest(#"{"id":"m:1b","created":1,"root":"org/m","max_model_len":8192}"#)
    #expect(one != nil && one == same && one != other)
  }

  @Test(
    "a model that is not listed is absent, unless the server has one for every name",
    arguments: [
      (#"{"data":[{"id":"a"},{"id":"b"}]}"#, false), (#"{"data":[]}"#, false),
      (#"{"data":[{"id":"a","owned_by":"llamacpp"}]}"#, true),
      (#"{"data":[{"id":"a","owned_by":"vllm"}]}"#, false),
    ])
  func unlisted(body: String, isPresent: Bool) throws {
    let model = try Self.model(.openai, "http://h/v1/chat/completions")
    #expect(try Self.found(model, ["/v1/models": body]).isPresent == isPresent)
  }

  private static func llama(_ path: String, _ context: Int, _ template: String, slots: Int, size: Int) throws
    -> ModelCapabilities
  {
    try found(
      model(.llamacpp, "http://h/completion"),
      [
        "/props":
          #"{"model_path":"\#(path)","default_generation_settings":{"n_ctx":\#(context)},"chat_template":"\#(template)","total_slots":\#(slots),"build_info":"b0-unknown"}"#,
        "/v1/models": #"{"data":[{"id":"x","created":\#(slots),"meta":{"size":\#(size)}}]}"#,
      ])
  }

  @Test("llama.cpp: path, context, template and size make the digest; build and slots do not")
  func llamaDigest() throws {
    let base = try Self.llama("/m.gguf", 2048, "t", slots: 1, size: 9)
    #expect(base.isPresent == true && base.serverVersion == "b0-unknown")
    #expect(try Self.llama("/m.gguf", 2048, "t", slots: 4, size: 9).digest == base.digest)
    for other in [
      try Self.llama("/n.gguf", 2048, "t", slots: 1, size: 9),
      try Self.llama("/m.gguf", 4096, "t", slots: 1, size: 9),
      try Self.llama("/m.gguf", 2048, "u", slots: 1, size: 9),
      try Self.llama("/m.gguf", 2048, "t", slots: 1, size: 8),
    ] {
      #expect(other.digest != nil && other.digest != base.digest)
    }
  }

  @Test(
    "a status says whether asking the model has any use",
    arguments: [
      (503, #"{"error":{"message":"Loading model","type":"unavailable_error","code":503}}"#, "loading"),
      (503, #"{"error":"server busy, please try again."}"#, "status_503"), (401, "", "status_401"),
      (403, "", "status_403"), (429, "", "status_429"), (500, "", "status_500"), (404, "", nil),
      (405, "", nil),
      (400, "", nil), (501, "", nil), (302, "", nil),
    ] as [(Int, String, String?)])
  func statuses(status: Int, body: String, fault: String?) {
    #expect(ServerLook.fault(status: status, Array(body.utf8)) == fault)
  }

  @Test("a version is taken as plain characters, and not many of them")
  func versions() {
    #expect(
      ServerLook.word(.string("b1\u{1B}[31m \u{202E}é" + String(repeating: "x", count: 99)))?.count == 64)
    #expect(ServerLook.word(.string("\n\t")) == nil)
    #expect(ServerLook.word(7) == nil)
  }
}

@Suite("The small ask")
struct SmallAskTests {
  private func model(_ provider: ModelPolicy.Provider = .ollama) throws -> ModelPolicy {
    var model = ModelPolicy(id: "small", mark: Mark(line: 1, column: 1), provider: provider, name: "m")
    model.endpoint = try HTTPURL(parsing: "http://h/api/generate")
    model.price.inputPerMtok = 2
    model.price.outputPerMtok = 10
    return model
  }

  @Test("is the request of every call, with other words and a low limit")
  func body() throws {
    var model = try model()
    model.maxOutputTokens = 4_000
    let body = try #require(SmallAsk(.ollamaGenerate, model).body(wantsLogProbabilities: true))
    let value = try JSONValue(parsing: body)
    #expect(value["prompt"]?.stringValue == SmallAsk.words)
    #expect(value["options"]?["num_predict"]?.intValue == SmallAsk.outputTokens)
    #expect(value["stream"]?.boolValue == false)
    let names = value["format"]?["properties"]?["label"]?["enum"]?.arrayValue?.compactMap(\.stringValue)
    #expect(names == SmallAsk.labels)
    // Otherwise the words could give what only the schema may.
    for label in SmallAsk.labels { #expect(!SmallAsk.words.contains(label)) }
  }

  private func finding(_ text: String, reason: String = "stop", more: String = "", asked: Bool = true) throws
    -> ProbeFinding
  {
    var finding = ProbeFinding()
    let body =
      #"{"model":"m","response":\#(JSONValue.string(text).jsonText),"done":true,"done_reason":"\#(reason)","prompt_eval_count":100,"eval_count":10\#(more)}"#
    SmallAsk(.ollamaGenerate, try model()).read(
      Array(body.utf8), askedLogProbabilities: asked, into: &finding)
    return finding
  }

  @Test(
    "a schema is enforced where an object with an odd word comes although prose was asked for",
    arguments: [
      (#"{"label":"quartzite","confidence":0.3}"#, true), (#" {"label": "marzipan", "confidence": 1}"#, true),
      ("It rains all day.", false), (#"{"label":"rain","confidence":0.3}"#, false), (#""quartzite""#, false),
      ("quartzite", false), (#"["quartzite"]"#, false), ("", false),
    ])
  func enforced(text: String, isEnforced: Bool) throws {
    #expect(try finding(text).capabilities.enforcesSchema == isEnforced)
  }

  @Test(
    "log-probabilities are returned or silently dropped",
    arguments: [
      (#","logprobs":[{"token":"{","logprob":-7.8}]"#, ProbeFinding.LogProbabilities.returned),
      ("", .dropped), (#","logprobs":null"#, .dropped), (#","logprobs":[]"#, .dropped),
      (#","logprobs":[{"token":"{"}]"#, .dropped), (#","logprobs":{"content":null}"#, .dropped),
    ])
  func logProbabilities(more: String, found: ProbeFinding.LogProbabilities) throws {
    let finding = try finding("x", more: more)
    #expect(finding.logProbabilities == found)
    #expect(finding.capabilities.returnsLogProbabilities == (found == .returned))
    #expect(try self.finding("x", more: more, asked: false).logProbabilities == .unknown)
  }

  @Test("its tokens are paid for")
  func cost() throws {
    #expect(abs(try finding("x").costUSD - 0.0003) < 1e-12)
  }

  @Test("what is no answer of the format is a fault, not a finding")
  func broken() throws {
    var finding = ProbeFinding()
    SmallAsk(.ollamaGenerate, try model()).read(
      Array("<html>".utf8), askedLogProbabilities: true, into: &finding)
    #expect(finding.capabilities.fault == "bad_response")
    #expect(finding.capabilities.enforcesSchema == nil && finding.logProbabilities == .unknown)
  }

  @Test(
    "probabilities are those after the grammar where they are over the two words alone",
    arguments: [
      (#"{"token":"qu","prob":0.7},{"token":"mar","prob":0.3}"#, true),
      (#"{"token":"m","prob":1.0},{"token":" the","prob":0}"#, true),
      (#"{"token":"qu","prob":0.4},{"token":"mar","prob":0.3}"#, false),
      (#"{"token":"qu","prob":0.5},{"token":" the","prob":0.5}"#, false),
      (#"{"token":"","prob":1}"#, false), (#"{"token":"qu"}"#, false), ("", false), ("7", false),
    ])
  func postSampling(listed: String, isGiven: Bool) {
    let body =
      #"{"content":"m","completion_probabilities":[{"token":"m","prob":0.3,"top_probs":[\#(listed)]}]}"#
    #expect(PostSamplingAsk.isGiven(Array(body.utf8)) == isGiven)
  }

  @Test("log-probabilities instead of them are not taken for them")
  func raw() {
    let body =
      #"{"completion_probabilities":[{"token":"m","logprob":-0.1,"top_logprobs":[{"token":"m","logprob":0}]}]}"#
    #expect(!PostSamplingAsk.isGiven(Array(body.utf8)))
  }
}

@Suite("What a pool learns of its model")
struct ProbeLearningTests {
  private func pool() -> ModelPool {
    ModelPool(ModelPolicy(id: "small", mark: Mark(line: 1, column: 1), provider: .ollama, name: "m"))
  }

  private func finding(_ change: (inout ModelCapabilities) -> Void) -> ProbeFinding {
    var finding = ProbeFinding()
    change(&finding.capabilities)
    return finding
  }

  @Test("a probe that failed leaves what an earlier one found, and says that it failed")
  func failing() {
    let pool = pool()
    pool.learn(finding { ($0.isPresent, $0.digest, $0.enforcesSchema) = (true, "sha256:a", true) })
    pool.learn(finding { $0.fault = "refused" })
    #expect(pool.capabilities.digest == "sha256:a" && pool.capabilities.enforcesSchema == true)
    #expect(pool.capabilities.fault == "refused")
    #expect(pool.names.modelDigest == "sha256:a")
    pool.learn(finding { ($0.isPresent, $0.digest) = (true, "sha256:b") })
    #expect(pool.capabilities.fault == nil && pool.capabilities.digest == "sha256:b")
    #expect(pool.capabilities.enforcesSchema == nil)
  }

  @Test("every fault and every lack has a remedy, and none quotes the server")
  func remedies() throws {
    var model = ModelPolicy(id: "small", mark: Mark(line: 1, column: 1), provider: .ollama, name: "m:1b")
    model.endpoint = try HTTPURL(parsing: "http://h/api/generate")
    let absent = finding { $0.isPresent = false }
    #expect(absent.problem(of: model)?.remedy == "ollama pull m:1b")
    #expect(!absent.isUsable)
    for fault in ["refused", "timeout", "loading", "status_401", "status_404", "status_500", "bad_http"] {
      let finding = finding { $0.fault = fault }
      #expect(finding.problem(of: model)?.remedy.isEmpty == false && !finding.isUsable)
    }
    let loose = finding { ($0.isPresent, $0.enforcesSchema) = (true, false) }
    #expect(loose.isUsable && loose.problem(of: model) != nil)
    #expect(finding { ($0.isPresent, $0.enforcesSchema) = (true, true) }.problem(of: model) == nil)
  }
}
