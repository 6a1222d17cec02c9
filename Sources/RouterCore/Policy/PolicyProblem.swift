/// A place in a policy file, both counted from 1.
package struct Mark: Sendable, Equatable {
  package let line: Int
  package let column: Int

  package init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }
}

/// One fault or remark about a policy file.
package struct PolicyProblem: Sendable, Equatable, Error {
  package enum Severity: String, Sendable {
    /// The policy is refused.
    case error
    /// The policy is taken; a reviewer should look.
    case warning
    /// The policy is taken; something in it has no effect in this version.
    case note
  }

  package let severity: Severity
  package let mark: Mark
  /// A sentence that names the value and the remedy.
  package let message: String

  package init(_ severity: Severity = .error, at mark: Mark, _ message: String) {
    self.severity = severity
    self.mark = mark
    self.message = message
  }

  /// `FILE:LINE:COL: error: …`, the form that editors jump to.
  package func line(in file: String) -> String {
    "\(file):\(mark.line):\(mark.column): \(severity.rawValue): \(message)"
  }
}
