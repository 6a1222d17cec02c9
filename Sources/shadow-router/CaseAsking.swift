import Candidates
import Commands
import LogRequests
import PolicyFiles
import Posix
import Probes
import RouterCore
import Wire

/// Labelled cases put to a model of a policy, just as the router would put them, several at a time.
struct CaseAsking {
  let generation: Generation
  let task: PreparedTask
  let pool: ModelPool
  /// What a look at the model found wrong before it was asked.
  private let problem: ProbeProblem?

  /// One case that no check kept from the model.
  struct Heard {
    let screening: Screening
    /// nil: a check decided, and the text was not sent.
    let asked: Asked?
  }

  /// Loads the policy, and finds out what can be known of the model before it is asked.
  ///
  /// - Parameters:
  ///   - model: Id of a model; nil: the task's candidate, of a cascade the first.
  ///   - corrects: Whether corrections in the state folder are in force, as they would be in the router.
  init(_ arguments: Arguments, task name: String, model: String?, corrects: Bool) throws(Failure) {
    let path = arguments.paths.policy
    var loading = PolicyLoading(path: path, keys: .temporary())
    if corrects { loading.calibrations = arguments.paths.calibrations }
    do throws(PolicyLoading.Refusal) {
      generation = try loading.load(number: 1, now: Clocks.realtime()).generation
    } catch {
      throw .surroundings(error.lines(path).first ?? "\(path) cannot be read")
    }
    guard let task = generation.prepared.task(name) else { throw .usage("the policy has no task \(name)") }
    let id = model ?? task.policy.steps.first ?? ""
    guard let pool = generation.pools[id] else {
      throw .usage("the policy has no model \(id.isEmpty ? "for \(name)" : id) that can be asked")
    }
    self.task = task
    self.pool = pool
    var progress = Progress("finding out what \(id) can do")
    progress.show(nil, pool.model.endpoint?.authority ?? "")
    defer { progress.end() }
    let finding = pool.probe(now: Clocks.realtime(), isStopping: { false })
    if let finding { pool.learn(finding) }
    problem = finding?.problem(of: pool.model)
  }

  /// Why cases have no answer at all, and what to do about it; nil where each has one.
  func complaint(_ heard: [Heard]) -> String? {
    var causes: [String: Int] = [:]
    for case .unavailable(let cause)? in heard.map(\.asked?.outcome) { causes[cause, default: 0] += 1 }
    guard !causes.isEmpty else { return nil }
    let asked = heard.count { $0.asked != nil }
    let list = causes.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.key) (\($0.value))" }
    let model = [pool.model.id, pool.model.endpoint?.description].compactMap(\.self).joined(separator: ", ")
    let why = "\(causes.values.reduce(0, +)) of \(asked) cases got no answer: \(list.joined(separator: ", "))"
    guard let problem else {
      return "\(why); `shadow-router check --live POLICY` asks what \(model) can do"
    }
    return "\(why); \(model): \(problem.text); \(problem.remedy)"
  }

  var context: DecisionContext { DecisionContext(today: PolicyLoading.day(Clocks.realtime())) }

  /// What came of each call, in their order; waits for all.
  func ask(_ calls: [Call]) -> [Heard] {
    let heard = Monitor<[Int: Asked]>([:])
    var progress = Progress("asking \(pool.model.id)")
    var scratch = Engine.Scratch()
    var screenings: [Screening] = []
    var sent = 0
    for (place, call) in calls.enumerated() {
      let screening = Engine.screen(call, policy: generation.prepared, context: context, scratch: &scratch)
      screenings.append(screening)
      progress.show(Double(place + 1) / Double(calls.count), "\(place + 1) of \(calls.count)")
      guard screening.reason == nil else { continue }
      // As many as the model takes at once: no question spends its time in the queue.
      heard.wait(for: { sent - $0.count < max(1, pool.model.maxConcurrency) }, { _ in })
      sent += 1
      let refusal = pool.submit(question(call, screening)) { asked in
        heard.withLock { $0[place] = asked }
        heard.notify()
      }
      guard let refusal else { continue }
      let asked = Asked(
        outcome: .unavailable(cause: refusal.rawValue), figures: AskFigures(), nanoseconds: 0)
      heard.withLock { $0[place] = asked }
    }
    heard.wait(for: { $0.count == sent }, { _ in })
    progress.end()
    let answers = heard.withLock { $0 }
    return screenings.indices.map { Heard(screening: screenings[$0], asked: answers[$0]) }
  }

  func stop() { pool.stop(until: Clocks.deadline(afterMilliseconds: 1_000)) }

  private func question(_ call: Call, _ screening: Screening) -> Question {
    let deadline = Clocks.deadline(afterMilliseconds: Int64(pool.model.timeoutMs))
    var question = Question(task: task.policy, text: call.text.bytes, deadline: deadline)
    if task.policy.output == .toolCall { question.tools = call.toolDefinitions }
    question.verdict = { [generation, today = context.today] reply in
      Engine.verdict(on: reply, to: call, screening, policy: generation.prepared, today: today)
    }
    return question
  }
}
