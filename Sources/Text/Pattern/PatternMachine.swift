/// Runs a program over a text: all alternatives at once, in order of preference, one scalar at a time (a Pike VM).
///
/// Time is bounded by scalars times instructions whatever the text; memory by instructions times slots.
struct PatternMachine {
  /// Positions worth trying, in order of preference, each instruction at most once.
  private struct Threads {
    var dense: [Int32]
    var sparse: [Int32]
    var count = 0
    /// `width` slots for the thread at each dense index.
    var slots: [Int]

    init(instructions: Int, width: Int) {
      dense = Array(repeating: 0, count: instructions)
      sparse = Array(repeating: 0, count: instructions)
      slots = Array(repeating: -1, count: instructions * width)
    }

    /// - Returns: The dense index of a newcomer, nil for one already there.
    mutating func insert(_ instruction: Int) -> Int? {
      let index = Int(sparse[instruction])
      if index < count, dense[index] == Int32(instruction) { return nil }
      dense[count] = Int32(instruction)
      sparse[instruction] = Int32(count)
      count += 1
      return count - 1
    }
  }

  /// What the closure still has to do: follow an instruction, or (`slot` >= 0) put an old position back.
  private struct Pending {
    var instruction: Int
    var slot = -1
    var value = 0
  }

  private let program: PatternProgram
  private let width: Int
  private var closure: Closure
  private var current: Threads
  private var next: Threads
  private var found: [Int] = []
  private var threadSteps = 0

  /// Threads stepped and instructions followed so far: what the time is proportional to.
  var steps: Int { threadSteps + closure.steps }

  /// - Parameters:
  ///   - width: Slots to keep: all of the program's, two for the whole match only, none for yes or no.
  init(_ program: PatternProgram, width: Int) {
    self.program = program
    self.width = width
    closure = Closure(program: program, width: width)
    current = Threads(instructions: program.code.count, width: width)
    next = Threads(instructions: program.code.count, width: width)
  }

  /// Looks for the leftmost match at or after `start`; text before it still counts for `^` and `\b`.
  ///
  /// - Returns: The slots (-1 where a group took no part), empty where `width` is 0; nil without a match.
  mutating func run(_ text: Span<UInt8>, from start: Int) -> [Int]? {
    var position = start
    var matched = false
    current.count = 0
    found = Array(repeating: -1, count: width)
    while true {
      if current.count == 0 {
        if matched || (program.isAnchored && position > 0) { break }
        guard let candidate = candidate(in: text, from: position) else { break }
        position = candidate
      }
      if !matched, !program.isAnchored || position == 0 {
        closure.clearPath()
        closure.follow(0, at: position, in: text, into: &current)
      }
      let (scalar, length) = UTF8Scalar.decode(text, at: position)
      next.count = 0
      if step(scalar, after: position + length, in: text) {
        matched = true
        if width == 0 { break }
      }
      swap(&current, &next)
      if position >= text.count { break }
      position += length
    }
    return matched ? found : nil
  }

  /// The next place where a match can begin.
  private func candidate(in text: Span<UInt8>, from start: Int) -> Int? {
    guard let first = program.firstBytes else { return start }
    var position = start
    while position < text.count {
      if first.contains(text[position]) { return position }
      position += 1
    }
    return nil
  }

  /// Advances every thread over one scalar (nil at the end of the text).
  ///
  /// - Returns: Whether a thread had matched; those less preferred are dropped then.
  private mutating func step(_ scalar: UInt32?, after end: Int, in text: Span<UInt8>) -> Bool {
    for index in 0..<current.count {
      threadSteps += 1
      let place = Int(current.dense[index])
      let instruction = program.code[place]
      let moves: Bool
      switch instruction.operation {
      case .match:
        for slot in 0..<width { found[slot] = current.slots[index * width + slot] }
        return true
      case .scalar: moves = scalar == instruction.a
      case .set: moves = scalar.map { program.sets.contains($0, in: Int(instruction.a)) } ?? false
      case .split, .jump, .save, .assertion: moves = false
      }
      guard moves else { continue }
      for slot in 0..<width { closure.path[slot] = current.slots[index * width + slot] }
      closure.follow(place + 1, at: end, in: text, into: &next)
    }
    return false
  }
}

extension PatternMachine {
  /// Follows what consumes nothing.
  private struct Closure {
    /// What is left to do: follow an instruction, or (`slot` >= 0) put an old position back.
    struct Pending {
      var instruction: Int
      var slot = -1
      var value = 0
    }

    let program: PatternProgram
    let width: Int
    /// The slots of the thread being followed.
    var path: [Int]
    var pending: [Pending] = []
    var steps = 0

    init(program: PatternProgram, width: Int) {
      self.program = program
      self.width = width
      path = Array(repeating: -1, count: width)
    }

    mutating func clearPath() {
      for slot in 0..<width { path[slot] = -1 }
    }

    /// Adds every instruction reachable from `start` to `threads`, most preferred first.
    mutating func follow(
      _ start: Int, at position: Int, in text: Span<UInt8>, into threads: inout Threads
    ) {
      followOne(start, at: position, in: text, into: &threads)
      while let job = pending.popLast() {
        if job.slot >= 0 {
          path[job.slot] = job.value
        } else {
          followOne(job.instruction, at: position, in: text, into: &threads)
        }
      }
    }

    private mutating func followOne(
      _ start: Int, at position: Int, in text: Span<UInt8>, into threads: inout Threads
    ) {
      var place = start
      while let index = threads.insert(place) {
        steps += 1
        let instruction = program.code[place]
        switch instruction.operation {
        case .scalar, .set, .match:
          for slot in 0..<width { threads.slots[index * width + slot] = path[slot] }
          return
        case .jump: place = Int(instruction.a)
        case .split:
          pending.append(Pending(instruction: Int(instruction.b)))
          place = Int(instruction.a)
        case .save:
          save(Int(instruction.a), position)
          place += 1
        case .assertion:
          guard let kind = PatternAssertion(rawValue: instruction.a), kind.holds(at: position, in: text)
          else { return }
          place += 1
        }
      }
    }

    private mutating func save(_ slot: Int, _ position: Int) {
      guard slot < width else { return }
      pending.append(Pending(instruction: 0, slot: slot, value: path[slot]))
      path[slot] = position
    }
  }
}

extension PatternAssertion {
  func holds(at position: Int, in text: Span<UInt8>) -> Bool {
    switch self {
    case .textStart: position == 0
    case .textEnd: position == text.count
    case .lineStart: position == 0 || text[position - 1] == 10
    case .lineEnd: position == text.count || text[position] == 10
    case .wordBoundary: isWordEdge(position, text)
    case .notWordBoundary: !isWordEdge(position, text)
    }
  }

  private func isWordEdge(_ position: Int, _ text: Span<UInt8>) -> Bool {
    let before = position > 0 && isWord(text[position - 1])
    let after = position < text.count && isWord(text[position])
    return before != after
  }

  private func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case 48...57, 65...90, 95, 97...122: true
    default: false
    }
  }
}

package enum UTF8Scalar {
  /// One scalar and its length in bytes; nil and 1 at the end.
  ///
  /// A byte that starts no well-formed scalar reads as U+FFFD, one byte long, as in RE2.
  package static func decode(_ text: Span<UInt8>, at position: Int) -> (scalar: UInt32?, length: Int) {
    guard position < text.count else { return (nil, 1) }
    let first = text[position]
    if first < 0x80 { return (UInt32(first), 1) }
    let length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
    guard (0xC2...0xF4).contains(first), position + length <= text.count else { return (0xFFFD, 1) }
    var value = UInt32(first) & (0xFF >> UInt32(length + 1))
    for offset in 1..<length {
      let byte = text[position + offset]
      guard byte & 0xC0 == 0x80 else { return (0xFFFD, 1) }
      value = value << 6 | UInt32(byte & 0x3F)
    }
    let least: UInt32 = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000
    guard value >= least, Unicode.Scalar(value) != nil else { return (0xFFFD, 1) }
    return (value, length)
  }
}
