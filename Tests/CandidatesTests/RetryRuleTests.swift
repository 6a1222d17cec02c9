import RouterCore
import TestData
import Testing
import Wire

@testable import Candidates

@Suite("Retries")
struct RetryRuleTests {
  private static let second: UInt64 = 1_000_000_000

  private func rule(_ causes: [ModelPolicy.RetryPolicy.Cause], attempts: Int = 3, backoffMs: Int = 100)
    -> RetryRule
  {
    var policy = ModelPolicy.RetryPolicy()
    policy.maxAttempts = attempts
    policy.retryOn = causes
    policy.backoffMs = backoffMs
    return RetryRule(policy)
  }

  private func time(
    _ rule: RetryRule, _ fault: AskFault, _ hint: RetryHint = RetryHint(), made: Int = 0,
    within seconds: UInt64 = 60, seed: UInt64 = 1
  ) -> UInt64? {
    var random = SeededGenerator(seed: seed)
    return rule.time(
      after: fault, hint: hint, made: made, at: Self.second, deadline: (1 + seconds) * Self.second,
      using: &random)
  }

  @Test(
    "are made for the causes that are named and for no other",
    arguments: [
      (AskFault.status(429), ModelPolicy.RetryPolicy.Cause.rateLimit), (.status(500), .serverError),
      (.status(503), .serverError), (.status(529), .serverError), (.timeout, .timeout),
    ])
  func causes(fault: AskFault, cause: ModelPolicy.RetryPolicy.Cause) {
    for named in ModelPolicy.RetryPolicy.Cause.allCases {
      #expect((time(rule([named]), fault) != nil) == (named == cause))
    }
  }

  @Test(
    "are never made for anything else",
    arguments: [
      AskFault.status(400), .status(404), .status(408), .status(302), .refused, .connectionLost, .shortBody,
      .badHTTP, .badResponse, .responseTooLarge, .contentEncoding, .yielded, .stopping, .unsupported,
    ])
  func others(fault: AskFault) {
    #expect(time(rule(ModelPolicy.RetryPolicy.Cause.allCases), fault) == nil)
  }

  @Test("end with the attempts: so many in all")
  func attempts() {
    let rule = rule([.rateLimit], attempts: 3)
    #expect(time(rule, .status(429), made: 0) != nil)
    #expect(time(rule, .status(429), made: 1) != nil)
    #expect(time(rule, .status(429), made: 2) == nil)
    #expect(time(self.rule([.rateLimit], attempts: 1), .status(429)) == nil)
  }

  @Test("wait anywhere between nothing and the doubled backoff")
  func jitter() {
    let rule = rule([.rateLimit], attempts: 10, backoffMs: 100)
    for made in 0..<5 {
      let waits = (0..<500).compactMap { time(rule, .status(429), made: made, seed: $0) }
        .map { Double($0 - Self.second) / 1e6 }
      let top = 100.0 * Double(1 << made)
      #expect(waits.allSatisfy { $0 >= 0 && $0 <= top })
      // Spread over the whole of it.
      #expect((waits.min() ?? 0) < top * 0.05 && (waits.max() ?? 0) > top * 0.95)
    }
  }

  @Test("wait as long as the server wants at least, and not at all past the deadline")
  func serversWord() {
    var hint = RetryHint()
    hint.wait = 5 * Self.second
    let rule = rule([.rateLimit])
    #expect(time(rule, .status(429), hint) == 6 * Self.second)
    #expect(time(rule, .status(429), hint, within: 5) == nil)
    hint.isFinal = true
    #expect(time(rule, .status(429), hint) == nil)
  }

  @Test("of timeouts share what is left of the time")
  func shares() {
    let rule = rule([.timeout], attempts: 4)
    #expect(rule.tryDeadline(made: 0, at: 0, deadline: 400) == 100)
    #expect(rule.tryDeadline(made: 1, at: 100, deadline: 400) == 200)
    #expect(rule.tryDeadline(made: 3, at: 300, deadline: 400) == 400)
    #expect(self.rule([.rateLimit]).tryDeadline(made: 0, at: 0, deadline: 400) == 400)
  }

  @Test(
    "hints are read in the forms that servers send, and what is no hint counts as none",
    arguments: [
      (["Retry-After": "2"], 2_000, false), (["retry-after": "0.5"], 500, false),
      (["Retry-After": "2", "retry-after-ms": "30"], 30, false),
      (["Retry-After": "Sun, 06 Nov 1994 08:49:40 GMT"], 3_000, false),
      (["Retry-After": "Sun, 06 Nov 1994 08:49:30 GMT"], 0, false),
      (["Retry-After": "soon"], 0, false), (["Retry-After": "-1"], 0, false),
      (["Retry-After": "1e9"], 0, false), (["Retry-After": ""], 0, false),
      (["Retry-After": "1.2.3"], 0, false),
      (["Retry-After": "99999999999"], 86_400_000, false), (["x-should-retry": "false"], 0, true),
      (["x-should-retry": "true"], 0, false), ([:], 0, false),
    ] as [([String: String], UInt64, Bool)])
  func hints(lines: [String: String], milliseconds: UInt64, isFinal: Bool) {
    var headers = HTTPHeaders()
    for (name, value) in lines { headers.add(name, value) }
    // 1994-11-06T08:49:37Z
    let hint = RetryHint(headers, now: 784_111_777_000)
    #expect(hint.wait == milliseconds * 1_000_000)
    #expect(hint.isFinal == isFinal)
  }
}
