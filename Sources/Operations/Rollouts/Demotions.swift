import Candidates
import Deciding
import Journal
import LogRequests
import PolicyFiles
package import Posix
import Rollout
import RouterCore
import Synchronization
import Wire

/// Watches over what is served and sends tasks back by itself. Nothing here ever promotes.
///
/// One thread looks once a second, and at once when a policy or a digest changed or the frontier disagreed with an audited answer. Labels are looked at by whoever brings them,
/// before the answer to them. Calls do not wait for any of this: each one checks its task's receipt itself.
package final class Demotions: Sendable {
  private struct Watch: ~Copyable {
    var live = LiveWatch()
    var reader: JournalReader?
    var isAtEnd = false
  }

  private struct Run: Sendable {
    var isStopping = false
  }

  private let changes: FlagChanges
  private let logFolder: String
  /// How long the breaker of a model that serves may stay open: a task that nobody answers is no rollout.
  private let patienceSeconds: Int
  private let watch = Mutex(Watch())
  /// By model: since when its breaker has not been closed, in monotonic nanoseconds.
  private let openSince = Mutex<[String: UInt64]>([:])
  private let stopping = Atomic<Bool>(false)
  private let thread = Mutex<Thread?>(nil)

  /// As `actor` in records.
  package static let actor = "router"
  private static let linesAtOnce = 20_000

  package init(changes: FlagChanges, logFolder: String, patienceSeconds: Int) {
    self.patienceSeconds = patienceSeconds
    self.changes = changes
    self.logFolder = logFolder
  }

  private var pipeline: Pipeline { changes.pipeline }
  private var rollouts: Rollouts { changes.pipeline.rollouts }

  package func start() throws(PosixError) {
    let started = try Thread.spawn(name: "rollout") { [self] in run() }
    thread.withLock { $0 = started }
  }

  package func stop() {
    stopping.store(true, ordering: .releasing)
    rollouts.lookAgain()
    thread.withLock { $0.take() }?.join()
  }

  private var isStopping: Bool { stopping.load(ordering: .acquiring) }

  private func run() {
    while !isStopping {
      look(at: Clocks.realtime())
      while !isStopping, !follow(atMost: Self.linesAtOnce) {}
      let deadline = Clocks.deadline(afterMilliseconds: 1_000)
      let isDoubtful = rollouts.doubts.wait(
        until: deadline, for: { $0 },
        { doubts in
          defer { doubts = false }
          return doubts
        })
      // What gave rise to it may not have reached the file that is read.
      if isDoubtful, rollouts.document.isServing {
        _ = pipeline.recorder.journal.flush(deadline: Clocks.deadline(afterMilliseconds: 1_000))
      }
    }
  }

  // MARK: - Receipts, breakers, the file

  private func look(at now: Int64) {
    changes.retry()
    let generation = pipeline.current
    let isGone = rollouts.isGone
    for flag in rollouts.document.sorted where flag.isServing {
      if isGone {
        sendBack(flag.task, .demoted, "flags.json is gone or has no flags: everything in shadow")
        continue
      }
      if let ended = rollouts.ended(flag, in: generation, at: now) {
        sendBack(flag.task, .stale, ended.reason, keepsRotation: ended.keepsRotation)
        continue
      }
      let task = generation.prepared.task(flag.task)
      if rollouts.fit(of: flag, task, generation, at: now) == .fits { renew(flag, task) }
      if let model = openTooLong(flag, generation) {
        sendBack(
          flag.task, .demoted,
          "the breaker of model \(model) has been open for over \(patienceSeconds) s"
        )
      }
    }
  }

  /// A receipt goes on under a policy that only tightened: from now on it names that one.
  private func renew(_ flag: Flag, _ task: PreparedTask?) {
    guard var grant = flag.grant, let revision = task?.revisions.of(isChallenger: flag.isRotated),
      revision != grant.taskRevision
    else { return }
    grant.taskRevision = revision
    var new = flag
    new.grant = grant
    let words = FlagChanges.Words(
      reason: "the policy only tightened: the receipt goes on", actor: Self.actor, approver: grant.approver)
    // Tried again with the next look; until then the flag in memory takes the new revision for the old.
    try? changes.commit(new, over: rollouts.document, words)
  }

  private func openTooLong(_ flag: Flag, _ generation: Generation) -> String? {
    let now = Clocks.monotonic()
    return openSince.withLock { since in
      for model in flag.grant?.models ?? [] {
        guard let pool = generation.pools[model.id] else { continue }
        if case .closed = pool.breaker {
          since[model.id] = nil
          continue
        }
        let start = since[model.id] ?? now
        since[model.id] = start
        if now - start >= UInt64(patienceSeconds) * 1_000_000_000 { return model.id }
      }
      return nil
    }
  }

  private func sendBack(_ task: String, _ why: Flag.Off, _ reason: String, keepsRotation: Bool = true) {
    changes.turnOff(
      task, why, FlagChanges.Words(reason: reason, actor: Self.actor), keepsRotation: keepsRotation)
  }

  // MARK: - Answers

  /// Reads on in the log.
  ///
  /// - Returns: Whether its end was reached.
  @discardableResult
  private func follow(atMost limit: Int = .max) -> Bool {
    let rules = self.rules
    let (alarms, suspicions, isAtEnd) = watch.withLock { watch in
      if watch.live.rules != rules {
        watch.live = LiveWatch(rules)
        watch.reader = nil
      }
      guard let since = rules.values.map(\.since).min() else {
        watch.isAtEnd = true
        return ([LiveWatch.Alarm](), [LiveWatch.Suspicion](), true)
      }
      if watch.reader == nil { watch.reader = try? JournalReader(folder: logFolder, from: .time(since)) }
      var live = watch.live
      watch.live = LiveWatch()
      var left = limit
      watch.isAtEnd =
        (try? watch.reader?.visit { line, _ in
          live.add(line)
          left -= 1
          return left > 0
        }) ?? true
      let suspicions = live.takeSuspicions()
      watch.live = live
      return (live.alarms, suspicions, watch.isAtEnd)
    }
    for alarm in alarms { sendBack(alarm.task, .demoted, alarm.reason) }
    for suspicion in Set(suspicions) { confirm(suspicion.callID, isChallenger: suspicion.isChallenger) }
    return isAtEnd
  }

  /// Of the tasks that are served now.
  private var rules: [String: LiveWatch.Rules] {
    let policy = pipeline.current.prepared
    var rules: [String: LiveWatch.Rules] = [:]
    for flag in rollouts.document.sorted where flag.isServing {
      guard let grant = flag.grant, let task = policy.task(flag.task) else { continue }
      rules[flag.task] = LiveWatch.Rules(
        maxFalseAcceptRate: task.policy.gate.maxFalseAcceptRate, baseline: grant.baseline, since: flag.since)
    }
    return rules
  }

  /// A label is on the disk: what follows from it does so before its reviewer is answered.
  func labelled(_ callID: String, isChallenger: Bool, severity: Int?) {
    guard rollouts.document.isServing else { return }
    if severity ?? 0 >= SevereFalseAccept.least { confirm(callID, isChallenger: isChallenger) }
    // After a restart the watch may have weeks to read first; its thread gets there.
    if watch.withLock({ $0.isAtEnd }) { follow() }
  }

  /// Looks a severe label's call up, and sends its task back where it is a false accept that people confirmed.
  private func confirm(_ callID: String, isChallenger: Bool) {
    guard let records = try? LogSearch.records(ofCall: callID, in: logFolder) else { return }
    let policy = pipeline.current.prepared
    for flag in rollouts.document.sorted where flag.isServing {
      let people = SevereFalseAccept.confirmed(
        callID, isChallenger: isChallenger, in: records, task: flag.task,
        owner: policy.task(flag.task)?.policy.owner, models: flag.grant?.models ?? [])
      guard let people else { continue }
      sendBack(
        flag.task, .demoted,
        "severe false accept: call \(callID), confirmed by \(people.joined(separator: " and "))")
    }
  }
}

/// How often the frontier disagreed with a task's would-accepts in shadow.
enum ShadowBaseline {
  /// - Parameters:
  ///   - start: Milliseconds since 1970, when the evidence began.
  ///   - models: Ids of the models that it is about.
  static func read(
    _ folder: String, _ task: String, isChallengeRecord: Bool, from start: Int64, models: Set<String>
  )
    -> Disagreement
  {
    var found = Disagreement()
    var waiting: Set<String> = []
    guard var reader = try? JournalReader(folder: folder, from: .time(start)) else { return found }
    var members: [JSONMemberRange] = []
    func text(_ name: StaticString, _ line: Span<UInt8>) -> String? {
      members.first { $0.kind == .string && $0.isNamed(name, in: line) }.map { line.string(in: $0) }
    }
    let kind = isChallengeRecord ? "challenge" : "decision"
    _ = try? reader.visit { line, _ in
      guard (try? JSONIndex.members(of: line, into: &members)) != nil, let callID = text("call_id", line)
      else {
        return true
      }
      let own = text("kind", line)
      if own == kind, text("task_type", line) == task, text("route_candidate", line) == "local",
        text("local_model_id", line).map(models.contains) == true
      {
        waiting.insert(callID)
      } else if own == "comparison", waiting.remove(callID) != nil {
        let agreement = isChallengeRecord ? text("challenger_agreement", line) : text("agreement", line)
        if agreement == "agree" || agreement == "disagree" { found.saw(disagrees: agreement == "disagree") }
      }
      return true
    }
    return found
  }
}
