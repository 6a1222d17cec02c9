package import RouterCore
import Text

/// The second look at a policy, once all of it is read: names are resolved, and parts are held against one another.
struct PolicyResolution {
  private(set) var policy: Policy
  private let draft: PolicyDraft
  private let modelIDs: [String: Int]
  private let taskNames: [String: Int]
  /// Models that are meant to be asked; faulty ones included, so that references to them are not called wrong.
  private let candidates: [String]

  /// - Parameter knowsTasks: False where `tasks` itself was misspelled or missing.
  init(_ draft: PolicyDraft, _ findings: inout PolicyFindings, knowsTasks: Bool) {
    self.draft = draft
    policy = draft.policy
    modelIDs = Dictionary(draft.models.enumerated().map { ($1.policy.id, $0) }) { first, _ in first }
    taskNames = Dictionary(draft.tasks.enumerated().map { ($1.policy.name, $0) }) { first, _ in first }
    candidates = draft.models.filter(\.policy.isCandidate).map(\.policy.id)
    policy.models = draft.models.map(\.policy)
    policy.hardStops = draft.hardStops.policy
    policy.classifier = draft.rules.map(\.rule)
    policy.tasks.reserveCapacity(draft.tasks.count)
    resolveFrontier(&findings)
    resolveTasks(&findings)
    if knowsTasks {
      checkRules(&findings)
      checkWaivers(&findings)
    }
    PolicyRemarks.add(policy, draft, &findings)
  }

  // MARK: Models

  private mutating func resolveFrontier(_ findings: inout PolicyFindings) {
    let frontiers = draft.models.filter(\.isFrontier).map(\.policy.id)
    if let wanted = draft.defaults.frontier {
      guard let model = model(wanted, "frontier", &findings) else { return }
      policy.frontier = wanted.value
      if [.builtin, .ollama, .llamacpp].contains(model.policy.provider) {
        findings.error(
          wanted.mark, "`frontier` names \(PolicyProblem.code(wanted.value)), which is a local model")
      }
    } else if modelIDs["frontier_default"] != nil {
      policy.frontier = "frontier_default"
    } else if frontiers.count == 1 {
      policy.frontier = frontiers[0]
    }
  }

  /// The model that a key names; reports a name that no model has.
  private func model(_ name: Located<String>, _ key: String, _ findings: inout PolicyFindings) -> ModelDraft?
  {
    if let position = modelIDs[name.value] { return draft.models[position] }
    guard draft.hasClearModels else { return nil }
    let ids = draft.models.map(\.policy.id)
    findings.error(
      name.mark,
      "`\(key)` names \(PolicyProblem.quote(name.value)), which is not among `models`\(Self.remedy(name.value, ids))"
    )
    return nil
  }

  /// Likewise, for a model that is to be asked.
  private func checkCandidate(_ name: Located<String>, _ key: String, _ findings: inout PolicyFindings) {
    guard let model = model(name, key, &findings), model.isClear, !model.policy.isCandidate else { return }
    findings.error(
      name.mark,
      "`\(key)` names \(PolicyProblem.code(name.value)), which has no `endpoint` or `file` and so cannot be asked"
        + Self.remedy("", candidates))
  }

  private static func remedy(_ word: String, _ names: [String]) -> String {
    if let name = NearestName.match(for: word, among: names) { return "; did you mean `\(name)`?" }
    return names.isEmpty ? "" : "; there are \(PolicyProblem.list(names))"
  }

  // MARK: Tasks

  private mutating func resolveTasks(_ findings: inout PolicyFindings) {
    if let model = draft.defaults.model { checkCandidate(model, "model", &findings) }
    var unresolved: [TaskPolicy] = []
    var unsure: [TaskPolicy] = []
    for task in draft.tasks {
      let resolved = resolve(task, &findings)
      let policy = resolved.policy
      self.policy.tasks.append(policy)
      guard policy.local else { continue }
      if policy.impact != .high, policy.model == nil, !resolved.isExcused { unresolved.append(policy) }
      if !TaskDraft.table.has("min_confidence", in: task.given) { unsure.append(policy) }
    }
    reportUnresolved(unresolved, &findings)
    for task in unsure {
      findings.error(
        task.mark,
        "task \(PolicyProblem.code(task.name)) is local and has no `min_confidence`, nor have `defaults`; add one from 0 to 1"
      )
    }
  }

  private func resolve(_ task: TaskDraft, _ findings: inout PolicyFindings) -> (
    policy: TaskPolicy, isExcused: Bool
  ) {
    var policy = task.policy
    let isOwn = task.model?.mark != draft.defaults.model?.mark
    if isOwn, let model = task.model { checkCandidate(model, "model", &findings) }
    checkCandidates(task, &findings)
    checkLabels(task, &findings)
    settle(&policy, task, &findings)
    guard policy.local, policy.impact != .high else { return (policy, true) }
    policy.model = candidate(of: task)
    if isOwn, let model = task.model, let first = task.cascade.first, first.value != model.value {
      findings.warning(
        model.mark,
        "`model` has no effect beside `cascade`, whose first model, \(PolicyProblem.code(first.value)), is asked first"
      )
    }
    // Where the models themselves are in doubt, their own faults are enough to report.
    let isExcused = !draft.hasClearModels || draft.models.contains { !$0.isClear }
    return (policy, isExcused || TaskDraft.table.has("model", in: task.given))
  }

  /// Id of the model that is asked first.
  private func candidate(of task: TaskDraft) -> String? {
    if let named = task.cascade.first ?? task.model { return named.value }
    if modelIDs["local_default"] != nil { return "local_default" }
    return candidates.count == 1 ? candidates[0] : nil
  }

  private func checkCandidates(_ task: TaskDraft, _ findings: inout PolicyFindings) {
    for id in task.cascade { checkCandidate(id, "cascade", &findings) }
    guard let challenger = task.challenger else { return }
    checkCandidate(challenger, "challenger", &findings)
    if challenger.value == candidate(of: task) {
      findings.error(challenger.mark, "`challenger` names the candidate itself; name another model")
    } else if task.cascade.contains(where: { $0.value == challenger.value }) {
      findings.warning(
        challenger.mark,
        "`challenger` is also a later step of `cascade`: such calls ask it twice, and it competes against itself; name another model"
      )
    }
  }

  /// One fault for all tasks: one line in `models` or `defaults` mends them all.
  private func reportUnresolved(_ tasks: [TaskPolicy], _ findings: inout PolicyFindings) {
    guard let first = tasks.first else { return }
    let others = tasks.count > 1 ? " (and \(tasks.count - 1) more)" : ""
    let who = "task \(PolicyProblem.code(first.name))\(others) is local"
    if candidates.isEmpty {
      findings.error(first.mark, "\(who), but no model has an `endpoint` or a `file`; add one to `models`")
    } else {
      findings.error(
        first.mark,
        "\(who), but its candidate cannot be told: there are \(PolicyProblem.list(candidates)); "
          + "say `model` here or in `defaults`, or call one of them `local_default`")
    }
  }

  private func checkLabels(_ task: TaskDraft, _ findings: inout PolicyFindings) {
    let labels = task.policy.labels.map(\.name)
    guard task.hasClearLabels else { return }
    let saysLabels = TaskDraft.table.has("labels", in: task.given)
    for (key, names) in [("escalate_labels", task.escalated), ("map", task.mapped)] {
      for name in names where !labels.contains(name.value) {
        if labels.isEmpty, saysLabels { continue }
        let remedy = labels.isEmpty ? "; the task has no `labels`" : Self.remedy(name.value, labels)
        findings.error(
          name.mark, "`\(key)` names \(PolicyProblem.quote(name.value)), which is not among `labels`\(remedy)"
        )
      }
    }
    if !labels.isEmpty, !task.escalated.isEmpty, Set(labels).isSubset(of: task.escalated.map(\.value)) {
      findings.warning(task.escalated[0].mark, "every label escalates, so no answer can be accepted")
    }
  }

  /// Fills in what follows from other keys.
  private func settle(_ policy: inout TaskPolicy, _ task: TaskDraft, _ findings: inout PolicyFindings) {
    let hasLabels = !policy.labels.isEmpty
    let isOwnOutput = task.output?.mark != draft.defaults.output?.mark
    if task.output == nil {
      policy.output = hasLabels ? .label : .text
    } else if policy.output == .label, !hasLabels, !TaskDraft.table.has("labels", in: task.given) {
      let mark = isOwnOutput ? task.output?.mark ?? policy.mark : policy.mark
      findings.error(
        mark, "`output` is `label`, but task \(PolicyProblem.code(policy.name)) has no `labels`; add them")
    }
    if let mark = task.schemaMark, policy.output != .json {
      findings.warning(mark, "`output_schema` has no effect without `output: json`")
    }
    settleComparison(&policy, task, &findings)
    if policy.gate.profile == .strict, !task.hasMinWeeks { policy.gate.minWeeks = 4 }
  }

  private func settleComparison(
    _ policy: inout TaskPolicy, _ task: TaskDraft, _ findings: inout PolicyFindings
  ) {
    guard let comparison = task.comparison else {
      policy.agreement.by =
        switch policy.output {
        case .label: .label
        case .json: .json
        case .toolCall: .toolCall
        case .text: .text
        }
      return
    }
    guard comparison.value == .label, policy.labels.isEmpty, !TaskDraft.table.has("labels", in: task.given)
    else { return }
    findings.error(comparison.mark, "`by` is `label`, but the task has no `labels`; add them")
  }

  // MARK: References to tasks and terms

  private func checkRules(_ findings: inout PolicyFindings) {
    for rule in draft.rules {
      if let task = rule.task { checkTask(task, &findings) }
    }
  }

  @discardableResult
  private func checkTask(_ name: Located<String>, _ findings: inout PolicyFindings) -> Bool {
    if taskNames[name.value] != nil { return true }
    findings.error(
      name.mark,
      "`task` names \(PolicyProblem.quote(name.value)), which is not among `tasks`"
        + Self.remedy(name.value, draft.tasks.map(\.policy.name)))
    return false
  }

  private func checkWaivers(_ findings: inout PolicyFindings) {
    for waiver in draft.hardStops.waivers {
      let knowsTask = waiver.task.map { checkTask($0, &findings) } ?? false
      if let term = waiver.term, knowsTask { checkTerm(term, of: waiver.waiver.task, &findings) }
    }
  }

  private func checkTerm(_ term: Located<String>, of task: String, _ findings: inout PolicyFindings) {
    let terms = HardStopClass.allCases.flatMap { policy.hardStopTerms($0, of: policy.task(task)) }
    let wanted = Policy.foldedTerm(term.value)
    guard !terms.contains(where: { Policy.foldedTerm($0) == wanted }) else { return }
    let remedy = NearestName.match(for: term.value, among: terms).map { "; did you mean `\($0)`?" } ?? ""
    findings.error(
      term.mark,
      "`term` names \(PolicyProblem.quote(term.value)), which stops nothing in task \(PolicyProblem.code(task))\(remedy)"
    )
  }
}

extension Policy {
  /// The terms of a class that hold for a task: built in, for all tasks, its own. Waivers are not taken off.
  package func hardStopTerms(_ stop: HardStopClass, of task: TaskPolicy?) -> [String] {
    let builtin = hardStops.builtin ? stop.builtInTerms : []
    return builtin + (hardStops.terms[stop] ?? []) + (task?.hardStops[stop] ?? [])
  }

  /// A term as terms are told apart: without regard to case, and to what separates its words.
  package static func foldedTerm(_ term: String) -> String {
    // Every task's revision folds every term: what is folded already costs a look at its bytes.
    let isFolded = term.utf8.allSatisfy {
      (0x21...0x7E).contains($0) && $0 != 0x2D && $0 != 0x5F && !(0x41...0x5A).contains($0)
    }
    if isFolded { return term }
    return term.lowercased().split { $0.isWhitespace || $0 == "-" || $0 == "_" }.joined(separator: " ")
  }
}

extension HardStopClass {
  package var builtInTerms: [String] {
    switch self {
    case .security: BuiltInTerms.security
    case .access: BuiltInTerms.access
    case .production: BuiltInTerms.production
    }
  }
}
