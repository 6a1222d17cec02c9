import Evidence
package import Gates
package import Journal
import LogReading
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

  /// Whether a task's challenger has the candidate's place, as far as a log says: what a router that goes on with it would say.
  package static func isRotated(_ task: String, logFolder: String) throws(JournalError) -> Bool {
    var reader = try JournalReader(folder: logFolder)
    var line = LogLine()
    var isRotated = false
    try reader.visit { text, _ in
      // Few of a log's lines are flags, and each says so near its beginning: the others are not read.
      guard text.extracting(0..<min(text.count, 200)).contains(flagMark), line.read(text),
        line.isString(.kind, "flag", in: text), line.string(.task, in: text) == task
      else { return true }
      isRotated = line.bool(.rotated, in: text) == true
      return true
    }
    return isRotated
  }

  private static let flagMark = Array(#""kind":"flag""#.utf8)

  /// Why nothing could be asked: the policy has no such task, or the task no challenger.
  package var fault: String? {
    guard let task = policy.task(subject.task) else { return "the policy has no task \(subject.task)" }
    return subject.isChallenger && task.challenger == nil ? "task \(subject.task) has no challenger" : nil
  }

  /// What folding the log for this gate takes.
  package var rules: EpochRules {
    var rules = terms(nil).rules
    rules.usedCases = Self.usedCases(subject.task, paths.calibrations)
    return rules
  }

  /// - Parameter paths: nil: without what lies in files.
  private func terms(_ paths: SidecarPaths?) -> GateTerms {
    var terms = Self.terms(subject, policy, paths)
    terms.balance = balance
    return terms
  }

  /// Reads the log and judges. A log that cannot be read is an answer too: `error`.
  ///
  /// - Parameter known: The whole log, folded by these ``rules``; nil: it is read.
  package func make(_ known: EpochFold? = nil) -> Answer {
    let terms = terms(paths)
    var fold: EpochFold
    if let known {
      fold = known
    } else {
      fold = EpochFold(subject, terms.rules)
      do throws(JournalError) {
        var reader = try JournalReader(folder: paths.log)
        try reader.visit { line, _ in
          fold.add(line)
          return true
        }
      } catch {
        let around = Gate.Surroundings(now: now ?? 0, policy: terms.gate)
        return Answer(
          gate: .refused(subject, .error, "the log cannot be read: \(error.description)", around),
          isNews: false)
      }
    }
    let gate = terms.judge(fold, fold.health, catches: fold.catches, at: now)
    let asked = fold.asks.last { $0.epoch == gate.epoch?.id && $0.isChallenger == subject.isChallenger }
    return Answer(gate: gate, isNews: gate.epoch != nil && asked?.outcome != gate.outcome.rawValue)
  }

  /// The upper bound of the rate of false accepts, as the gate would say it; nil where no epoch is in force.
  package func upperBound(_ fold: EpochFold) -> Double? { terms(nil).upperBound(fold, at: now) }

  /// What the policy and the files that it names say of a subject.
  static func terms(_ subject: EvidenceSubject, _ policy: Policy, _ paths: SidecarPaths?) -> GateTerms {
    let task = policy.task(subject.task)
    let own = TaskRevision.of(subject.task, in: policy, isChallenger: subject.isChallenger)
    var terms = GateTerms(
      subject, task, inForce: GateTerms.InForce(task: own, policy: policy.revision))
    guard let paths else { return terms }
    terms.usedCases = usedCases(subject.task, paths.calibrations)
    terms.evalSet = evalSet(task, policy: paths.policy)
    return terms
  }

  /// The task's eval set as it is on the disk now.
  private static func evalSet(_ task: TaskPolicy?, policy: String) -> Gate.EvalSet {
    guard let file = task?.evalSet else { return .none }
    do throws(PosixError) {
      let path = file.hasPrefix("/") ? file : Files.join(Files.folder(of: policy), file)
      return .file(sha256: try FileDigest.sha256(path))
    } catch {
      return .unreadable(error.description)
    }
  }

  /// The cases that corrections of this task were fitted on. Those that a model was trained on need no list: it has another
  /// digest than the model that they were put to, and so another epoch.
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
