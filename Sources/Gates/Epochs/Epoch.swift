package import LogReading

/// Whose evidence it is: that of a task's candidate, or of its challenger.
package struct EvidenceSubject: Sendable, Equatable {
  package var task: String
  package var isChallenger: Bool

  package init(task: String, isChallenger: Bool = false) {
    self.task = task
    self.isChallenger = isChallenger
  }

  /// As records and reviews say it.
  package var role: String { isChallenger ? "challenger" : "candidate" }
}

/// Calls that are evidence about one and the same thing: task, models, prompt, confidence, and what the policy says of them.
struct Epoch: Sendable {
  /// Of the first call's record: names the epoch.
  private(set) var firstSeq: Int
  /// Milliseconds since 1970.
  private(set) var start: Int64
  /// The `task_revision` in force, moved on by tightenings.
  var revision: String
  /// Revisions before a tightening, and until when (milliseconds since 1970) calls may still come under them.
  var earlier: [String: Int64] = [:]
  var limits: AcceptanceLimits?
  /// By model id: a cascade has several.
  var models: [String: EpochModel] = [:]
  var items = EpochItems()
  var asked = 0
  var invalid = 0
  var firstDrawn: Int64?
  /// What changed that no call has shown yet: the next call begins a new epoch.
  var closing: EpochEnding.Cause?
  /// Would-accepts that were only counted.
  var omitted = 0

  private var undrawnLimit: Int

  init(_ call: EpochCall, undrawnLimit: Int) {
    self.undrawnLimit = undrawnLimit
    firstSeq = call.seq
    start = call.ts
    revision = call.revision
    add(call)
  }

  /// `2026-03-02.1532`: the day and the number of the first call's record.
  var id: String { "\(LogTime.date(start)).\(firstSeq)" }

  /// Milliseconds since 1970; nil before the first drawn item.
  func end(windowDays: Int) -> Int64? { firstDrawn.map { $0 + Int64(windowDays) * LogTime.dayMs } }

  func isOver(at ms: Int64, windowDays: Int) -> Bool {
    closing != nil || (end(windowDays: windowDays).map { ms >= $0 } ?? false)
  }

  mutating func add(_ call: EpochCall) {
    if var known = models[call.modelID] {
      if known.digest == nil || known.confidence == nil {
        known.adopt(call.model)
        models[call.modelID] = known
      }
    } else {
      models[call.modelID] = call.model
    }
    count(call)
  }

  /// Takes in a call whose model is known.
  mutating func count(_ call: EpochCall) {
    asked += 1
    if !call.isValid { invalid += 1 }
    if let item = call.item, !item.isDrawn, items.count - items.drawn.count >= undrawnLimit {
      omitted += 1
      return
    }
    // A sender may use an id again long after: one review must not count for both.
    guard let item = call.item, items.append(item) else { return }
    if item.isDrawn, firstDrawn == nil { firstDrawn = call.ts }
  }

  /// Whether a call belongs here, its model's digest apart.
  func holds(_ call: EpochCall) -> Bool {
    guard call.revision == revision || (earlier[call.revision].map { call.ts <= $0 } ?? false) else {
      return false
    }
    return models[call.modelID]?.isSame(call.model) ?? true
  }
}

/// An epoch that another one followed.
package struct EpochEnding: Sendable, Equatable {
  package enum Cause: String, Sendable {
    case window, policy, digest
    /// Another model, prompt, source of confidences or correction.
    case candidate
  }
  package var id: String
  /// Of the first call after it, in milliseconds since 1970.
  package var at: Int64
  package var wouldAccepts: Int
  package var drawn: Int
  package var cause: Cause
}

/// The epochs of one subject while the log is read; only the newest is kept.
struct SubjectEpochs: Sendable {
  private let windowDays: Int
  private let undrawnLimit: Int
  private var epoch: Epoch?
  /// The newest of those that ended.
  private(set) var endings: [EpochEnding] = []
  /// Calls without a digest, of models whose digest was known: they belong with the call that follows.
  private var pending: [EpochCall] = []
  /// Of a challenger's calls.
  private var recent = RecentFeatures()
  /// Calls of this identity belong to the epoch as it stands, as long as it is not over. Only saves work.
  private var settled = 0

  /// How long calls that were decided under the policy before a reload may take to be recorded, in milliseconds.
  private static let lateness: Int64 = 600_000
  private static let pendingLimit = 100_000
  private static let endingLimit = 50

  init(_ rules: EpochRules) {
    windowDays = rules.windowDays
    undrawnLimit = rules.undrawnLimit
  }

  /// What a decision says of the input of a call, for a challenge that came or will come.
  mutating func learn(_ features: InputFeatures, of call: UInt64) {
    recent.keep(features, of: call)
    if let number = epoch?.items.number(ofCall: call) { epoch?.items[number].learn(features) }
  }

  mutating func add(_ call: EpochCall) {
    var call = call
    complete(&call)
    // The epoch is asked in place: a copy in a variable would make every `add` copy all items.
    let goesOn = epoch?.isOver(at: call.ts, windowDays: windowDays) == false
    if goesOn, call.identity != 0, call.identity == settled {
      epoch?.count(call)
      return
    }
    settled = 0
    guard goesOn, epoch?.holds(call) == true else {
      pending = []
      ended(before: call)
      epoch = Epoch(call, undrawnLimit: undrawnLimit)
      return
    }
    let known = epoch?.models[call.modelID]?.digest
    if call.model.digest == nil, known != nil, pending.count < Self.pendingLimit {
      pending.append(call)
      return
    }
    for index in pending.indices { complete(&pending[index]) }
    let waiting = pending
    pending = []
    guard let known, let digest = call.model.digest, known != digest else {
      for waited in waiting { epoch?.add(waited) }
      epoch?.add(call)
      if epoch?.revision == call.revision { settled = call.identity }
      return
    }
    epoch?.closing = .digest
    ended(before: call)
    epoch = nil
    for next in waiting + [call] {
      if epoch == nil { epoch = Epoch(next, undrawnLimit: undrawnLimit) } else { epoch?.add(next) }
    }
  }

  private mutating func ended(before call: EpochCall) {
    guard let epoch else { return }
    let isOver = epoch.end(windowDays: windowDays).map { call.ts >= $0 } ?? false
    let cause = epoch.closing ?? (isOver ? .window : call.revision == epoch.revision ? .candidate : .policy)
    endings.append(
      EpochEnding(
        id: epoch.id, at: call.ts, wouldAccepts: epoch.items.count + epoch.omitted,
        drawn: epoch.items.drawn.count,
        cause: cause))
    if endings.count > Self.endingLimit { endings.removeFirst() }
  }

  /// A policy was taken: what it says of the subject, and what records without `task_revision` call it.
  mutating func policyChanged(_ change: TaskRevisionChange, wholePolicy: String, at ms: Int64) {
    settled = 0
    guard let revision = epoch?.revision, revision != change.revision else { return }
    // The same policy by its older name, as after an update of the router; or a policy that only tightened.
    let isSame = revision == wholePolicy
    guard isSame || (change.limits != nil && change.previous == revision) else {
      epoch?.closing = .policy
      return
    }
    epoch?.earlier[revision] = ms + Self.lateness
    epoch?.revision = change.revision
    if !isSame { epoch?.limits = change.limits }
  }

  /// A probe found this digest at a model.
  mutating func probed(_ modelID: String, _ digest: String) {
    settled = 0
    if let known = epoch?.models[modelID]?.digest, known != digest { epoch?.closing = .digest }
  }

  var isPartial: Bool { epoch.map { $0.omitted > 0 } ?? false }

  /// The epoch that a call at this time would belong to, as far as can be told; nil: one that has not begun.
  func current(at now: Int64) -> Epoch? {
    guard var epoch, !epoch.isOver(at: now, windowDays: windowDays) else { return nil }
    for var call in pending {
      complete(&call)
      epoch.add(call)
    }
    return epoch
  }

  private func complete(_ call: inout EpochCall) {
    if let key = call.item?.call, let features = recent[key] { call.item?.learn(features) }
  }
}

// MARK: - What is stored

extension Epoch: StoredMembers {
  static var blank: Epoch { Epoch(.blank, undrawnLimit: 0) }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&firstSeq)
    try state.member(&start)
    try state.member(&revision)
    try state.member(&earlier)
    try state.member(&limits)
    try state.member(&models)
    try state.member(&items)
    try state.member(&asked)
    try state.member(&invalid)
    try state.member(&firstDrawn)
    try state.member(&closing)
    try state.member(&omitted)
    try state.member(&undrawnLimit)
  }
}

extension SubjectEpochs: StoredMembers {
  /// Takes the rules of whatever it is read into.
  static var blank: SubjectEpochs { SubjectEpochs(EpochRules()) }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    state.leaveOut()  // windowDays
    state.leaveOut()  // undrawnLimit
    try state.member(&epoch)
    try state.member(&endings)
    try state.member(&pending)
    try state.member(&recent)
    state.leaveOut()  // settled
  }
}

extension EpochEnding: StoredMembers {
  package static var blank: EpochEnding {
    EpochEnding(id: "", at: 0, wouldAccepts: 0, drawn: 0, cause: .window)
  }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&id)
    try state.member(&at)
    try state.member(&wouldAccepts)
    try state.member(&drawn)
    try state.member(&cause)
  }
}

extension EpochEnding.Cause: Stored {
  package static var blank: Self { .window }
}
