import Testing
import Wire

@testable import RouterCore

@Suite("What the log may keep of a text")
struct TextSealTests {
  @Test("keeps a short text as it is only where the policy writes it itself")
  func labels() {
    var policy = Policy()
    var task = TaskPolicy(name: "route", mark: Mark(line: 1, column: 1))
    task.labels = [TaskPolicy.Label("ticket2024"), TaskPolicy.Label("other")]
    policy.tasks = [task]
    let seal = TextSeal(
      keyID: "k1", key: HMACSHA256Key([1]), privacy: PrivacyPolicy(), known: policy.knownNames)
    #expect(seal.label("ticket2024") == "ticket2024")
    #expect(seal.label("ticket2024", limit: 6) == "ticket")
    #expect(seal.label("ticket2025") == "[id]")
    #expect(seal.label("a note on ticket2025") == "a note on ticket2025")
  }
}
