/// A regular expression as read, before it is compiled.
indirect enum PatternNode {
  case empty
  case set(ScalarSet)
  case assertion(PatternAssertion)
  case concat([PatternNode])
  case alternate([PatternNode])
  /// `index` is nil for a group that does not capture.
  case group(PatternNode, index: Int?)
  /// `max` nil means no upper bound.
  case repetition(PatternNode, min: Int, max: Int?, greedy: Bool)

  /// Whether it can match without consuming anything.
  var isNullable: Bool {
    switch self {
    case .empty, .assertion: true
    case .set: false
    case .concat(let parts): parts.allSatisfy(\.isNullable)
    case .alternate(let branches): branches.contains(where: \.isNullable)
    case .group(let body, _): body.isNullable
    case .repetition(let body, let min, _, _): min == 0 || body.isNullable
    }
  }

  /// Whether every match must begin at the start of the text.
  var isAnchored: Bool {
    switch self {
    case .assertion(let kind): kind == .textStart
    case .concat(let parts): parts.first?.isAnchored ?? false
    case .alternate(let branches): !branches.isEmpty && branches.allSatisfy(\.isAnchored)
    case .group(let body, _): body.isAnchored
    case .repetition(let body, let min, _, _): min > 0 && body.isAnchored
    case .empty, .set: false
    }
  }
}

/// A condition on a position; word characters are ASCII letters, digits and the underscore.
enum PatternAssertion: UInt32 {
  case textStart, textEnd, lineStart, lineEnd, wordBoundary, notWordBoundary
}
