import Live
import RouterCore
import Testing
import Wire

@Suite("Decision frames")
struct DecisionReplyTests {
  private func members(_ reply: DecisionReply) throws -> [String] {
    let line = reply.line
    #expect(line.last == UInt8(ascii: "\n") && line.dropLast().allSatisfy { $0 != UInt8(ascii: "\n") })
    return try #require(JSONValue(parsing: Array(line.dropLast())).members).map(\.name)
  }

  private static let head = [
    "kind", "call_id", "route", "reason", "reason_code", "detail", "policy_revision", "stage", "cohort",
  ]

  @Test("a local answer has its own members, and advises nothing")
  func local() throws {
    let local = DecisionReply.Local(
      answer: ["text": "line\nfeed"], label: "crash", confidence: 0.9, model: "m", isAudited: true)
    let reply = DecisionReply(callID: "c", policyRevision: "r", content: .local(local))
    #expect(try members(reply) == Self.head + ["answer", "label", "confidence", "model", "audit"])
  }

  @Test(
    "a frontier reply has its advice, and of the candidate's output a bounded part",
    arguments: [0, 1999, 2000, 2001, 90_000])
  func frontier(length: Int) throws {
    var frontier = DecisionReply.Frontier(model: "big", advice: TaskPolicy.Advice())
    frontier.localOutput = String(repeating: "é", count: length)
    var reply = DecisionReply(callID: "c", policyRevision: "r", content: .frontier(frontier))
    (reply.task, reply.reason) = ("t", .confidenceLow)
    #expect(
      try members(reply) == Self.head + [
        "model", "fallbacks", "retry_on", "max_attempts", "on_exhausted", "switch_mid_run", "escalation",
      ])
    let escalation = try #require(JSONValue(parsing: Array(reply.line.dropLast()))["escalation"])
    #expect(escalation["local_output"]?.stringValue == String(repeating: "é", count: min(length, 2000)))
    #expect(escalation["task"]?.stringValue == "t" && escalation["reason"]?.stringValue == "confidence_low")
    #expect(escalation.members?.count == 3)
  }
}
