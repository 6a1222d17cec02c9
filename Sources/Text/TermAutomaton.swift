/// An Aho-Corasick automaton with every transition written out, over classes of bytes.
///
/// It finds keys: short pieces of terms, ASCII letters without case. One addition and two loads a byte, and no
/// state of it knows anything of edges; whoever runs it checks a found key's term.
struct TermAutomaton: Sendable {
  /// Class of each byte value, 256 of them. 0: in no key.
  let classes: [UInt8]
  /// Transitions. A state is the place of its row; row 0 is the start. The last column of a row is the place of
  /// its keys in `outputs`.
  let table: [UInt32]
  /// A power of two. States at or above it, and no others, end a key: so the states of several lanes are tested
  /// at once by or-ing them. The rows between the last silent state and this bound are never reached.
  let firstEnding: UInt32
  /// Columns of a row but the last.
  let classCount: Int
  /// For each ending state a count, then that many indices of keys.
  let outputs: [UInt32]
  /// Length of the longest key, in bytes; 0 without keys.
  let longest: Int

  /// - Parameter keys: Case folded, none empty; equal ones are allowed.
  init(_ keys: [[UInt8]]) {
    var classes = [UInt8](repeating: 0, count: 256)
    var count = 1
    for key in keys {
      for byte in key where classes[Int(byte)] == 0 {
        classes[Int(byte)] = UInt8(count)
        count += 1
      }
    }
    for upper in 0x41...0x5A { classes[upper] = classes[upper + 0x20] }
    self.classes = classes
    classCount = count
    longest = keys.map(\.count).max() ?? 0
    var trie = Trie(classCount: count)
    for (index, key) in keys.enumerated() {
      trie.add(key.map { Int(classes[Int($0)]) }, index: UInt32(index))
    }
    trie.complete()
    (table, firstEnding, outputs) = trie.laidOut()
  }
}

/// The automaton while it is built: states numbered as they come.
private struct Trie {
  let classCount: Int
  /// `classCount` successors a state; -1 where there is none yet.
  var successors: [Int]
  var keys: [[UInt32]] = [[]]
  /// States, shallow ones first.
  var order: [Int] = []

  init(classCount: Int) {
    self.classCount = classCount
    successors = [Int](repeating: -1, count: classCount)
  }

  mutating func add(_ key: [Int], index: UInt32) {
    var state = 0
    for column in key {
      let slot = state * classCount + column
      if successors[slot] < 0 {
        successors[slot] = keys.count
        keys.append([])
        successors.append(contentsOf: repeatElement(-1, count: classCount))
      }
      state = successors[slot]
    }
    keys[state].append(index)
  }

  /// Fills the missing transitions from the state of the longest proper suffix, and takes over its keys.
  mutating func complete() {
    var suffix = [Int](repeating: 0, count: keys.count)
    order = [0]
    var head = 0
    while head < order.count {
      let state = order[head]
      head += 1
      if state != 0 { keys[state].append(contentsOf: keys[suffix[state]]) }
      for column in 0..<classCount {
        let slot = state * classCount + column
        let other = state == 0 ? 0 : successors[suffix[state] * classCount + column]
        if successors[slot] < 0 {
          successors[slot] = other
        } else {
          suffix[successors[slot]] = other
          order.append(successors[slot])
        }
      }
    }
  }

  /// Rows in one table: silent states, shallow ones first and so together in the cache, then ending ones.
  func laidOut() -> (table: [UInt32], firstEnding: UInt32, outputs: [UInt32]) {
    let stride = classCount + 1
    let silent = order.filter { keys[$0].isEmpty }
    let ending = order.filter { !keys[$0].isEmpty }
    var bound = 1
    while bound < silent.count * stride { bound *= 2 }
    var rows = [Int](repeating: 0, count: keys.count)
    for (index, state) in silent.enumerated() { rows[state] = index * stride }
    for (index, state) in ending.enumerated() { rows[state] = bound + index * stride }
    var table = [UInt32](repeating: 0, count: bound + ending.count * stride)
    var outputs: [UInt32] = []
    for state in order {
      for column in 0..<classCount {
        table[rows[state] + column] = UInt32(rows[successors[state * classCount + column]])
      }
      guard !keys[state].isEmpty else { continue }
      table[rows[state] + classCount] = UInt32(outputs.count)
      outputs.append(UInt32(keys[state].count))
      outputs.append(contentsOf: keys[state])
    }
    return (table, UInt32(bound), outputs)
  }
}
