package import RouterCore

/// What came of reading a policy file.
package struct PolicyReading: Sendable {
  /// Nil where any problem is an error.
  package let policy: Policy?
  /// In the order of the file.
  package let problems: [PolicyProblem]

  package var errors: [PolicyProblem] { problems.filter { $0.severity == .error } }

  /// Puts problems into the order of the file, errors before remarks at the same place; with an error among them
  /// there is no policy.
  package init(_ policy: Policy?, and problems: [PolicyProblem]) {
    self.problems = problems.enumerated().sorted { left, right in
      let (one, two) = (left.element, right.element)
      return (one.mark.line, one.mark.column, one.severity.order, left.offset)
        < (two.mark.line, two.mark.column, two.severity.order, right.offset)
    }.map(\.element)
    self.policy = problems.contains { $0.severity == .error } ? nil : policy
  }

  /// A file of which nothing can be read.
  package init(_ problems: [PolicyProblem]) { self.init(nil, and: problems) }
}

package struct PolicyReadingOptions: Sendable {
  /// `YYYY-MM-DD` in UTC, for what is due or expired; nil: nothing is.
  package var today: String?
  /// A task without `owner` is an error, not a warning.
  package var isStrict: Bool

  package init(today: String? = nil, isStrict: Bool = false) {
    self.today = today
    self.isStrict = isStrict
  }
}

/// Makes a policy of a tree, or says all that is wrong with it.
package enum PolicyReader {
  /// Reads the whole tree; `bytes` are the file's, for the revision.
  package static func read(
    _ root: PolicyNode, bytes: [UInt8], options: PolicyReadingOptions = PolicyReadingOptions()
  ) -> PolicyReading {
    var findings = PolicyFindings(options)
    var draft = PolicyDraft()
    let given = PolicyDraft.table.read(root, "policy", at: root.mark, into: &draft, &findings)
    // A misspelled `models` must not make every reference to a model look wrong as well.
    let saysModels = PolicyDraft.table.has("models", in: given)
    if saysModels, draft.models.isEmpty { draft.hasClearModels = false }
    draft.readTasks(&findings)
    let tasksAreClear = draft.tasksEntry != nil
    var policy = PolicyResolution(draft, &findings, knowsTasks: tasksAreClear).policy
    policy.revision = "sha256:" + SHA256.hash(bytes).hex
    return PolicyReading(policy, and: findings.problems)
  }
}

extension PolicyProblem.Severity {
  fileprivate var order: Int {
    switch self {
    case .error: 0
    case .warning: 1
    case .note: 2
    }
  }
}
