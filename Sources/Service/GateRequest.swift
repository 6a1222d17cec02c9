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

  private var task: TaskPolicy {
    policy.task(subject.task) ?? TaskPolicy(name: subject.task, mark: Mark(line: 1, column: 1))
  }

  /// What folding the log for this gate takes.
  package var rules: EpochRules {
    var rules = EpochRules(task.gate, owner: task.owner)
    rules.usedCases = usedCases
    return rules
  }

  /// Reads the log and judges. A log that cannot be read is an answer too: `error`.
  ///
  /// - Parameter known: The whole log, folded by these ``rules``; nil: it is read.
  package func make(_ known: EpochFold? = nil) -> Answer {
    var around = Gate.Surroundings(now: now ?? 0, policy: task.gate)
    var fold: EpochFold
    if let known {
      fold = known
    } else {
      fold = EpochFold(subject, rules)
      do throws(JournalError) {
        var reader = try JournalReader(folder: paths.log)
        try reader.visit { line, _ in
          fold.add(line)
          return true
        }
      } catch {
        return Answer(
          gate: .refused(subject, .error, "the log cannot be read: \(error.description)", around),
          isNews: false)
      }
    }
    around.now = now ?? fold.health.last
    guard task.mayBeLocal else {
      return Answer(
        gate: .refused(subject, .fail, "the policy keeps this task with the frontier", around), isNews: false)
    }
    around.evalSet = evalSet
    return judge(fold, &around)
  }

  /// The upper bound of the rate of false accepts, as the gate would say it; nil where no epoch is in force.
  package func upperBound(_ fold: EpochFold) -> Double? {
    let now = now ?? fold.health.last
    guard task.mayBeLocal, let epoch = fold.sample(at: now), staleness(epoch.revision) == nil else {
      return nil
    }
    var around = Gate.Surroundings(now: now, policy: task.gate)
    (around.planted, around.caught) = fold.catches
    around.asks = fold.asks
    return Gate(subject, epoch, around).upperBound
  }

  private func judge(_ fold: EpochFold, _ around: inout Gate.Surroundings) -> Answer {
    var epoch = fold.evidence(at: around.now)
    let stale = epoch.flatMap { staleness($0.revision) }
    if stale != nil { epoch = nil }
    (around.planted, around.caught) = fold.catches
    around.asks = fold.asks
    around.lastDrill = fold.health.lastDrill
    let start = epoch?.start ?? around.now
    let ended = fold.health.losses(since: start)
    around.received = ended.received + (balance?.received ?? 0)
    around.lost = ended.lost + (balance?.lost ?? 0)
    if let problem = fold.health.problem(since: start) {
      return Answer(gate: .refused(subject, .error, problem, around), isNews: false)
    }
    var gate = Gate(subject, epoch, around)
    gate.problem = stale
    let known = fold.asks.last { $0.epoch == epoch?.id && $0.isChallenger == subject.isChallenger }
    return Answer(gate: gate, isNews: epoch != nil && known?.outcome != gate.outcome.rawValue)
  }

  /// The task's eval set as it is on the disk now.
  private var evalSet: Gate.EvalSet {
    guard let file = task.evalSet else { return .none }
    do throws(PosixError) {
      let path = file.hasPrefix("/") ? file : Files.join(Files.folder(of: paths.policy), file)
      return .file(sha256: try FileDigest.sha256(path))
    } catch {
      return .unreadable(error.description)
    }
  }

  /// Evidence about another policy than the one in force is none: no call has come under this one yet.
  private func staleness(_ revision: String) -> String? {
    let own = TaskRevision.of(subject.task, in: policy, isChallenger: subject.isChallenger)
    // Records of earlier versions name the whole policy; only a running router knows that it is another one now.
    let isOld = revision.hasPrefix("policy ")
    let isSame = isOld ? balance == nil || revision == "policy " + policy.revision : revision == own
    return isSame ? nil : "the evidence in the log is about an earlier policy of this task"
  }

  /// The cases that corrections of this task were fitted on. Those that a model was trained on need no list: it has another
  /// digest than the model that they were put to, and so another epoch.
  private var usedCases: Set<String> {
    guard let names = try? Files.list(paths.calibrations) else { return [] }
    var used: Set<String> = []
    for name in names where name.hasSuffix(".json") {
      guard let bytes = try? Files.readRegular(Files.join(paths.calibrations, name), limit: 64 << 20),
        let file = try? JSONValue(parsing: bytes), file["task"]?.stringValue == subject.task
      else { continue }
      used.formUnion(file["cases_sha256"]?.arrayValue?.compactMap(\.stringValue) ?? [])
    }
    return used
  }
}
