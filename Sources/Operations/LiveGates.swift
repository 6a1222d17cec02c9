package import Deciding
package import Gates
import Journal
package import LogRequests
import PolicyFiles
package import Posix
import RouterCore
import Synchronization

/// The evidence of every task that may be local, folded from the running router's own log as it grows.
///
/// Asking for a gate then reads what was written since the last look, not the log; the metric of the upper bound reads
/// nothing. The log stays the only truth: after a restart, or when a policy changes what folding takes, it is folded again.
package final class LiveGates: Sendable {
  /// What the metric shows of one task.
  package struct Bound: Sendable, Equatable {
    package var task: String
    package var upperBound: Double
  }

  private struct State: ~Copyable {
    var reader: JournalReader?
    var folds = EpochFolds([])
    /// Made from the policy with this revision, of this generation.
    var revision: String?
    var generation = 0
  }

  private let pipeline: Pipeline
  private let paths: SidecarPaths
  private let state = Mutex(State())
  private let latest = Mutex<[Bound]>([])
  private let thread = PeriodicThread()

  private static let linesAtOnce = 20_000
  /// Of each subject: some 9 MB. Past it the metric counts without them, and a gate that is asked for reads the log.
  private static let undrawnLimit = 200_000

  package init(pipeline: Pipeline, paths: SidecarPaths) {
    self.pipeline = pipeline
    self.paths = paths
  }

  package func start() throws(PosixError) {
    try thread.start(name: "gates", pauseMilliseconds: 1_000) { [self] _ in
      // In pieces, so that whoever asks for a gate comes between.
      while !thread.isStopping, !readsSome() {}
      publish()
    }
  }

  package func stop() { thread.stop() }

  /// - Returns: Whether there is no more to read for now.
  private func readsSome() -> Bool {
    state.withLock { (try? read(&$0, atMost: Self.linesAtOnce)) ?? true }
  }

  /// What the metric shows; empty until the log has been read once.
  package var bounds: [Bound] { latest.withLock { $0 } }

  /// The log folded to its end for one gate.
  ///
  /// - Returns: nil where it has to be read for it: the request's rules are others than the policy's in force, or there are
  ///   more would-accepts than are kept.
  func fold(for request: GateRequest) -> EpochFold? {
    // A log that cannot be read to its end is no evidence; whoever reads it again says why.
    let fold = state.withLock { state -> EpochFold? in
      guard (try? read(&state)) == true else { return nil }
      return state.folds.folds.first { $0.subject == request.subject }
    }
    var rules = request.rules
    rules.undrawnLimit = Self.undrawnLimit
    guard let fold, fold.rules == rules, !fold.isPartial else { return nil }
    return fold
  }

  /// The first record of each running epoch in which something was drawn, with the subject it is about; nil while the log
  /// has not been read to its end.
  package func epochStarts(now: Int64) -> [(subject: EvidenceSubject, seq: Int)]? {
    state.withLock { state in
      guard (try? read(&state)) == true else { return nil }
      return state.folds.folds.compactMap { fold in
        fold.epochInUse(at: now).map { (fold.subject, $0) }
      }
    }
  }

  private func requests(_ policy: Policy) -> [GateRequest] {
    policy.tasks.filter(\.mayBeLocal).flatMap { task in
      [false, true].compactMap { isChallenger -> GateRequest? in
        let request = GateRequest(
          EvidenceSubject(task: task.name, isChallenger: isChallenger), policy: policy, paths: paths)
        return request.fault == nil ? request : nil
      }
    }
  }

  /// - Returns: Whether the end of the log was reached.
  private func read(_ state: inout State, atMost limit: Int = .max) throws(JournalError) -> Bool {
    let current = pipeline.current
    if state.generation != current.number { renew(&state, current) }
    if state.reader == nil { state.reader = try JournalReader(folder: paths.log) }
    var folds = state.folds
    // One owner at a time: two would make every change a copy.
    state.folds = EpochFolds([])
    defer { state.folds = folds }
    var left = limit
    let isAtEnd = try state.reader?.visit { line, _ in
      folds.add(line)
      left -= 1
      return left > 0
    }
    return isAtEnd ?? false
  }

  /// Begins again where the policy in force folds otherwise than the one before.
  private func renew(_ state: inout State, _ current: Generation) {
    state.generation = current.number
    let folds = requests(current.prepared.policy).map { request in
      var rules = request.rules
      rules.undrawnLimit = Self.undrawnLimit
      return EpochFold(request.subject, rules)
    }
    let isSame =
      folds.count == state.folds.folds.count
      && zip(folds, state.folds.folds).allSatisfy { $0.subject == $1.subject && $0.rules == $1.rules }
    guard !isSame else { return }
    state.folds = EpochFolds(folds)
    state.reader = nil
  }

  private func publish() {
    let policy = pipeline.current.prepared.policy
    let now = Clocks.realtime()
    let bounds = state.withLock { state in
      state.folds.folds.compactMap { fold -> Bound? in
        // Of the model in the candidate's place.
        guard fold.subject.isChallenger == pipeline.rollouts.isRotated(fold.subject.task) else { return nil }
        var request = GateRequest(fold.subject, policy: policy, paths: paths)
        request.now = now
        request.balance = (0, 0)
        return request.upperBound(fold).map { Bound(task: fold.subject.task, upperBound: $0) }
      }
    }
    latest.withLock { $0 = bounds }
  }
}
