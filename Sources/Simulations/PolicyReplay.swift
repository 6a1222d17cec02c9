import RouterCore
import Text

/// Applies a policy to recorded calls that other policies decided. Caches what two policies' tasks differ in.
///
/// Three-valued: where the answer depends on a text, it is left open rather than guessed. What is taken for granted all
/// the same: that the candidate, asked the same again, would give the same answer, and that one that was unavailable would
/// be so again; that with other labels it would give the label that it gave; and the correction of confidences of the time.
struct PolicyReplay: Sendable {
  let policy: Policy
  /// By revision.
  private let earlier: [String: Policy]
  private var pairs: [PairKey: TaskPair] = [:]
  private var terms: [TermKey: TermPair] = [:]

  /// - Parameter earlier: Policies that may have decided the calls; `policy` itself need not be among them.
  init(_ policy: Policy, earlier: [Policy]) {
    self.policy = policy
    self.earlier = Dictionary(
      (earlier + [policy]).map { ($0.revision, $0) }, uniquingKeysWith: { one, _ in one })
  }

  struct Result {
    var outcome: Redecision
    /// As the policy would call it; nil: not known, or open.
    var task: String?
    /// The candidate would be asked with other labels, and is taken to give the one it gave.
    var assumesLabel = false
  }

  mutating func decide(_ call: RecordedCall) -> Result {
    // The switch needs no policy.
    if call.checks[.manualOverride] == .fail {
      return Result(outcome: .stopped(.manualOverride, isCertain: true), task: call.taskType)
    }
    let old = earlier[call.policyRevision]
    let type = taskType(of: call, old)
    guard case .known(let name) = type else {
      return Result(outcome: .open(old == nil ? .policy : .classifier), task: nil)
    }
    guard let task = name.flatMap(policy.task) else {
      return Result(outcome: .stopped(.unknownTask, isCertain: true), task: nil)
    }
    guard let old else { return withoutPolicy(call, task) }
    let before = call.reason == .unknownTask ? nil : call.taskType.flatMap(old.task)
    let pair = pair(old, before, task)
    let terms = terms(old, before, task, day: call.day)
    let screened = Redecision { reason in
      switch reason {
      case .policyRequiresFrontier: Told(task.mayBeLocal)
      case .hardStopSecurity: terms.told(.security, .input, call, pair)
      case .hardStopAccess: terms.told(.access, .input, call, pair)
      case .hardStopProduction: terms.told(.production, .input, call, pair)
      case .riskSignal: Told(call.signals.isDisjoint(with: task.stopSignals))
      case .inputTooLarge: Self.size(call, task, pair)
      default: .pass
      }
    }
    if case .stopped = screened { return Result(outcome: screened, task: task.name) }
    let answer = AnswerReplay(call, pair: pair, old: before, new: task)
    let judged = Redecision { reason in
      switch reason {
      case .hardStopSecurity: answer.isThere ? terms.told(.security, .answer, call, pair) : .pass
      case .hardStopAccess: answer.isThere ? terms.told(.access, .answer, call, pair) : .pass
      case .hardStopProduction: answer.isThere ? terms.told(.production, .answer, call, pair) : .pass
      case .localUnavailable: answer.available
      case .schemaInvalid: answer.schema
      case .labelEscalated: answer.label
      case .confidenceLow: answer.confidence
      default: .pass
      }
    }
    return Result(
      outcome: screened.followed(by: judged), task: task.name, assumesLabel: answer.assumesLabel)
  }

  /// Of a call whose policy is not at hand only what the new policy alone decides can be told.
  private func withoutPolicy(_ call: RecordedCall, _ task: TaskPolicy) -> Result {
    let outcome = Redecision { reason in
      switch reason {
      case .manualOverride, .unknownTask: .pass
      case .policyRequiresFrontier: Told(task.mayBeLocal)
      case .riskSignal: Told(call.signals.isDisjoint(with: task.stopSignals))
      default: .open(.policy)
      }
    }
    return Result(outcome: outcome, task: task.name)
  }

  /// Parts newly exempt make the counted text shorter, parts no longer exempt longer.
  private static func size(_ call: RecordedCall, _ task: TaskPolicy, _ pair: TaskPair) -> Told {
    let fits = call.inputChars <= task.maxInputChars
    if fits, pair.scansMore { return .open(.reviewedPart) }
    if !fits, pair.scansLess { return .open(.reviewedPart) }
    return Told(fits)
  }

  // MARK: Task types

  private enum TaskType {
    case known(String?)
    case open
  }

  private func taskType(of call: RecordedCall, _ old: Policy?) -> TaskType {
    // What the agent says no rule changes. A name that no policy knew stands in the record as redaction left it.
    if call.taskTypeSource == .given { return .known(call.taskType) }
    guard let old else { return .open }
    let before = old.classifier.map(\.conditions)
    if before == policy.classifier.map(\.conditions) { return .known(call.taskType) }
    for rule in policy.classifier {
      if let agent = rule.agent, agent != call.agent { continue }
      if let step = rule.step, step != call.step { continue }
      // No rule fitted then, so this one, which stood there too, does not.
      if call.taskTypeSource == nil, before.contains(rule.conditions) { continue }
      if rule.needsCall { return .open }
      if rule.agent != nil || rule.step != nil { return .known(rule.task) }
    }
    return .known(nil)
  }

  // MARK: Caches

  private struct PairKey: Hashable {
    var revision: String
    var before: String?
    var after: String
  }

  private struct TermKey: Hashable {
    var pair: PairKey
    var day: String
  }

  private mutating func pair(_ old: Policy, _ before: TaskPolicy?, _ task: TaskPolicy) -> TaskPair {
    let key = PairKey(revision: old.revision, before: before?.name, after: task.name)
    if let known = pairs[key] { return known }
    let made = TaskPair(old, before, policy, task)
    pairs[key] = made
    return made
  }

  private mutating func terms(
    _ old: Policy, _ before: TaskPolicy?, _ task: TaskPolicy, day: String
  ) -> TermPair {
    let pair = PairKey(revision: old.revision, before: before?.name, after: task.name)
    let key = TermKey(pair: pair, day: day)
    if let known = terms[key] { return known }
    let made = TermPair(old, before, policy, task, day: day)
    terms[key] = made
    return made
  }
}

extension ClassifierRule {
  fileprivate var conditions: [String?] {
    [task, agent, step, model, systemSHA256, tool, textPrefix, textContains]
  }

  /// Whether it asks for what no record holds.
  fileprivate var needsCall: Bool {
    model != nil || systemSHA256 != nil || tool != nil || textPrefix != nil || textContains != nil
  }
}

/// Hard-stop terms that held for a task on a day, and those that hold under the new policy.
struct TermPair: Sendable {
  /// The new policy's, by class, as ``key(_:)`` writes them.
  private var now: [HardStopClass: Set<String>] = [:]
  /// Classes with a term that was not looked for then.
  private var gained: Set<HardStopClass> = []

  init(_ old: Policy, _ before: TaskPolicy?, _ new: Policy, _ task: TaskPolicy, day: String) {
    for stop in HardStopClass.allCases {
      let terms = Self.terms(stop, new, task, day: day)
      now[stop] = terms
      if !terms.isSubset(of: Self.terms(stop, old, before, day: day)) { gained.insert(stop) }
    }
  }

  func told(
    _ stop: HardStopClass, _ place: HardStopHit.Place, _ call: RecordedCall, _ pair: TaskPair
  ) -> Told {
    let hits = call.hits.filter {
      $0.kind == stop && $0.place == place && now[stop]?.contains(Self.key($0.term)) == true
    }
    // Of the input, the part in which it stood may be newly exempt.
    if !hits.isEmpty { return place == .input && pair.scansLess ? .open(.reviewedPart) : .fail }
    if gained.contains(stop) || call.hits.count >= RecordedCall.hitLimit { return .open(.term) }
    return place == .input && pair.scansMore ? .open(.reviewedPart) : .pass
  }

  private static func terms(
    _ stop: HardStopClass, _ policy: Policy, _ task: TaskPolicy?, day: String
  ) -> Set<String> {
    let builtIn = policy.hardStops.builtin ? stop.builtIn : []
    let all = builtIn + (policy.hardStops.terms[stop] ?? []) + (task?.hardStops[stop] ?? [])
    let waived = policy.hardStops.waivers.filter { $0.task == task?.name && day <= $0.until }.map(\.term)
    return Set(all.filter { !waived.contains($0) }.map(key))
  }

  /// Terms are told apart as they are written, but for the case of ASCII letters: what looks alike may match otherwise.
  private static func key(_ term: String) -> String {
    String(decoding: term.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
  }
}

extension HardStopClass {
  fileprivate var builtIn: [String] {
    switch self {
    case .security: BuiltInTerms.security
    case .access: BuiltInTerms.access
    case .production: BuiltInTerms.production
    }
  }
}
