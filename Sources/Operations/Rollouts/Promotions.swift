import Deciding
import Gates
import Journal
import LogReading
import PolicyFiles
import Posix
import Receipts
import Rollout
import RouterCore
import Screens
import Synchronization
package import Wire

/// `promote`, `demote` and `rotate`: people move a task, each step under a receipt.
package final class Promotions: Sendable {
  /// What a request came to: an HTTP status and a body.
  package struct Reply: Sendable {
    package var status = 200
    package var body: JSONValue
  }

  /// Nothing is changed; the reply says why.
  private struct Refusal: Error {
    var reply: Reply

    init(_ status: Int, _ message: String, gate: Gate? = nil) {
      var members = [JSONMember("error", .string(message))]
      if let gate { members.append(JSONMember("gate", gate.json)) }
      reply = Reply(status: status, body: .object(members))
    }
  }

  private let pipeline: Pipeline
  private let changes: FlagChanges
  private let gates: GateAsking
  private let logFolder: String

  private static let longestReason = 500
  private static let mostGroups = 50

  package init(changes: FlagChanges, gates: GateAsking, logFolder: String) {
    pipeline = changes.pipeline
    self.changes = changes
    self.gates = gates
    self.logFolder = logFolder
  }

  private var rollouts: Rollouts { pipeline.rollouts }

  // MARK: - Requests

  /// `POST /v1/promote`.
  ///
  /// - Parameters:
  ///   - actor: Who asks, as records name them.
  ///   - person: The account's name, where it has one.
  package func promote(_ body: JSONValue, actor: String, person: String) -> Reply {
    answer { () throws(Refusal) in
      var move = try Move(body, person: person)
      move.reason = move.reason.map(sealed)
      move.approver = pipeline.current.seal.name(move.approver) ?? person
      return try promote(move, actor: actor)
    }
  }

  /// `POST /v1/demote`.
  package func demote(_ body: JSONValue, actor: String) -> Reply {
    answer { () throws(Refusal) in
      try Self.only(body, ["task", "reason"])
      let task = try Self.text(body, "task", "the name of a task")
      let reason = sealed(try Self.text(body, "reason", "a reason"))
      let document = rollouts.document
      guard document[task] != nil || pipeline.current.prepared.task(task) != nil else {
        throw Refusal(404, "the policy has no task \(task)")
      }
      let words = FlagChanges.Words(reason: reason, actor: actor)
      let wasUnreadable = rollouts.problem != nil
      var isSaved = changes.turnOff(task, .demoted, words)
      let wasServed = isSaved != nil
      // Whoever demotes a task while the file is foreign wants it put right.
      if !wasServed, rollouts.problem != nil { isSaved = changes.rewrite(words) }
      return Reply(body: [
        "task": .string(task), "stage": "shadow", "changed": .bool(wasServed),
        "saved": .bool(isSaved ?? true), "rewritten": .bool(wasUnreadable && rollouts.problem == nil),
      ])
    }
  }

  /// `POST /v1/rotate`.
  package func rotate(_ body: JSONValue, actor: String, person: String) -> Reply {
    answer { () throws(Refusal) in
      try Self.only(body, ["task", "back"])
      let name = try Self.text(body, "task", "the name of a task")
      return try Self.flag(body, "back")
        ? rotateBack(name, actor: actor) : rotate(name, actor: actor, person: person)
    }
  }

  private func answer(_ act: () throws(Refusal) -> Reply) -> Reply {
    do throws(Refusal) { return try act() } catch { return error.reply }
  }

  private static func only(_ body: JSONValue, _ known: [String]) throws(Refusal) {
    if let fault = body.strange(known) { throw Refusal(400, fault) }
  }

  private static func text(_ body: JSONValue, _ name: String, _ what: String) throws(Refusal) -> String {
    let wanted = oneLineWanted(name, what)
    guard let text = body[name]?.stringValue else { throw Refusal(400, wanted) }
    guard text.contains(where: { !$0.isWhitespace }) else { throw Refusal(400, wanted + "; it is blank") }
    guard text.utf8.count <= longestReason else {
      throw Refusal(400, wanted + "; it has \(text.utf8.count)")
    }
    guard isOneLine(text) else { throw Refusal(400, wanted + "; it has some") }
    return text
  }

  /// False where it is absent or null.
  private static func flag(_ body: JSONValue, _ name: String) throws(Refusal) -> Bool {
    guard let value = body[name], !value.isNull else { return false }
    guard let flag = value.boolValue else { throw Refusal(400, "\"\(name)\" must be true or false") }
    return flag
  }

  private static func groups(_ value: JSONValue) throws(Refusal) -> [String] {
    let names = value.arrayValue?.compactMap(\.stringValue) ?? []
    guard let count = value.arrayValue?.count, names.count == count, count <= mostGroups else {
      throw Refusal(400, "\"user_groups\" must be a list of at most \(mostGroups) names")
    }
    for (index, name) in names.enumerated() {
      let length = name.unicodeScalars.count
      // As calls have them: no caller could be in a group of another form.
      guard 1...256 ~= length else {
        throw Refusal(
          400, "\"user_groups\", name \(index + 1), must have 1 to 256 characters; it has \(length)")
      }
    }
    guard names.allSatisfy(TerminalText.isOneLine) else {
      throw Refusal(400, "\"user_groups\" must be names without control characters")
    }
    return names
  }

  /// What people write may quote a text.
  private func sealed(_ words: String) -> String {
    pipeline.current.seal.label(words, limit: Self.longestReason) ?? ""
  }

  /// What people write stands in lines that others read: it must not be able to forge one.
  package static func isOneLine(_ text: String) -> Bool {
    text.utf8.count <= longestReason && TerminalText.isOneLine(text)
  }

  package static func oneLineWanted(_ name: String, _ what: String = "a text") -> String {
    "\"\(name)\" must be \(what), one line of at most \(longestReason) bytes without control characters"
  }

  // MARK: - Promotion

  private struct Move {
    var task: String
    var percent: Int?
    var groups: [String]?
    var isOverride = false
    var reason: String?
    var approver: String

    init(_ body: JSONValue, person: String) throws(Refusal) {
      try Promotions.only(
        body, ["task", "percent", "user_groups", "override", "reason", "approver"])
      task = try Promotions.text(body, "task", "the name of a task")
      if let percent = body["percent"], !percent.isNull {
        guard let number = percent.intValue, number == 0 || Stages.percents.contains(number) else {
          let given = percent.numberValue.map { ", not \($0.literal)" } ?? ""
          throw Refusal(400, "\"percent\" must be a stage: 1, 10, 50 or 100 (0 for groups alone)\(given)")
        }
        self.percent = number
      }
      if let groups = body["user_groups"], !groups.isNull {
        self.groups = Set(try Promotions.groups(groups)).sorted()
      }
      isOverride = try Promotions.flag(body, "override")
      if body["reason"]?.isNull == false { reason = try Promotions.text(body, "reason", "a reason") }
      let named = body["approver"]?.isNull == false
      approver = named ? try Promotions.text(body, "approver", "a name") : person
      guard !isOverride || reason != nil && named else {
        throw Refusal(400, "an override needs a reason and an approver")
      }
    }
  }

  private func promote(_ move: Move, actor: String) throws(Refusal) -> Reply {
    let generation = pipeline.current
    let base = try readableFlags()
    let task = try localTask(move.task, generation)
    let old = base[move.task] ?? Flag(move.task)
    var new = try target(of: move, from: old)
    let isWider =
      !old.isServing || new.percent > old.percent || !Set(new.userGroups).isSubset(of: old.userGroups)
    if isWider {
      if !move.isOverride, let refusal = Stages.refusal(move.task, from: old.percent, to: new.percent) {
        throw Refusal(409, refusal)
      }
      if let other = base.inRollout(but: move.task) {
        throw Refusal(
          409,
          "one task is in rollout at a time: \(other.task) is at \(other.words); take it to 100 % or demote it"
        )
      }
    }
    let isSame = new.percent == old.percent && new.userGroups == old.userGroups
    var receipt: RecordBody?
    if isWider || isSame {
      let (grant, body) = try granted(move, task, old, generation)
      receipt = body
      if new.grant != grant { new.since = Clocks.realtime() }
      new.grant = grant
      new.off = nil
    }
    let reason = move.isOverride ? "OVERRIDE by \(move.approver): \(move.reason ?? "")" : move.reason
    let words = FlagChanges.Words(
      reason: reason ?? (isWider ? "promoted" : isSame ? "renewed" : "narrowed"), actor: actor,
      approver: move.approver)
    try commit(new, over: base, receipt, words)
    return Reply(body: document(new))
  }

  /// The share and the groups that are asked for; the grant is still the old one.
  private func target(of move: Move, from old: Flag) throws(Refusal) -> Flag {
    var new = old
    if !old.isServing { (new.percent, new.userGroups) = (0, []) }
    let before = new.percent
    new.userGroups = move.groups ?? new.userGroups
    // Groups alone leave everybody else where they are.
    new.percent = move.percent ?? (move.groups != nil ? before : Stages.next(after: before) ?? 100)
    guard new.percent > 0 || !new.userGroups.isEmpty else {
      throw Refusal(
        400, "nobody would be answered; the way back is: shadow-router demote \(old.task) --reason T")
    }
    return new
  }

  /// The grant to serve under, and the receipt's record where a new one is written.
  private func granted(_ move: Move, _ task: PreparedTask, _ old: Flag, _ generation: Generation)
    throws(Refusal) -> (Grant, RecordBody?)
  {
    let now = Clocks.realtime()
    if move.isOverride {
      return try overriding(task, old, generation, move, at: now)
    }
    let gate = try passed(EvidenceSubject(task: task.policy.name, isChallenger: isRotated(old, task)))
    if let grant = old.grant, !grant.isOverride, grant.epoch == gate.epoch?.id,
      rollouts.fit(of: old, task, generation, at: now) == .fits
    {
      return (grant, nil)
    }
    return try receipt(for: gate, task, generation, approver: move.approver, at: now)
  }

  private func isRotated(_ flag: Flag, _ task: PreparedTask) -> Bool {
    flag.isRotated && task.policy.challenger != nil
  }

  /// For a drill: no gate is asked. It serves what is there now, for a day.
  private func overriding(
    _ task: PreparedTask, _ old: Flag, _ generation: Generation, _ move: Move, at now: Int64
  ) throws(Refusal) -> (Grant, RecordBody) {
    let isChallenger = isRotated(old, task)
    guard let revision = task.revisions.of(isChallenger: isChallenger) else {
      throw Refusal(409, "the task has nothing that could answer")
    }
    let grant = Grant(
      receipt: Self.newID, isOverride: true, epoch: nil, approver: move.approver, taskRevision: revision,
      models: generation.served(task.policy, isRotated: isChallenger), baseline: Disagreement(),
      safeguards: Safeguards(task.policy), issuedAt: now, expiresAt: now + Grant.overrideMs)
    let record = ReceiptRecord(
      grant: grant, task: task.policy.name, isChallenger: isChallenger, policyRevision: generation.revision,
      reason: move.reason)
    return (grant, record.body)
  }

  private func receipt(
    for gate: Gate, _ task: PreparedTask, _ generation: Generation, approver: String, at now: Int64
  ) throws(Refusal) -> (Grant, RecordBody) {
    guard let epoch = gate.epoch,
      let receipt = Receipt(gate, policyRevision: generation.revision, approver: approver, at: now)
    else { throw Refusal(409, "the gate did not pass", gate: gate) }
    let isChallenger = gate.subject.isChallenger
    guard let revision = task.revisions.of(isChallenger: isChallenger) else {
      throw Refusal(409, "the task has nothing that could answer", gate: gate)
    }
    var models = generation.served(task.policy, isRotated: isChallenger)
    for known in epoch.models {
      guard let place = models.firstIndex(where: { $0.id == known.id }), models[place].name == known.name,
        models[place].digest == nil || models[place].digest == known.digest,
        models[place].prompt == known.prompt, Self.isCorrected(models[place], as: known)
      else {
        throw Refusal(
          409, "model \(known.id) is no longer the one that the evidence is about; its evidence starts again",
          gate: gate)
      }
      models[place].digest = known.digest
    }
    // Its answers stand in `challenge` records unless it has the candidate's place already.
    let isAsked = isChallenger != rollouts.isRotated(task.policy.name)
    let baseline = ShadowBaseline.read(
      logFolder, task.policy.name, isChallengeRecord: isAsked, from: epoch.start,
      models: Set(epoch.models.map(\.id)))
    let grant = Grant(
      receipt: Self.newID, isOverride: false, epoch: epoch.id, approver: approver,
      taskRevision: revision, models: models, baseline: baseline, safeguards: Safeguards(task.policy),
      issuedAt: now, expiresAt: receipt.expiresAt)
    let record = ReceiptRecord(
      grant: grant, task: task.policy.name, isChallenger: isChallenger, policyRevision: generation.revision,
      receipt: receipt)
    return (grant, record.body)
  }

  /// Whether the confidence goes through what it went through in the evidence; without its digest a model has no
  /// corrections.
  private static func isCorrected(_ model: ServedModel, as known: EpochEvidence.Model) -> Bool {
    model.digest == nil
      ? known.calibration == nil
      : known.calibration.map(model.calibrations.contains) ?? model.calibrations.isEmpty
  }

  /// 16 hex digits.
  private static var newID: String { String(SHA256.hash(Random.bytes(32)).hex.prefix(16)) }

  // MARK: - Rotation

  private func rotate(_ name: String, actor: String, person: String) throws(Refusal) -> Reply {
    let generation = pipeline.current
    let base = try readableFlags()
    let task = try localTask(name, generation)
    guard task.policy.challenger != nil else { throw Refusal(409, "task \(name) has no challenger") }
    let old = base[name] ?? Flag(name)
    let subject = EvidenceSubject(task: name, isChallenger: !isRotated(old, task))
    let gate = try passed(subject)
    let (grant, record) = try receipt(
      for: gate, task, generation, approver: person, at: Clocks.realtime())
    var new = old
    new.isRotated = subject.isChallenger
    (new.grant, new.previous, new.since) = (grant, old.grant, Clocks.realtime())
    let words = FlagChanges.Words(reason: "rotated: the challenger is the candidate now", actor: actor)
    try commit(new, over: base, record, words)
    return Reply(body: document(new))
  }

  private static func noWayBack(_ task: String, _ why: String) -> Refusal {
    Refusal(
      409,
      "there is no way back under the previous receipt: \(why); or: shadow-router demote \(task) --reason T")
  }

  private func rotateBack(_ name: String, actor: String) throws(Refusal) -> Reply {
    let generation = pipeline.current
    let base = try readableFlags()
    let task = try localTask(name, generation)
    guard let old = base[name], old.isRotated || old.previous != nil else {
      throw Refusal(409, "task \(name) has not been rotated")
    }
    var new = old
    new.isRotated.toggle()
    (new.grant, new.previous, new.since) = (old.previous, old.grant, Clocks.realtime())
    if old.isServing {
      switch rollouts.fit(of: new, task, generation, at: Clocks.realtime()) {
      case .fits:
        let fault = new.grant.flatMap {
          ReceiptProof.fault(of: $0, task: name, isChallenger: isRotated(new, task), in: logFolder)
        }
        if let fault { throw Self.noWayBack(name, fault) }
      case .unknown(let why), .differs(let why): throw Self.noWayBack(name, why)
      }
    }
    let words = FlagChanges.Words(reason: "rotated back", actor: actor)
    try commit(new, over: base, nil, words)
    return Reply(body: document(new))
  }

  // MARK: - What all of them ask

  private func readableFlags() throws(Refusal) -> FlagsDocument {
    if let problem = rollouts.problem {
      throw Refusal(
        409, "the flags cannot be read: \(problem); remove the file, or demote a task to have it rewritten")
    }
    if rollouts.isGone { throw Refusal(409, "flags.json is gone: its tasks are just being sent back") }
    return rollouts.document
  }

  private func localTask(_ name: String, _ generation: Generation) throws(Refusal) -> PreparedTask {
    guard let task = generation.prepared.task(name) else {
      throw Refusal(404, "the policy has no task \(name)")
    }
    guard task.policy.mayBeLocal else {
      let why = task.policy.local ? "impact: high" : "local: false"
      throw Refusal(409, "the policy keeps task \(name) with the frontier (\(why)); nothing overrides that")
    }
    return task
  }

  private func passed(_ subject: EvidenceSubject) throws(Refusal) -> Gate {
    let gate: Gate
    do throws(GateAsking.Refusal) {
      gate = try gates.ask(subject)
    } catch {
      switch error {
      case .unknown(let why): throw Refusal(404, why)
      case .log: throw Refusal(503, "the log cannot be written; ask again later")
      }
    }
    guard gate.outcome == .pass else {
      throw Refusal(409, "the gate of \(subject.task) does not pass: \(gate.outcome.rawValue)", gate: gate)
    }
    return gate
  }

  private func commit(
    _ new: Flag, over base: FlagsDocument, _ receipt: RecordBody?, _ words: FlagChanges.Words
  ) throws(Refusal) {
    do throws(FlagChanges.Refusal) {
      try changes.commit(new, over: base, receipt: receipt, words)
    } catch {
      switch error {
      case .log: throw Refusal(503, "the log cannot be written; nothing is changed")
      case .disk(let fault):
        throw Refusal(503, "flags.json cannot be written (\(fault.reason)); nothing is changed")
      case .overtaken: throw Refusal(409, "the flags were changed meanwhile; look at `status` and ask again")
      }
    }
  }

  private func document(_ flag: Flag) -> JSONValue {
    let override = pipeline.kill.override?.description
    let status = RolloutStatus.flag(flag, stage: flag.stage, isKilled: override != nil, why: nil)
    guard let override, let members = status.members else { return status }
    let note = "the kill switch is on, nothing is answered locally until: \(KillSwitch.remedy(override))"
    return .object(members + [JSONMember("note", .string(note))])
  }
}
