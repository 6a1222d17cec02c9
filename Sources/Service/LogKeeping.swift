import Deciding
import Gates
import Journal
import LogRequests
import Operations
import PolicyFiles
import Posix
import Retention
import Rollout
import RouterCore
import Wire

/// What the running sidecar tells the keeper of its log, and what the control socket asks of it.
enum LogKeeping {
  static func keeper(
    _ pipeline: Pipeline, _ reviewing: Reviewing, _ gates: LiveGates, _ options: SidecarOptions,
    log: EventLog,
    lastRecordAt: Int64?, now: Int64
  ) -> LogKeeper {
    let recorder = pipeline.recorder
    let around = LogKeeper.Surroundings(
      folders: StateFolders(state: options.paths.state, log: options.paths.log), journal: recorder.journal,
      write: { kind, body in
        recorder.write(kind, body)
          && recorder.journal.flush(deadline: Clocks.deadline(afterMilliseconds: 5_000))
      },
      rules: {
        let policy = pipeline.current.prepared.policy
        return LogKeeper.Rules(
          maxAgeDays: policy.privacy.retentionDays,
          maxBytes: policy.privacy.maxLogMB.map { Int64($0) * 1_000_000 }, policyRevision: policy.revision)
      },
      needs: { now in needs(pipeline, reviewing, gates, now) },
      tell: { event in tell(event, log) })
    return LogKeeper(around, checkpointMs: options.checkpointMs, lastRecordAt: lastRecordAt, now: now)
  }

  /// What must stay however old it is: the running epochs, the receipts in force with the epochs that they rest on, and what
  /// waits for a label.
  private static func needs(
    _ pipeline: Pipeline, _ reviewing: Reviewing, _ gates: LiveGates, _ now: Int64
  ) -> [LogNeed]? {
    guard reviewing.latest.isCaughtUp, let epochs = gates.epochStarts(now: now) else { return nil }
    var needs = epochs.map { epoch in
      LogNeed(
        seq: UInt64(clamping: epoch.seq),
        why: "the running epoch of \(epoch.subject.task) (\(epoch.subject.role))")
    }
    for flag in pipeline.rollouts.document.sorted where flag.isServing {
      guard let grant = flag.grant else { continue }
      // An epoch is named by its day and the number of its first record.
      let first = grant.epoch?.split(separator: ".").last.flatMap { UInt64($0) }
      needs.append(LogNeed(seq: first, at: flag.since, why: "the receipt of \(flag.task)"))
    }
    if let waiting = reviewing.oldestWaiting {
      needs.append(LogNeed(at: waiting, why: "a drawn item that waits for its label"))
    }
    return needs
  }

  private static func tell(_ event: LogKeeper.Event, _ log: EventLog) {
    switch event {
    case .removed(let notice):
      log.info(
        "log_removed",
        [
          "segments": "\(notice.segments)", "records": "\(notice.records)", "cause": notice.cause.rawValue,
          "first": "\(notice.firstSeq)",
        ])
    case .paused:
      log.warning("retention_paused", ["why": "the clock went on by more than this process lived through"])
    case .lost(let records):
      log.error("checkpoint_lost", ["records": "\(records.lowerBound) to \(records.upperBound)"])
    case .failed(let why): log.warning("log_keeping_failed", ["why": why])
    }
  }

  // MARK: - Status

  static func checkpoint(_ status: LogKeeper.Status, _ paths: SidecarPaths) -> JSONValue {
    [
      "file": .string(LogAnchor.file(paths.state)),
      "at": status.checkpointAt.map { .string(Timestamp.string($0)) } ?? .null,
      "size": status.checkpointSize.map { .number(JSONNumber(Int(clamping: $0))) } ?? .null,
    ]
  }

  static func retention(_ status: LogKeeper.Status, _ privacy: PrivacyPolicy) -> JSONValue {
    [
      "days": .number(JSONNumber(privacy.retentionDays)),
      "max_log_mb": privacy.maxLogMB.map { .number(JSONNumber($0)) } ?? .null,
      "first_seq": .number(JSONNumber(Int(clamping: status.removal?.firstSeq ?? 1))),
      "removed_to": status.removal.map { .string(Timestamp.string($0.lastRemoved)) } ?? .null,
      "held_by": status.heldBy.map { .string($0) } ?? .null, "paused": .bool(status.isPaused),
    ]
  }

  // MARK: - Requests

  static func erase(_ body: [UInt8], _ state: SidecarState, who: String) -> Control.Answer {
    guard let value = try? JSONValue(parsing: body), let callID = value["call_id"]?.stringValue,
      !callID.isEmpty,
      let reason = value["reason"]?.stringValue, !reason.allSatisfy(\.isWhitespace)
    else {
      return .problem(400, "the body must be {\"call_id\": C, \"reason\": R}, both with something in it")
    }
    let seal = state.pipeline.current.seal
    do throws(LogKeeper.ErasureFault) {
      let erased = try state.keeper.erase(callID, who: who, reason: seal.label(reason, limit: 240))
      return .json([
        "call_id": .string(callID), "records": .number(JSONNumber(erased.records)),
        "previews": .number(JSONNumber(erased.previews)), "captured": .bool(erased.hadCapture),
      ])
    } catch {
      switch error {
      case .unknownCall: return .problem(404, "the log has no record of that call")
      case .log(let why): return .problem(503, "nothing was erased: \(why)")
      case .unfinished(let why):
        return .problem(503, "recorded, but not all is erased yet; it is tried again: \(why)")
      }
    }
  }

  static func keys(_ body: [UInt8], _ state: SidecarState, who: String) -> Control.Answer {
    let value = try? JSONValue(parsing: body)
    let folder = KeyFolder(stateFolder: state.paths.state)
    switch (value?["do"]?.stringValue, value?["kid"]?.stringValue) {
    case ("rotate", nil): return rotate(folder, state, who)
    case ("destroy", let id?): return destroy(id, folder, state, who)
    default:
      return .problem(400, "the body must be {\"do\": \"rotate\"} or {\"do\": \"destroy\", \"kid\": K}")
    }
  }

  private static func rotate(_ folder: KeyFolder, _ state: SidecarState, _ who: String) -> Control.Answer {
    guard !state.reloading.keyIsCredential else {
      return .problem(
        409,
        "the key comes from the service manager: replace the credential hash-key there and restart the service"
      )
    }
    do throws(PosixError) {
      _ = try folder.rotateKey()
      let (old, new) = try state.reloading.reseal()
      record("rotated", new, previous: old, state, who)
      return .json(["kid": .string(new), "previous": .string(old)])
    } catch { return .problem(503, error.description) }
  }

  private static func destroy(_ id: String, _ folder: KeyFolder, _ state: SidecarState, _ who: String)
    -> Control.Answer
  {
    let used = state.pipeline.current.seal.keyID
    guard id != used else { return .problem(409, "key \(id) is in use; `keys rotate` first") }
    do throws(KeyFolder.Refusal) {
      try folder.destroy(
        id, words: "\(Timestamp.string(Clocks.realtime())) \(who)",
        credential: state.reloading.keyIsCredential ? used : nil)
    } catch {
      switch error {
      case .unknown: return .problem(404, "there is no key of that id")
      case .inUse: return .problem(409, "key \(id) is in use; `keys rotate` first")
      case .system(let error): return .problem(503, error.description)
      }
    }
    let isRecorded = record("destroyed", id, previous: nil, state, who)
    return .json(["kid": .string(id), "recorded": .bool(isRecorded)])
  }

  @discardableResult
  private static func record(
    _ change: String, _ id: String, previous: String?, _ state: SidecarState, _ who: String
  ) -> Bool {
    var body = RecordBody()
    body.field("change", change)
    body.field("kid", id)
    body.field("previous", previous)
    body.field("actor", who)
    let recorder = state.pipeline.recorder
    return recorder.write("key", body)
      && recorder.journal.flush(deadline: Clocks.deadline(afterMilliseconds: 5_000))
  }
}
