package import RouterCore

extension PolicyProblem {
  /// A value as a message may show it: in double quotes, on one line, at most 48 characters of it.
  ///
  /// Long values are cut because messages travel further than the file: to terminals, logs and reload replies.
  package static func quote(_ text: String) -> String {
    var shown = "\""
    var count = 0
    for scalar in text.unicodeScalars {
      guard count < 48 else { return shown + "…\"" }
      shown.unicodeScalars.append(isVisible(scalar) ? scalar : "·")
      count += 1
    }
    return shown + "\""
  }

  /// A key or an identifier, in back quotes; cut like a quoted value.
  package static func code(_ name: String) -> String {
    let quoted = quote(name)
    return "`" + quoted.dropFirst().dropLast() + "`"
  }

  /// Names for a sentence, each in back quotes: a, b and 3 more.
  package static func list(_ names: [String], limit: Int = 8) -> String {
    let shown = names.prefix(limit).map(code).joined(separator: ", ")
    return names.count > limit ? "\(shown) and \(names.count - limit) more" : shown
  }

  private static func isVisible(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
    default: true
    }
  }
}
