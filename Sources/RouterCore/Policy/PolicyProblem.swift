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
  /// A sentence that names the value and the remedy: one line, in which nothing moves a terminal's cursor, also where it
  /// names keys as the file has them.
  package let message: String

  package init(_ severity: Severity = .error, at mark: Mark, _ message: String) {
    self.severity = severity
    self.mark = mark
    self.message = Self.oneLine(message)
  }

  private static func oneLine(_ message: String) -> String {
    guard message.unicodeScalars.contains(where: isUnseen) else { return message }
    return String(String.UnicodeScalarView(message.unicodeScalars.map { isUnseen($0) ? "·" : $0 }))
  }

  /// Control characters, line ends, and what turns the writing direction.
  private static func isUnseen(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case ..<0x20, 0x7F...0x9F, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: true
    default: false
    }
  }

  /// `FILE:LINE:COL: error: …`, the form that editors jump to.
  package func line(in file: String) -> String {
    "\(file):\(mark.line):\(mark.column): \(severity.rawValue): \(message)"
  }
}
