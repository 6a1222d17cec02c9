import Wire

/// However the bytes come, the lines are those between the line feeds; over the limit they are told by their length.
enum LinesTarget {
  static func check(_ input: [UInt8]) throws(Finding) {
    var input = Input(input)
    let limit = 1 + input.byte() % 64
    let initial = 1 + input.byte() % 32
    let sizes = input.take(1 + input.choice(8)).map { 1 + Int($0) % 80 }
    let releases = input.choice(2) == 1
    let stream = input.everything()
    var splitter = LineSplitter(limit: limit, initialCapacity: initial)
    var got: [Line] = []
    var at = 0
    var turn = 0
    while at < stream.count {
      let wanted = min(sizes.isEmpty ? 7 : sizes[turn % sizes.count], stream.count - at)
      turn += 1
      let start = at
      at += unsafe splitter.withFreeSpace { space in
        let count = min(wanted, space.count)
        for index in 0..<count { unsafe space[index] = stream[start + index] }
        return count
      }
      while let line = splitter.next() {
        switch line {
        case .whole(let range): got.append(.whole(Array(splitter.bytes[range])))
        case .tooLong(let count): got.append(.tooLong(count))
        }
      }
      if releases { splitter.releaseUnusedSpace() }
    }
    let (expected, pending) = lines(of: stream, limit)
    try require(got == expected, "\(got) instead of \(expected)")
    try require(
      splitter.pendingBytes == pending, "\(splitter.pendingBytes) bytes pending instead of \(pending)")
    try require(
      splitter.capacity <= max(2 * limit, initial) + 1,
      "\(splitter.capacity) bytes held for a limit of \(limit)")
  }

  private enum Line: Equatable {
    case whole([UInt8])
    case tooLong(Int)
  }

  private static func lines(of stream: [UInt8], _ limit: Int) -> ([Line], pending: Int) {
    var parts = stream.split(separator: 0x0A, omittingEmptySubsequences: false)
    let rest = parts.popLast() ?? []
    let lines = parts.map { $0.count + 1 > limit ? Line.tooLong($0.count + 1) : .whole(Array($0)) }
    return (lines, rest.count)
  }
}
