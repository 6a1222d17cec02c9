import Candidates
package import Gates
package import PolicyFiles
package import Posix
package import Rollout
package import RouterCore
import Synchronization

/// What is served locally now: the flags in force, read by every call, changed by few.
///
/// The flags in memory are what holds. Their file is looked at once a second: another one than the router wrote is taken
/// for unreadable, an absent one for "everything in shadow".
package final class Rollouts: Sendable {
  /// A task that was sent back to shadow.
  package struct Demotion: Sendable, Equatable {
    package var task: String
    /// Milliseconds since 1970.
    package var at: Int64
    package var reason: String
    package var actor: String

    package init(task: String, at: Int64, reason: String, actor: String) {
      self.task = task
      self.at = at
      self.reason = reason
      self.actor = actor
    }
  }

  /// A digest of what a flags file holds; nil: there is none.
  package typealias Content = SHA256Digest?

  private struct State: Sendable {
    var document: FlagsDocument
    var buckets: Buckets
    /// What the file may hold: while it is replaced, or could not be, more than one thing.
    var expected: [Content]
    var problem: String?
    /// The file is gone, or has no flags, although tasks are served.
    var isGone = false
    /// How often the router wrote the file: what was read before that says nothing any more.
    var writings = 0
    /// By task: revisions that a tightening made of the one in its receipt, which stand for it.
    var tightened: [String: Set<String>] = [:]
    var lastDemotion: Demotion?
  }

  private let file: String?
  private let state: Mutex<State>
  /// Told when something changed that may end a receipt.
  package let doubts: Monitor<Bool>

  /// The file as the start found it, and why it was not believed; nil where it was.
  private let refused: Content
  private let refusal: String?

  /// - Parameter file: nil: there is none, and nothing is ever served.
  package init(
    file: String? = nil, _ restored: RestoredFlags = RestoredFlags(), doubts: Monitor<Bool> = Monitor(false)
  ) {
    self.file = file
    (refused, refusal) = (restored.content, restored.problem)
    self.doubts = doubts
    // A file that was not believed at the start is not believed at a later look either.
    let expected = restored.problem == nil ? [restored.content] : []
    state = Mutex(
      State(
        document: restored.document, buckets: Buckets(restored.document.key), expected: expected,
        problem: restored.problem, lastDemotion: restored.lastDemotion))
  }

  // MARK: - Every call

  /// What the flags say of a call whose task is known. Called on the tap's thread for every such call: no waiting, no
  /// system call.
  func standing(of call: Call, task: PreparedTask, in generation: Generation) -> Standing {
    let name = task.policy.name
    let known = state.withLock { state -> (flag: Flag?, buckets: Buckets)? in
      if state.problem != nil { return nil }
      return (state.isGone ? nil : state.document[name], state.buckets)
    }
    guard let known else { return Standing(reason: .error) }
    guard var flag = known.flag, task.policy.mayBeLocal else { return .shadow }
    flag.isRotated = flag.isRotated && task.policy.challenger != nil
    if flag.isServing, fit(of: flag, task, generation, at: Clocks.realtime()) != .fits {
      return Standing(reason: .stale, isRotated: flag.isRotated)
    }
    let caller = Caller(callID: call.callID, runID: call.runID, userGroup: call.userGroup)
    return flag.standing(of: caller, task: task.policy, known.buckets)
  }

  /// Whether the receipt of a task covers what would answer under a generation.
  package func fit(of flag: Flag, _ task: PreparedTask?, _ generation: Generation, at now: Int64) -> Grant.Fit
  {
    guard let grant = flag.grant else { return .differs("there is no receipt") }
    guard let task else { return .differs("the policy has no such task any more") }
    guard task.policy.mayBeLocal else { return .differs("the policy keeps the task with the frontier") }
    guard !flag.isRotated || task.policy.challenger != nil else {
      return .differs("the task has no challenger any more")
    }
    var revision = task.revisions.of(isChallenger: flag.isRotated)
    if let now = revision, isTightened(task.policy.name, now) { revision = grant.taskRevision }
    let models = generation.served(task.policy, isRotated: flag.isRotated)
    return grant.fit(
      taskRevision: revision, safeguards: Safeguards(task.policy), models: models, at: now)
  }

  /// A task whose receipt does not cover what would answer under a generation.
  package struct Ended: Sendable, Equatable {
    package let task: String
    package let reason: String
    /// A policy that changed says anew who the candidate is.
    package let keepsRotation: Bool
  }

  package func ended(_ flag: Flag, in generation: Generation, at now: Int64) -> Ended? {
    let task = generation.prepared.task(flag.task)
    guard flag.isServing, case .differs(let why) = fit(of: flag, task, generation, at: now) else {
      return nil
    }
    let isSamePolicy = task?.revisions.of(isChallenger: flag.isRotated) == flag.grant?.taskRevision
    return Ended(task: flag.task, reason: "the receipt ended: \(why)", keepsRotation: isSamePolicy)
  }

  private func isTightened(_ task: String, _ revision: String) -> Bool {
    state.withLock { $0.tightened[task]?.contains(revision) ?? false }
  }

  // MARK: - What holds

  package var document: FlagsDocument { state.withLock { $0.document } }
  package var lastDemotion: Demotion? { state.withLock { $0.lastDemotion } }
  /// Why the flags cannot be read; nil: they can, or are not there.
  package var problem: String? { state.withLock { $0.problem } }
  /// The file is gone, or has no flags, although tasks are served.
  package var isGone: Bool { state.withLock { $0.isGone } }
  /// What the file held when it was last written or read.
  package var content: Content { state.withLock { $0.expected.first ?? nil } }

  /// Of what a task is served as now: `shadow` also while its receipt does not fit.
  package func stage(of task: String, in generation: Generation, at now: Int64) -> Stage {
    let known = state.withLock { $0.problem == nil && !$0.isGone ? $0.document[task] : nil }
    guard let flag = known, flag.isServing,
      fit(of: flag, generation.prepared.task(task), generation, at: now) == .fits
    else { return .shadow }
    return flag.stage
  }

  package func isRotated(_ task: String) -> Bool { state.withLock { $0.document[task]?.isRotated ?? false } }

  /// A policy is about to be taken: where it only tightened a task, its revision stands for the one in the receipt.
  package func tightened(_ changes: [TaskRevisionChange]) {
    state.withLock { state in
      for change in changes where change.limits != nil {
        let task = change.subject.task
        guard let old = change.previous, let flag = state.document[task], let grant = flag.grant,
          flag.isRotated == change.subject.isChallenger,
          grant.taskRevision == old || state.tightened[task]?.contains(old) ?? false
        else { continue }
        state.tightened[task, default: []].insert(change.revision)
      }
    }
  }

  /// Whatever may end a receipt: looked at by who watches, soon.
  package func lookAgain() {
    doubts.withLock { $0 = true }
    doubts.notify()
  }

  // MARK: - Changing

  /// Sends a task back, in memory and at once.
  ///
  /// - Returns: What it was; nil where it was not served.
  package func turnOff(_ demotion: Demotion, why: Flag.Off, keepsRotation: Bool) -> Flag? {
    state.withLock { state in
      guard let old = state.document[demotion.task], old.isServing else { return nil }
      var new = old.turnedOff(why)
      new.isRotated = new.isRotated && keepsRotation
      state.document[demotion.task] = new
      state.tightened[demotion.task] = nil
      state.lastDemotion = demotion
      return old
    }
  }

  /// A task that is not served any more, since before this router ran.
  package func missed(_ demotion: Demotion) { state.withLock { $0.lastDemotion = demotion } }

  /// Puts flags in force that have been written.
  ///
  /// - Returns: False where they are no longer what the change began from: nothing has changed then.
  package func adopt(_ new: FlagsDocument, over old: FlagsDocument, for task: String) -> Bool {
    state.withLock { state in
      guard state.document == old else { return false }
      state.document = new
      state.tightened[task] = nil
      return true
    }
  }

  /// The file is about to hold this, or may hold it after a failure.
  package func expect(_ content: SHA256Digest) {
    state.withLock { if !$0.expected.contains(content) { $0.expected.append(content) } }
  }

  /// The file holds what the router wrote.
  package func settled(_ content: SHA256Digest) {
    state.withLock { state in
      state.expected = [content]
      state.problem = nil
      state.isGone = false
      state.writings += 1
    }
  }

  // MARK: - The file

  private static let limitBytes = 1 << 20

  /// Looks at the file.
  ///
  /// - Returns: Whether it cannot be read: every decision is then `frontier`.
  package func look() -> Bool {
    guard let file else { return false }
    let writings = state.withLock { $0.writings }
    let found = Self.read(file)
    return state.withLock { state in
      guard state.writings == writings else { return state.problem != nil }
      switch found {
      case .nothing:
        // Nothing is served without it, and nothing is wrong.
        state.problem = nil
        state.isGone = state.document.isServing
      case .bytes(let bytes):
        let digest = SHA256.hash(bytes)
        let isKnown = state.expected.contains(digest)
        let isEmpty = !isKnown && RestoredFlags.isEmpty(bytes)
        state.isGone = isEmpty && state.document.isServing
        let foreign = (digest == refused ? refusal : nil) ?? "\(file) is not what the router wrote"
        state.problem = isKnown || isEmpty ? nil : foreign
      case .unreadable(let why): state.problem = why
      }
      return state.problem != nil
    }
  }

  package enum Found {
    case nothing
    case bytes([UInt8])
    case unreadable(String)
  }

  package static func read(_ file: String) -> Found {
    guard Files.exists(file) else { return .nothing }
    do throws(PosixError) {
      return .bytes(try Files.readRegular(file, limit: limitBytes))
    } catch {
      return .unreadable(error.description)
    }
  }
}

extension TaskRevisions {
  package func of(isChallenger: Bool) -> String? { isChallenger ? challenger : candidate }
}

extension Generation {
  /// What would answer a task now, in the order in which it is asked.
  package func served(_ task: TaskPolicy, isRotated: Bool) -> [ServedModel] {
    task.models(isRotated: isRotated).steps.map { id in
      guard let pool = pools[id] else { return ServedModel(id: id, name: nil, digest: nil) }
      var figures = pool.names
      figures.promptRevision = promptRevision(task: task.name, model: id)
      return ServedModel(
        id: id, name: figures.model, digest: figures.modelDigest, prompt: figures.promptRevision,
        calibrations: calibrationIDs(task: task.name, figures))
    }
  }
}
