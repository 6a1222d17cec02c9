import PolicyLanguage
import PolicyYAML
import RouterCore
import Text
import Wire

/// A text is a policy or says where it is not, each fault in one line that a terminal may show; a policy can be put in force
/// and shown.
enum PolicyTarget {
  static func check(_ text: [UInt8]) throws(Finding) {
    let options = PolicyReadingOptions(today: SamplePolicy.today, isStrict: false)
    let reading = PolicyFile.read(text, options: options)
    try require(
      (reading.policy == nil) == !reading.errors.isEmpty, "a policy in spite of errors, or none without")
    let lines = text.reduce(1) { $1 == 0x0A || $1 == 0x0D ? $0 + 1 : $0 }
    // Unicode's own line ends count as well.
    let most = lines + text.text.unicodeScalars.count { [0x85, 0x2028, 0x2029].contains($0.value) } + 1
    for problem in reading.problems {
      try require((1...most).contains(problem.mark.line), "a fault in line \(problem.mark.line) of \(most)")
      try require(
        (1...text.count + 2).contains(problem.mark.column), "a fault in column \(problem.mark.column)")
      let line = problem.line(in: "p")
      try require(isPlain(line), "said of it: \(line.debugDescription)")
    }
    let strict = PolicyFile.read(
      text, options: PolicyReadingOptions(today: SamplePolicy.today, isStrict: true))
    if strict.policy != nil { try require(reading.policy != nil, "taken only where the rules are strict") }
    guard let policy = reading.policy else { return }
    try checkPolicy(policy)
  }

  private static func isPlain(_ line: String) -> Bool {
    line.unicodeScalars.allSatisfy { scalar in
      switch scalar.value {
      case ..<0x20, 0x7F...0x9F, 0x2028...0x202E, 0x2066...0x2069: false
      default: true
      }
    }
  }

  private static func checkPolicy(_ policy: Policy) throws(Finding) {
    try require(!policy.tasks.isEmpty, "a policy without tasks")
    let prepared = PreparedPolicy(policy, generation: 1)
    for problem in PolicyTests.run(prepared, today: SamplePolicy.today) {
      try require(isPlain(problem.line(in: "p")), "said of a test: \(problem.message.debugDescription)")
    }
    try require(PolicyDifference.between(policy, policy).isEmpty, "the policy differs from itself")
    _ = PolicyBrief.text(policy, today: SamplePolicy.today)
    let json = PolicyBrief.json(policy, today: SamplePolicy.today).jsonBytes
    try require((try? JSONValue(parsing: json)) != nil, "the brief is no JSON")
    for task in policy.tasks {
      try require((0...1).contains(task.minConfidence), "a threshold of \(task.minConfidence)")
      try require(
        TaskRevision.of(task.name, in: policy) == TaskRevision.of(task.name, in: policy),
        "two revisions of one task")
      var call = Call(callID: "c")
      call.taskType = task.name
      call.text = CallText("the importer crashes with the password in case-17")
      var scratch = Engine.Scratch()
      let context = DecisionContext(today: SamplePolicy.today)
      let screening = Engine.screen(call, policy: prepared, context: context, scratch: &scratch)
      let reply = CandidateReply(text: #"{"label":"a","answer":"a","confidence":1}"#)
      let decision = Engine.judge(
        screening, call: call, outcome: .said(reply), policy: prepared, context: context, scratch: &scratch)
      if decision.isLocal {
        try require(task.local && task.impact != .high, "accepted where the policy forbids it")
      }
      let seal = TextSeal(
        keyID: "k", key: SamplePolicy.key, privacy: policy.privacy, known: policy.knownNames)
      let record = DecisionRecord(
        call: call, screening: screening,
        candidate: CandidateRecord(task: screening.task, decision: decision),
        policy: prepared, decideUs: 1)
      let body = record.body(sealedBy: seal).bytes
      try require(
        (try? JSONValue(parsing: Array("{".utf8) + body + Array("}".utf8))) != nil, "the record is no JSON")
    }
  }
}
