package import Gates
import PolicyLanguage
import PolicyYAML
package import Posix
package import RouterCore
import Wire

/// The text of the policy in force, kept in the state folder: after a restart it tells whether the new one only tightened.
package struct PolicyInForce: Sendable {
  let path: String

  package init(path: String) { self.path = path }

  /// nil where there is none, or none that this version can read: the evidence then goes by revisions alone.
  package func read(now: Int64) -> Policy? {
    guard let bytes = try? Files.readRegular(path, limit: PolicyText.maxBytes + 1) else { return nil }
    var options = PolicyReadingOptions()
    options.today = PolicyLoading.day(now)
    return PolicyFile.read(bytes, options: options).policy
  }

  package func write(_ bytes: [UInt8]) throws(PosixError) { try Files.replace(path, with: bytes) }

  /// What a policy does to the evidence of each task that may be local, the changed ones first.
  ///
  /// - Parameter old: nil: unknown.
  package static func changes(from old: Policy?, to new: Policy) -> [TaskRevisionChange] {
    let all = new.tasks.filter(\.mayBeLocal).flatMap { task in
      [false, true].compactMap { isChallenger in
        change(EvidenceSubject(task: task.name, isChallenger: isChallenger), old, new)
      }
    }
    return all.filter { $0.previous != $0.revision } + all.filter { $0.previous == $0.revision }
  }

  private static func change(_ subject: EvidenceSubject, _ old: Policy?, _ new: Policy) -> TaskRevisionChange?
  {
    let (name, isChallenger) = (subject.task, subject.isChallenger)
    guard let revision = TaskRevision.of(name, in: new, isChallenger: isChallenger),
      let task = new.task(name)
    else { return nil }
    var change = TaskRevisionChange(subject: subject, revision: revision)
    guard let old else { return change }
    change.previous = TaskRevision.of(name, in: old, isChallenger: isChallenger)
    if change.previous != revision,
      TaskRevision.isTightened(name, from: old, to: new, isChallenger: isChallenger)
    {
      change.limits = AcceptanceLimits(
        minConfidence: task.minConfidence, maxInputChars: task.maxInputChars,
        escalateLabels: Set(task.escalateLabels), stopSignals: Set(task.stopSignals.map(\.rawValue)))
    }
    return change
  }

  /// A policy of thousands of tasks must not push the record over its limit. What is left out restarts.
  package static func write(_ changes: [TaskRevisionChange], into record: inout RecordBody) {
    record.field("tasks") { writer in
      writer.beginArray()
      var room = 32 << 10
      for change in changes {
        let value = change.json
        room -= value.jsonBytes.count
        guard room > 0 else { break }
        writer.value(value)
      }
      writer.endArray()
    }
  }
}
