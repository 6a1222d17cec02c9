import Posix
package import RouterCore
import Synchronization
import Wire

/// The threads that ask one model, with a bounded queue in front of them.
///
/// Every model has its own, so that one that hangs delays no other. Threads start when first needed; `max_concurrency`
/// of them at most. A question is answered by its deadline, wherever it is then: those in front of it are older, so
/// their deadlines pass first.
package final class ModelPool: Sendable {
  package let model: ModelPolicy
  /// `sha256:…` of the built-in model's file; nil for servers.
  package let digest: String?
  /// What the built-in model can say; nil for servers.
  package let labels: [String]?
  /// What the last probe found; all unknown before it and for the built-in model.
  package var capabilities: ModelCapabilities { found.withLock { $0 } }
  private let found = Mutex(ModelCapabilities())
  private let kind: AskerKind
  private let state: Monitor<State>

  package typealias Completion = @Sendable (Asked) -> Void

  /// Why a question was not taken. The word is the `detail` of `local_unavailable`.
  package enum Refusal: String, Sendable {
    case breakerOpen = "breaker_open"
    case queueFull = "queue_full"
    /// The system has no thread to give.
    case noThread = "no_thread"
    case stopping
  }

  private struct Job: Sendable {
    let question: Question
    let completion: Completion
  }

  private struct State: Sendable {
    var queue: [Job] = []
    var head = 0
    var threads: [Thread] = []
    /// Threads that have not decided to end.
    var live = 0
    var idle = 0
    var busy = 0
    var breaker: Breaker
    var isStopping = false
    /// No generation uses the pool any more: its threads end when nothing is left to ask.
    var isRetired = false
    var count: Int { queue.count - head }

    /// The oldest question, for a thread that waited; nil at a stop.
    mutating func take() -> Job? {
      idle -= 1
      guard count > 0 else {
        // Under the lock of the question that found nothing: whoever submits next starts a thread anew.
        live -= 1
        return nil
      }
      let job = queue[head]
      head += 1
      // Moved up now and then, so that taking from the front costs nothing on the whole.
      if head > 64, head * 2 > queue.count {
        queue.removeFirst(head)
        head = 0
      }
      busy += 1
      return job
    }
  }

  package init(_ model: ModelPolicy, builtIn: BuiltInModel? = nil, digest: String? = nil) {
    self.model = model
    self.digest = digest
    labels = builtIn?.answers
    kind = AskerKind(model, builtIn: builtIn)
    state = Monitor(
      State(breaker: Breaker(failures: model.breaker.failures, cooldownMs: model.breaker.cooldownMs)))
  }

  package var breaker: Breaker.State { state.withLock { $0.breaker.state } }
  /// Questions waiting and being asked.
  package var load: (waiting: Int, asking: Int) { state.withLock { ($0.count, $0.busy) } }

  /// Takes down what a probe, or the server's answers, showed.
  package func learn(_ change: (inout ModelCapabilities) -> Void) { found.withLock { change(&$0) } }

  /// Queues a question; `completion` then runs exactly once, on one of the model's threads.
  package func submit(_ question: Question, _ completion: @escaping Completion) -> Refusal? {
    let refusal: Refusal? = state.withLock { state in
      if state.isStopping { return .stopping }
      guard state.breaker.wouldAdmit(at: Clocks.monotonic()) else { return .breakerOpen }
      guard state.count < model.maxQueue else { return .queueFull }
      state.queue.append(Job(question: question, completion: completion))
      // A waiting thread may be woken for an earlier question already: one a question, up to the limit.
      if state.idle < state.count, state.live < model.maxConcurrency { startThread(&state) }
      guard state.live > 0 else {
        state.queue.removeLast()
        return .noThread
      }
      return nil
    }
    if refusal == nil { state.notify() }
    return refusal
  }

  /// Lets everything that was submitted be answered, then ends the threads; returns at once.
  ///
  /// A call that was screened just before a reload may still submit: it is answered like the others.
  package func retire() {
    state.withLock { $0.isRetired = true }
    state.notify()
  }

  /// Lets questions that are being asked finish until the deadline, answers the rest `stopping`, ends the threads.
  package func stop(until deadline: UInt64) {
    let abandoned: [Job] = state.withLock { state in
      state.isStopping = true
      let rest = Array(state.queue[state.head...])
      state.queue = []
      state.head = 0
      return rest
    }
    state.notify()
    for job in abandoned { job.completion(unavailable(.stopping, nanoseconds: 0)) }
    stopsAt.store(deadline, ordering: .relaxed)
    let threads = state.withLock { $0.threads }
    for thread in threads { thread.join() }
  }

  /// Monotonic nanoseconds from which a question under way is given up.
  private let stopsAt = Atomic<UInt64>(.max)

  private func startThread(_ state: inout State) {
    let number = state.threads.count + 1
    // A thread that cannot be had leaves the work to those that could.
    guard let thread = try? Thread.spawn(name: "ask-\(number)", { [self] in run() }) else { return }
    state.threads.append(thread)
    state.live += 1
  }

  private func run() {
    var asker = Asker(kind)
    while let job = next() {
      let start = Clocks.monotonic()
      let asked = ask(job.question, with: &asker, since: start)
      job.completion(asked)
      state.withLock { $0.busy -= 1 }
    }
    // The last thread of a pool that has ended. A question that still comes starts a thread, and what it needs, anew.
    if case .server(_, _, _, let connector) = kind, state.withLock({ $0.live == 0 }) { connector.end() }
  }

  private func next() -> Job? {
    state.withLock { $0.idle += 1 }
    return state.wait(for: { $0.isStopping || $0.isRetired || $0.count > 0 }, { $0.take() })
  }

  private func ask(_ question: Question, with asker: inout Asker, since start: UInt64) -> Asked {
    guard start < question.deadline else { return unavailable(.timeout, nanoseconds: 0) }
    guard state.withLock({ $0.breaker.admit(at: start) }) else {
      return Asked(
        outcome: .unavailable(cause: Refusal.breakerOpen.rawValue), figures: names,
        nanoseconds: 0)
    }
    do throws(AskFault) {
      let outcome = try asker.ask(question) { stopsAt.load(ordering: .relaxed) < Clocks.monotonic() }
      state.withLock { $0.breaker.succeeded() }
      return answered(outcome, question, nanoseconds: Clocks.monotonic() - start)
    } catch {
      let now = Clocks.monotonic()
      state.withLock { state in
        if error.countsForBreaker { state.breaker.failed(at: now) } else { state.breaker.answeredOtherwise() }
      }
      var asked = unavailable(error, nanoseconds: now - start)
      asked.figures.attempts = 1
      asked.figures.latencyMs = Double(now - start) / 1e6
      return asked
    }
  }

  private func answered(_ outcome: CandidateOutcome, _ question: Question, nanoseconds: UInt64) -> Asked {
    var figures = names
    figures.attempts = 1
    figures.latencyMs = Double(nanoseconds) / 1e6
    if case .said(let reply) = outcome {
      figures.inputTokens = reply.inputTokens
      figures.outputTokens = reply.outputTokens
    }
    let price = model.price
    figures.costUSD =
      Double(figures.inputTokens ?? 0) * price.inputPerMtok / 1e6
      + Double(figures.outputTokens ?? 0) * price.outputPerMtok / 1e6
      + Double(nanoseconds) / 3.6e12 * price.usdPerHour
    return Asked(outcome: outcome, figures: figures, nanoseconds: nanoseconds)
  }

  /// What stands in every record of this model, also where it gave no answer.
  package var names: AskFigures {
    var figures = AskFigures()
    figures.model = model.name
    figures.modelID = model.id
    figures.modelDigest = digest ?? capabilities.digest
    return figures
  }

  private func unavailable(_ fault: AskFault, nanoseconds: UInt64) -> Asked {
    Asked(outcome: .unavailable(cause: fault.cause), figures: names, nanoseconds: nanoseconds)
  }
}

/// How a model is asked: what threads build their own ``Asker`` from.
enum AskerKind: Sendable {
  case builtIn(BuiltInModel)
  case server(ModelPolicy, HTTPURL, ProviderFormat, Connector)
  /// Nothing that could be asked.
  case unsupported

  init(_ model: ModelPolicy, builtIn: BuiltInModel?) {
    if let builtIn {
      self = .builtIn(builtIn)
    } else if let format = ProviderFormat(model), let url = model.endpoint {
      self = .server(model, url, format, Connector(model, url))
    } else {
      self = .unsupported
    }
  }
}

/// What one thread asks with: a connection or scratch memory of its own.
enum Asker: ~Copyable {
  case builtIn(BuiltInModel, BuiltInScratch)
  case server(ModelPolicy, ProviderFormat, HTTPClient)
  case unsupported

  init(_ kind: AskerKind) {
    switch kind {
    case .builtIn(let model): self = .builtIn(model, BuiltInScratch())
    case .server(let model, let url, let format, let connector):
      self = .server(model, format, HTTPClient(url, over: connector))
    case .unsupported: self = .unsupported
    }
  }

  mutating func ask(_ question: Question, isStopping: () -> Bool) throws(AskFault) -> CandidateOutcome {
    switch consume self {
    case .builtIn(let model, var scratch):
      let answer = model.classify(question.text.span, scratch: &scratch)
      self = .builtIn(model, scratch)
      return .classified(label: answer.label, confidence: answer.confidence, isNovel: answer.novel)
    case .server(let model, let format, var client):
      let style = AskStyle()
      let response: HTTPResponse
      do throws(AskFault) {
        response = try client.post(
          format.body(question, model: model, style: style), headers: format.headers,
          deadline: question.deadline, isStopping: isStopping)
        self = .server(model, format, client)
      } catch {
        self = .server(model, format, client)
        throw error
      }
      guard response.status == 200 else { throw .status(response.status) }
      return .said(try format.reply(response.body, to: question, style: style))
    case .unsupported:
      self = .unsupported
      throw .unsupported
    }
  }
}
