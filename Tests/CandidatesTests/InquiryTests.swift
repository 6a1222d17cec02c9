import RouterCore
import Synchronization
import TestData
import Testing
import Wire

@testable import Candidates

/// Drives an inquiry with what a server would say, one millisecond a request.
private struct Drive {
  var inquiry: Inquiry
  var now: UInt64 = 0
  var sent: [Inquiry.Request] = []
  var waits: [UInt64] = []
  var random = SeededGenerator(seed: 7)

  init(
    _ task: TaskPolicy, deadlineMs: UInt64 = 10_000, wantsLogProbabilities: Bool = false,
    fault: @escaping @Sendable (CandidateReply) -> String? = { _ in nil },
    followUp: @escaping @Sendable (CandidateReply, AskStyle) -> [UInt8]? = { _, _ in nil },
    model change: (inout ModelPolicy) -> Void = { _ in }
  ) throws {
    var question = Question(task: task, text: [65], deadline: deadlineMs * 1_000_000)
    question.verdict = { reply in fault(reply).map { .mendable($0) } ?? .sound }
    let model = try serverModel("http://127.0.0.1:1/api/generate", change)
    inquiry = Inquiry(
      question, model: model, wantsLogProbabilities: wantsLogProbabilities, followUp: followUp)
  }

  static func inquiry(
    _ task: TaskPolicy, _ verdict: @escaping @Sendable (CandidateReply) -> ReplyVerdict
  ) throws -> Inquiry {
    var question = Question(task: task, text: [65], deadline: 10_000_000_000)
    question.verdict = verdict
    return Inquiry(
      question, model: try serverModel("http://127.0.0.1:1/api/generate"), wantsLogProbabilities: false)
  }

  /// - Returns: The outcome; the last reception stands for all that follow it.
  mutating func run(_ receptions: [Inquiry.Reception], millisecondsEach: UInt64 = 1) -> CandidateOutcome? {
    for _ in 0..<100 {
      switch inquiry.next(at: now) {
      case .done: return inquiry.outcome
      case .wait(let until):
        waits.append(until - now)
        now = until
      case .send(let request):
        sent.append(request)
        let end = now + millisecondsEach * 1_000_000
        let reception = receptions[min(sent.count, receptions.count) - 1]
        inquiry.received(reception, from: now, to: end, using: &random)
        now = end
      }
    }
    return nil
  }
}

private func said(_ text: String, tokens: Int? = 5, measured: MeasuredConfidence? = nil) -> Inquiry.Reception
{
  var reply = CandidateReply(text: text, inputTokens: tokens.map { $0 * 2 }, outputTokens: tokens)
  reply.measured = measured
  return .outcome(.said(reply))
}

private func label(_ name: String) -> Inquiry.Reception { said(#"{"label":"\#(name)","confidence":0.9}"#) }
private func fault(_ fault: AskFault, waitMs: UInt64 = 0) -> Inquiry.Reception {
  var hint = RetryHint()
  hint.wait = waitMs * 1_000_000
  return .fault(fault, hint)
}

private func cause(_ outcome: CandidateOutcome?) -> String? {
  if case .unavailable(let cause)? = outcome { cause } else { nil }
}

private func reply(_ outcome: CandidateOutcome?) -> CandidateReply? {
  if case .said(let reply)? = outcome { reply } else { nil }
}

@Suite("Inquiries")
struct InquiryTests {
  @Test("one answer is one request")
  func plain() throws {
    var drive = try Drive(labelTask())
    #expect(reply(drive.run([label("a")])) != nil)
    #expect(drive.inquiry.tries.map(\.purpose) == [.first])
    #expect(drive.sent.map(\.style) == [AskStyle(wantsLogProbabilities: false)])
  }

  @Test("retries go on until the answer, the last attempt or a fault that is not tried again")
  func retries() throws {
    let change: (inout ModelPolicy) -> Void = {
      $0.retry.maxAttempts = 3
      $0.retry.retryOn = [.rateLimit, .serverError]
    }
    var drive = try Drive(labelTask(), model: change)
    #expect(reply(drive.run([fault(.status(429)), fault(.status(503)), label("a")])) != nil)
    #expect(drive.inquiry.tries.map(\.purpose) == [.first, .retry, .retry])
    #expect(drive.inquiry.tries.map(\.fault) == ["status_429", "status_503", nil])
    drive = try Drive(labelTask(), model: change)
    #expect(cause(drive.run([fault(.status(429))])) == "status_429")
    #expect(drive.sent.count == 3)
    drive = try Drive(labelTask(), model: change)
    #expect(cause(drive.run([fault(.status(429)), fault(.refused)])) == "refused")
    #expect(drive.sent.count == 2)
  }

  @Test("a wait that would pass the deadline is not begun")
  func longWait() throws {
    var drive = try Drive(
      labelTask(),
      model: {
        $0.retry.maxAttempts = 3
        $0.retry.retryOn = [.rateLimit]
      })
    #expect(cause(drive.run([fault(.status(429), waitMs: 10_000)])) == "status_429")
    #expect(drive.sent.count == 1 && drive.waits.isEmpty)
    drive = try Drive(
      labelTask(),
      model: {
        $0.retry.maxAttempts = 3
        $0.retry.retryOn = [.rateLimit]
      })
    #expect(reply(drive.run([fault(.status(429), waitMs: 4_000), label("a")])) != nil)
    #expect(drive.waits == [4_000_000_000])
  }

  @Test("tries of a server that times out share the deadline")
  func timeouts() throws {
    var drive = try Drive(
      labelTask(), deadlineMs: 300,
      model: {
        $0.retry.maxAttempts = 3
        $0.retry.retryOn = [.timeout]
        $0.retry.backoffMs = 0
      })
    #expect(cause(drive.run([fault(.timeout)], millisecondsEach: 100)) == "timeout")
    #expect(drive.sent.map(\.deadline) == [100_000_000, 200_000_000, 300_000_000])
  }

  @Test("a question that came too late is not asked")
  func late() throws {
    var drive = try Drive(labelTask(), deadlineMs: 0)
    #expect(cause(drive.run([label("a")])) == "timeout")
    #expect(drive.sent.isEmpty && drive.inquiry.tries.isEmpty)
  }

  @Test("an answer of the wrong shape goes back with its fault, so often as the task says")
  func corrections() throws {
    let task = labelTask { $0.schemaRetry = 1 }
    let check: @Sendable (CandidateReply) -> String? = { $0.text.contains("bad") ? "label_not_in_set" : nil }
    var drive = try Drive(
      task, fault: check,
      model: {
        $0.price.inputPerMtok = 1_000
        $0.price.outputPerMtok = 2_000
        $0.price.usdPerHour = 3.6
      })
    #expect(reply(drive.run([label("bad"), label("a")]))?.text.contains("a") == true)
    #expect(
      drive.sent[1].style.correction
        == AskStyle.Correction(answer: #"{"label":"bad","confidence":0.9}"#, fault: "label_not_in_set"))
    #expect(drive.inquiry.tries.map(\.purpose) == [.first, .correction])
    #expect(drive.inquiry.tries.map(\.fault) == ["label_not_in_set", nil])
    var figures = AskFigures()
    drive.inquiry.add(to: &figures)
    #expect(figures.attempts == 2 && figures.inputTokens == 20 && figures.outputTokens == 10)
    #expect(figures.latencyMs == 2)
    // Two requests of 10 and 5 tokens, one millisecond each.
    #expect(abs((figures.costUSD ?? 0) - 2 * (0.01 + 0.01 + 0.000001)) < 1e-12)
    drive = try Drive(task, fault: check)
    #expect(reply(drive.run([label("bad"), label("worse bad"), label("a")]))?.text.contains("worse") == true)
    #expect(drive.sent.count == 2)
  }

  @Test("a correction that fails leaves the first answer standing")
  func failedCorrection() throws {
    var drive = try Drive(labelTask { $0.schemaRetry = 1 }, fault: { _ in "not_json" })
    #expect(reply(drive.run([label("x"), fault(.connectionLost)]))?.text.contains("x") == true)
    #expect(drive.inquiry.tries.map(\.fault) == ["not_json", "connection_lost"])
  }

  @Test("a final reply is decided as it is: no correction, no samples; a final sample agrees with nobody")
  func finalReplies() throws {
    let stopping: @Sendable (CandidateReply) -> ReplyVerdict = {
      $0.text.contains("stop") ? .final("hard_stop_security") : .sound
    }
    var drive = try Drive(labelTask { ($0.samples, $0.schemaRetry) = (5, 2) })
    drive.inquiry = try Drive.inquiry(labelTask { ($0.samples, $0.schemaRetry) = (5, 2) }, stopping)
    #expect(reply(drive.run([label("stop"), label("b")]))?.text.contains("stop") == true)
    #expect(drive.sent.count == 1)
    drive = try Drive(labelTask { $0.samples = 5 })
    drive.inquiry = try Drive.inquiry(labelTask { $0.samples = 5 }, stopping)
    let outcome = reply(drive.run([label("a"), label("stop")]))
    #expect(outcome?.measured == MeasuredConfidence(source: .samples, value: 0.2))
  }

  @Test("nothing more is sent once a question is not wanted")
  func withdrawn() throws {
    var question = Question(task: labelTask { $0.samples = 5 }, text: [65], deadline: 10_000_000_000)
    let asked = Mutex(0)
    question.isWanted = {
      asked.withLock {
        $0 += 1
        return $0 < 3
      }
    }
    var drive = try Drive(labelTask())
    drive.inquiry = Inquiry(
      question, model: try serverModel("http://127.0.0.1:1/api/generate"), wantsLogProbabilities: false)
    guard case .unavailable("withdrawn")? = drive.run([label("a")]) else {
      Issue.record("an outcome although it was not wanted")
      return
    }
    #expect(drive.sent.count == 2)
  }

  @Test("a refusal is not pressed, and words that could quote an answer stay out of the record")
  func refusal() throws {
    var drive = try Drive(labelTask { $0.schemaRetry = 2 })
    var declined = CandidateReply(text: "no")
    declined.isRefusal = true
    _ = drive.run([.outcome(.said(declined))])
    #expect(drive.sent.count == 1 && drive.inquiry.tries[0].fault == "refusal")
    drive = try Drive(labelTask(), fault: { "label \($0.text) unknown" })
    _ = drive.run([label("x")])
    #expect(drive.inquiry.tries[0].fault == "schema_invalid")
  }

  @Test(
    "samples vote",
    arguments: [
      (["a", "a", "a"], "a", 1.0), (["a", "b", "b"], "b", 2.0 / 3), (["a", "b", "c"], "a", 1.0 / 3),
      (["a", "b", "b", "a"], "a", 0.5), (["a", "b", "b", "c", "c"], "a", 0.2),
    ])
  func samples(labels: [String], winner: String, share: Double) throws {
    var drive = try Drive(labelTask { $0.samples = labels.count })
    let best = reply(drive.run(labels.map(label)))
    #expect(best?.text.contains(#""\#(winner)""#) == true)
    #expect(best?.measured == MeasuredConfidence(source: .samples, value: share))
    #expect(drive.sent.map(\.style.sample) == Array(0..<labels.count))
    #expect(drive.inquiry.tries.map(\.purpose) == [.first] + labels.dropFirst().map { _ in .sample })
  }

  @Test("a sample that did not come, or is of the wrong shape, agrees with nobody")
  func missingSamples() throws {
    let task = labelTask { $0.samples = 4 }
    var drive = try Drive(task)
    let share = reply(drive.run([label("a"), label("a"), fault(.status(500))]))?.measured?.value
    #expect(share == 0.5 && drive.sent.count == 3)
    drive = try Drive(task, fault: { $0.text.contains("bad") ? "not_json" : nil })
    #expect(reply(drive.run([label("a"), label("bad"), label("bad"), label("a")]))?.measured?.value == 0.5)
  }

  @Test("no samples are asked for where the confidence was measured or the answer is of no use")
  func noSamples() throws {
    let task = labelTask { $0.samples = 3 }
    var drive = try Drive(task)
    _ = drive.run([said("{}", measured: MeasuredConfidence(source: .logprob, value: 0.7))])
    #expect(drive.sent.count == 1)
    drive = try Drive(task, fault: { _ in "not_json" })
    #expect(reply(drive.run([label("a")]))?.measured == nil)
    #expect(drive.sent.count == 1)
  }

  @Test("a server that refuses log-probabilities is asked again without, which is no retry")
  func refusedLogProbabilities() throws {
    var drive = try Drive(labelTask(), wantsLogProbabilities: true)
    #expect(reply(drive.run([fault(.status(400)), label("a")])) != nil)
    #expect(drive.sent.map(\.style.wantsLogProbabilities) == [true, false])
    #expect(drive.inquiry.tries.map(\.purpose) == [.first, .first])
    #expect(drive.inquiry.refusesLogProbabilities)
    // A 400 for another reason teaches nothing.
    drive = try Drive(labelTask(), wantsLogProbabilities: true)
    #expect(cause(drive.run([fault(.status(400))])) == "status_400")
    #expect(drive.sent.count == 2 && !drive.inquiry.refusesLogProbabilities)
  }

  @Test("probabilities are asked for where the server has them; without them the answer stands all the same")
  func probabilities() throws {
    let task = labelTask { $0.samples = 3 }
    let measured = MeasuredConfidence(source: .logprob, value: 0.8)
    var drive = try Drive(task, followUp: { _, _ in [1, 2] })
    let answer = said(#"{"label":"a","confidence":0.9}"#, tokens: 5)
    let best = reply(drive.run([answer, said("a", tokens: 7, measured: measured)]))
    #expect(best?.measured == measured)
    #expect(drive.inquiry.tries.map(\.purpose) == [.first, .probabilities])
    #expect(drive.inquiry.tries.map(\.outputTokens) == [5, 2])
    #expect(drive.sent.map { $0.followUp?.body } == [nil, [1, 2]])
    drive = try Drive(task, followUp: { _, _ in [1, 2] })
    #expect(
      reply(drive.run([label("a"), fault(.status(400)), label("a"), label("b")]))?.measured?.source
        == .samples)
    #expect(drive.inquiry.tries.map(\.purpose) == [.first, .probabilities, .sample, .sample])
  }

  @Test("taken back from outside, nothing that was said counts")
  func yielded() throws {
    var drive = try Drive(labelTask { $0.samples = 3 })
    #expect(cause(drive.run([label("a"), fault(.yielded)])) == "yielded")
  }

  @Test("never more requests than the policy allows, whatever the server says")
  func bound() throws {
    var random = SeededGenerator(seed: 3)
    for _ in 0..<2_000 {
      let attempts = Int.random(in: 1...4, using: &random)
      let corrections = Int.random(in: 0...2, using: &random)
      let samples = Int.random(in: 1...4, using: &random)
      let task = labelTask {
        $0.schemaRetry = corrections
        $0.samples = samples
      }
      let wants = Bool.random(using: &random)
      var drive = try Drive(
        task, wantsLogProbabilities: wants, fault: { $0.text.contains("bad") ? "not_json" : nil },
        model: {
          $0.retry.maxAttempts = attempts
          $0.retry.retryOn = ModelPolicy.RetryPolicy.Cause.allCases
        })
      let choices = [
        label("a"), label("b"), label("bad"), fault(.status(429)), fault(.status(500)), fault(.timeout),
        fault(.status(400)), fault(.refused),
      ]
      let script = (0..<30).map { _ in choices[Int.random(in: 0..<choices.count, using: &random)] }
      #expect(drive.run(script) != nil)
      // Each of first ask and corrections may be refused once for its log-probabilities.
      let most = attempts + corrections + samples - 1 + (wants ? 1 + corrections : 0)
      #expect(drive.sent.count <= most)
      #expect(drive.inquiry.tries.count == drive.sent.count)
    }
  }
}

@Suite("What makes answers the same")
struct SampleVoteTests {
  private func key(_ text: String, _ change: (inout TaskPolicy) -> Void = { _ in }) -> String {
    SampleVote.key(of: CandidateReply(text: text), task: labelTask(change))
  }

  @Test("labels, whatever stands around them")
  func labels() {
    let plain = key(#"{"label":"a","confidence":0.2}"#)
    #expect(plain == key("```json\n{\"confidence\": 1, \"label\": \"a\"}\n```"))
    #expect(plain != key(#"{"label":"b","confidence":0.2}"#))
    #expect(plain != key("a"))
  }

  @Test("objects by their content, text by its words")
  func contents() {
    let json: (inout TaskPolicy) -> Void = { $0.labels = [] }
    #expect(
      key(#"{"answer":{"x":1,"y":[2]},"confidence":1}"#, json) == key(#"{"answer":{"y":[2],"x":1}}"#, json))
    #expect(key(#"{"answer":{"x":1}}"#, json) != key(#"{"answer":{"x":"1"}}"#, json))
    #expect(key(#"{"answer":" Yes \n"}"#, json) == key(#"{"answer":"yes"}"#, json))
    #expect(key(#"{"answer":"{}"}"#, json) != key(#"{"answer":{}}"#, json))
  }

  @Test("tool calls by name and arguments")
  func tools() {
    func key(_ name: String, _ arguments: JSONValue) -> String {
      var reply = CandidateReply(text: "")
      reply.toolCalls = [ToolCall(name: name, arguments: arguments)]
      return SampleVote.key(of: reply, task: labelTask())
    }
    #expect(key("f", ["a": 1, "b": 2]) == key("f", ["b": 2, "a": 1]))
    #expect(key("f", ["a": 1]) != key("g", ["a": 1]))
    #expect(key("f", ["a": 1]) != key("f", ["a": 2]))
  }
}
