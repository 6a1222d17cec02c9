package import Deciding
import Journal
import Posix
package import Rollout
import RouterCore
import Synchronization
import Wire

/// Changes flags: a record in the log, the file, then what holds in memory; a way back holds in memory first.
package final class FlagChanges: Sendable {
  /// Why a change was not made. What held before holds.
  enum Refusal: Error {
    case log
    case disk(PosixError)
    /// Somebody else changed the flags meanwhile.
    case overtaken
  }

  /// What the record of a change says besides what it changes.
  package struct Words: Sendable {
    package var reason: String
    package var actor: String
    /// Of an override.
    var approver: String?

    package init(reason: String, actor: String, approver: String? = nil) {
      self.reason = reason
      self.actor = actor
      self.approver = approver
    }
  }

  private struct Unsaved: Sendable {
    /// As records say it.
    var old: String
    var new: Flag
    var words: Words
    var isLogged = false
  }

  package let pipeline: Pipeline
  private let file: String
  private let log: EventLog
  /// One change at a time. What a disk or a log would not take of a way back waits here and is tried again.
  private let turn = Mutex<[Unsaved]>([])

  private static let patienceMs: Int64 = 5_000

  package init(pipeline: Pipeline, file: String, log: EventLog) {
    self.pipeline = pipeline
    self.file = file
    self.log = log
  }

  private var rollouts: Rollouts { pipeline.rollouts }

  /// Whether everything that holds is written too.
  package var isSaved: Bool { turn.withLock { $0.isEmpty } }

  // MARK: - Forward

  /// Puts a flag in force, once the log and the disk have it.
  ///
  /// - Parameters:
  ///   - base: The flags that the change was made from.
  ///   - receipt: Written before it, where there is a new one.
  func commit(_ new: Flag, over base: FlagsDocument, receipt: RecordBody? = nil, _ words: Words)
    throws(Refusal)
  {
    let outcome: Refusal? = turn.withLock { unsaved in
      guard unsaved.isEmpty, rollouts.document == base else { return .overtaken }
      do throws(Refusal) {
        try write(new, over: base, receipt, words)
        return nil
      } catch {
        return error
      }
    }
    if let outcome { throw outcome }
    log.warning("flag_changed", ["task": new.task, "to": new.words, "by": words.actor, "why": words.reason])
  }

  private func write(_ new: Flag, over base: FlagsDocument, _ receipt: RecordBody?, _ words: Words)
    throws(Refusal)
  {
    let old = base[new.task] ?? Flag(new.task)
    var document = base
    document[new.task] = new
    let bytes = document.bytes
    let after = SHA256.hash(bytes)
    let before = rollouts.content
    let recorder = pipeline.recorder
    if let receipt, !recorder.write("receipt", receipt) { throw .log }
    guard recorder.write("flag", Self.record(old.words, new, words, before: before, after: after)),
      flushed(Self.patienceMs)
    else { throw .log }
    rollouts.expect(after)
    do throws(PosixError) {
      try Files.replace(file, with: bytes)
    } catch {
      takeBack(old, new, words, "not changed: \(error.reason)")
      throw .disk(error)
    }
    guard rollouts.adopt(document, over: base, for: new.task) else {
      // It was sent back meanwhile, and whoever did so waits for its turn to write.
      throw .overtaken
    }
    settle(after)
  }

  /// The file holds what the router wrote: the very next decision goes by it.
  private func settle(_ content: SHA256Digest) {
    rollouts.settled(content)
    pipeline.kill.flags(areUnreadable: false)
  }

  /// The record of a change that did not come to be: for whoever reads the log, and for the next start.
  private func takeBack(_ old: Flag, _ new: Flag, _ words: Words, _ why: String) {
    guard let content = rollouts.content else { return }
    var words = words
    words.reason = why
    pipeline.recorder.write("flag", Self.record(new.words, old, words, before: content, after: content))
  }

  private func flushed(_ milliseconds: Int64) -> Bool {
    pipeline.recorder.journal.flush(deadline: Clocks.deadline(afterMilliseconds: milliseconds))
  }

  // MARK: - Back

  /// Sends a task back to shadow: at once, whatever the log and the disk say.
  ///
  /// - Returns: Whether it will outlast a restart; nil where the task was not served.
  @discardableResult
  package func turnOff(_ task: String, _ why: Flag.Off, _ words: Words, keepsRotation: Bool = true) -> Bool? {
    let demotion = Rollouts.Demotion(
      task: task, at: Clocks.realtime(), reason: words.reason, actor: words.actor)
    guard let old = rollouts.turnOff(demotion, why: why, keepsRotation: keepsRotation) else { return nil }
    log.warning("task_demoted", ["task": task, "from": old.words, "by": words.actor, "why": words.reason])
    let new = rollouts.document[task] ?? Flag(task)
    return turn.withLock { unsaved in
      unsaved.append(Unsaved(old: old.words, new: new, words: words))
      return save(&unsaved)
    }
  }

  /// Records the way back of a task that was served until the file went, while no router looked.
  package func missed(_ task: String, was old: String, _ words: Words) {
    rollouts.missed(
      Rollouts.Demotion(task: task, at: Clocks.realtime(), reason: words.reason, actor: words.actor))
    log.warning("task_demoted", ["task": task, "from": old, "by": words.actor, "why": words.reason])
    turn.withLock { unsaved in
      unsaved.append(Unsaved(old: old, new: Flag(task), words: words))
      _ = save(&unsaved)
    }
  }

  /// Tries again to write what could not be.
  func retry() {
    turn.withLock { unsaved in
      if !unsaved.isEmpty { _ = save(&unsaved) }
    }
  }

  /// Writes the file again as it should be: it was unreadable, or nobody's.
  func rewrite(_ words: Words) -> Bool {
    turn.withLock { unsaved in
      let flag = Flag("")
      if unsaved.isEmpty { unsaved.append(Unsaved(old: flag.words, new: flag, words: words)) }
      return save(&unsaved)
    }
  }

  private func save(_ unsaved: inout [Unsaved]) -> Bool {
    let bytes = rollouts.document.bytes
    let after = SHA256.hash(bytes)
    let before = rollouts.content
    for index in unsaved.indices where !unsaved[index].isLogged {
      let change = unsaved[index]
      unsaved[index].isLogged = pipeline.recorder.write(
        "flag", Self.record(change.old, change.new, change.words, before: before, after: after))
    }
    let isLogged = unsaved.allSatisfy(\.isLogged)
    // The record first: a file that the log does not name counts for nothing at the next start.
    let isFlushed = isLogged && flushed(1_000)
    rollouts.expect(after)
    guard (try? Files.replace(file, with: bytes)) != nil else { return false }
    settle(after)
    guard isLogged else { return false }
    unsaved = []
    return isFlushed
  }

  // MARK: - Records

  /// Members that every `flag` record has come first; those of a task's flag follow.
  static func record(
    _ old: String, _ new: Flag, _ words: Words, before: Rollouts.Content, after: SHA256Digest
  ) -> RecordBody {
    var body = RecordBody()
    body.field("task", new.task.isEmpty ? nil : new.task)
    body.field("flag", "rollout")
    body.field("old", old)
    body.field("new", new.words)
    body.field("reason", words.reason)
    body.field("actor", words.actor)
    body.field("stage", new.stage.rawValue)
    body.field("percent", new.percent)
    body.field("user_groups") { writer in
      writer.beginArray()
      for group in new.userGroups { writer.string(group) }
      writer.endArray()
    }
    body.field("rotated", new.isRotated)
    body.field("override", new.grant?.isOverride ?? false)
    body.field("approver", words.approver ?? new.grant?.approver)
    body.field("receipt", new.grant?.receipt)
    body.field("expires_at", new.grant.map { Timestamp.string($0.expiresAt) })
    body.field("flags_before_sha256", before?.hex)
    body.field("flags_sha256", after.hex)
    return body
  }
}
