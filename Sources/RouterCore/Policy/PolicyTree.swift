/// A place in a policy file, both counted from 1.
package struct Mark: Sendable, Equatable {
  package let line: Int
  package let column: Int

  package init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }
}

/// A YAML node with its place: what the strict subset leaves of a document.
package struct PolicyNode: Sendable {
  package enum Content: Sendable {
    /// `isPlain`: written without quotes, so that it may be a number, a Boolean or null.
    case scalar(String, isPlain: Bool)
    case sequence([PolicyNode])
    /// In document order; keys are unique, which the reader has checked.
    case mapping([PolicyEntry])
    /// An alias, which nothing can stand in for. Its problem has been reported: readers stay silent about it.
    case unreadable
  }

  package let content: Content
  package let mark: Mark

  package init(_ content: Content, at mark: Mark) {
    self.content = content
    self.mark = mark
  }
}

/// One `key: value` of a mapping.
package struct PolicyEntry: Sendable {
  package let key: String
  package let keyMark: Mark
  package let value: PolicyNode

  package init(key: String, keyMark: Mark, value: PolicyNode) {
    self.key = key
    self.keyMark = keyMark
    self.value = value
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
