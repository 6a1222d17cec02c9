/// Escapes and bracketed classes.
extension PatternParser {
  /// At a backslash outside brackets.
  mutating func escape() throws(PatternError) -> PatternNode {
    let start = position
    guard let kind = peek(1) else { throw failure(.unclosed("\\")) }
    if let set = perlClass(kind) {
      position += 2
      return .set(set)
    }
    if let assertion = assertion(kind) {
      position += 2
      return .assertion(assertion)
    }
    if ("1"..."9").contains(kind) || kind == "k" { throw failure(.backReference, at: start) }
    return literal(try escapedScalar())
  }

  private func assertion(_ kind: Unicode.Scalar) -> PatternAssertion? {
    switch kind {
    case "A": .textStart
    case "z": .textEnd
    case "b": .wordBoundary
    case "B": .notWordBoundary
    default: nil
    }
  }

  private func perlClass(_ kind: Unicode.Scalar) -> ScalarSet? {
    switch kind {
    case "d": .digit
    case "D": ScalarSet.digit.inverted()
    case "w": .word
    case "W": ScalarSet.word.inverted()
    case "s": .space
    case "S": ScalarSet.space.inverted()
    default: nil
    }
  }

  /// At a backslash that stands for one scalar.
  private mutating func escapedScalar() throws(PatternError) -> UInt32 {
    let start = position
    guard let kind = peek(1) else { throw failure(.unclosed("\\")) }
    position += 2
    switch kind {
    case "n": return 10
    case "t": return 9
    case "r": return 13
    case "f": return 12
    case "v": return 11
    case "a": return 7
    case "0": return octal()
    case "x": return try hexadecimal(start)
    case "u": return try utf16Escape(start)
    case "p", "P": throw failure(.unsupported("the Unicode property \\\(Character(kind))"), at: start)
    default:
      let isAlphanumeric = ScalarSet.word.contains(kind.value) && kind != "_"
      guard kind.isASCII, !isAlphanumeric else {
        throw failure(.unknownEscape("\\\(Character(kind))"), at: start)
      }
      return kind.value
    }
  }

  private mutating func octal() -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<2 {
      guard let next = peek, ("0"..."7").contains(next) else { break }
      value = value * 8 + next.value - 48
      position += 1
    }
    return value
  }

  /// `\x7F` or `\x{10FFFF}`.
  private mutating func hexadecimal(_ start: Int) throws(PatternError) -> UInt32 {
    guard take("{") else { return try scalar(hexDigits(2, start), start) }
    var value: UInt32 = 0
    var digits = 0
    while let digit = peek.flatMap({ hexValue($0) }) {
      value = min(value << 4 | digit, 0x110000)
      digits += 1
      position += 1
    }
    guard take("}"), digits > 0 else { throw failure(.badCodePoint(text(start..<position)), at: start) }
    return try scalar(value, start)
  }

  /// `\u00E9`, a pair of surrogates joined: ECMA 262, for patterns in JSON Schemas.
  private mutating func utf16Escape(_ start: Int) throws(PatternError) -> UInt32 {
    let unit = try hexDigits(4, start)
    guard (0xD800..<0xDC00).contains(unit), take("\\"), take("u") else { return try scalar(unit, start) }
    let low = try hexDigits(4, start)
    guard (0xDC00..<0xE000).contains(low) else {
      throw failure(.badCodePoint(text(start..<position)), at: start)
    }
    return 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
  }

  private mutating func hexDigits(_ count: Int, _ start: Int) throws(PatternError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<count {
      guard let digit = peek.flatMap({ hexValue($0) }) else {
        throw failure(.badCodePoint(text(start..<position)), at: start)
      }
      value = value << 4 | digit
      position += 1
    }
    return value
  }

  private func hexValue(_ scalar: Unicode.Scalar) -> UInt32? {
    switch scalar {
    case "0"..."9": scalar.value - 48
    case "a"..."f": scalar.value - 87
    case "A"..."F": scalar.value - 55
    default: nil
    }
  }

  private func scalar(_ value: UInt32, _ start: Int) throws(PatternError) -> UInt32 {
    guard Unicode.Scalar(value) != nil else {
      throw failure(.badCodePoint(text(start..<position)), at: start)
    }
    return value
  }

  // MARK: Brackets

  /// At `[`. The set is closed under case before it is negated, so `(?i)[^a]` excludes both.
  mutating func characterClass() throws(PatternError) -> ScalarSet {
    let opening = position
    position += 1
    let negated = take("^")
    var ranges: [ClosedRange<UInt32>] = []
    var isFirst = true
    while let next = peek, isFirst || next != "]" {
      isFirst = false
      if let set = try namedSet() {
        ranges += set.ranges
        continue
      }
      ranges.append(try classRange())
    }
    guard take("]") else { throw failure(.unclosed("["), at: opening) }
    var set = ScalarSet(ranges)
    if flags.ignoreCase { set = set.caseFolded() }
    return negated ? set.inverted() : set
  }

  private mutating func classRange() throws(PatternError) -> ClosedRange<UInt32> {
    let start = position
    let low = try classScalar()
    // A hyphen before the closing bracket is itself.
    guard peek == "-", let after = peek(1), after != "]" else { return low...low }
    position += 1
    let isNamed = peek == "\\" && peek(1).flatMap({ perlClass($0) }) != nil
    let high = isNamed ? nil : try classScalar()
    guard let high, low <= high else { throw failure(.badRange(text(start..<position)), at: start) }
    return low...high
  }

  private mutating func classScalar() throws(PatternError) -> UInt32 {
    guard let next = peek else { throw failure(.unclosed("[")) }
    if next == "\\" {
      if let kind = peek(1), ("1"..."9").contains(kind) { throw failure(.backReference) }
      return try escapedScalar()
    }
    position += 1
    return next.value
  }

  /// `\d` and its kin, or `[:alpha:]`; nil if what stands here is neither.
  private mutating func namedSet() throws(PatternError) -> ScalarSet? {
    if peek == "\\", let kind = peek(1), let set = perlClass(kind) {
      position += 2
      return set
    }
    guard peek == "[", peek(1) == ":" else { return nil }
    var end = position + 2
    while end + 1 < source.count, source[end] != ":" || source[end + 1] != "]" { end += 1 }
    guard end + 1 < source.count else { return nil }
    var name = text(position + 2..<end)
    let negated = name.hasPrefix("^")
    if negated { name.removeFirst() }
    guard let set = ScalarSet.posix(name) else {
      throw failure(.unsupported("the class [:\(name):]"))
    }
    position = end + 2
    return negated ? set.inverted() : set
  }
}

extension ScalarSet {
  /// A POSIX class by name, ASCII only.
  static func posix(_ name: String) -> ScalarSet? {
    switch name {
    case "alnum": ScalarSet([48...57, 65...90, 97...122])
    case "alpha": ScalarSet([65...90, 97...122])
    case "ascii": ScalarSet([0...127])
    case "blank": ScalarSet([9...9, 32...32])
    case "cntrl": ScalarSet([0...31, 127...127])
    case "digit": .digit
    case "graph": ScalarSet([33...126])
    case "lower": ScalarSet([97...122])
    case "print": ScalarSet([32...126])
    case "punct": ScalarSet([33...47, 58...64, 91...96, 123...126])
    case "space": ScalarSet([9...13, 32...32])
    case "upper": ScalarSet([65...90])
    case "word": .word
    case "xdigit": ScalarSet([48...57, 65...70, 97...102])
    default: nil
    }
  }
}
