import Posix
import RouterCore
import Synchronization
import Testing
import Wire

@testable import Candidates

@Suite("Pools")
struct ModelPoolTests {
  /// A model whose server nobody runs, unless an address is given: every question fails at once.
  private func pool(
    _ url: String = "http://127.0.0.1:1/api/generate", _ change: (inout ModelPolicy) -> Void = { _ in }
  ) throws -> ModelPool { ModelPool(try serverModel(url, change)) }

  private func question(
    _ priority: Question.Priority = .shadow, withinMs: Int64 = 20_000, _ task: TaskPolicy = labelTask()
  ) -> Question {
    var question = Question(task: task, text: [65], deadline: Clocks.deadline(afterMilliseconds: withinMs))
    question.priority = priority
    return question
  }

  /// - Returns: The causes of all questions, in the order of their answers; nil for an answer.
  private func submit(_ count: Int, to pool: ModelPool) -> [String?] {
    let causes = Monitor<[String?]>([])
    for _ in 0..<count {
      let refusal = pool.submit(question()) { asked in
        causes.withLock { $0.append(asked.cause) }
        causes.notify()
      }
      if let refusal { causes.withLock { $0.append(refusal.rawValue) } }
    }
    let deadline = Clocks.deadline(afterMilliseconds: 20_000)
    return causes.wait(until: deadline, for: { $0.count == count }, { $0 })
  }

  /// Waits for something another thread does.
  private func eventually(_ isSo: () -> Bool) -> Bool {
    let deadline = Clocks.deadline(afterMilliseconds: 10_000)
    while !isSo() {
      guard Clocks.monotonic() < deadline else { return false }
      Clocks.sleep(milliseconds: 1)
    }
    return true
  }

  @Test("every question is answered exactly once, and failures open the breaker")
  func once() throws {
    let pool = try pool { $0.breaker.failures = 3 }
    let causes = submit(20, to: pool)
    #expect(causes.count == 20)
    #expect(Set(causes) == ["refused", "breaker_open"])
    pool.stop(until: 0)
  }

  @Test("a retired pool still answers a late question")
  func retired() throws {
    let pool = try pool { $0.breaker.failures = 1_000 }
    #expect(submit(2, to: pool).count == 2)
    pool.retire()
    for _ in 0..<20 { #expect(submit(1, to: pool) == ["refused"]) }
    pool.stop(until: 0)
    #expect(submit(1, to: pool) == ["stopping"])
  }

  // MARK: - Not harming the server

  @Test("10,000 calls against a server that says 429 send what the breaker lets through, and no more")
  func rateLimited() throws {
    let server = try LoopbackServer { _, _ in
      .raw(LoopbackServer.response("", status: 429, "Retry-After: 30\r\n"))
    }
    defer { server.stop() }
    let pool = try pool(server.url) {
      $0.breaker.failures = 5
      $0.breaker.cooldownMs = 60_000
      $0.maxConcurrency = 4
      $0.maxQueue = 100_000
      $0.retry.maxAttempts = 3
      $0.retry.retryOn = [.rateLimit]
      $0.timeoutMs = 20_000
    }
    let causes = submit(10_000, to: pool)
    #expect(causes.count == 10_000)
    #expect(Set(causes).isSubset(of: ["status_429", "breaker_open"]))
    // Those that were on their way when it opened: one a thread at most.
    let sent = server.requests.load(ordering: .relaxed)
    #expect(sent >= 5 && sent <= 5 + 4 - 1)
    pool.stop(until: 0)
  }

  @Test("with a breaker that never opens, a 429 is tried as often as the policy says and the figures tell so")
  func attempts() throws {
    let server = try LoopbackServer { _, _ in .raw(LoopbackServer.response("", status: 429)) }
    defer { server.stop() }
    let pool = try pool(server.url) {
      $0.breaker.failures = 10_000
      $0.retry.maxAttempts = 3
      $0.retry.retryOn = [.rateLimit]
      $0.retry.backoffMs = 1
    }
    for _ in 0..<100 {
      let asked = try #require(pool.answer(question()))
      #expect(asked.cause == "status_429" && asked.figures.attempts == 3)
      #expect(asked.tries.map(\.purpose) == [.first, .retry, .retry])
    }
    #expect(server.requests.load(ordering: .relaxed) == 300)
    pool.stop(until: 0)
  }

  @Test("`Retry-After` keeps an opened breaker open")
  func pause() throws {
    let server = try LoopbackServer { _, _ in
      .raw(LoopbackServer.response("", status: 503, "Retry-After: 100\r\n"))
    }
    defer { server.stop() }
    let pool = try pool(server.url) {
      $0.breaker.failures = 1
      $0.breaker.cooldownMs = 1
    }
    let before = Clocks.monotonic()
    #expect(pool.answer(question())?.cause == "status_503")
    guard case .open(let until) = pool.breaker else {
      Issue.record("the breaker is not open")
      return
    }
    #expect(until >= before + 100_000_000_000)
    pool.stop(until: 0)
  }

  @Test("after a rest one probe goes out, whatever else is asked meanwhile")
  func probe() throws {
    let server = try LoopbackServer { number, _ in
      number == 1 ? .raw(LoopbackServer.response("", status: 500)) : .hang
    }
    defer { server.stop() }
    let pool = try pool(server.url) {
      $0.breaker.failures = 1
      $0.breaker.cooldownMs = 1
      $0.maxConcurrency = 4
    }
    #expect(pool.answer(question())?.cause == "status_500")
    Clocks.sleep(milliseconds: 5)
    let answers = Mutex<[String?]>([])
    #expect(
      pool.submit(question(withinMs: 300)) { asked in answers.withLock { $0.append(asked.cause) } } == nil)
    #expect(eventually { server.requests.load(ordering: .relaxed) == 2 })
    for _ in 0..<50 { #expect(pool.submit(question(), { _ in }) == .breakerOpen) }
    #expect(eventually { answers.withLock { $0 } == ["timeout"] })
    #expect(server.requests.load(ordering: .relaxed) == 2)
    pool.stop(until: 0)
  }

  @Test("a retry that the server answers is an answer, with all requests in its figures")
  func retried() throws {
    let server = try LoopbackServer { number, _ in
      switch number {
      case 1: .raw(LoopbackServer.response("", status: 429, "retry-after-ms: 1\r\n"))
      case 2: .raw(LoopbackServer.response("", status: 503))
      default: LoopbackServer.answer(#"{"label":"a","confidence":0.9}"#)
      }
    }
    defer { server.stop() }
    let pool = try pool(server.url) {
      $0.retry.maxAttempts = 3
      $0.retry.retryOn = [.rateLimit, .serverError]
      $0.retry.backoffMs = 1
      $0.price.inputPerMtok = 100
    }
    let asked = try #require(pool.answer(question()))
    #expect(asked.reply != nil)
    #expect(asked.tries.map(\.fault) == ["status_429", "status_503", nil])
    #expect(asked.figures.attempts == 3 && asked.figures.inputTokens == 10)
    #expect(abs((asked.figures.costUSD ?? 0) - 0.001) < 1e-12)
    pool.stop(until: 0)
  }

  @Test("a server that refuses log-probabilities is not asked for them again")
  func logProbabilities() throws {
    let server = try LoopbackServer { number, _ in
      number == 1
        ? .raw(LoopbackServer.response("{}", status: 400))
        : LoopbackServer.answer(#"{"label":"a","confidence":0.9}"#)
    }
    defer { server.stop() }
    let pool = try pool(server.url)
    #expect(pool.answer(question())?.figures.attempts == 2)
    #expect(pool.capabilities.returnsLogProbabilities == false)
    #expect(pool.answer(question())?.figures.attempts == 1)
    pool.stop(until: 0)
  }

  @Test(
    "streams are read to their own end, and a broken one has a fault that says how",
    arguments: [
      (#"{"response":"{\"label\":\"a\",","done":false}|{"response":"\"confidence\":0.9}","done":true}"#, nil),
      (#"{"response":"{\"label\":\"a\",","done":false}"#, "stream_incomplete"),
      (#"{"response":"{\"label\":\"a\",","done":false}|{"error":"out of memory"}"#, "stream_error"),
    ] as [(String, String?)])
  func streams(lines: String, cause: String?) throws {
    let chunks = lines.split(separator: "|").map { line in
      String(line.utf8.count + 1, radix: 16) + "\r\n\(line)\n\r\n"
    }
    let server = try LoopbackServer { _, _ in
      .drip(["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"] + chunks + ["0\r\n\r\n"], 2)
    }
    defer { server.stop() }
    let pool = try pool(server.url) { $0.stream = true }
    let asked = try #require(pool.answer(question()))
    #expect(asked.cause == cause)
    if cause == nil { #expect(asked.reply?.text == #"{"label":"a","confidence":0.9}"#) }
    pool.stop(until: 0)
  }

  @Test("the probabilities of llama.cpp's own sampler are asked for where the probe found them")
  func postSampling() throws {
    let probabilities = #"""
      {"content":"a","stop":true,"tokens_evaluated":3,"tokens_predicted":1,"completion_probabilities":[{"token":"a",
      "prob":0.7,"top_probs":[{"token":"a","prob":0.7},{"token":"b","prob":0.2},{"token":"c","prob":0.1}]}]}
      """#
    let answer: JSONValue = [
      "content": #"{"label":"a","confidence":0.99}"#, "stop": true, "stop_type": "eos",
      "tokens_evaluated": 50,
      "tokens_predicted": 9,
    ]
    let server = try LoopbackServer { number, _ in
      .raw(LoopbackServer.response(number == 1 ? answer.jsonText : probabilities))
    }
    defer { server.stop() }
    let pool = try pool("http://127.0.0.1:\(server.port)/completion") { $0.provider = .llamacpp }
    pool.learn { $0.returnsPostSamplingProbabilities = true }
    let asked = try #require(pool.answer(question()))
    #expect(asked.tries.map(\.purpose) == [.first, .probabilities])
    #expect(asked.reply?.measured?.source == .logprob)
    #expect(abs((asked.reply?.measured?.value ?? 0) - 0.7) < 1e-9)
    #expect(asked.figures.inputTokens == 53 && asked.figures.outputTokens == 10)
    pool.stop(until: 0)
  }

  @Test("no descriptor is left behind by 2,000 questions, whatever the server does")
  func descriptors() throws {
    let server = try LoopbackServer { number, _ in
      switch number % 10 {
      case 0: .close
      case 1: .last("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort")
      case 2: .raw("<html>\r\n\r\n")
      case 3: .raw(LoopbackServer.response("", status: 500))
      case 4: .last(LoopbackServer.response("{}"))
      case 5: .raw(LoopbackServer.response("{}") + "surplus")
      default: LoopbackServer.answer(#"{"label":"a","confidence":0.9}"#)
      }
    }
    let pool = try pool(server.url) {
      $0.breaker.failures = 10_000
      $0.maxConcurrency = 4
      $0.maxQueue = 10_000
    }
    #expect(submit(100, to: pool).count == 100)
    #expect(submit(2_000, to: pool).count == 2_000)
    // One connection a thread at most, on either side; other tests of this process come and go.
    #expect(pool.connectionsInUse(to: server.port) <= 4)
    pool.stop(until: 0)
    #expect(eventually { pool.connectionsInUse(to: server.port) == 0 })
    server.stop()
  }

  // MARK: - Who comes first

  @Test("a model that hangs is given up at the deadline, in the queue too, in whatever order deadlines come")
  func deadlines() throws {
    let server = try LoopbackServer { _, _ in .hang }
    defer { server.stop() }
    let pool = try pool(server.url) {
      $0.maxConcurrency = 1
      $0.breaker.failures = 10_000
    }
    let late = Monitor<[(cause: String?, ms: Int)]>([])
    let times: [Int64] = [1_500, 900, 300, 600, 120, 1_200]
    for time in times {
      let question = question(withinMs: time)
      let refusal = pool.submit(question) { asked in
        let ms = (Int64(Clocks.monotonic()) - Int64(question.deadline)) / 1_000_000
        late.withLock { $0.append((asked.cause, Int(ms))) }
        late.notify()
      }
      #expect(refusal == nil)
    }
    let all = late.wait(
      until: Clocks.deadline(afterMilliseconds: 20_000), for: { $0.count == times.count }, { $0 })
    #expect(all.count == times.count && all.allSatisfy { $0.cause == "timeout" })
    // 50 ms on a machine with nothing else to do; the rest is for builds and tests beside this one.
    #expect(all.allSatisfy { $0.ms >= 0 && $0.ms < 250 })
    pool.stop(until: 0)
  }

  @Test("a question whose thread is held up where no deadline reaches is answered for it, once")
  func heldUp() throws {
    let server = try LoopbackServer { _, _ in LoopbackServer.answer("{}") }
    defer { server.stop() }
    let pool = try pool(server.url) { $0.maxConcurrency = 1 }
    let isOver = Atomic<Bool>(false)
    var held = question(withinMs: 100)
    // Stands for a name server that does not answer.
    held.verdict = { _ in
      while !isOver.load(ordering: .relaxed) { Clocks.sleep(milliseconds: 1) }
      return .sound
    }
    let causes = Monitor<[String?]>([])
    let refusal = pool.submit(held) { asked in
      causes.withLock { $0.append(asked.cause) }
      causes.notify()
    }
    #expect(refusal == nil)
    let deadline = Clocks.deadline(afterMilliseconds: 10_000)
    #expect(causes.wait(until: deadline, for: { !$0.isEmpty }, { $0 }) == ["timeout"])
    #expect(eventually { pool.load.asking == 1 })
    isOver.store(true, ordering: .relaxed)
    #expect(eventually { pool.load == (0, 0) })
    #expect(causes.withLock { $0 } == ["timeout"])
    #expect(pool.answer(question())?.reply != nil)
    pool.stop(until: 0)
  }

  @Test("live questions come first, then shadow, then challenges")
  func order() throws {
    let gate = Atomic<Bool>(false)
    let server = try LoopbackServer { number, _ in
      while number == 1, !gate.load(ordering: .relaxed) { Clocks.sleep(milliseconds: 1) }
      return LoopbackServer.answer("{}")
    }
    defer { server.stop() }
    let pool = try pool(server.url) { $0.maxConcurrency = 1 }
    let order = Monitor<[String]>([])
    func submit(_ name: String, _ priority: Question.Priority) {
      let refusal = pool.submit(question(priority)) { _ in
        order.withLock { $0.append(name) }
        order.notify()
      }
      #expect(refusal == nil)
    }
    submit("first", .live)
    #expect(eventually { server.requests.load(ordering: .relaxed) == 1 })
    submit("challenge", .challenge)
    submit("shadow 1", .shadow)
    submit("shadow 2", .shadow)
    submit("live 1", .live)
    submit("live 2", .live)
    gate.store(true, ordering: .relaxed)
    let all = order.wait(until: Clocks.deadline(afterMilliseconds: 20_000), for: { $0.count == 6 }, { $0 })
    #expect(all == ["first", "live 1", "live 2", "shadow 1", "shadow 2", "challenge"])
    pool.stop(until: 0)
  }

  @Test("in a full queue, and for a thread, the newest of the lowest priority makes way")
  func yielding() throws {
    let server = try LoopbackServer { number, _ in number <= 2 ? .hang : LoopbackServer.answer("{}") }
    defer { server.stop() }
    let pool = try pool(server.url) {
      $0.maxConcurrency = 2
      $0.maxQueue = 2
    }
    let ends = Monitor<[String: String]>([:])
    func submit(_ name: String, _ priority: Question.Priority) -> ModelPool.Refusal? {
      pool.submit(question(priority)) { asked in
        ends.withLock { $0[name] = asked.cause ?? "answer" }
        ends.notify()
      }
    }
    func end(of name: String) -> String? {
      ends.wait(until: Clocks.deadline(afterMilliseconds: 10_000), for: { $0[name] != nil }, { $0[name] })
    }
    #expect(submit("asked 1", .shadow) == nil && submit("asked 2", .shadow) == nil)
    #expect(eventually { server.requests.load(ordering: .relaxed) == 2 })
    #expect(submit("shadow 1", .shadow) == nil && submit("challenge", .challenge) == nil)
    #expect(submit("challenge 2", .challenge) == .queueFull)
    #expect(submit("shadow 2", .shadow) == nil)
    #expect(end(of: "challenge") == "yielded")
    #expect(submit("shadow 3", .shadow) == .queueFull)
    // Both threads are at shadow work: the newer question is given up for the live one, which displaces a waiting one.
    #expect(submit("live", .live) == nil)
    #expect(end(of: "shadow 2") == "yielded")
    #expect(end(of: "live") == "answer")
    #expect(end(of: "shadow 1") == "answer")
    let all = ends.withLock { $0 }
    #expect([all["asked 1"], all["asked 2"]].filter { $0 == "yielded" }.count == 1)
    // Making way says nothing about the server.
    #expect(pool.breaker == .closed(failures: 0))
    pool.stop(until: 0)
  }

  @Test("a queue of none still takes what a thread is free for")
  func noQueue() throws {
    let server = try LoopbackServer { _, _ in .hang }
    defer { server.stop() }
    let pool = try pool(server.url) {
      $0.maxConcurrency = 1
      $0.maxQueue = 0
    }
    #expect(pool.submit(question(), { _ in }) == nil)
    #expect(eventually { pool.load.asking == 1 })
    #expect(pool.submit(question(), { _ in }) == .queueFull)
    pool.stop(until: 0)
  }

  @Test("a stop gives up what hangs and answers all")
  func stop() throws {
    let server = try LoopbackServer { _, _ in .hang }
    defer { server.stop() }
    let pool = try pool(server.url) { $0.maxConcurrency = 2 }
    let ends = Mutex<[String?]>([])
    for _ in 0..<6 {
      #expect(pool.submit(question(), { asked in ends.withLock { $0.append(asked.cause) } }) == nil)
    }
    #expect(eventually { server.requests.load(ordering: .relaxed) == 2 })
    pool.stop(until: Clocks.monotonic())
    #expect(ends.withLock { $0 } == [String?](repeating: "stopping", count: 6))
  }

  // MARK: - Keys

  @Test(
    "a key goes out as its provider's header, and only there",
    arguments: [
      (ModelPolicy.Provider.ollama, "Authorization: Bearer s3cr3t-key"),
      (.llamacpp, "Authorization: Bearer s3cr3t-key"), (.anthropic, "x-api-key: s3cr3t-key"),
    ])
  func keys(provider: ModelPolicy.Provider, line: String) throws {
    let server = try LoopbackServer { _, _ in LoopbackServer.answer("{}") }
    defer { server.stop() }
    let credential = try Credential(Array("s3cr3t-key\n".utf8))
    let model = try serverModel(server.url) { $0.provider = provider }
    let pool = ModelPool(model, credential: credential)
    _ = pool.answer(question())
    let seen = try #require(server.seen.withLock { $0.first })
    #expect(seen.contains(line))
    #expect(seen.components(of: "s3cr3t-key") == 1)
    #expect(
      !"\(credential) \(String(reflecting: credential)) \(Mirror(reflecting: credential).children.map(\.value))"
        .contains("s3cr3t"))
    var dumped = ""
    dump(credential, to: &dumped)
    #expect(!dumped.contains("s3cr3t"))
    pool.stop(until: 0)
  }
}

extension String {
  fileprivate func components(of part: String) -> Int { ranges(of: part).count }
}

extension ModelPool {
  /// Sockets that anybody holds open towards a port of this machine, in whatever state.
  fileprivate func connectionsInUse(to port: UInt16) -> Int {
    let text = (try? Files.read("/proc/self/net/tcp", limit: 8 << 20)).map {
      String(decoding: $0, as: UTF8.self)
    }
    let digits = String(port, radix: 16, uppercase: true)
    let end = ":" + String(repeating: "0", count: 4 - digits.count) + digits
    return (text ?? "").split(separator: "\n").count { line in
      let fields = line.split(separator: " ")
      // Remote address, and the inode, which is 0 once the descriptor is closed.
      return fields.count > 9 && fields[2].hasSuffix(end) && fields[9] != "0"
    }
  }
}
