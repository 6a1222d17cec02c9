package import BuiltIn
import Posix
package import RouterCore
import Synchronization
import Wire

/// The threads that ask one model, with a bounded queue in front of them.
///
/// Every model has its own, so that one that hangs delays no other. Threads start when first needed; `max_concurrency`
/// of them at most. One more thread, the sweeper, answers what is not answered by its deadline, wherever it is then:
/// waiting behind others, or with a thread that is held up by something no deadline reaches, such as a name server.
///
/// Live questions come before shadow ones and those before challenges: in the queue, where the senders of live questions
/// take turns; for a place in a full queue, from which the newest of the lowest priority is displaced, or of the sender
/// that has most of it; and for a thread, where the newest question of the lowest
/// priority under way is given up for a live one. What had to make way is answered `yielded`.
package final class ModelPool: Sendable {
  package let model: ModelPolicy
  /// `sha256:…` of the built-in model's file; nil for servers.
  package let digest: String?
  /// What the built-in model can say; nil for servers.
  package let labels: [String]?
  /// What the server asks for; compared at a reload, to notice that a key was changed in its place.
  package let credential: Credential?
  /// What the last probe found; all unknown before it and for the built-in model.
  package var capabilities: ModelCapabilities { found.withLock { $0 } }
  private let found = Mutex(ModelCapabilities())
  private let kind: AskerKind
  private let state: Monitor<State>
  /// When the sweeper is wanted next, monotonic nanoseconds.
  private let alarm = Monitor<UInt64>(.max)

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

  /// A question that a thread has in hand. Whoever takes it out of the table answers it.
  private struct Running: Sendable {
    let job: Job
    /// Rises from question to question.
    let order: UInt64
    let interrupt: Interrupt
    var isYielding = false

    /// When it is answered for its thread.
    var overdueAt: UInt64 {
      let (time, isTooFar) = job.question.deadline.addingReportingOverflow(ModelPool.grace)
      return isTooFar ? .max : time
    }
  }

  private struct State: Sendable {
    var queue = AskQueue<Job>()
    /// Made way in the queue, not answered yet.
    var displaced: [Job] = []
    /// By the number of the thread.
    var running: [Int: Running] = [:]
    var order: UInt64 = 0
    var threads: [Thread] = []
    /// Threads that have not decided to end.
    var live = 0
    var idle = 0
    var busy = 0
    /// Questions that the sweeper is answering.
    var overdue = 0
    var hasSweeper = false
    /// What the sweeper waits for; ``alarm`` tells it of anything earlier.
    var sweepsAt = UInt64.max
    var breaker: Breaker
    var isStopping = false
    /// No generation uses the pool any more: its threads end when nothing is left to ask.
    var isRetired = false

    /// The next question, for a thread that waited; nil at a stop.
    mutating func take(_ number: Int, _ interrupt: Interrupt) -> Job? {
      idle -= 1
      guard let job = queue.popFirst() else {
        // Under the lock of the question that found nothing: whoever submits next starts a thread anew.
        live -= 1
        return nil
      }
      busy += 1
      order += 1
      interrupt.restart()
      running[number] = Running(job: job, order: order, interrupt: interrupt)
      return job
    }

    /// Gives up a question of lower priority for each live one that no thread is free for.
    mutating func yieldToLive() {
      let yielding = running.values.reduce(0) { $0 + ($1.isYielding ? 1 : 0) }
      guard yielding + idle < queue.count(of: .live) else { return }
      let others = running.filter { !$1.isYielding && $1.job.question.priority > .live }
      let newest = others.max { left, right in
        (left.value.job.question.priority, left.value.order)
          < (right.value.job.question.priority, right.value.order)
      }
      guard let newest else { return }
      running[newest.key]?.isYielding = true
      newest.value.interrupt.yield()
    }
  }

  package init(
    _ model: ModelPolicy, builtIn: BuiltInModel? = nil, digest: String? = nil, credential: Credential? = nil
  ) {
    self.model = model
    self.digest = digest
    self.credential = credential
    labels = builtIn?.answers
    kind = AskerKind(model, builtIn: builtIn, credential: credential)
    state = Monitor(
      State(breaker: Breaker(failures: model.breaker.failures, cooldownMs: model.breaker.cooldownMs)))
  }

  package var breaker: Breaker.State { state.withLock { $0.breaker.state } }
  /// Questions waiting and being asked.
  package var load: (waiting: Int, asking: Int) {
    state.withLock { ($0.queue.count, $0.busy + $0.overdue + $0.displaced.count) }
  }

  /// Takes down what a probe, or the server's answers, showed.
  package func learn(_ change: (inout ModelCapabilities) -> Void) { found.withLock { change(&$0) } }

  /// Queues a question; `completion` then runs exactly once, on one of the model's threads, at the latest some
  /// milliseconds after the question's deadline.
  package func submit(_ question: Question, _ completion: @escaping Completion) -> Refusal? {
    var earlier: UInt64?
    let refusal: Refusal? = state.withLock { state in
      let refusal = enqueue(Job(question: question, completion: completion), &state)
      let time = state.displaced.isEmpty ? question.deadline : 0
      if refusal == nil, time < state.sweepsAt {
        state.sweepsAt = time
        earlier = time
      }
      return refusal
    }
    if refusal == nil { state.notify() }
    if let earlier { wakeSweeper(at: earlier) }
    return refusal
  }

  private func enqueue(_ job: Job, _ state: inout State) -> Refusal? {
    let question = job.question
    if state.isStopping { return .stopping }
    guard state.breaker.wouldAdmit(at: Clocks.monotonic()) else { return .breakerOpen }
    if !state.hasSweeper { startSweeper(&state) }
    // A question that a thread is free for, or can be started for, does not wait.
    if state.queue.count >= model.maxQueue + max(0, model.maxConcurrency - state.busy) {
      guard state.hasSweeper,
        let displaced = state.queue.displace(for: question.priority, sender: question.sender)
      else {
        return .queueFull
      }
      state.displaced.append(displaced)
    }
    state.queue.append(
      job, priority: question.priority, sender: question.sender, deadline: question.deadline)
    // A waiting thread may be woken for an earlier question already: one a question, up to the limit.
    if state.idle < state.queue.count, state.live < model.maxConcurrency { startThread(&state) }
    guard state.live > 0 else {
      _ = state.queue.popLast(of: question.priority)
      return .noThread
    }
    if question.priority == .live, state.idle < state.queue.count, state.live >= model.maxConcurrency {
      state.yieldToLive()
    }
    return nil
  }

  /// Lets everything that was submitted be answered, then ends the threads; returns at once.
  ///
  /// A call that was screened just before a reload may still submit: it is answered like the others.
  package func retire() {
    let isIdle = state.withLock { state in
      state.isRetired = true
      return state.live == 0
    }
    state.notify()
    wakeSweeper(at: 0)
    // A probe alone may have started what the connections need.
    if isIdle { connector?.end() }
  }

  /// Lets questions that are being asked finish until the deadline, answers the rest `stopping`, ends the threads.
  package func stop(until deadline: UInt64) {
    let (abandoned, threads) = state.withLock { state in
      state.isStopping = true
      for running in state.running.values { running.interrupt.stop(at: deadline) }
      return (state.queue.removeAll(), state.threads)
    }
    state.notify()
    for job in abandoned { job.completion(unavailable(.stopping)) }
    wakeSweeper(at: 0)
    for thread in threads { thread.join() }
    connector?.end()
  }

  /// Where connections to the model come from; nil for the built-in model.
  package var connector: Connector? { kind.connector }

  // MARK: - Asking

  private func startThread(_ state: inout State) {
    let number = state.threads.count + 1
    // A thread that cannot be had leaves the work to those that could.
    guard let interrupt = try? Interrupt(),
      let thread = try? Thread.spawn(name: "ask-\(number)", { [self] in run(number, interrupt) })
    else { return }
    state.threads.append(thread)
    state.live += 1
  }

  private func run(_ number: Int, _ interrupt: Interrupt) {
    var asker = Asker(kind, interrupt)
    while let job = next(number, interrupt) {
      let asked = ask(job.question, with: &asker, interrupt)
      // The sweeper may have been faster.
      if state.withLock({ $0.running.removeValue(forKey: number) }) != nil { job.completion(asked) }
      state.withLock { $0.busy -= 1 }
    }
    wakeSweeper(at: 0)
    // The last thread of a pool that has ended. A question that still comes starts a thread, and what it needs, anew.
    if state.withLock({ $0.live == 0 }) { connector?.end() }
  }

  private func next(_ number: Int, _ interrupt: Interrupt) -> Job? {
    state.withLock { $0.idle += 1 }
    return state.wait(
      for: { $0.isStopping || $0.isRetired || $0.queue.count > 0 }, { $0.take(number, interrupt) })
  }

  private func ask(_ question: Question, with asker: inout Asker, _ interrupt: Interrupt) -> Asked {
    let start = Clocks.monotonic()
    let capabilities = capabilities
    var inquiry = Inquiry(
      question, model: model,
      wantsLogProbabilities: capabilities.returnsLogProbabilities != false
        && kind.asksLogProbabilities(question),
      followUp: { [kind] reply, style in
        kind.followUp(reply, to: question, style: style, capabilities)
      })
    var random = SystemRandomNumberGenerator()
    while true {
      switch inquiry.next(at: Clocks.monotonic()) {
      case .done:
        if inquiry.refusesLogProbabilities { learn { $0.returnsLogProbabilities = false } }
        return asked(inquiry, since: start)
      case .wait(let until):
        interrupt.sleep(until: until)
        if let fault = interrupt.fault { inquiry.end(by: fault) }
      case .send(let request):
        let sent = Clocks.monotonic()
        guard let ticket = state.withLock({ $0.breaker.admit(at: sent) }) else {
          inquiry.wasNotAdmitted()
          continue
        }
        let reception = asker.send(request, of: question)
        let received = Clocks.monotonic()
        report(reception, ticket, at: received)
        if asker.wasResent { inquiry.wasResent(request) }
        inquiry.received(reception, from: sent, to: received, using: &random)
      }
    }
  }

  private func report(_ reception: Inquiry.Reception, _ ticket: Breaker.Ticket, at now: UInt64) {
    state.withLock { state in
      switch reception {
      case .outcome: state.breaker.succeeded(ticket)
      case .fault(let fault, let hint) where fault.countsForBreaker:
        state.breaker.failed(ticket, at: now, pause: hint.wait)
      case .fault(.yielded, _), .fault(.stopping, _): state.breaker.abandoned(ticket, at: now)
      case .fault: state.breaker.answeredOtherwise(ticket)
      }
    }
  }

  private func asked(_ inquiry: Inquiry, since start: UInt64) -> Asked {
    var figures = names
    inquiry.add(to: &figures)
    let outcome = inquiry.outcome ?? .unavailable(cause: AskFault.timeout.cause)
    var asked = Asked(outcome: outcome, figures: figures, nanoseconds: Clocks.monotonic() - start)
    asked.tries = inquiry.tries
    return asked
  }

  /// What stands in every record of this model, also where it gave no answer.
  package var names: AskFigures {
    var figures = AskFigures()
    figures.model = model.name
    figures.modelID = model.id
    figures.modelDigest = digest ?? capabilities.digest
    return figures
  }

  private func unavailable(_ fault: AskFault) -> Asked {
    Asked(outcome: .unavailable(cause: fault.cause), figures: names, nanoseconds: 0)
  }

  // MARK: - Sweeping

  /// How long after its deadline a question in a thread's hands is answered for it, in nanoseconds. Usually the thread
  /// answers within one or two milliseconds, and knows more.
  private static let grace: UInt64 = 20_000_000

  /// Between two sweeps, in nanoseconds: each looks through the whole queue.
  private static let pause: UInt64 = 2_000_000

  private func startSweeper(_ state: inout State) {
    guard let thread = try? Thread.spawn(name: "ask-sweeper", { [self] in sweep() }) else { return }
    state.threads.append(thread)
    state.hasSweeper = true
    state.sweepsAt = .max
  }

  private func wakeSweeper(at time: UInt64) {
    alarm.withLock { $0 = min($0, time) }
    alarm.notify()
  }

  private func sweep() {
    var time = UInt64.max
    while true {
      alarm.wait(until: time == .max ? nil : time, for: { $0 < time }, { $0 = .max })
      let now = Clocks.monotonic()
      guard let overdue = state.withLock({ takeOverdue(&$0, at: now, next: &time) }) else { return }
      for job in overdue.yielded { job.completion(unavailable(.yielded)) }
      for job in overdue.late { job.completion(unavailable(.timeout)) }
      let count = overdue.yielded.count + overdue.late.count
      if count > 0 { state.withLock { $0.overdue -= count } }
    }
  }

  private struct Overdue: Sendable {
    var yielded: [Job]
    var late: [Job]
  }

  /// - Returns: nil where the sweeper is to end: it is started again with the next question.
  private func takeOverdue(_ state: inout State, at now: UInt64, next: inout UInt64) -> Overdue? {
    var overdue = Overdue(yielded: state.displaced, late: state.queue.removeExpired(at: now))
    state.displaced = []
    for (number, running) in state.running where running.overdueAt <= now {
      state.running[number] = nil
      overdue.late.append(running.job)
    }
    state.overdue += overdue.yielded.count + overdue.late.count
    if overdue.yielded.isEmpty, overdue.late.isEmpty, state.isStopping || state.isRetired, state.live == 0 {
      state.hasSweeper = false
      return nil
    }
    let deadlines = state.running.values.map(\.overdueAt)
    let earliest = min(state.queue.earliestDeadline ?? .max, deadlines.min() ?? .max)
    next = earliest == .max ? .max : max(earliest, now &+ Self.pause)
    state.sweepsAt = next
    return overdue
  }
}
