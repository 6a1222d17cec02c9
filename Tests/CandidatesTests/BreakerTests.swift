import Testing

@testable import Candidates

@Suite("Breaker")
struct BreakerTests {
  private let second: UInt64 = 1_000_000_000

  @Test("opens after so many failures in a row, and only in a row")
  func opens() {
    var breaker = Breaker(failures: 3, cooldownMs: 1_000)
    breaker.failed(at: 0)
    breaker.failed(at: 0)
    breaker.succeeded()
    breaker.failed(at: 0)
    breaker.failed(at: 0)
    holds(breaker.admit(at: 0))
    breaker.failed(at: 0)
    holds(!breaker.admit(at: second - 1))
  }

  @Test("lets exactly one probe through after its rest, which decides")
  func probes() {
    var breaker = Breaker(failures: 1, cooldownMs: 1_000)
    breaker.failed(at: 0)
    holds(breaker.wouldAdmit(at: second))
    holds(breaker.admit(at: second))
    holds(!breaker.admit(at: second))
    breaker.failed(at: second)
    holds(!breaker.admit(at: 2 * second - 1))
    holds(breaker.admit(at: 2 * second))
    breaker.succeeded()
    holds(breaker.admit(at: 2 * second))
    #expect(breaker.state == .closed(failures: 0))
  }

  @Test(
    "counts what speaks against the server, nothing that is about one request",
    arguments: [
      (AskFault.refused, true), (.timeout, true), (.status(429), true), (.status(500), true),
      (.status(529), true),
      (.connectionLost, true), (.status(400), false), (.status(404), false), (.badResponse, false),
      (.responseTooLarge, false), (.stopping, false),
    ])
  func counts(fault: AskFault, counts: Bool) {
    #expect(fault.countsForBreaker == counts)
  }
}

/// `#expect` for mutating calls, which its macro cannot take apart.
func holds(_ value: Bool, at place: SourceLocation = #_sourceLocation) {
  #expect(value, sourceLocation: place)
}
