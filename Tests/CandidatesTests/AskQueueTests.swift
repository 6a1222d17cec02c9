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
}
