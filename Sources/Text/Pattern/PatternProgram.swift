/// A compiled pattern: instructions for ``PatternMachine``, which fall through to the next one unless they jump.
struct PatternProgram: Equatable, Sendable {
  enum Operation: UInt8 {
    /// Consumes the scalar `a`.
    case scalar
    /// Consumes a member of set `a`.
    case set
    /// Prefers `a` over `b`.
    case split
    /// Goes on at `a`.
    case jump
    /// Stores the position in slot `a`.
    case save
    /// Goes on if the assertion with raw value `a` holds.
    case assertion
    case match
  }

  struct Instruction: Equatable, Sendable {
    var operation: Operation
    var a: UInt32 = 0
    var b: UInt32 = 0
  }

  private(set) var code: [Instruction] = []
  private(set) var sets = SetTable()
  /// Two for the whole match and for every group.
  let slotCount: Int
  /// Every match begins at the start of the text.
  let isAnchored: Bool
  /// The bytes a match can begin with; nil if a match can be empty.
  private(set) var firstBytes: ByteSet?

  /// - Throws: ``PatternError/Reason/tooLarge(limit:)``, at column 1: the expansion has no place of its own.
  init(_ node: PatternNode, groupCount: Int) throws(PatternError) {
    slotCount = 2 * (groupCount + 1)
    isAnchored = node.isAnchored
    var budget = PatternLimits.instructions
    try emit(.save, 0, &budget)
    try compile(node, &budget)
    try emit(.save, 1, &budget)
    code.append(Instruction(operation: .match))
    firstBytes = firstBytes(from: 0)
  }

  // MARK: Code

  private mutating func emit(_ operation: Operation, _ a: Int = 0, _ budget: inout Int) throws(PatternError) {
    try spend(&budget)
    code.append(Instruction(operation: operation, a: UInt32(a)))
  }

  /// Spent on nodes as well as on instructions: a repeated empty group emits nothing yet takes time.
  private func spend(_ budget: inout Int) throws(PatternError) {
    budget -= 1
    guard budget >= 0 else {
      throw PatternError(reason: .tooLarge(limit: PatternLimits.instructions), column: 1)
    }
  }

  private mutating func compile(_ node: PatternNode, _ budget: inout Int) throws(PatternError) {
    switch node {
    case .empty: try spend(&budget)
    case .set(let set):
      if let scalar = set.single {
        try emit(.scalar, Int(scalar), &budget)
      } else {
        try emit(.set, sets.index(of: set), &budget)
      }
    case .assertion(let kind): try emit(.assertion, Int(kind.rawValue), &budget)
    case .concat(let parts): for part in parts { try compile(part, &budget) }
    case .alternate(let branches): try compile(branches: branches, &budget)
    case .group(let body, let index): try compile(group: body, index, &budget)
    case .repetition(let body, let min, let max, let greedy):
      for _ in 0..<min { try compile(body, &budget) }
      if let max {
        try compile(optional: body, times: max - min, greedy, &budget)
      } else {
        try compile(star: body, greedy, &budget)
      }
    }
  }

  private mutating func compile(
    group body: PatternNode, _ index: Int?, _ budget: inout Int
  ) throws(PatternError) {
    guard let index else {
      try spend(&budget)
      return try compile(body, &budget)
    }
    try emit(.save, 2 * index, &budget)
    try compile(body, &budget)
    try emit(.save, 2 * index + 1, &budget)
  }

  private mutating func compile(branches: [PatternNode], _ budget: inout Int) throws(PatternError) {
    var ends: [Int] = []
    for (index, branch) in branches.enumerated() {
      guard index < branches.count - 1 else {
        try compile(branch, &budget)
        break
      }
      let split = code.count
      try emit(.split, 0, &budget)
      try compile(branch, &budget)
      ends.append(code.count)
      try emit(.jump, 0, &budget)
      point(split, preferring: true, inner: split + 1, outer: code.count)
    }
    for end in ends { code[end].a = UInt32(code.count) }
  }

  /// `x?` nested `times` deep, so that giving up one gives up those after it.
  private mutating func compile(
    optional body: PatternNode, times: Int, _ greedy: Bool, _ budget: inout Int
  ) throws(PatternError) {
    var splits: [Int] = []
    for _ in 0..<max(0, times) {
      splits.append(code.count)
      try emit(.split, 0, &budget)
      try compile(body, &budget)
    }
    for split in splits { point(split, preferring: greedy, inner: split + 1, outer: code.count) }
  }

  /// A body that can be empty is compiled as `(x+)?`: as a plain loop, an empty first round would end the
  /// closure with the wrong priority.
  private mutating func compile(
    star body: PatternNode, _ greedy: Bool, _ budget: inout Int
  ) throws(PatternError) {
    let entry = code.count
    try emit(.split, 0, &budget)
    try compile(body, &budget)
    let back = code.count
    if body.isNullable {
      try emit(.split, 0, &budget)
      point(back, preferring: greedy, inner: entry + 1, outer: code.count)
    } else {
      try emit(.jump, entry, &budget)
    }
    point(entry, preferring: greedy, inner: entry + 1, outer: code.count)
  }

  private mutating func point(_ split: Int, preferring inner: Bool, inner first: Int, outer second: Int) {
    code[split].a = UInt32(inner ? first : second)
    code[split].b = UInt32(inner ? second : first)
  }

  // MARK: Hints

  /// Walks everything reachable without consuming; assertions are taken as true.
  private func firstBytes(from start: Int) -> ByteSet? {
    var bytes = ByteSet()
    var seen = Set<Int>()
    var pending = [start]
    while let index = pending.popLast() {
      guard seen.insert(index).inserted else { continue }
      let step = code[index]
      switch step.operation {
      case .scalar:
        if step.a < 128 { bytes.insert(UInt8(step.a)) } else { bytes.insertNonASCII() }
      case .set: sets.addFirstBytes(of: Int(step.a), to: &bytes)
      case .split: pending += [Int(step.a), Int(step.b)]
      case .jump: pending.append(Int(step.a))
      case .save, .assertion: pending.append(index + 1)
      case .match: return nil
      }
    }
    return bytes
  }
}

/// A set of bytes as four words.
struct ByteSet: Equatable, Sendable {
  private var words: SIMD4<UInt64> = .zero

  func contains(_ byte: UInt8) -> Bool {
    words[Int(byte >> 6)] & (1 << UInt64(byte & 63)) != 0
  }

  mutating func insert(_ byte: UInt8) { words[Int(byte >> 6)] |= 1 << UInt64(byte & 63) }

  /// Every byte from 0x80: starts of longer scalars, and those that are no UTF-8 and read as U+FFFD.
  mutating func insertNonASCII() {
    words[2] = .max
    words[3] = .max
  }

  mutating func insertASCII(low: UInt64, high: UInt64) {
    words[0] |= low
    words[1] |= high
  }
}

/// The classes of a program in flat arrays: an array of arrays would be retained on every test.
struct SetTable: Equatable, Sendable {
  private var known: [ScalarSet] = []
  private var low: [UInt64] = []
  private var high: [UInt64] = []
  /// First and last scalar of the ranges above ASCII, two entries a range.
  private var bounds: [UInt32] = []
  /// Set `i` owns `bounds[starts[i]..<starts[i + 1]]`.
  private var starts: [Int] = [0]

  mutating func index(of set: ScalarSet) -> Int {
    if let index = known.firstIndex(of: set) { return index }
    known.append(set)
    low.append(SetTable.word(of: set, from: 0))
    high.append(SetTable.word(of: set, from: 64))
    for range in set.ranges where range.upperBound >= 128 {
      bounds += [max(range.lowerBound, 128), range.upperBound]
    }
    starts.append(bounds.count)
    return known.count - 1
  }

  private static func word(of set: ScalarSet, from base: UInt32) -> UInt64 {
    var word: UInt64 = 0
    for bit in 0..<64 where set.contains(base + UInt32(bit)) { word |= 1 << UInt64(bit) }
    return word
  }

  func contains(_ scalar: UInt32, in set: Int) -> Bool {
    if scalar < 64 { return low[set] & (1 << UInt64(scalar)) != 0 }
    if scalar < 128 { return high[set] & (1 << UInt64(scalar - 64)) != 0 }
    var lower = starts[set] / 2
    var upper = starts[set + 1] / 2
    while lower < upper {
      let middle = (lower + upper) / 2
      if scalar > bounds[2 * middle + 1] { lower = middle + 1 } else { upper = middle }
    }
    return lower < starts[set + 1] / 2 && scalar >= bounds[2 * lower]
  }

  func addFirstBytes(of set: Int, to bytes: inout ByteSet) {
    bytes.insertASCII(low: low[set], high: high[set])
    if starts[set] < starts[set + 1] { bytes.insertNonASCII() }
  }
}
