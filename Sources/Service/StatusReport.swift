import Captures
import Deciding
import Journal
import Live
import LogRequests
import Operations
import PolicyFiles
import Posix
import Retention
import RouterCore
import Senders
import Synchronization
import Wire

package enum SidecarVersion {
  package static let text = "0.1.0"
}

/// What the control socket and the tap share of a running sidecar.
final class SidecarState: Sendable {
  let pipeline: Pipeline
  let reloading: Reloading
  let probing: Probing
  let reviewing: Reviewing
  let gates: LiveGates
  let keeper: LogKeeper
  let weeks: WeekKeys
  let vault: Vault
  let changes: FlagChanges
  let audit: JournalAudit
  let promotions: Promotions
  let gateAsking: GateAsking
  /// Of the tap.
  let access: AccessList
  let limits: SenderLimits
  /// That each user may send; nil: as many as it likes.
  let framesPerSecond: Int?
  let paths: SidecarPaths
  let startedAt: Int64
  let log: EventLog
  /// nil where there is no console.
  let consoleURL: String?

  init(
    pipeline: Pipeline, reloading: Reloading, probing: Probing, reviewing: Reviewing, gates: LiveGates,
    keeper: LogKeeper, weeks: WeekKeys,
    vault: Vault, changes: FlagChanges, audit: JournalAudit, access: AccessList,
    limits: SenderLimits, framesPerSecond: Int?, paths: SidecarPaths,
    startedAt: Int64, log: EventLog, consoleURL: String? = nil
  ) {
    self.consoleURL = consoleURL
    self.pipeline = pipeline
    self.reloading = reloading
    self.probing = probing
    self.reviewing = reviewing
    self.gates = gates
    self.keeper = keeper
    self.weeks = weeks
    self.vault = vault
    self.changes = changes
    self.audit = audit
    gateAsking = GateAsking(pipeline: pipeline, gates: gates, paths: paths)
    promotions = Promotions(changes: changes, gates: gateAsking, logFolder: paths.log)
    self.access = access
    self.limits = limits
    self.framesPerSecond = framesPerSecond
    self.paths = paths
    self.startedAt = startedAt
    self.log = log
  }
}

/// `GET /v1/status`: all that `status` shows, as one JSON object.
enum StatusReport {
  static func document(_ sidecar: SidecarState) -> JSONValue {
    let pipeline = sidecar.pipeline
    let generation = pipeline.current
    return [
      "version": .string(SidecarVersion.text),
      "ready": true,
      "started_at": .string(Timestamp.string(sidecar.startedAt)),
      "pid": .number(JSONNumber(Int(ProcessState.id))),
      "kill": kill(pipeline.kill),
      "policy": [
        "file": .string(sidecar.paths.policy), "revision": .string(generation.revision),
        "generation": .number(JSONNumber(generation.number)), "last_reload": reload(sidecar.reloading.latest),
      ],
      "live_tasks": RolloutStatus.live(pipeline),
      "rollout": RolloutStatus.tasks(pipeline),
      "last_demotion": RolloutStatus.lastDemotion(pipeline.rollouts),
      "flags": flags(sidecar),
      "candidates": CandidateStatus.list(generation, sidecar.probing),
      "balance": balance(pipeline),
      "tap": tap(pipeline.activity.latest, pipeline.recorder.balance.withLock { $0.receivedTotal }),
      "review": review(sidecar),
      "vault": vault(sidecar.vault.holdings),
      "waiting_agents": .number(JSONNumber(pipeline.desk.waiting)),
      "budgets": budgets(pipeline),
      "log": log(
        pipeline.recorder.journal, sidecar.audit, folder: sidecar.paths.log,
        previewsDropped: pipeline.recorder.metrics.withLock { $0.previewsDropped }),
      "checkpoint": LogKeeping.checkpoint(sidecar.keeper.status, sidecar.paths),
      "retention": LogKeeping.retention(sidecar.keeper.status, generation.prepared.policy.privacy),
      "key": ["kid": .string(generation.seal.keyID), "credential": .bool(sidecar.reloading.keyIsCredential)],
      "sockets": [
        "tap": .string(sidecar.paths.tap), "control": .string(sidecar.paths.control),
        "console": sidecar.consoleURL.map { .string($0) } ?? .null,
      ],
      "limits": LimitsStatus.document(sidecar),
      "refused_peers": refused(pipeline, sidecar.access),
      "unmatched_shapes": shapes(pipeline),
      "resident_bytes": ProcessState.residentBytes().map { .number(JSONNumber($0)) } ?? .null,
    ]
  }

  static func kill(_ kill: KillSwitch) -> JSONValue {
    guard let override = kill.override else { return ["on": false] }
    let latch = kill.current
    return [
      "on": true, "detail": .string(override.description),
      "by": latch.map { .string($0.by) } ?? .null,
      "since": latch.map { $0.since > 0 ? .string(Timestamp.string($0.since)) : .null } ?? .null,
      "reason": latch?.reason.map { .string($0) } ?? .null,
      "latched": .bool(latch?.isPersistent ?? true),
    ]
  }

  static func reload(_ last: Reloading.Last) -> JSONValue {
    let at = JSONValue.string(Timestamp.string(last.at))
    switch last.outcome {
    case .taken(_, _, let sentBack):
      return [
        "at": at, "result": "taken", "errors": .array([]), "sent_back": Reloading.SentBack.json(sentBack),
      ]
    case .unchanged: return ["at": at, "result": "unchanged", "errors": .array([]), "sent_back": .array([])]
    case .refused(let lines):
      return [
        "at": at, "result": "refused", "errors": .array(lines.map { .string($0) }), "sent_back": .array([]),
      ]
    }
  }

  static func balance(_ pipeline: Pipeline) -> JSONValue {
    let balance = pipeline.recorder.balance.withLock { $0 }
    func number(_ value: UInt64) -> JSONValue { .number(JSONNumber(Int(value))) }
    func causes<Key: RawRepresentable<String>>(_ counts: [Key: UInt64]) -> JSONValue {
      .object(
        counts.sorted { $0.key.rawValue < $1.key.rawValue }.map {
          JSONMember($0.key.rawValue, number($0.value))
        })
    }
    return [
      "received": number(balance.receivedTotal), "recorded": number(balance.recordedTotal),
      "answered": number(balance.answered), "malformed": number(balance.malformedTotal),
      "shed": number(balance.shedTotal), "in_flight": number(balance.inFlight),
      "lost_by_sender": number(balance.lostBySender), "incomplete": number(balance.incomplete),
      "malformed_by_cause": causes(balance.malformed), "shed_by_cause": causes(balance.shed),
    ]
  }

  private static func flags(_ sidecar: SidecarState) -> JSONValue {
    let rollouts = sidecar.pipeline.rollouts
    return [
      "file": .string(sidecar.paths.flags),
      "readable": .bool(rollouts.problem == nil), "problem": rollouts.problem.map { .string($0) } ?? .null,
      "saved": .bool(sidecar.changes.isSaved),
    ]
  }

  private static func tap(_ activity: TapActivity.View, _ received: UInt64) -> JSONValue {
    // What came within the last second has not been noted yet.
    let last = activity.lastFrameAt ?? (received > 0 ? Clocks.realtime() : nil)
    return [
      "connections": .number(JSONNumber(activity.connections)),
      "last_frame_at": last.map { .string(Timestamp.string($0)) } ?? .null,
    ]
  }

  private static func review(_ sidecar: SidecarState) -> JSONValue {
    let queue = sidecar.reviewing.latest
    let vault = sidecar.vault.counts
    return [
      "backlog": .number(JSONNumber(queue.backlog.values.reduce(0, +))),
      "by_task": Reviewing.counts(queue.backlog), "overdue": Reviewing.counts(queue.overdue),
      "is_caught_up": .bool(queue.isCaughtUp), "not_queued": .number(JSONNumber(queue.forgotten)),
      "week": .string(sidecar.weeks.week.name),
      "shares": .object(
        sidecar.weeks.shares.sorted { $0.key < $1.key }.map {
          JSONMember($0.key, JSONNumber($0.value).map { .number($0) } ?? .null)
        }),
      "captures_kept": .number(JSONNumber(Int(vault.kept))),
      "captures_lost": .number(JSONNumber(Int(vault.lost.values.reduce(0, +)))),
    ]
  }

  /// The texts that are kept, and the open windows.
  private static func vault(_ holdings: Vault.Holdings) -> JSONValue {
    let windows = holdings.parts.compactMap { part -> JSONValue? in
      guard let window = part.window else { return nil }
      return [
        "task": .string(window.task), "until": .string(Timestamp.string(window.end)),
        "texts": .number(JSONNumber(part.texts)), "bytes": .number(JSONNumber(Int(part.bytes))),
        "max_bytes": .number(JSONNumber(Int(window.maxBytes))),
      ]
    }
    return [
      "texts": .number(JSONNumber(holdings.parts.reduce(0) { $0 + $1.texts })),
      "bytes": .number(JSONNumber(Int(holdings.parts.reduce(0) { $0 + $1.bytes }))),
      "windows": .array(windows),
    ]
  }

  /// What tenants have spent today of tasks that have budgets: those that spent most.
  private static func budgets(_ pipeline: Pipeline) -> JSONValue {
    let now = Clocks.realtime()
    let tasks = pipeline.current.prepared.policy.tasks
    let standings = pipeline.recorder.budgets.withLock { $0.standings(of: tasks, at: now) }
    let nextDay = JSONValue.string(Timestamp.string(BudgetLedger.nextDay(after: now)))
    func number(_ value: Double?) -> JSONValue { value.flatMap(JSONNumber.init).map { .number($0) } ?? .null }
    return .array(
      standings.prefix(100).map { standing in
        [
          "task": .string(standing.account.task),
          "tenant": standing.account.tenant.map { .string($0) } ?? .null,
          "others": .bool(standing.account.isOfTheRest), "calls": .number(JSONNumber(standing.spent.calls)),
          "usd": number(standing.spent.usd),
          "calls_per_day": standing.callsPerDay.map { .number(JSONNumber($0)) } ?? .null,
          "usd_per_day": number(standing.usdPerDay), "used_up": .bool(standing.isUsedUp),
          "starts_again": nextDay,
        ]
      })
  }

  private static func log(
    _ journal: Journal, _ audit: JournalAudit, folder: String, previewsDropped: UInt64
  ) -> JSONValue {
    let status = journal.status
    return [
      "id": .string(journal.logID), "seq": .number(JSONNumber(Int(status.head.seq))),
      "head": .string(status.head.hash.hex), "segment": .number(JSONNumber(status.segment)),
      "pending_bytes": .number(JSONNumber(status.pendingBytes)),
      "folder": .string(folder), "failing": .bool(status.failingSince != nil),
      "failing_seconds": status.failingSince.map {
        .number(JSONNumber(Int((Clocks.monotonic() - $0) / 1_000_000_000)))
      } ?? .null,
      "last_error": status.lastError.map { .string($0) } ?? .null,
      "previews_dropped": .number(JSONNumber(Int(previewsDropped))),
      "damage": audit.damage.map { .string($0) } ?? .null,
      "verified_at": audit.latest.map { .string(Timestamp.string($0.at)) } ?? .null,
    ]
  }

  private static func refused(_ pipeline: Pipeline, _ access: AccessList) -> JSONValue {
    let counts = pipeline.refused.withLock { $0.counts }
    return .array(
      counts.sorted { ($0.key.socket.rawValue, $0.key.user) < ($1.key.socket.rawValue, $1.key.user) }.map {
        peer, count in
        let name = Accounts.name(ofUser: peer.user)
        // Never root's group: it opens more than the tap.
        let group = access.groups.filter { $0 != 0 }.min().map { Accounts.name(ofGroup: $0) ?? "\($0)" }
        let byGroup = group.map { "   # or: usermod -aG \($0) \(name ?? "USER")" } ?? ""
        let remedy = "shadow-router run --allow-uid \(peer.user)\(byGroup)"
        return [
          "uid": .number(JSONNumber(Int(peer.user))), "name": name.map { .string($0) } ?? .null,
          "socket": .string(peer.socket.rawValue), "count": .number(JSONNumber(count)),
          // Nothing admits anybody else to control.
          "admit_with": peer.socket == .tap ? .string(remedy) : .null,
        ]
      })
  }

  private static func shapes(_ pipeline: Pipeline) -> JSONValue {
    .array(
      pipeline.unmatched.withLock { $0.top }.map { shape, count, rule in
        func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
        return [
          "count": .number(JSONNumber(count)), "agent": text(shape.agent), "step": text(shape.step),
          "model": text(shape.model), "tool": text(shape.tool), "rule": .string(rule),
        ]
      })
  }
}
