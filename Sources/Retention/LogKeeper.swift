import Anchors
package import Journal
package import Posix
package import RouterCore
import Synchronization
import Wire

/// Looks after the running router's log: checkpoints every hour, removal of what is old, erasure of single calls.
///
/// One thread, and whoever asks for an erasure; never on the way of a call.
package final class LogKeeper: Sendable {
  /// How old or large a log may get.
  package struct Rules: Sendable, Equatable {
    package var maxAgeDays: Int
    /// nil: any size.
    package var maxBytes: Int64?
    /// `sha256:…` of the policy in force, whose text stays in the archive.
    package var policyRevision: String

    package init(maxAgeDays: Int, maxBytes: Int64?, policyRevision: String) {
      self.maxAgeDays = maxAgeDays
      self.maxBytes = maxBytes
      self.policyRevision = policyRevision
    }

    var maxAgeMs: Int64 { Int64(maxAgeDays) * LogKeeper.dayMs }
  }

  /// What it has to do with. None of the closures is called with a lock of its own that matters to a call.
  package struct Surroundings: Sendable {
    package var folders: StateFolders
    package var journal: Journal
    /// Puts a record into the log; true once it is on the disk.
    package var write: @Sendable (_ kind: String, RecordBody) -> Bool
    package var rules: @Sendable () -> Rules
    /// What of the log is needed, whatever its age; nil while that is not known.
    package var needs: @Sendable (_ now: Int64) -> [LogNeed]?
    package var tell: @Sendable (Event) -> Void

    package init(
      folders: StateFolders, journal: Journal, write: @escaping @Sendable (String, RecordBody) -> Bool,
      rules: @escaping @Sendable () -> Rules, needs: @escaping @Sendable (Int64) -> [LogNeed]?,
      tell: @escaping @Sendable (Event) -> Void
    ) {
      self.folders = folders
      self.journal = journal
      self.write = write
      self.rules = rules
      self.needs = needs
      self.tell = tell
    }
  }

  package enum Event: Sendable {
    case removed(RetentionNotice)
    /// The clock went on by more than this process lived through: nothing is removed for a day.
    case paused
    /// A checkpoint covers records that the log has not got any more.
    case lost(ClosedRange<UInt64>)
    case failed(String)
  }

  package struct Status: Sendable, Equatable {
    /// Milliseconds since 1970 and records, of the newest checkpoint.
    package var checkpointAt: Int64?
    package var checkpointSize: UInt64?
    /// The newest removal.
    package var removal: RetentionNotice?
    /// What keeps segments whose time has come.
    package var heldBy: String?
    package var isPaused = false
  }

  private struct State: ~Copyable {
    var anchor: LogAnchor?
    var surveyedAt: UInt64?
    var clock: ClockWatch
    var finishAt: UInt64 = 0
  }

  private let around: Surroundings
  private let checkpointMs: Int64
  private let startedAt: Int64
  private let state: Mutex<State>
  private let latest = Mutex(Status())
  private let thread = PeriodicThread()

  static let dayMs: Int64 = 86_400_000
  private static let surveyNanoseconds: UInt64 = 3_600_000_000_000

  /// - Parameters:
  ///   - checkpointMs: Between two checkpoints.
  ///   - lastRecordAt: When the log was written last before this start, in milliseconds since 1970; nil: it is new.
  package init(_ around: Surroundings, checkpointMs: Int64, lastRecordAt: Int64?, now: Int64) {
    self.around = around
    self.checkpointMs = checkpointMs
    startedAt = now
    state = Mutex(
      State(clock: ClockWatch(now: now, monotonic: Clocks.monotonic(), lastRecordAt: lastRecordAt)))
  }

  package func start() throws(PosixError) {
    try thread.start(name: "keeper", pauseMilliseconds: min(1_000, checkpointMs)) { [self] _ in
      tick(now: Clocks.realtime())
    }
  }

  package func stop() { thread.stop() }

  package var status: Status { latest.withLock { $0 } }

  private func tick(now: Int64) {
    do throws(JournalError) {
      try state.withLock { (state) throws(JournalError) in
        try finishErasure(&state)
        try anchor(&state, now)
        try survey(&state, now)
      }
    } catch { around.tell(.failed(error.description)) }
  }

  // MARK: - Checkpoints

  private func anchor(_ state: inout State, _ now: Int64) throws(JournalError) {
    let durable = around.journal.durableSeq
    if state.anchor == nil {
      let anchor = try LogAnchor(
        logFolder: around.folders.log, stateFolder: around.folders.state, logID: around.journal.logID,
        durable: durable)
      if let lost = anchor.lost { around.tell(.lost(lost)) }
      note(anchor.lastAt, anchor.checkpointed)
      state.anchor = consume anchor
    }
    try state.anchor?.follow(upTo: durable)
    let last = (state.anchor?.lastAt ?? nil) ?? startedAt
    // A clock that was set back must not put the next one off for ever.
    guard now >= last + checkpointMs || now < last else { return }
    try checkpoint(&state, now)
  }

  private func checkpoint(_ state: inout State, _ now: Int64) throws(JournalError) {
    do throws(PosixError) {
      guard let body = try state.anchor?.checkpoint(now: now) else { return }
      note(now, state.anchor?.size)
      _ = around.write("checkpoint", body)
    } catch { throw .system(error) }
  }

  private func note(_ at: Int64?, _ size: UInt64?) {
    latest.withLock {
      $0.checkpointAt = at
      $0.checkpointSize = size
    }
  }

  // MARK: - Retention

  private func survey(_ state: inout State, _ now: Int64) throws(JournalError) {
    let monotonic = Clocks.monotonic()
    let isSteady = state.clock.isSteady(now: now, monotonic: monotonic)
    let wasPaused = latest.withLock { status in
      defer { status.isPaused = !isSteady }
      return status.isPaused
    }
    if !isSteady, !wasPaused { around.tell(.paused) }
    guard monotonic >= (state.surveyedAt ?? 0) + (state.surveyedAt == nil ? 0 : Self.surveyNanoseconds),
      let needs = around.needs(now)
    else { return }
    state.surveyedAt = monotonic
    if try isOldSegmentOpen(now) { around.journal.roll() }
    let rules = around.rules()
    let retention = LogRetention(
      folder: around.folders.log, maxAgeMs: rules.maxAgeMs, maxBytes: rules.maxBytes)
    let previous = try RetentionNotice.newest(in: around.folders.log)
    if let previous { try retention.finish(previous) }
    let survey = try retention.survey(now: now, needs: needs)
    latest.withLock {
      $0.heldBy = survey.heldBy
      $0.removal = previous
    }
    guard isSteady else { return }
    if let plan = survey.plan { try remove(plan, retention, previous, &state, now) }
    let oldest = try retention.oldest()
    around.folders.sweep(rules, oldest: oldest, now: now)
  }

  private func remove(
    _ plan: LogRetention.Plan, _ retention: LogRetention, _ previous: RetentionNotice?, _ state: inout State,
    _ now: Int64
  ) throws(JournalError) {
    // So that a checkpoint of the records that go leads into those that are left.
    try checkpoint(&state, now)
    guard let notice = try retention.notice(plan, previous: previous), around.write("retention", notice.body)
    else {
      return
    }
    try retention.finish(notice)
    around.folders.forgetSummaries()
    latest.withLock { $0.removal = notice }
    around.tell(.removed(notice))
  }

  /// Whether the segment in use began more than a day ago: at a quiet place it would never be full, and never old.
  private func isOldSegmentOpen(_ now: Int64) throws(JournalError) -> Bool {
    guard let last = try SegmentList.read(around.folders.log).numbers.last else { return false }
    var first: Int64?
    var reader = try JournalReader(folder: around.folders.log, from: .place(segment: last, offset: 0))
    try reader.visit { line, _ in
      first = RecordLine(line)?.at
      return false
    }
    return first.map { $0 < now - Self.dayMs } ?? false
  }

  // MARK: - Erasure

  package enum ErasureFault: Error, Sendable {
    case unknownCall
    /// The log cannot be written or read: nothing was erased.
    case log(String)
    /// It is recorded; some previews are left, and it is tried again.
    case unfinished(String)
  }

  package struct Erased: Sendable, Equatable {
    package var records: Int
    package var previews: Int
    package var hadCapture: Bool
  }

  /// Takes the previews of a call, and what was captured of it, out of the state folder.
  ///
  /// - Parameter reason: Redacted.
  package func erase(_ callID: String, who: String, reason: String?) throws(ErasureFault) -> Erased {
    try state.withLock { (state) throws(ErasureFault) -> Erased in
      let found: PreviewErasure
      guard around.journal.flush(deadline: Clocks.deadline(afterMilliseconds: 5_000)) else {
        throw .log("the log cannot be written")
      }
      do throws(JournalError) {
        found = try PreviewErasure(
          ofCall: callID, in: around.folders.log, upTo: around.journal.durableSeq)
      } catch { throw .log(error.description) }
      let hadCapture = Files.exists(around.folders.captured(callID))
      guard found.records > 0 || hadCapture else { throw .unknownCall }
      let erased = Erased(records: found.places.count, previews: found.previews, hadCapture: hadCapture)
      guard !found.places.isEmpty || hadCapture else { return erased }
      do throws(PosixError) {
        try Files.replace(around.folders.erasing, with: found.json.jsonBytes)
      } catch { throw .log(error.description) }
      let notice = found.notice(who: who, reason: reason, hadCapture: hadCapture)
      guard around.write("erasure", notice.body) else {
        try? Files.remove(around.folders.erasing)
        throw .log("the log cannot be written")
      }
      do throws(JournalError) { try complete(found) } catch {
        state.finishAt = Clocks.deadline(afterMilliseconds: 60_000)
        throw .unfinished(error.description)
      }
      return erased
    }
  }

  private func complete(_ erasure: PreviewErasure) throws(JournalError) {
    try erasure.erase(in: around.folders.log)
    do throws(PosixError) {
      try Files.remove(around.folders.captured(erasure.callID))
      around.folders.forgetSummaries()
      try Files.remove(around.folders.erasing)
      try Files.synchronizeFolder(around.folders.state)
    } catch { throw .system(error) }
  }

  /// Ends what an earlier run, or an error, left undone.
  private func finishErasure(_ state: inout State) throws(JournalError) {
    guard Clocks.monotonic() >= state.finishAt else { return }
    state.finishAt = Clocks.deadline(afterMilliseconds: 60_000)
    guard let erasure = around.folders.unfinishedErasure else { return }
    // The crash may have come before the record was on the disk; saying it twice does no harm.
    let notice = erasure.notice(who: "router", reason: "finished after an interruption", hadCapture: false)
    guard around.write("erasure", notice.body) else { return }
    try complete(erasure)
  }
}

/// Whether time goes on as this process lives through it.
///
/// Retention deletes by the clock. A clock that jumps ahead, or that was wrong at the start, must not empty the log before
/// anybody has seen it.
struct ClockWatch: Sendable {
  private var now: Int64
  private var monotonic: UInt64
  /// Monotonic; 0: steady.
  private var pausedUntil: UInt64 = 0

  private static let slackMs: Int64 = 3_600_000
  private static let pauseNanoseconds: UInt64 = 86_400_000_000_000
  /// A router that was off for longer finds a clock that it cannot judge.
  private static let longestAbsenceMs: Int64 = 7 * 86_400_000

  init(now: Int64, monotonic: UInt64, lastRecordAt: Int64?) {
    self.now = now
    self.monotonic = monotonic
    if let lastRecordAt, now - lastRecordAt > Self.longestAbsenceMs {
      pausedUntil = monotonic + Self.pauseNanoseconds
    }
  }

  mutating func isSteady(now: Int64, monotonic: UInt64) -> Bool {
    let lived = Int64(clamping: (monotonic - self.monotonic) / 1_000_000)
    if now - self.now - lived > Self.slackMs { pausedUntil = monotonic + Self.pauseNanoseconds }
    self.now = now
    self.monotonic = monotonic
    return monotonic >= pausedUntil
  }
}
