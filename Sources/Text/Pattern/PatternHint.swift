/// Literals of which every match contains at least one: a text without any is refused without running the program.
///
/// ASCII only, compared without case where the pattern does.
struct PatternHint: Sendable {
  struct Literal: Equatable, Sendable {
    /// Lower case where `ignoresCase`.
    var bytes: [UInt8]
    var ignoresCase: Bool
  }

  /// Empty where nothing is known.
  private(set) var literals: [Literal] = []

  /// More alternatives than this cost more to look for than they save.
  private static let limit = 16

  init(_ node: PatternNode) {
    literals = PatternHint.required(node) ?? []
  }

  func allows(_ text: Span<UInt8>, from start: Int) -> Bool {
    literals.isEmpty || literals.contains { $0.occurs(in: text, from: start) }
  }

  /// - Returns: nil where a match may contain nothing in particular.
  private static func required(_ node: PatternNode) -> [Literal]? {
    switch node {
    case .empty, .assertion: nil
    case .set(let set): literal(set).map { [$0] }
    case .concat(let parts): required(parts)
    case .group(let body, _): required(body)
    case .repetition(let body, let min, _, _): min > 0 ? required(body) : nil
    case .alternate(let branches): requiredOfAll(branches)
    }
  }

  private static func requiredOfAll(_ branches: [PatternNode]) -> [Literal]? {
    var all: [Literal] = []
    for branch in branches {
      guard let some = required(branch), all.count + some.count <= limit else { return nil }
      all += some
    }
    return all
  }

  /// The most telling of: the runs of neighbouring literals, and what each part requires.
  private static func required(_ parts: [PatternNode]) -> [Literal]? {
    var best: [Literal]?
    var run: Literal?
    func consider(_ candidate: [Literal]?) {
      guard let candidate else { return }
      if best.map({ weight(candidate) > weight($0) }) ?? true { best = candidate }
    }
    for part in parts {
      if case .set(let set) = part, let next = literal(set) {
        run =
          joined(run, next)
          ?? {
            consider(run.map { [$0] })
            return next
          }()
        continue
      }
      consider(run.map { [$0] })
      run = nil
      consider(required(part))
    }
    consider(run.map { [$0] })
    return best
  }

  /// The shortest literal decides how many texts are let through, then how many there are to look for.
  private static func weight(_ literals: [Literal]) -> Int {
    (literals.map(\.bytes.count).min() ?? 0) * 64 - literals.count
  }

  private static func joined(_ run: Literal?, _ next: Literal) -> Literal? {
    guard var run else { return next }
    let letters = (run.bytes + next.bytes).contains { (97...122).contains($0 | 0x20) }
    // A digit or a dash has no case: it joins a run of either kind.
    guard run.ignoresCase == next.ignoresCase || !letters || !next.hasLetter || !run.hasLetter else {
      return nil
    }
    if next.hasLetter { run.ignoresCase = next.ignoresCase }
    run.bytes += next.bytes
    return run
  }

  /// One ASCII scalar, or one ASCII letter in both cases. `(?i)k` and `(?i)s` have a third, non-ASCII form: no hint.
  private static func literal(_ set: ScalarSet) -> Literal? {
    if let scalar = set.single {
      return scalar < 128 ? Literal(bytes: [UInt8(scalar)], ignoresCase: false) : nil
    }
    guard set.ranges.count == 2, set.ranges[0].count == 1, set.ranges[1].count == 1 else { return nil }
    let (upper, lower) = (set.ranges[0].lowerBound, set.ranges[1].lowerBound)
    guard (65...90).contains(upper), lower == upper + 32 else { return nil }
    return Literal(bytes: [UInt8(lower)], ignoresCase: true)
  }
}

extension PatternHint.Literal {
  var hasLetter: Bool { bytes.contains { (97...122).contains($0 | 0x20) } }

  func occurs(in text: Span<UInt8>, from start: Int) -> Bool {
    guard let first = bytes.first else { return true }
    let last = text.count - bytes.count
    guard start <= last else { return false }
    let other = ignoresCase && (97...122).contains(first) ? first - 32 : first
    for position in start...last where text[position] == first || text[position] == other {
      if matches(text, at: position) { return true }
    }
    return false
  }

  private func matches(_ text: Span<UInt8>, at position: Int) -> Bool {
    for offset in 1..<max(1, bytes.count) {
      var byte = text[position + offset]
      if ignoresCase, (65...90).contains(byte) { byte |= 0x20 }
      if byte != bytes[offset] { return false }
    }
    return true
  }
}
