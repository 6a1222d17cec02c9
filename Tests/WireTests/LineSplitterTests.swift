import TestData
import Testing
import Wire

@Suite("Lines")
struct LineSplitterTests {
  private enum Got: Equatable {
    case line([UInt8])
    case tooLong(Int)
  }

  private struct Result {
    var got: [Got] = []
    var pending = 0
  }

  private func feed(_ splitter: inout LineSplitter, _ bytes: ArraySlice<UInt8>) -> Int {
    unsafe splitter.withFreeSpace { space in
      let count = min(space.count, bytes.count)
      for offset in 0..<count { unsafe space[offset] = bytes[bytes.startIndex + offset] }
      return count
    }
  }

  private func drain(_ splitter: inout LineSplitter, into got: inout [Got]) {
    while let line = splitter.next() {
      switch line {
      case .whole(let range): got.append(.line(Array(splitter.bytes[range])))
      case .tooLong(let count): got.append(.tooLong(count))
      }
    }
  }

  private func split(_ stream: [UInt8], limit: Int, capacity: Int, piece: () -> Int) -> Result {
    var splitter = LineSplitter(limit: limit, initialCapacity: capacity)
    var result = Result()
    var rest = stream[...]
    while !rest.isEmpty {
      rest = rest.dropFirst(feed(&splitter, rest.prefix(piece())))
      drain(&splitter, into: &result.got)
    }
    result.pending = splitter.pendingBytes
    return result
  }

  private func expected(_ stream: [UInt8], limit: Int) -> Result {
    var parts = stream.split(separator: 0x0A, omittingEmptySubsequences: false)
    let pending = parts.removeLast().count
    let got = parts.map { $0.count + 1 > limit ? Got.tooLong($0.count + 1) : .line(Array($0)) }
    return Result(got: got, pending: pending)
  }

  @Test("come out the same however the bytes were cut", arguments: 0..<20)
  func cuts(seed: Int) {
    var random = SeededGenerator(seed: UInt64(seed))
    let limit = Int.random(in: 1...64, using: &random)
    let capacity = Int.random(in: 1...80, using: &random)
    var stream: [UInt8] = []
    for _ in 0..<300 {
      let longest = Int.random(in: 0...9, using: &random) == 0 ? 200 : limit
      let byte = UInt8.random(in: 0x20...0x7E, using: &random)
      stream += [UInt8](repeating: byte, count: Int.random(in: 0...longest, using: &random))
      if Int.random(in: 0...20, using: &random) > 0 { stream.append(0x0A) }
    }
    let right = expected(stream, limit: limit)
    for size in [1, 2, 3, 7, 63, 64, 65, 1000] {
      let result = split(stream, limit: limit, capacity: capacity) { size }
      #expect(result.got == right.got)
      #expect(result.pending == right.pending)
    }
    let result = split(stream, limit: limit, capacity: capacity) { Int.random(in: 1...90, using: &random) }
    #expect(result.got == right.got)
  }

  @Test("a line may be as long as the limit with its newline, and no longer")
  func limit() {
    let result = split(Array("abc\nabcd\n\nx".utf8), limit: 4, capacity: 64) { 100 }
    #expect(result.got == [.line(Array("abc".utf8)), .tooLong(5), .line([])])
    #expect(result.pending == 1)
  }

  @Test("a megabyte that comes byte by byte takes linear time")
  func byteByByte() {
    let line = [UInt8](repeating: 0x61, count: (1 << 20) - 1)
    let result = split(line + [0x0A], limit: 1 << 20, capacity: 64 << 10) { 1 }
    #expect(result.got == [.line(line)])
  }

  @Test("the buffer never grows past the limit, and comes back when lines are short again")
  func memory() {
    var splitter = LineSplitter(limit: 1 << 20, initialCapacity: 1 << 10)
    var got: [Got] = []
    let long = [UInt8](repeating: 0x61, count: 3 << 20) + [0x0A]
    var rest = long[...]
    while !rest.isEmpty {
      rest = rest.dropFirst(feed(&splitter, rest))
      drain(&splitter, into: &got)
      #expect(splitter.capacity <= 1 << 20)
    }
    #expect(got == [.tooLong(long.count)])
    #expect(splitter.capacity > 1 << 10)
    for _ in 0..<200 {
      _ = feed(&splitter, [0x62, 0x0A])
      drain(&splitter, into: &got)
    }
    #expect(splitter.capacity == 1 << 10)
    #expect(got.count == 201)
  }

  @Test(
    "a line that is given up is skipped to its newline, told with its length, and costs nothing meanwhile")
  func abandoned() {
    var splitter = LineSplitter(limit: 1 << 20, initialCapacity: 1 << 10)
    var got: [Got] = []
    func send(_ bytes: [UInt8]) {
      var rest = bytes[...]
      while !rest.isEmpty {
        rest = rest.dropFirst(feed(&splitter, rest))
        drain(&splitter, into: &got)
      }
    }
    #expect(splitter.capacity == 0)
    splitter.abandonLine()
    send([0x61, 0x0A])
    splitter.abandonLine()
    let half = [UInt8](repeating: 0x62, count: 300_000)
    send(half)
    splitter.abandonLine()
    #expect(splitter.capacity == 0)
    #expect(splitter.pendingBytes == half.count)
    send(half)
    #expect(splitter.capacity <= 512 << 10)
    splitter.abandonLine()
    splitter.abandonLine()
    send([0x0A, 0x63, 0x0A])
    #expect(got == [.line([0x61]), .tooLong(2 * half.count + 1), .line([0x63])])
  }

  @Test("room that a short line does not need can be had back, and the line with it")
  func shrunk() {
    var splitter = LineSplitter(limit: 1 << 20, initialCapacity: 1 << 10)
    var got: [Got] = []
    var rest = ([UInt8](repeating: 0x61, count: 100_000) + [0x0A, 0x62, 0x63])[...]
    while !rest.isEmpty {
      rest = rest.dropFirst(feed(&splitter, rest))
      drain(&splitter, into: &got)
    }
    #expect(splitter.capacity > 64 << 10)
    splitter.shrink()
    #expect(splitter.capacity == 1 << 10)
    _ = feed(&splitter, [0x64, 0x0A])
    drain(&splitter, into: &got)
    #expect(got.last == .line([0x62, 0x63, 0x64]))
    // Nothing pending: nothing held. A line that needs its room keeps it.
    rest = [UInt8](repeating: 0x61, count: 100_000)[...]
    while !rest.isEmpty {
      rest = rest.dropFirst(feed(&splitter, rest))
      drain(&splitter, into: &got)
    }
    let needed = splitter.capacity
    splitter.shrink()
    #expect(splitter.capacity == needed)
  }

  @Test("an owner who takes no lines out loses none")
  func neverDrained() {
    var splitter = LineSplitter(limit: 16, initialCapacity: 4)
    var rest = [UInt8](repeating: 0x0A, count: 1000)[...]
    while !rest.isEmpty { rest = rest.dropFirst(feed(&splitter, rest)) }
    var got: [Got] = []
    drain(&splitter, into: &got)
    #expect(got.count == 1000)
  }

  @Test("nothing is added for an error or the end of the stream")
  func negative() {
    var splitter = LineSplitter()
    for answer in [-1, 0] {
      let returned = unsafe splitter.withFreeSpace { _ in answer }
      #expect(returned == answer)
    }
    #expect(splitter.pendingBytes == 0)
    #expect(splitter.next() == nil)
  }
}
