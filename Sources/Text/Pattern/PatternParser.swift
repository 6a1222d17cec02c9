/// Reads RE2 syntax into nodes. Recursive over groups only, bounded by ``PatternLimits/depth``.
struct PatternParser {
  struct Flags {
    var ignoreCase = false
    var multiline = false
    var dotAll = false
    var swapGreed = false
  }

  let source: [Unicode.Scalar]
  var position = 0
  var flags = Flags()
  var depth = 0
  private(set) var groupCount = 0
  private(set) var groupNames: [String: Int] = [:]

  init(_ source: String) { self.source = Array(source.unicodeScalars) }

  mutating func parse() throws(PatternError) -> PatternNode {
    let node = try alternation()
    guard position == source.count else { throw failure(.unopened) }
    return node
  }

  // MARK: Structure

  private mutating func alternation() throws(PatternError) -> PatternNode {
    var branches: [PatternNode] = [try sequence()]
    while take("|") { branches.append(try sequence()) }
    return branches.count == 1 ? branches[0] : .alternate(branches)
  }

  private mutating func sequence() throws(PatternError) -> PatternNode {
    var parts: [PatternNode] = []
    while let next = peek, next != "|", next != ")" {
      if try takeQuotation(into: &parts) { continue }
      guard let atom = try atom() else { continue }
      parts.append(try quantified(atom))
    }
    return parts.count == 1 ? parts[0] : (parts.isEmpty ? .empty : .concat(parts))
  }

  /// `\Q…\E`: everything between stands for itself; a quantifier after it repeats its last scalar.
  private mutating func takeQuotation(into parts: inout [PatternNode]) throws(PatternError) -> Bool {
    guard peek == "\\", peek(1) == "Q" else { return false }
    position += 2
    var quoted: [PatternNode] = []
    while let next = peek {
      if next == "\\", peek(1) == "E" {
        position += 2
        break
      }
      quoted.append(literal(next.value))
      position += 1
    }
    if let last = quoted.popLast() { quoted.append(try quantified(last)) }
    parts += quoted
    return true
  }

  /// - Returns: nil for what only sets flags.
  private mutating func atom() throws(PatternError) -> PatternNode? {
    guard let next = peek else { return .empty }
    switch next {
    case "(": return try group()
    case "[": return .set(try characterClass())
    case "\\": return try escape()
    case ".": return advance(.set(flags.dotAll ? .any : .anyButNewline))
    case "^": return advance(.assertion(flags.multiline ? .lineStart : .textStart))
    case "$": return advance(.assertion(flags.multiline ? .lineEnd : .textEnd))
    case "*", "+", "?": throw failure(.missingOperand(String(Character(next))))
    default: return advance(literal(next.value))
    }
  }

  private mutating func advance(_ node: PatternNode) -> PatternNode {
    position += 1
    return node
  }

  func literal(_ value: UInt32) -> PatternNode {
    let set = ScalarSet(value)
    return .set(flags.ignoreCase ? set.caseFolded() : set)
  }

  // MARK: Groups

  private mutating func group() throws(PatternError) -> PatternNode? {
    let opening = position
    position += 1
    var index: Int?
    let outer = flags
    if take("?") {
      switch try groupHead(opening) {
      case .named: index = groupCount
      case .plain: break
      case .flagsOnly: return nil
      }
    } else {
      groupCount += 1
      index = groupCount
    }
    depth += 1
    guard depth <= PatternLimits.depth else { throw failure(.tooDeep(limit: PatternLimits.depth)) }
    let body = try alternation()
    guard take(")") else { throw failure(.unclosed("("), at: opening) }
    depth -= 1
    flags = outer
    return .group(body, index: index)
  }

  private enum GroupHead { case named, plain, flagsOnly }

  /// What follows `(?`.
  private mutating func groupHead(_ opening: Int) throws(PatternError) -> GroupHead {
    switch (peek, peek(1)) {
    case ("=", _): throw failure(.lookAround("(?=…)"), at: opening)
    case ("!", _): throw failure(.lookAround("(?!…)"), at: opening)
    case ("<", "="): throw failure(.lookAround("(?<=…)"), at: opening)
    case ("<", "!"): throw failure(.lookAround("(?<!…)"), at: opening)
    case ("P", "="): throw failure(.backReference, at: opening)
    case (">", _): throw failure(.unsupported("the atomic group (?>…)"), at: opening)
    case ("#", _): throw failure(.unsupported("the comment (?#…)"), at: opening)
    case ("(", _): throw failure(.unsupported("the conditional (?(…)"), at: opening)
    case ("P", "<"):
      position += 2
      try groupName(opening)
      return .named
    case ("<", _):
      position += 1
      try groupName(opening)
      return .named
    default: return try flagChanges(opening)
    }
  }

  private mutating func groupName(_ opening: Int) throws(PatternError) {
    var name = ""
    while let next = peek, next != ">" {
      name.unicodeScalars.append(next)
      position += 1
    }
    guard take(">") else { throw failure(.unclosed("(?<"), at: opening) }
    let usable = name.unicodeScalars.allSatisfy { ScalarSet.word.contains($0.value) }
    guard usable, !name.isEmpty, groupNames[name] == nil else {
      throw failure(.badGroupName("'\(name)'"), at: opening)
    }
    groupCount += 1
    groupNames[name] = groupCount
  }

  /// `i`, `m`, `s`, `U` and `-`, up to `:` (for the group) or `)` (to the end of the enclosing group).
  private mutating func flagChanges(_ opening: Int) throws(PatternError) -> GroupHead {
    var on = true
    while let next = peek {
      position += 1
      switch next {
      case "i": flags.ignoreCase = on
      case "m": flags.multiline = on
      case "s": flags.dotAll = on
      case "U": flags.swapGreed = on
      case "-" where on: on = false
      case ":": return .plain
      case ")": return .flagsOnly
      default: throw failure(.unsupported("the group (?\(Character(next))"), at: opening)
      }
    }
    throw failure(.unclosed("("), at: opening)
  }

  // MARK: Quantifiers

  private mutating func quantified(_ atom: PatternNode) throws(PatternError) -> PatternNode {
    guard let (min, max) = try quantifier() else { return atom }
    let greedy = take("?") == flags.swapGreed
    let after = position
    if peek == "+" { throw failure(.unsupported("a possessive quantifier")) }
    if try quantifier() != nil {
      throw failure(.repeatedQuantifier(text(after..<position)), at: after)
    }
    return .repetition(atom, min: min, max: max, greedy: greedy)
  }

  private mutating func quantifier() throws(PatternError) -> (min: Int, max: Int?)? {
    switch peek {
    case "*":
      position += 1
      return (0, nil)
    case "+":
      position += 1
      return (1, nil)
    case "?":
      position += 1
      return (0, 1)
    case "{": return try counted()
    default: return nil
    }
  }

  /// `{n}`, `{n,}` or `{n,m}`. A brace of any other shape is a literal, as in RE2.
  private mutating func counted() throws(PatternError) -> (min: Int, max: Int?)? {
    let start = position
    position += 1
    guard let min = number() else { return notCounted(start) }
    var max: Int? = min
    if take(",") { max = peek == "}" ? nil : number() ?? -1 }
    guard max != -1, take("}") else { return notCounted(start) }
    guard min <= PatternLimits.count, max.map({ (min...PatternLimits.count).contains($0) }) ?? true else {
      throw failure(.badCount(text(start..<position)), at: start)
    }
    return (min, max)
  }

  private mutating func notCounted(_ start: Int) -> (min: Int, max: Int?)? {
    position = start
    return nil
  }

  /// A decimal number; nil if there is none. Saturates just above the limit.
  private mutating func number() -> Int? {
    var value: Int?
    while let next = peek, (48...57).contains(next.value) {
      value = min((value ?? 0) * 10 + Int(next.value - 48), PatternLimits.count + 1)
      position += 1
    }
    return value
  }

  // MARK: Reading

  var peek: Unicode.Scalar? { peek(0) }

  func peek(_ ahead: Int) -> Unicode.Scalar? {
    position + ahead < source.count ? source[position + ahead] : nil
  }

  mutating func take(_ expected: Unicode.Scalar) -> Bool {
    guard peek == expected else { return false }
    position += 1
    return true
  }

  func text(_ range: Range<Int>) -> String {
    String(String.UnicodeScalarView(source[range.clamped(to: 0..<source.count)]))
  }

  func failure(_ reason: PatternError.Reason, at index: Int? = nil) -> PatternError {
    PatternError(reason: reason, column: (index ?? position) + 1)
  }
}
