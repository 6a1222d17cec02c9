import TestData
import Testing

@testable import Candidates

@Suite("Breaker")
struct BreakerTests {
  private let second: UInt64 = 1_000_000_000

  private func fail(_ breaker: inout Breaker, at now: UInt64, pause: UInt64 = 0) {
    if let ticket = breaker.admit(at: now) { breaker.failed(ticket, at: now, pause: pause) }
  }

  @Test("opens after so many failures in a row, and only in a row")
  func opens() throws {
    var breaker = Breaker(failures: 3, cooldownMs: 1_000)
    fail(&breaker, at: 0)
    fail(&breaker, at: 0)
    do {
      let ticket = try admitted(&breaker, at: 0)
      breaker.succeeded(ticket)
    }
    fail(&breaker, at: 0)
    fail(&breaker, at: 0)
    #expect(breaker.state == .closed(failures: 2))
    fail(&breaker, at: 0)
    #expect(breaker.state == .open(until: second))
    holds(breaker.admit(at: second - 1) == nil)
  }

  @Test("lets exactly one probe through after its rest, which decides")
  func probes() throws {
    var breaker = Breaker(failures: 1, cooldownMs: 1_000)
    fail(&breaker, at: 0)
    holds(breaker.wouldAdmit(at: second))
    var probe = try admitted(&breaker, at: second)
    holds(breaker.admit(at: second) == nil)
    breaker.failed(probe, at: second)
    holds(breaker.admit(at: 2 * second - 1) == nil)
    probe = try admitted(&breaker, at: 2 * second)
    breaker.succeeded(probe)
    #expect(breaker.state == .closed(failures: 0))
  }

  @Test("what was asked before it opened neither closes nor reopens it")
  func lateResults() throws {
    var breaker = Breaker(failures: 1, cooldownMs: 1_000)
    let early = try admitted(&breaker, at: 0)
    let other = try admitted(&breaker, at: 0)
    fail(&breaker, at: 0)
    breaker.succeeded(early)
    #expect(breaker.state == .open(until: second))
    let probe = try admitted(&breaker, at: second)
    breaker.succeeded(early)
    breaker.answeredOtherwise(early)
    breaker.failed(other, at: second)
    #expect(breaker.state == .probing)
    breaker.succeeded(probe)
    breaker.failed(other, at: second)
    #expect(breaker.state == .closed(failures: 0))
  }

  @Test("a probe that is taken back leaves its place to the next who asks")
  func abandoned() throws {
    var breaker = Breaker(failures: 1, cooldownMs: 1_000)
    fail(&breaker, at: 0)
    do {
      let ticket = try admitted(&breaker, at: second)
      breaker.abandoned(ticket, at: second)
    }
    let probe = try admitted(&breaker, at: second)
    holds(breaker.admit(at: second) == nil)
    breaker.succeeded(probe)
    #expect(breaker.state == .closed(failures: 0))
  }

  @Test("stays open as long as the server wants, at most ten minutes")
  func pauses() {
    var breaker = Breaker(failures: 1, cooldownMs: 1_000)
    fail(&breaker, at: 0, pause: 30 * second)
    #expect(breaker.state == .open(until: 30 * second))
    fail(&breaker, at: 30 * second, pause: 86_400 * second)
    #expect(breaker.state == .open(until: 630 * second))
    fail(&breaker, at: 630 * second, pause: second / 2)
    #expect(breaker.state == .open(until: 631 * second))
  }

  @Test("does as the rules say of the whole history, in any interleaving", arguments: 0..<20)
  func reference(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let tolerance = Int.random(in: 1...3, using: &random)
    var breaker = Breaker(failures: tolerance, cooldownMs: 10)
    var slow = SlowBreaker(tolerance: tolerance, rest: 10_000_000)
    var tickets: [(Breaker.Ticket, Int)] = []
    var now: UInt64 = 0
    for _ in 0..<300 {
      now += UInt64.random(in: 0..<4_000_000, using: &random)
      #expect(breaker.wouldAdmit(at: now) == slow.wouldAdmit(at: now))
      if tickets.isEmpty || Int.random(in: 0..<2, using: &random) == 0 {
        let ticket = breaker.admit(at: now)
        let number = slow.admit(at: now)
        #expect((ticket == nil) == (number == nil))
        if let ticket, let number { tickets.append((ticket, number)) }
        continue
      }
      let (ticket, number) = tickets.remove(at: Int.random(in: 0..<tickets.count, using: &random))
      switch Int.random(in: 0..<6, using: &random) {
      case 0, 1:
        breaker.succeeded(ticket)
        slow.ended(number, .success, at: now)
      case 2:
        breaker.answeredOtherwise(ticket)
        slow.ended(number, .otherwise, at: now)
      case 3:
        breaker.abandoned(ticket, at: now)
        slow.ended(number, .abandoned, at: now)
      default:
        breaker.failed(ticket, at: now)
        slow.ended(number, .failure, at: now)
      }
    }
  }

  @Test(
    "counts what speaks against the server, nothing that is about one request",
    arguments: [
      (AskFault.refused, true), (.timeout, true), (.status(429), true), (.status(500), true),
      (.status(529), true), (.connectionLost, true), (.status(400), false), (.status(404), false),
      (.status(302), false), (.badResponse, false), (.responseTooLarge, false), (.stopping, false),
      (.yielded, false), (.contentEncoding, false),
    ])
  func counts(fault: AskFault, counts: Bool) {
    #expect(fault.countsForBreaker == counts)
  }
}

/// The breaker's rules read off the list of all that happened, anew for every question.
private struct SlowBreaker {
  enum End { case success, otherwise, abandoned, failure }
  enum Event {
    case admitted(Int)
    case ended(Int, End, UInt64)
  }

  let tolerance: Int
  let rest: UInt64
  var events: [Event] = []
  var count = 0

  init(tolerance: Int, rest: UInt64) {
    self.tolerance = tolerance
    self.rest = rest
  }

  /// nil: closed. Else from when a probe may go, and whether one is out.
  private var opened: (from: UInt64, probe: Int?)? {
    var opened: (from: UInt64, probe: Int?)?
    var failures = 0
    /// Tickets whose results still count.
    var current: Set<Int> = []
    for event in events {
      switch event {
      case .admitted(let number):
        if let open = opened {
          current = []
          opened = (open.from, number)
        }
        current.insert(number)
      case .ended(let number, let end, let now):
        guard current.contains(number) else { continue }
        switch (end, opened?.probe) {
        case (.success, nil): failures = 0
        case (.failure, nil):
          failures += 1
          if failures >= tolerance { (opened, current) = ((now + rest, nil), []) }
        case (.otherwise, nil), (.abandoned, nil): break
        case (.success, .some), (.otherwise, .some): (opened, failures, current) = (nil, 0, [])
        case (.abandoned, .some): (opened, current) = ((now, nil), [])
        case (.failure, .some): (opened, current) = ((now + rest, nil), [])
        }
      }
    }
    return opened
  }

  func wouldAdmit(at now: UInt64) -> Bool {
    guard let opened else { return true }
    return opened.probe == nil && now >= opened.from
  }

  mutating func admit(at now: UInt64) -> Int? {
    guard wouldAdmit(at: now) else { return nil }
    count += 1
    events.append(.admitted(count))
    return count
  }

  mutating func ended(_ number: Int, _ end: End, at now: UInt64) { events.append(.ended(number, end, now)) }
}

private func admitted(_ breaker: inout Breaker, at now: UInt64) throws -> Breaker.Ticket {
  let ticket = breaker.admit(at: now)
  return try #require(ticket)
}

/// `#expect` for mutating calls, which its macro cannot take apart.
func holds(_ value: Bool, at place: SourceLocation = #_sourceLocation) {
  #expect(value, sourceLocation: place)
}
