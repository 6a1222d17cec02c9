import RouterCore

/// One question as it is put to a model: first ask, retries, corrections and samples, until there is an outcome.
///
/// A state machine: it says what to do next, is told what came of it, and never waits. All times are monotonic
/// nanoseconds.
///
/// At most `retry.max_attempts - 1` requests are retries, over the whole question; beside them go out the first ask,
/// `schema_retry` corrections, `samples - 1` samples, and once more a request that was refused with its demand for
/// log-probabilities.
struct Inquiry: Sendable {
  /// One request to be sent.
  struct Request: Sendable {
    var purpose: AskTry.Purpose
    var style: AskStyle
    var deadline: UInt64 = 0
    /// The reply whose probabilities are asked for, with the body that asks; nil: ``style`` makes the body.
    var followUp: FollowUp?
  }

  /// A second request about a reply, whose answer is that reply with better knowledge of its confidence.
  struct FollowUp: Sendable {
    var reply: CandidateReply
    var body: [UInt8]
  }

  enum Step: Sendable {
    case send(Request)
    case wait(until: UInt64)
    case done
  }

  /// What came of a request.
  enum Reception: Sendable {
    case outcome(CandidateOutcome)
    case fault(AskFault, RetryHint)
  }

  private enum Phase: Sendable {
    case asking(Request)
    case waiting(until: UInt64, Request)
    case done(CandidateOutcome)
  }

  private let question: Question
  /// The body of a request for the probabilities of a reply's label; nil where there is none to ask for.
  private let followUp: @Sendable (CandidateReply, AskStyle) -> [UInt8]?
  private let price: ModelPolicy.PricePolicy
  private let rule: RetryRule
  private var phase: Phase
  private var retriesMade = 0
  private var correctionsLeft: Int
  /// The greedy answer, of whatever shape: what stands when nothing better comes.
  private var reply: CandidateReply?
  private var samples: [CandidateReply] = []
  private var sampleNumber = 0
  private var isWithoutLogProbabilities = false

  private(set) var tries: [AskTry] = []
  private var tokensAreEstimates = false
  /// The server refused a request for log-probabilities and answered the same without.
  private(set) var refusesLogProbabilities = false

  init(
    _ question: Question, model: ModelPolicy, wantsLogProbabilities: Bool,
    followUp: @escaping @Sendable (CandidateReply, AskStyle) -> [UInt8]? = { _, _ in nil }
  ) {
    self.question = question
    self.followUp = followUp
    price = model.price
    rule = RetryRule(model.retry)
    correctionsLeft = max(0, question.task.schemaRetry)
    let style = AskStyle(wantsLogProbabilities: wantsLogProbabilities)
    phase = .asking(Request(purpose: .first, style: style))
  }

  /// How it ended; nil before it has.
  var outcome: CandidateOutcome? { if case .done(let outcome) = phase { outcome } else { nil } }

  /// What to do now.
  mutating func next(at now: UInt64) -> Step {
    switch phase {
    case .done: return .done
    case .waiting(let until, _) where now < until: return .wait(until: until)
    case .waiting(_, var request), .asking(var request):
      guard now < question.deadline else {
        giveUp(.timeout)
        return .done
      }
      request.deadline = rule.tryDeadline(made: retriesMade, at: now, deadline: question.deadline)
      phase = .asking(request)
      guard question.isWanted() else {
        end(by: .withdrawn)
        return .done
      }
      return .send(request)
    }
  }

  /// Takes in what came of the request that ``next(at:)`` asked for.
  mutating func received(
    _ reception: Reception, from start: UInt64, to end: UInt64, using random: inout some RandomNumberGenerator
  ) {
    guard case .asking(let request) = phase else { return }
    switch reception {
    case .fault(let fault, let hint):
      note(request, fault: fault.cause, nil, nanoseconds: end - start)
      failed(request, fault, hint, at: end, using: &random)
    case .outcome(.said(let new)):
      if let asked = request.followUp {
        note(request, fault: nil, new.tokens(beyond: asked.reply), nanoseconds: end - start)
        return measured(new)
      }
      if isWithoutLogProbabilities { refusesLogProbabilities = true }
      let verdict = new.isRefusal ? .final("refusal") : question.verdict(new)
      note(request, fault: Self.word(verdict), new, nanoseconds: end - start)
      if request.style.sample > 0 {
        if verdict == .sound { samples.append(new) }
        sample()
      } else {
        answered(request, new, verdict)
      }
    case .outcome(let outcome):
      note(request, fault: nil, nil, nanoseconds: end - start)
      phase = .done(outcome)
    }
  }

  /// The breaker lets nothing through.
  mutating func wasNotAdmitted() {
    // After a fault of its own, that fault says more than the breaker it opened.
    let cause = tries.last?.fault ?? ModelPool.Refusal.breakerOpen.rawValue
    giveUp(cause: cause)
  }

  /// Taken back from outside: nothing that was said counts, or an answer would be recorded that was not tried to the end.
  mutating func end(by fault: AskFault) { phase = .done(.unavailable(cause: fault.cause)) }

  /// A request went out twice: see ``HTTPClient``.
  mutating func wasResent(_ request: Request) {
    tries.append(AskTry(purpose: request.purpose, fault: AskFault.connectionLost.cause, latencyMs: 0))
  }

  // MARK: - What follows

  private mutating func answered(_ request: Request, _ new: CandidateReply, _ verdict: ReplyVerdict) {
    reply = new
    switch verdict {
    case .final: conclude()
    case .mendable(let fault):
      guard correctionsLeft > 0 else { return conclude() }
      correctionsLeft -= 1
      var style = request.style
      style.correction = AskStyle.Correction(answer: new.text, fault: fault)
      phase = .asking(Request(purpose: .correction, style: style))
    case .sound:
      guard let body = followUp(new, request.style) else { return measured(new) }
      let followUp = FollowUp(reply: new, body: body)
      phase = .asking(Request(purpose: .probabilities, style: request.style, followUp: followUp))
    }
  }

  /// Samples where nothing better tells how sure the model is.
  private mutating func measured(_ new: CandidateReply) {
    reply = new
    if new.measured == nil, question.task.samples > 1 { sample() } else { conclude() }
  }

  /// The next sample, or the end of them.
  private mutating func sample() {
    guard sampleNumber + 1 < question.task.samples else { return conclude() }
    sampleNumber += 1
    phase = .asking(
      Request(purpose: .sample, style: AskStyle(wantsLogProbabilities: false, sample: sampleNumber)))
  }

  private mutating func failed(
    _ request: Request, _ fault: AskFault, _ hint: RetryHint, at now: UInt64,
    using random: inout some RandomNumberGenerator
  ) {
    if fault == .yielded || fault == .stopping { return end(by: fault) }
    if let asked = request.followUp {
      // The answer is there: without the probabilities it stands as any other.
      return measured(asked.reply)
    }
    if fault == .status(400), request.style.wantsLogProbabilities {
      // Some servers refuse the field. Whether it was that, the answer without it tells.
      isWithoutLogProbabilities = true
      var request = request
      request.style.wantsLogProbabilities = false
      phase = .asking(request)
    } else if let time = rule.time(
      after: fault, hint: hint, made: retriesMade, at: now, deadline: question.deadline, using: &random)
    {
      retriesMade += 1
      var request = request
      request.purpose = .retry
      phase = .waiting(until: time, request)
    } else {
      giveUp(fault)
    }
  }

  private mutating func giveUp(_ fault: AskFault) { giveUp(cause: fault.cause) }

  /// No further request: what was said stands, as far as it goes.
  private mutating func giveUp(cause: String) {
    if reply == nil { phase = .done(.unavailable(cause: cause)) } else { conclude() }
  }

  private mutating func conclude() {
    guard let reply else { return }
    phase = .done(.said(sampleNumber > 0 ? SampleVote.winner(reply, samples, of: question.task) : reply))
  }

  // MARK: - Figures

  /// A fault of validation as the record may hold it: its word, never words that could quote the answer.
  private static func word(_ verdict: ReplyVerdict) -> String? {
    let fault: String
    switch verdict {
    case .sound: return nil
    case .mendable(let words), .final(let words): fault = words
    }
    // A sentence for the model may stand behind the word.
    let word = fault.prefix { $0 != ":" }.utf8
    let isWord = word.count <= 40 && word.allSatisfy { $0 == UInt8(ascii: "_") || (0x61...0x7A).contains($0) }
    return isWord ? String(Substring(word)) : "schema_invalid"
  }

  private mutating func note(
    _ request: Request, fault: String?, _ reply: CandidateReply?, nanoseconds: UInt64
  ) {
    var entry = AskTry(purpose: request.purpose, fault: fault, latencyMs: Double(nanoseconds) / 1e6)
    entry.inputTokens = reply?.inputTokens
    entry.outputTokens = reply?.outputTokens
    if reply?.tokensAreEstimates == true { tokensAreEstimates = true }
    let tokens =
      Double(entry.inputTokens ?? 0) * price.inputPerMtok / 1e6
      + Double(entry.outputTokens ?? 0) * price.outputPerMtok / 1e6
    entry.costUSD = tokens + Double(nanoseconds) / 3.6e12 * price.usdPerHour
    tries.append(entry)
  }

  /// Adds up all requests. Waits between them are neither latency nor busy time.
  func add(to figures: inout AskFigures) {
    guard !tries.isEmpty else { return }
    figures.attempts = tries.count
    figures.latencyMs = tries.reduce(0) { $0 + $1.latencyMs }
    figures.inputTokens = Self.sum(tries.map(\.inputTokens))
    figures.outputTokens = Self.sum(tries.map(\.outputTokens))
    figures.tokensAreEstimates = tokensAreEstimates
    figures.costUSD = tries.reduce(0) { $0 + ($1.costUSD ?? 0) }
  }

  private static func sum(_ counts: [Int?]) -> Int? {
    let known = counts.compactMap(\.self)
    return known.isEmpty ? nil : known.reduce(0, +)
  }
}

extension CandidateReply {
  /// The same with the tokens alone that came on top of another's.
  fileprivate func tokens(beyond other: CandidateReply) -> CandidateReply {
    var copy = self
    copy.inputTokens = inputTokens.map { $0 - (other.inputTokens ?? 0) }
    copy.outputTokens = outputTokens.map { $0 - (other.outputTokens ?? 0) }
    return copy
  }
}
