import Evidence
package import Gates
import Journal
import PolicyLanguage
import Posix
package import RouterCore
import Wire

/// A gate asked for on the command line or over the control socket.
package struct GateRequest: Sendable {
  package let subject: EvidenceSubject
  package let policy: Policy
  package let paths: SidecarPaths
  /// What the running router has received and lost since it started; nil: none runs.
  package var balance: (received: Int, lost: Int)?
  /// Milliseconds since 1970; nil: the time of the log's last record.
  package var now: Int64?

  package init(_ subject: EvidenceSubject, policy: Policy, paths: SidecarPaths) {
    self.subject = subject
    self.policy = policy
    self.paths = paths
  }

  package struct Answer: Sendable {
    package let gate: Gate
    /// Whether the log does not say yet that this was asked, with this outcome.
    package let isNews: Bool
  }

  /// Why nothing could be asked: the policy has no such task, or the task no challenger.
  package var fault: String? {
    guard let task = policy.task(subject.task) else { return "the policy has no task \(subject.task)" }
    return subject.isChallenger && task.challenger == nil ? "task \(subject.task) has no challenger" : nil
  }

  /// Reads the log and judges. A log that cannot be read is an answer too: `error`.
  package func make() -> Answer {
    var terms = Self.terms(subject, policy, paths.calibrations)
    terms.balance = balance
    var fold = EpochFold(subject, terms.rules)
    do throws(JournalError) {
      var reader = try JournalReader(folder: paths.log)
      try reader.visit { line, _ in
        fold.add(line)
        return true
      }
    } catch {
      let around = Gate.Surroundings(now: now ?? 0, policy: terms.gate)
      return Answer(
        gate: .refused(subject, .error, "the log cannot be read: \(error.description)", around), isNews: false
      )
    }
    let gate = terms.judge(fold, fold.health, catches: fold.catches, at: now)
    let known = fold.asks.last { $0.epoch == gate.epoch?.id && $0.isChallenger == subject.isChallenger }
    return Answer(gate: gate, isNews: gate.epoch != nil && known?.outcome != gate.outcome.rawValue)
  }

  /// What the policy says of a subject, and which cases its corrections were fitted on.
  ///
  /// - Parameter calibrations: The folder of the corrections; nil: none is known.
  static func terms(_ subject: EvidenceSubject, _ policy: Policy, _ calibrations: String?) -> GateTerms {
    let own = TaskRevision.of(subject.task, in: policy, isChallenger: subject.isChallenger)
    var terms = GateTerms(
      subject, policy.task(subject.task), inForce: GateTerms.InForce(task: own, policy: policy.revision))
    if let calibrations { terms.usedCases = usedCases(subject.task, calibrations) }
    return terms
  }

  /// The cases that corrections of this task were fitted on.
  private static func usedCases(_ task: String, _ folder: String) -> Set<String> {
    guard let names = try? Files.list(folder) else { return [] }
    var used: Set<String> = []
    for name in names where name.hasSuffix(".json") {
      guard let bytes = try? Files.readRegular(Files.join(folder, name), limit: 64 << 20),
        let file = try? JSONValue(parsing: bytes), file["task"]?.stringValue == task
      else { continue }
      used.formUnion(file["cases_sha256"]?.arrayValue?.compactMap(\.stringValue) ?? [])
    }
    return used
  }
}
