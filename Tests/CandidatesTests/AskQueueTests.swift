import TestData
import Testing

@testable import Candidates

@Suite("Queues of questions")
struct AskQueueTests {
  private struct Item: Equatable {
    var number: Int
    var priority: Question.Priority
    var deadline: UInt64
  }

  @Test("do as a sorted list would, whatever happens in which order", arguments: 0..<20)
  func reference(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var queue = AskQueue<Int>()
    var list: [Item] = []
    let priorities: [Question.Priority] = [.live, .shadow, .challenge]
    for number in 0..<500 {
      let priority = priorities[Int.random(in: 0..<3, using: &random)]
      switch Int.random(in: 0..<8, using: &random) {
      case 0...3:
        let deadline = UInt64.random(in: 0..<1_000, using: &random)
        queue.append(number, priority: priority, deadline: deadline)
        list.append(Item(number: number, priority: priority, deadline: deadline))
      case 4, 5:
        let first = list.min { ($0.priority, $0.number) < ($1.priority, $1.number) }
        #expect(queue.popFirst() == first?.number)
        list.removeAll { $0 == first }
      case 6:
        let last = list.filter { $0.priority > priority }
          .max { ($0.priority, $0.number) < ($1.priority, $1.number) }
        #expect(queue.displace(for: priority) == last?.number)
        list.removeAll { $0 == last }
      default:
        let now = UInt64.random(in: 0..<200, using: &random)
        let expired = list.filter { $0.deadline <= now }.map(\.number)
        #expect(queue.removeExpired(at: now).sorted() == expired.sorted())
        list.removeAll { $0.deadline <= now }
      }
      #expect(queue.count == list.count)
      #expect(queue.earliestDeadline == list.map(\.deadline).min())
      #expect(queue.count(of: priority) == list.count { $0.priority == priority })
    }
  }

  @Test("senders take turns, and of one sender the older question comes first")
  func turns() {
    var queue = AskQueue<String>()
    for number in 0..<3 { queue.append("a\(number)", priority: .live, sender: 1, deadline: 9) }
    queue.append("b0", priority: .live, sender: 2, deadline: 9)
    for number in 0..<2 { queue.append("c\(number)", priority: .live, sender: 3, deadline: 9) }
    queue.append("s", priority: .shadow, deadline: 9)
    var order: [String] = []
    while let next = queue.popFirst() { order.append(next) }
    #expect(order == ["a0", "b0", "c0", "a1", "c1", "a2", "s"])
  }

  @Test("a sender with few questions displaces the newest of the one with most, and never the reverse")
  func greed() {
    var queue = AskQueue<Int>()
    for number in 0..<4 { queue.append(number, priority: .live, sender: 1, deadline: 9) }
    #expect(queue.displace(for: .live, sender: 1) == nil)
    #expect(queue.displace(for: .live, sender: 2) == 3)
    queue.append(10, priority: .live, sender: 2, deadline: 9)
    queue.append(11, priority: .live, sender: 2, deadline: 9)
    #expect(queue.displace(for: .live, sender: 2) == nil)
    #expect(queue.displace(for: .shadow, sender: 3) == nil)
    #expect(queue.displace(for: .live, sender: 3) == 2)
  }

  @Test("of a full queue that is shared out this way every sender gets as much", arguments: 0..<10)
  func shares(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var queue = AskQueue<UInt64>()
    // One sender asks as much as all others together.
    for _ in 0..<20_000 {
      let sender = Bool.random(using: &random) ? 0 : UInt64.random(in: 1..<16, using: &random)
      if queue.count == 64 {
        guard queue.displace(for: .live, sender: sender) != nil else { continue }
      }
      queue.append(sender, priority: .live, sender: sender, deadline: 9)
    }
    var counts: [UInt64: Int] = [:]
    while let sender = queue.popFirst() { counts[sender, default: 0] += 1 }
    #expect(counts.count == 16 && counts.values.allSatisfy { (3...5).contains($0) })
  }
}
