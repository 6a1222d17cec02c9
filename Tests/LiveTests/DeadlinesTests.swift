import Live
import TestData
import Testing

@Suite("Deadlines")
struct DeadlinesTests {
  @Test("come out in their order, none before its moment", arguments: 0..<20)
  func order(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var deadlines = Deadlines()
    var left: [UInt64: UInt64] = [:]
    var now: UInt64 = 0
    for number in 0..<400 as Range<UInt64> {
      let due = now + UInt64.random(in: 0...50, using: &random)
      deadlines.add(number, due: due)
      left[number] = due
      now += UInt64.random(in: 0...3, using: &random)
      var last: UInt64 = 0
      while let entry = deadlines.takeFirst(dueBy: now) {
        #expect(entry.due <= now && entry.due >= last && left[entry.number] == entry.due)
        last = entry.due
        left[entry.number] = nil
      }
      #expect(deadlines.earliest == left.values.min())
      if number % 97 == 0 {
        deadlines.keep { $0 % 2 == 0 }
        left = left.filter { $0.key % 2 == 0 }
      }
    }
    #expect(deadlines.count == left.count)
  }
}
