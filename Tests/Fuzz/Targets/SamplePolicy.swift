import RouterCore
import Wire

/// A policy with a task of each kind, whose candidate is asked about everything that no check stops.
enum SamplePolicy {
  static let today = "2026-11-21"

  static let prepared: PreparedPolicy = {
    var policy = Policy()
    policy.revision = "sha256:sample"
    policy.tasks = [triage, summary, extract, tool]
    return PreparedPolicy(policy, generation: 1)
  }()

  static let tasks: [TaskPolicy] = [triage, summary, extract, tool]

  private static func task(_ name: String, _ change: (inout TaskPolicy) -> Void) -> TaskPolicy {
    var task = TaskPolicy(name: name, mark: Mark(line: 1, column: 1))
    task.local = true
    task.model = "m"
    task.minConfidence = 0.8
    change(&task)
    return task
  }

  private static let triage = task("triage") {
    $0.output = .label
    $0.labels = [.init("billing"), .init("bug"), .init("crash"), .init("other")]
    $0.escalateLabels = ["other"]
    $0.stopSignals = [.securitySensitive]
  }
  private static let summary = task("summary") {
    $0.output = .text
    $0.maxOutputChars = 200
    $0.citeArtifacts = true
  }
  private static let extract = task("extract") {
    $0.output = .json
    $0.outputSchema = [
      "type": "object", "required": ["total"],
      "properties": [
        "total": ["type": "number", "minimum": 0], "items": ["type": "array", "uniqueItems": true],
      ],
      "additionalProperties": false,
    ]
  }
  private static let tool = task("tool") { $0.output = .toolCall }

  /// A call of a task that nothing stops before the candidate is asked.
  static func call(_ task: TaskPolicy) -> Call {
    var call = Call(callID: "c")
    call.taskType = task.name
    call.text = CallText("find the total of a.txt and tell")
    call.artifacts = ["a.txt", "total"]
    return call
  }

  static let key = HMACSHA256Key(Array("a key for this alone".utf8))
  static let seal = TextSeal(keyID: "k1", key: key, privacy: PrivacyPolicy())
}

/// What a decision comes to: checked, recorded, the record read back.
enum DecisionCheck {
  /// Longest record that the log takes, less what the log itself writes around it.
  private static let longestBody = 65_536 - 512

  static func screen(_ call: Call) -> Screening {
    var scratch = Engine.Scratch()
    return Engine.screen(
      call, policy: SamplePolicy.prepared, context: DecisionContext(today: SamplePolicy.today),
      scratch: &scratch)
  }

  static func judge(_ reply: CandidateReply, to call: Call, _ screening: Screening) throws(Finding)
    -> Decision
  {
    var scratch = Engine.Scratch()
    let context = DecisionContext(today: SamplePolicy.today)
    let decision = Engine.judge(
      screening, call: call, outcome: .said(reply), policy: SamplePolicy.prepared, context: context,
      scratch: &scratch)
    let again = Engine.judge(
      screening, call: call, outcome: .said(reply), policy: SamplePolicy.prepared, context: context,
      scratch: &scratch)
    try require(decision.reason == again.reason, "a second judgement comes to something else")
    if decision.isLocal { try accepted(decision, reply, screening) }
    _ = Engine.verdict(
      on: reply, to: call, screening, policy: SamplePolicy.prepared, today: SamplePolicy.today)
    return decision
  }

  /// What an answer that was let through has to be.
  private static func accepted(_ decision: Decision, _ reply: CandidateReply, _ screening: Screening)
    throws(Finding)
  {
    try require(screening.reason == nil, "accepted in spite of \(screening.reason as Any)")
    try require(!reply.isRefusal, "a refusal is accepted")
    guard let task = screening.task?.policy, let answer = decision.answer,
      let confidence = decision.confidence
    else { throw Finding("accepted without task, answer or confidence") }
    try require(confidence >= task.minConfidence && confidence <= 1, "accepted at confidence \(confidence)")
    try require(decision.hits.isEmpty, "accepted in spite of a hard stop")
    if !task.labels.isEmpty {
      guard let label = answer.label else { throw Finding("accepted without a label") }
      try require(task.labels.contains { $0.name == label }, "accepted with the label \(label)")
      try require(!task.escalateLabels.contains(label), "an escalated label is accepted")
    }
    switch task.output {
    case .json:
      guard let total = answer.answer["total"]?.numberValue else {
        throw Finding("accepted JSON without a total")
      }
      try require(total >= JSONNumber(0), "accepted JSON of total \(total)")
    case .toolCall: try require(answer.toolCall != nil, "accepted without a tool call")
    case .text: try require(!answer.answer.jsonText.isEmpty, "an empty answer is accepted")
    case .label: break
    }
  }

  /// The record is JSON, and short enough for the log whatever it is about.
  static func record(_ decision: Decision, _ call: Call, _ screening: Screening) throws(Finding) {
    var call = call
    call.sealIdentifiers(SamplePolicy.seal)
    let record = DecisionRecord(
      call: call, screening: screening, candidate: CandidateRecord(task: screening.task, decision: decision),
      policy: SamplePolicy.prepared, decideUs: 7)
    let body = record.body(sealedBy: SamplePolicy.seal).bytes
    guard let read = try? JSONValue(parsing: [UInt8(ascii: "{")] + body + [UInt8(ascii: "}")]) else {
      throw Finding("the record is no JSON: \(body.text)")
    }
    try require(body.count <= longestBody, "the record has \(body.count) bytes")
    try require(read["call_id"]?.stringValue == call.callID, "the record names another call")
    try require(
      read["input_hash"]?.stringValue?.hasPrefix("hmac-sha256:k1:") == true, "the input has no hash")
  }
}
