package import LogReading
package import RouterCore

/// The gates of several subjects out of one reading of the log: the same folds and the same judgement as `gate TASK`.
package struct GatesFold: Sendable {
  private var terms: [GateTerms]
  private var folds: [EpochFold]
  private var byTask: [ContentHash: [Int]] = [:]
  /// Whether tasks that are named nowhere are judged by the contract's defaults as they turn up.
  private let takesOthers: Bool
  private var health = LogHealth()
  private var planted = EpochReviews()

  /// Tasks that turn up; the names are the senders'.
  private static let othersLimit = 200

  /// - Parameter terms: nil: no policy is known.
  package init(_ terms: [GateTerms]?) {
    self.terms = terms ?? []
    takesOthers = terms == nil
    folds = self.terms.map { EpochFold($0.subject, $0.rules) }
    for (index, terms) in self.terms.enumerated() {
      byTask[Self.key(terms.subject.task), default: []].append(index)
    }
  }

  /// Each task of a policy that may be local, and its challenger.
  package static func subjects(_ policy: Policy) -> [EvidenceSubject] {
    policy.tasks.filter(\.mayBeLocal).flatMap { task in
      [EvidenceSubject(task: task.name)]
        + (task.challenger == nil ? [] : [EvidenceSubject(task: task.name, isChallenger: true)])
    }
  }

  /// With nothing known of revisions.
  package static func terms(_ policy: Policy) -> [GateTerms] {
    subjects(policy).map { GateTerms($0, policy.task($0.task)) }
  }

  package mutating func sawDamage() { health.sawDamage() }

  /// Follows one record, in the order of the log.
  package mutating func add(_ text: Span<UInt8>, read line: inout LogLine, at ms: Int64) {
    health.saw(&line, text, at: ms)
    switch line.kind {
    case .decision, .challenge:
      guard let key = line.hash(.taskType, in: text) else { return }
      if takesOthers, byTask[key] == nil { adopt(key, line, text) }
      for index in byTask[key] ?? [] { folds[index].follow(text, ms, &line) }
    // Most of the other records are these, and no gate reads them.
    case .comparison, .outcome: return
    case .review where line.isString(.stream, "planted", in: text):
      let key = line.hash(.callID, in: text)?.short
      if let key, let record = ReviewRecord(line, in: text, at: ms) { planted.add(record, to: key) }
    default:
      for index in folds.indices { folds[index].follow(text, ms, &line) }
    }
  }

  private mutating func adopt(_ key: ContentHash, _ line: LogLine, _ text: Span<UInt8>) {
    guard terms.count < Self.othersLimit, !line.isString(.reason, "unknown_task", in: text),
      let task = line.string(.taskType, in: text)
    else { return }
    terms.append(GateTerms(EvidenceSubject(task: task)))
    folds.append(EpochFold(EvidenceSubject(task: task), terms[terms.count - 1].rules))
    byTask[key] = [terms.count - 1]
  }

  private static func key(_ task: String) -> ContentHash { ContentHash(Array(task.utf8).span) }

  /// Planted items over all tasks, and how many of them reviewers caught.
  package var catches: (planted: Int, caught: Int) { planted.catches }

  /// Milliseconds since 1970: the time of the newest record.
  package var now: Int64 { health.last }

  /// As of ``now``, in the order in which the subjects were given or turned up.
  package func gates() -> [Gate] {
    zip(terms, folds).map { terms, fold in terms.judge(fold, health, catches: catches) }
  }

  /// Epochs that ended, with the subject that they were about.
  package func endings() -> [(subject: EvidenceSubject, ending: EpochEnding)] {
    folds.flatMap { fold in fold.endings.map { (fold.subject, $0) } }
  }
}

// MARK: - What is stored

extension GatesFold: StoredMembers {
  package static var blank: GatesFold { GatesFold([]) }

  /// The terms stay its own. Where those that the folding itself depends on are others, nothing can be taken over.
  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    let own = conditions
    var stored = own
    try stored.pass(&state)
    guard stored == own else { throw .unusable }
    state.leaveOut()  // takesOthers
    // Of the others only the names are needed.
    var names = takesOthers ? terms.map(\.subject.task) : []
    try names.pass(&state)
    if state.isReading, takesOthers {
      terms = names.map { GateTerms(EvidenceSubject(task: $0)) }
      folds = terms.map { EpochFold($0.subject, $0.rules) }
      byTask = [:]
      for (index, name) in names.enumerated() { byTask[Self.key(name), default: []].append(index) }
    }
    state.leaveOut()  // terms
    state.leaveOut()  // byTask
    for index in folds.indices { try folds[index].pass(&state) }
    state.leaveOut()  // folds: told above, each in place
    try state.member(&health)
    try state.member(&planted)
  }

  /// What decides which calls belong to which epoch, in words.
  private var conditions: [String] {
    guard !takesOthers else { return ["others"] }
    return terms.flatMap { terms -> [String] in
      let rules = terms.rules
      return [
        terms.subject.task, terms.subject.role, "\(rules.windowDays)", "\(rules.deadlineDays)",
        rules.owner ?? "", "\(rules.undrawnLimit)",
      ] + rules.usedCases.sorted()
    }
  }
}
