import Agreements
import Testing
import Wire

@testable import Deciding
@testable import PolicyFiles
@testable import RouterCore

@Suite("Joining")
struct JoiningTests {
  private func frame(_ id: String, _ text: String = "x") -> AnswerFrame {
    var answer = FrontierAnswer()
    answer.text = text
    return AnswerFrame(callID: id, answer: answer)
  }

  private func decided(_ text: String = "y") -> Joining.Decided {
    let seal = TextSeal(keyID: "k", key: HMACSHA256Key([1]), privacy: PrivacyPolicy())
    return Joining.Decided(
      task: nil, candidate: side(text), arrived: 0,
      basis: AnswerBasis(seal: seal, policy: Policy()))
  }

  private func side(_ text: String) -> Joining.Side {
    Joining.Side(answer: CandidateAnswer(label: nil, answer: .string(text)), cause: .notAsked)
  }

  private func isWaiting(_ admission: Joining.Admission) -> Bool {
    if case .waits = admission { return true }
    return false
  }

  @Test("a call's task is known from when its candidate is asked")
  func task() {
    var joining = Joining()
    holds(joining.called("a"))
    #expect(joining.task(of: "a") == nil)
    joining.asked("a", as: "t", hasChallenger: false)
    #expect(joining.task(of: "a") == "t")
  }

  @Test("an answer after its decision is compared at once, a second one is a duplicate")
  func after() {
    var joining = Joining()
    holds(joining.called("a"))
    holds(!joining.called("a"))
    holds(joining.decided("a", decided(), now: 0) == nil)
    guard case .compare = joining.answered(frame("a"), now: 1) else { return #expect(Bool(false)) }
    guard case .duplicate = joining.answered(frame("a"), now: 2) else { return #expect(Bool(false)) }
    #expect(joining.bytes == 0)
  }

  @Test("an answer during the decision, or before the call, waits for it")
  func before() {
    var joining = Joining()
    holds(isWaiting(joining.answered(frame("a"), now: 0)))
    guard case .duplicate = joining.answered(frame("a"), now: 0) else { return #expect(Bool(false)) }
    holds(joining.called("a"))
    let first = joining.decided("a", decided(), now: 1)?.answer
    #expect(first?.frame.callID == "a" && first?.at == 0)
    holds(joining.called("b"))
    holds(isWaiting(joining.answered(frame("b"), now: 2)))
    let second = joining.decided("b", decided(), now: 3)?.answer
    #expect(second?.frame.callID == "b" && second?.at == 2)
    guard case .duplicate = joining.answered(frame("b"), now: 4) else { return #expect(Bool(false)) }
    #expect(joining.bytes == 0)
  }

  @Test("what waited too long is told apart from what was never there")
  func expiry() {
    var joining = Joining()
    holds(joining.called("a"))
    holds(joining.decided("a", decided(), now: 0) == nil)
    let expired = joining.expire(now: Joining.patience + 1)
    #expect(expired.isEmpty)
    guard case .unmatched(.expired) = joining.answered(frame("a"), now: Joining.patience + 2) else {
      return #expect(Bool(false))
    }
    holds(isWaiting(joining.answered(frame("ghost"), now: 0)))
    let early = joining.expire(now: Joining.answerPatience - 1)
    #expect(early.isEmpty)
    let lost = joining.expire(now: Joining.answerPatience + 1)
    #expect(lost.map(\.answer.frame.callID) == ["ghost"] && lost[0].decided == nil)
    joining.restored("old")
    holds(!joining.called("old"))
    guard case .unmatched(.restart) = joining.answered(frame("old"), now: 0) else {
      return #expect(Bool(false))
    }
  }

  @Test("memory is bounded: the oldest texts go first, and every answer still comes out once")
  func bound() {
    var joining = Joining()
    let big = String(repeating: "x", count: 1 << 20)
    for i in 0..<100 {
      holds(joining.called("d\(i)"))
      holds(joining.decided("d\(i)", decided(big), now: 0) == nil)
    }
    #expect(joining.bytes <= Joining.usualBytes)
    guard case .unmatched(.expired) = joining.answered(frame("d0"), now: 0) else {
      return #expect(Bool(false))
    }
    guard case .compare = joining.answered(frame("d99"), now: 0) else { return #expect(Bool(false)) }
    for i in 0..<100 { _ = joining.answered(frame("a\(i)", big), now: 0) }
    let lost = joining.expire(now: 0, everything: true)
    #expect(Set(lost.map(\.answer.frame.callID)) == Set((0..<100).map { "a\($0)" }))
    #expect(joining.bytes == 0)
  }

  @Test("of a call that was dropped nothing waits, and an answer that was here comes out")
  func shed() {
    var joining = Joining()
    holds(joining.called("a"))
    joining.shed("a")
    holds(!joining.called("a"))
    guard case .unmatched(.expired) = joining.answered(frame("a"), now: 0) else {
      return #expect(Bool(false))
    }
    holds(isWaiting(joining.answered(frame("b"), now: 0)))
    holds(joining.called("b"))
    joining.shed("b")
    let lost = joining.expire(now: 0)
    #expect(lost.map(\.answer.frame.callID) == ["b"] && lost[0].decided == nil)
    #expect(joining.bytes == 0)
  }

  @Test("answers that only their candidates can end the waiting of are bounded too")
  func manyAsking() {
    var joining = Joining(capacityBytes: 8 << 20)
    let big = String(repeating: "x", count: 1 << 20)
    var waiting: [Int] = []
    for i in 0..<20 {
      holds(joining.called("q\(i)"))
      if i % 2 == 0 { joining.asked("q\(i)", as: nil, hasChallenger: true) }
      switch joining.answered(frame("q\(i)", big), now: 0) {
      case .waits: waiting.append(i)
      case .unmatched(.expired): break
      case .compare, .duplicate, .unmatched: holds(false)
      }
      holds(joining.bytes <= 8 << 20)
    }
    #expect(!waiting.isEmpty && waiting.count < 20)
    for i in 0..<20 where i % 2 == 1 {
      let pair = joining.decided("q\(i)", decided(), now: 0)
      #expect((pair != nil) == waiting.contains(i))
    }
    _ = joining.expire(now: 0, everything: true)
  }

  @Test("one call that nobody answers does not keep the places of all that came after it")
  func longFront() {
    var joining = Joining(capacityBytes: 1 << 20)
    holds(joining.called("quiet"))
    holds(joining.decided("quiet", decided(), now: 0) == nil)
    for i in 0..<50_000 {
      holds(joining.called("c\(i)"))
      holds(joining.decided("c\(i)", decided(), now: 1) == nil)
      guard case .compare = joining.answered(frame("c\(i)"), now: 1) else { return #expect(Bool(false)) }
      holds(joining.places <= 2048)
    }
    guard case .compare = joining.answered(frame("quiet"), now: 2) else { return #expect(Bool(false)) }
  }

  private enum Event: CaseIterable { case decision, challenge, answer }

  @Test("a comparison waits for candidate and challenger, in whichever order they and the answer come")
  func contest() {
    let orders = Event.allCases.flatMap { first in
      Event.allCases.filter { $0 != first }.map { second in
        [first, second] + Event.allCases.filter { $0 != first && $0 != second }
      }
    }
    for order in orders {
      var joining = Joining()
      holds(joining.called("a"))
      joining.asked("a", as: nil, hasChallenger: true)
      for (place, event) in order.enumerated() {
        let pair: Joining.Pair? =
          switch event {
          case .decision: joining.decided("a", decided(), now: 1)
          case .challenge: joining.challenged("a", side("z"))
          case .answer:
            switch joining.answered(frame("a"), now: 2) {
            case .compare(let pair): pair
            case .waits, .duplicate, .unmatched: nil
            }
          }
        #expect((pair != nil) == (place == 2), "\(order) at \(place)")
        if let pair {
          #expect(pair.decided?.challenger?.answer?.answer.stringValue == "z")
          #expect(pair.answer.frame.callID == "a" && pair.answer.at == 2)
        }
      }
      guard case .duplicate = joining.answered(frame("a"), now: 3) else { return #expect(Bool(false)) }
      #expect(joining.bytes == 0)
      let rest = joining.expire(now: 0, everything: true)
      #expect(rest.isEmpty)
    }
  }

  @Test("a challenger that is never heard costs its own part of the comparison and no more")
  func silentChallenger() {
    var joining = Joining()
    for id in ["answered", "quiet"] {
      holds(joining.called(id))
      joining.asked(id, as: nil, hasChallenger: true)
      holds(joining.decided(id, decided(), now: 0) == nil)
    }
    holds(isWaiting(joining.answered(frame("answered"), now: 1)))
    let early = joining.expire(now: Joining.patience - 1)
    #expect(early.isEmpty)
    let lost = joining.expire(now: Joining.patience + 1)
    #expect(lost.map(\.answer.frame.callID) == ["answered"])
    #expect(lost[0].decided?.challenger?.cause == .expired && lost[0].decided?.challenger?.answer == nil)
    #expect(lost[0].decided?.candidate.answer != nil)
    // What comes after that finds nothing to wait for, and nothing comes out twice.
    holds(joining.challenged("answered", side("late")) == nil)
    guard case .unmatched(.expired) = joining.answered(frame("quiet"), now: 2) else {
      return #expect(Bool(false))
    }
    #expect(joining.bytes == 0)
  }

  @Test("the memory bound holds with challengers, and no answer that waits for one is lost")
  func contestBound() {
    var joining = Joining()
    let big = String(repeating: "x", count: 1 << 20)
    var compared = 0
    for i in 0..<100 {
      holds(joining.called("c\(i)"))
      joining.asked("c\(i)", as: nil, hasChallenger: true)
      if i % 3 == 0 { holds(joining.challenged("c\(i)", side(big)) == nil) }
      holds(joining.decided("c\(i)", decided(big), now: 0) == nil)
      guard i % 2 == 0 else { continue }
      switch joining.answered(frame("c\(i)", big), now: 0) {
      case .compare: compared += 1
      case .waits: break
      case .duplicate, .unmatched: holds(false)
      }
      holds(joining.bytes <= Joining.usualBytes)
    }
    compared += joining.expire(now: 0, everything: true).count
    #expect(compared == 50)
    #expect(joining.bytes == 0)
  }

  @Test("an id is remembered for 100,000 calls, and no longer")
  func recent() {
    var recent = RecentCalls()
    for i in 0..<RecentCalls.capacity {
      holds(recent.insert(RecentCalls.Key("\(i)")))
    }
    holds(!recent.insert(RecentCalls.Key("0")))
    holds(recent.insert(RecentCalls.Key("new")))
    holds(recent.insert(RecentCalls.Key("0")))
    holds(!recent.insert(RecentCalls.Key("2")))
  }
}

/// `#expect` for mutating calls, which its macro cannot take apart.
func holds(_ value: Bool, at place: SourceLocation = #_sourceLocation) {
  #expect(value, sourceLocation: place)
}
