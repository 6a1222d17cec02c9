import RouterCore

/// The wording of syntax errors.
enum SyntaxError {
  /// - Parameters:
  ///   - problem: libyaml's words.
  ///   - context: What was being read, in libyaml's words, from `start` on.
  static func message(_ problem: String, context: String?, at start: Mark, _ mark: Mark) -> String {
    var message = problem
    if let context, !context.isEmpty {
      message += " \(context)"
      if start != mark { message += " that starts at line \(start.line), column \(start.column)" }
    }
    if let remedy = remedy(for: problem) { message += "; \(remedy)" }
    return message
  }

  private static func remedy(for problem: String) -> String? {
    switch problem {
    case "found character that cannot start any token":
      "a tab cannot indent, and text that starts with @, ` or % needs quotes"
    case "mapping values are not allowed in this context":
      "text that holds \": \" needs quotes; a key stands at the indentation of its neighbours"
    case "did not find expected key":
      "check the indentation and the quotes here and in the line before"
    case "did not find expected ',' or '}'", "did not find expected ',' or ']'":
      "close the bracket, or separate the entries by commas"
    case "could not find expected ':'":
      "a key needs a colon and a space after it"
    case "found unexpected end of stream":
      "a quote or a bracket is not closed"
    default:
      nil
    }
  }
}
