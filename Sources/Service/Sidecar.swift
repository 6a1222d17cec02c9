import Candidates
import Captures
package import Deciding
package import Journal
package import LogRequests
import Operations
package import Overload
import PolicyFiles
package import Posix
import Receipts
import Retention
import Rollout
package import RouterCore
import Senders
import Synchronization
import Wire

/// How a sidecar runs beyond its policy.
package struct SidecarOptions: Sendable {
  package var paths: SidecarPaths
  /// Longest frame in bytes, its line feed counted.
  package var frameLimit = 1 << 20
  package var journal = JournalOptions()
  /// Users and groups admitted to the tap besides root, the own user and the socket's group.
  package var allowedUsers: [UInt32] = []
  package var allowedGroups: [UInt32] = []
  /// What may pile up in memory.
  package var memory = MemoryPlan()
  /// Most connections to the tap; nil: as many as take half of their part of the memory.
  package var mostConnections: Int?
  /// Most connections of one user; nil: three quarters of all.
  package var mostConnectionsPerUser: Int?
  /// Frames a second that each user may send; nil: as many as it likes.
  package var framesPerSecond: Int?
  /// How long an item stays with a reviewer who says nothing.
  package var reservationMs: Int64 = 600_000
  /// How long captured text stays after the last label that it needs: to take the label back, to export the case.
  package var captureGraceMs: Int64 = 3_600_000
  /// How long the breaker of a model that serves may stay open.
  package var breakerPatienceSeconds = 60
  /// Where the console listens; nil: there is none.
  package var console: ConsoleAddress?
  /// Milliseconds between two checkpoints of the log.
  package var checkpointMs: Int64 = 3_600_000
  /// The value of CREDENTIALS_DIRECTORY: where a service manager leaves the key of the hashes, if it does.
  package var credentials: String?
  /// The value of NOTIFY_SOCKET.
  package var notifyAddress: String?

  package init(paths: SidecarPaths) { self.paths = paths }
}

extension SidecarOptions {
  /// Open files that are not connections to the tap: models' connections, the log, the console's and control's.
  private static let otherDescriptors = 256
  /// Where nobody says how many connections there may be.
  private static let usuallyMostConnections = 4_096

  /// How many connections there may be: what memory and open files allow of what is asked for.
  fileprivate func senderLimits(_ log: EventLog) -> SenderLimits {
    let fitting = memory.connections(of: 2 * Connection.leastBytes)
    let wanted = mostConnections ?? min(Self.usuallyMostConnections, fitting)
    let open = (try? ProcessState.raiseDescriptorLimit(to: wanted + Self.otherDescriptors)) ?? 1_024
    let connections = min(wanted, max(8, open - Self.otherDescriptors))
    if connections < wanted {
      log.warning("connections_limited", ["to": "\(connections)", "open_files": "\(open)"])
    }
    let perUser = mostConnectionsPerUser ?? max(1, connections / 4 * 3)
    return SenderLimits(
      connections: connections, perUser: min(perUser, connections), bufferBytes: memory.bufferBytes)
  }

  /// Most connections that may be asked for.
  package var fittingConnections: Int { memory.connections(of: Connection.leastBytes) }
}

/// Why a sidecar did not start.
package enum SidecarFault: Error, Sendable {
  /// The policy is refused: its problems, as lines.
  case policy([String])
  /// The policy, a folder or a socket could not be had.
  case surroundings(String)
}

/// The running sidecar: everything put together, from the lock of the state folder to a flushed stop.
package final class Sidecar {
  private let options: SidecarOptions
  private let log: EventLog
  private let recorder: Recorder
  private let pipeline: Pipeline
  private let reloading: Reloading
  private let probing: Probing
  private let reviewing: Reviewing
  private let changes: FlagChanges
  private let demotions: Demotions
  private let gates: LiveGates
  private let weeks: WeekKeys
  private let keeper: LogKeeper
  private let vault: Vault
  private let control: Control
  private let console: Console?
  private let notice: ServiceNotice
  private let audit: JournalAudit
  private let tap: Tap
  private let reloads: Monitor<ReloadRequests>
  /// What a reviewer should know about the policy: warnings and notes.
  package let remarks: [PolicyProblem]

  private struct ReloadRequests: Sendable {
    var isAsked = false
    var isStopping = false
  }

  /// Brings everything up; the sockets listen when it returns.
  ///
  /// - Parameter signals: Made first thing in `main`, so that no signal finds an unblocked thread.
  package init(
    _ options: SidecarOptions, signals: consuming SignalReader, log: EventLog
  ) throws(SidecarFault) {
    self.options = options
    self.log = log
    notice = ServiceNotice(address: options.notifyAddress)
    let paths = options.paths
    let now = Clocks.realtime()
    var loading: PolicyLoading
    do throws(PosixError) {
      try Files.makeFolder(paths.state, mode: 0o700)
      try Files.makeFolder(paths.runtime, mode: 0o755)
    } catch {
      throw .surroundings(error.description)
    }
    try Self.checkFolders(paths, log)
    do throws(PosixError) {
      loading = PolicyLoading(
        path: paths.policy, keys: try Keyring.open(stateFolder: paths.state, credentials: options.credentials)
      )
      loading.calibrations = paths.calibrations
      loading.archive = PolicyArchive(folder: paths.policies)
    } catch {
      throw .surroundings(error.description)
    }
    let loaded: PolicyLoading.Loaded
    do throws(PolicyLoading.Refusal) {
      loaded = try loading.load(number: 1, now: now)
    } catch {
      throw error.isUnreadable
        ? .surroundings(error.lines(paths.policy).joined(separator: "\n"))
        : .policy(error.lines(paths.policy))
    }
    remarks = loaded.remarks
    for ignored in loaded.ignored {
      log.warning("calibration_ignored", ["file": ignored.file, "why": ignored.why])
    }
    let opened = try Self.openJournal(options, now: now)
    let journal = opened.journal
    do throws(PosixError) {
      vault = try Vault(stateFolder: paths.state)
      weeks = try WeekKeys(stateFolder: paths.state, logID: journal.logID, now: now) { body in
        journal.append(kind: "week", at: Clocks.realtime(), body: body.bytes)
      }
    } catch {
      throw .surroundings(error.description)
    }
    recorder = Recorder(
      journal: journal, drawing: Recorder.Drawing(weeks: weeks, vault: vault),
      waitingBytes: options.memory.waitingBytes)
    try Self.recountBudgets(recorder, loaded.generation, logFolder: paths.log, now: now)
    recorder.joining.withLock { joining in
      for id in opened.recentCalls.reversed() { joining.restored(id) }
    }
    let kill = KillSwitch(stateFolder: paths.state, runtimeFolder: paths.runtime)
    let restored = RestoredFlags(
      Rollouts.read(paths.flags), proof: opened.proof, lastDemotion: opened.lastDemotion,
      place: RestoredFlags.place(paths))
    do throws(PosixError) {
      pipeline = try Pipeline(
        recorder: recorder, kill: kill, generation: loaded.generation, plan: options.memory,
        rollouts: Rollouts(file: paths.flags, restored, doubts: recorder.doubts))
    } catch {
      throw .surroundings(error.description)
    }
    kill.flags(areUnreadable: pipeline.rollouts.look())
    changes = FlagChanges(pipeline: pipeline, file: paths.flags, log: log)
    demotions = Demotions(
      changes: changes, logFolder: paths.log, patienceSeconds: options.breakerPatienceSeconds)
    reloading = Reloading(
      loading: loading, changes: changes, inForce: PolicyInForce(path: paths.policyInForce),
      serviceManager: notice, log: log, startedAt: now)
    probing = Probing(pipeline: pipeline, log: log, known: opened.probes)
    reviewing = Reviewing(
      pipeline: pipeline, vault: vault, weeks: weeks, logFolder: paths.log,
      reservationMs: options.reservationMs, graceMs: options.captureGraceMs, demotions: demotions)
    gates = LiveGates(pipeline: pipeline, paths: paths)
    keeper = LogKeeping.keeper(
      pipeline, reviewing, gates, options, log: log, lastRecordAt: opened.lastRecordAt, now: now)
    audit = JournalAudit(folder: paths.log, atStart: opened.recovery.damage)
    let reloads = Monitor(ReloadRequests())
    self.reloads = reloads
    do throws(PosixError) {
      // Whom an option names the file's mode must let through: then only the peer's credentials decide.
      let namesOthers = !options.allowedUsers.isEmpty || !options.allowedGroups.isEmpty
      let listener = try UnixSocket.listen(at: paths.tap, mode: namesOthers ? 0o666 : 0o660)
      let controlListener = try UnixSocket.listen(at: paths.control, mode: 0o600)
      let page = try options.console.map { (address) throws(PosixError) in try ConsoleListener(address) }
      let group = try Files.status(paths.tap)?.group
      var access = AccessList.tap(ownUser: ProcessState.effectiveUser, socketGroup: group)
      access.users.formUnion(options.allowedUsers)
      access.groups.formUnion(options.allowedGroups)
      let limits = options.senderLimits(log)
      let state = SidecarState(
        pipeline: pipeline, reloading: reloading, probing: probing, reviewing: reviewing, gates: gates,
        keeper: keeper, weeks: weeks, vault: vault, changes: changes, audit: audit, access: access,
        limits: limits, framesPerSecond: options.framesPerSecond, paths: paths, startedAt: now, log: log,
        consoleURL: page?.url)
      control = Control(state)
      let control = control
      console = try page.map { (listener) throws(PosixError) in
        try Console(state, control: control, listener: listener)
      }
      tap = try Tap(
        pipeline: pipeline, listener: listener, signals: signals, access: access, limits: limits,
        framesPerSecond: options.framesPerSecond, frameLimit: options.frameLimit
      ) { action in
        switch action {
        case .reload:
          reloads.withLock { $0.isAsked = true }
          reloads.notify()
        case .kill: _ = control.turnOn("signal:USR1", nil)
        case .stop: break
        }
      }
      writeStart(opened.recovery, loaded, at: now)
      if let task = restored.interrupted {
        let words = FlagChanges.Words(
          reason: "a change was recorded and not written when the router ended", actor: Demotions.actor)
        changes.turnOff(task, .demoted, words)
      }
      if let missing = restored.missing {
        let words = FlagChanges.Words(
          reason: "flags.json is gone or has no flags: everything in shadow", actor: Demotions.actor)
        changes.missed(missing.task, was: missing.now, words)
      }
      proveReceipts()
      if let problem = restored.problem { log.error("flags_unreadable", ["why": problem]) }
      weeks.announce(now: now)
      try reviewing.start()
      try demotions.start()
      try gates.start()
      try keeper.start()
      try control.start(controlListener)
      try console?.start()
    } catch {
      throw .surroundings(error.description)
    }
  }

  /// Whoever can change what stands in these folders decides what the router believes and who reads its texts.
  private static func checkFolders(_ paths: SidecarPaths, _ log: EventLog) throws(SidecarFault) {
    for folder in [paths.state, paths.runtime] {
      do {
        try FolderTrust.check(folder, ownedBy: ProcessState.effectiveUser)
      } catch {
        throw .surroundings("\(error)")
      }
      if let open = FolderTrust.openAncestor(of: folder) {
        log.warning("folder_can_be_replaced", ["folder": folder, "everybody_may_write": open])
      }
    }
  }

  /// A flag that the log proves is not enough: the receipt that it rests on has to stand there too.
  private func proveReceipts() {
    for flag in pipeline.rollouts.document.sorted where flag.isServing {
      guard let grant = flag.grant else { continue }
      let fault = ReceiptProof.fault(
        of: grant, task: flag.task, isChallenger: flag.isRotated, in: options.paths.log)
      guard let fault else { continue }
      let words = FlagChanges.Words(reason: "the receipt ended: \(fault)", actor: Demotions.actor)
      changes.turnOff(flag.task, .stale, words)
    }
  }

  private struct OpenedJournal {
    let journal: Journal
    let recovery: Recovery
    let recentCalls: [String]
    /// By model id: what the newest `probe` records say.
    let probes: [String: Probing.Known]
    /// Of the flags file.
    let proof: RestoredFlags.Proof?
    let lastDemotion: Rollouts.Demotion?
    /// Milliseconds since 1970; nil: the log is new.
    let lastRecordAt: Int64?
  }

  /// Opens the log and remembers which calls it holds last: a restart must not decide one twice.
  private static func openJournal(_ options: SidecarOptions, now: Int64) throws(SidecarFault) -> OpenedJournal
  {
    var recent: [String] = []
    var probes: [String: (seq: Int, known: Probing.Known)] = [:]
    var proof: (seq: Int, proof: RestoredFlags.Proof)?
    var demotion: (seq: Int, demotion: Rollouts.Demotion)?
    // The record that proves the flags may be older than the calls that have to be known.
    let needsProof = Files.exists(options.paths.flags)
    var lastRecord: (seq: UInt64, at: Int64)?
    var writing = options.journal
    writing.bufferBytes = options.memory.queueBytes
    // Less than what is left where calls begin to be shed, so that this is what happens first.
    writing.reservedBytes = options.memory.queueBytes / 25
    do throws(JournalError) {
      try StateFolders(state: options.paths.state, log: options.paths.log).mendErasure()
      let (journal, recovery) = try Journal.open(
        folder: options.paths.log, options: writing, now: now
      ) { line in
        if let record = RecordLine(line), record.seq > lastRecord?.seq ?? 0 {
          lastRecord = (record.seq, record.at)
        }
        switch RecordIdentity.read(line) {
        case .decision(let callID): recent.append(callID)
        case .probe(let seq, let id, let known):
          // Segments come newest first, lines within them oldest first.
          if seq > probes[id]?.seq ?? 0 { probes[id] = (seq, known) }
        case .flag(let seq, let found, let sentBack):
          if seq > proof?.seq ?? 0 { proof = (seq, found) }
          if let sentBack, seq > demotion?.seq ?? 0 { demotion = (seq, sentBack) }
        case nil: break
        }
        return recent.count < RecentCalls.capacity || needsProof && proof == nil
      }
      return OpenedJournal(
        journal: journal, recovery: recovery, recentCalls: recent, probes: probes.mapValues(\.known),
        proof: proof?.proof, lastDemotion: demotion?.demotion, lastRecordAt: lastRecord?.at)
    } catch {
      throw .surroundings(error.description)
    }
  }

  /// Reads back what was spent today, where the policy has budgets.
  private static func recountBudgets(
    _ recorder: Recorder, _ generation: Generation, logFolder: String, now: Int64
  ) throws(SidecarFault) {
    guard generation.prepared.policy.tasks.contains(where: { !$0.budgets.isEmpty }) else { return }
    do throws(JournalError) {
      let ledger = try BudgetRecount.read(logFolder: logFolder, now: now)
      recorder.budgets.withLock { $0 = ledger }
    } catch {
      throw .surroundings(error.description)
    }
  }

  private func writeStart(_ recovery: Recovery, _ loaded: PolicyLoading.Loaded, at now: Int64) {
    let generation = loaded.generation
    if recovery.cutBytes > 0 {
      log.warning("log_tail_cut", ["bytes": "\(recovery.cutBytes)", "segment": "\(recovery.segment)"])
    }
    if let damage = recovery.damage { log.error("log_damaged", ["where": damage.description]) }
    var body = RecordBody()
    body.field("version", SidecarVersion.text)
    body.field("policy_revision", generation.revision)
    body.field("generation", generation.number)
    body.field("pid", Int(ProcessState.id))
    body.field("kill_switch", pipeline.kill.override?.description)
    let inForce = PolicyInForce(path: options.paths.policyInForce)
    let changed = PolicyInForce.changes(from: inForce.read(now: now), to: generation.prepared.policy)
    pipeline.rollouts.tightened(changed)
    PolicyInForce.write(changed, into: &body)
    recorder.write("start", body)
    do throws(PosixError) {
      try inForce.write(loaded.text)
    } catch {
      log.warning("policy_not_kept", ["why": error.description])
    }
  }

  /// The one line that says that all sockets listen, and what to try next.
  package var readyLine: String {
    let generation = pipeline.current
    let candidates = generation.candidates.joined(separator: ", ")
    let killed = pipeline.kill.override.map { "  KILLED (\($0)): everything goes to the frontier" } ?? ""
    let page = console.map { "  console \($0.listener.url)" } ?? ""
    let short = generation.revision.prefix("sha256:".count + 12)
    return "ready  tap \(options.paths.tap)  policy \(options.paths.policy) \(short)  candidate "
      + "\(candidates.isEmpty ? "none" : candidates)\(killed)\(page)  next: shadow-router status"
  }

  /// Serves until TERM or INT, then flushes: when it returns nothing is in flight and every record is on the disk.
  ///
  /// - Returns: False where the log could not take everything.
  package func run() throws(SidecarFault) -> Bool {
    let reloader: Thread
    do throws(PosixError) {
      reloader = try Thread.spawn(name: "reload") { [reloads, reloading] in
        Self.reloadLoop(reloads, reloading)
      }
      notice.ready()
      probing.start()
      try audit.start()
      try tap.run()
    } catch {
      throw .surroundings(error.description)
    }
    notice.stopping()
    reloads.withLock { $0.isStopping = true }
    reloads.notify()
    reloader.join()
    return stop()
  }

  /// Signals that come while a reload is under way are one more reload together.
  private static func reloadLoop(_ requests: Monitor<ReloadRequests>, _ reloading: Reloading) {
    while true {
      let isStopping = requests.wait(
        for: { $0.isAsked || $0.isStopping },
        { requests in
          requests.isAsked = false
          return requests.isStopping
        })
      if isStopping { return }
      _ = reloading.reload(by: "signal:HUP")
    }
  }

  /// Time that candidates have to finish what they were asked before the stop.
  private static let graceMilliseconds: Int64 = 2_000

  private func stop() -> Bool {
    let deadline = Clocks.deadline(afterMilliseconds: Self.graceMilliseconds)
    probing.stop(until: deadline)
    for pool in Array(pipeline.current.pools.values) + reloading.retiredPools { pool.stop(until: deadline) }
    recorder.expire(generation: pipeline.current, everything: true)
    demotions.stop()
    audit.stop()
    reviewing.stop()
    gates.stop()
    keeper.stop()
    vault.stop()
    let balance = recorder.balance.withLock { $0 }
    var body = RecordBody()
    body.field("received", Int(balance.receivedTotal))
    body.field("recorded", Int(balance.recordedTotal))
    body.field("answered", Int(balance.answered))
    body.field("malformed", Int(balance.malformedTotal))
    body.field("shed", Int(balance.shedTotal))
    body.field("in_flight", Int(balance.inFlight))
    body.field("lost_by_sender", Int(balance.lostBySender))
    recorder.write("stop", body)
    console?.stop()
    control.stop()
    let isWhole = recorder.journal.close()
    weeks.remember(isWhole: isWhole)
    try? Files.remove(options.paths.tap)
    try? Files.remove(options.paths.control)
    if !isWhole { log.error("log_incomplete", ["last_error": recorder.journal.status.lastError ?? ""]) }
    return isWhole
  }
}

/// What a start wants to know of the records that an earlier run left.
enum RecordIdentity {
  case decision(callID: String)
  case probe(seq: Int, modelID: String, Probing.Known)
  /// A task's flag was changed, and maybe sent it back.
  case flag(seq: Int, RestoredFlags.Proof, Rollouts.Demotion?)

  static func read(_ line: Span<UInt8>) -> RecordIdentity? {
    var members: [JSONMemberRange] = []
    guard (try? JSONIndex.members(of: line, into: &members)) != nil else { return nil }
    var isDecision = false
    for member in members where member.kind == .string {
      if member.isNamed("kind", in: line) {
        if line.holds("probe", in: member) { return probe(line) }
        if line.holds("flag", in: member) { return flag(line) }
        isDecision = line.holds("decision", in: member)
      }
      // Nothing behind it needs to be looked at.
      if isDecision, member.isNamed("call_id", in: line) {
        return .decision(callID: line.string(in: member))
      }
    }
    return nil
  }

  private static func flag(_ line: Span<UInt8>) -> RecordIdentity? {
    guard let record = try? JSONValue(parsing: line), let seq = record["seq"]?.intValue,
      let after = record["flags_sha256"]?.stringValue
    else { return nil }
    let task = record["task"]?.stringValue ?? ""
    let proof = RestoredFlags.Proof(
      task: task, before: record["flags_before_sha256"]?.stringValue, after: after,
      now: record["new"]?.stringValue ?? Stage.shadow.rawValue)
    let shadow = Stage.shadow.rawValue
    guard record["new"]?.stringValue == shadow, record["old"]?.stringValue != shadow,
      let at = record["ts"]?.stringValue.flatMap(Timestamp.parse)
    else { return .flag(seq: seq, proof, nil) }
    let demotion = Rollouts.Demotion(
      task: task, at: at, reason: record["reason"]?.stringValue ?? "",
      actor: record["actor"]?.stringValue ?? "")
    return .flag(seq: seq, proof, demotion)
  }

  private static func probe(_ line: Span<UInt8>) -> RecordIdentity? {
    let bytes = line.indices.map { line[$0] }
    guard let record = try? JSONValue(parsing: bytes), let seq = record["seq"]?.intValue,
      let id = record["model_id"]?.stringValue, let model = record["model"]?.stringValue
    else { return nil }
    // A probe that could not tell still stands for what was known before it.
    let digest = record["digest"]?.stringValue ?? record["previous_digest"]?.stringValue
    return .probe(seq: seq, modelID: id, Probing.Known(model: model, digest: digest))
  }
}
