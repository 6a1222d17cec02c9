import RouterCore
import Testing
import Wire

@testable import Rollout

@Suite("Alarms")
struct LiveWatchTests {
  private func rules(_ baseline: Disagreement = Disagreement(), rate: Double = 0.01) -> [String: LiveWatch
    .Rules]
  {
    ["t": LiveWatch.Rules(maxFalseAcceptRate: rate, baseline: baseline, since: 1_000)]
  }

  private func decision(
    _ id: String, task: String = "t", route: String = "local", audit: Bool = false, sampled: Bool = true,
    at ms: Int64 = 2_000
  ) -> JSONValue {
    [
      "kind": "decision", "ts": .string(Timestamp.string(ms)), "call_id": .string(id),
      "task_type": .string(task),
      "route": .string(route), "audit": .bool(audit), "sampled": .bool(sampled),
    ]
  }

  private func comparison(_ id: String, _ agreement: String) -> JSONValue {
    ["kind": "comparison", "call_id": .string(id), "agreement": .string(agreement)]
  }

  private func review(
    _ id: String, _ label: String, by reviewer: String = "ana", stream: String = "certificate",
    subject: String = "candidate", severity: Int? = nil
  ) -> JSONValue {
    [
      "kind": "review", "call_id": .string(id), "review_label": .string(label), "stream": .string(stream),
      "subject": .string(subject), "reviewer": .string(reviewer),
      "severity": severity.map { .number(JSONNumber($0)) } ?? .null,
    ]
  }

  private func alarms(_ rules: [String: LiveWatch.Rules], _ records: [JSONValue]) -> [LiveWatch.Alarm] {
    var watch = LiveWatch(rules)
    for record in records { watch.add(record.jsonBytes.span) }
    return watch.alarms
  }

  private func labelled(
    _ count: Int, _ label: String, from start: Int = 0, _ more: (String) -> JSONValue? = { _ in nil }
  )
    -> [JSONValue]
  {
    (start..<start + count).flatMap { index -> [JSONValue] in
      let id = "c\(index)"
      return [more(id) ?? decision(id), review(id, label)]
    }
  }

  @Test("the seventh false answer in a row raises the CUSUM's, six do not")
  func cusum() {
    #expect(alarms(rules(), labelled(6, "escalate")).isEmpty)
    let raised = alarms(rules(), labelled(7, "escalate"))
    #expect(raised.map(\.task) == ["t"])
    #expect(raised.first?.reason.contains("7 of 7") == true)
    #expect(alarms(rules(), labelled(7, "unsure")).count == 1)
  }

  @Test("good answers in between take it back: 10 in 100 raise it, 10 in 1,000 do not")
  func good() {
    for (good, isRaised) in [(9, true), (99, false)] {
      let records = (0..<10).flatMap { round in
        labelled(good, "accept", from: round * 1_000) + labelled(1, "escalate", from: round * 1_000 + 999)
      }
      #expect(alarms(rules(), records).isEmpty != isRaised)
    }
  }

  @Test("only uniformly drawn local answers of this receipt count")
  func whatCounts() {
    let nothing: [(String) -> JSONValue?] = [
      { self.decision($0, sampled: false) }, { self.decision($0, route: "frontier") },
      { self.decision($0, at: 999) }, { self.decision($0, task: "u") },
    ]
    for other in nothing { #expect(alarms(rules(), labelled(20, "escalate", other)).isEmpty) }
    #expect(
      alarms(rules(), labelled(20, "escalate", { self.decision($0, audit: true, sampled: false) })).count == 1
    )
    let planted = (0..<20).flatMap { [decision("c\($0)"), review("c\($0)", "escalate", stream: "planted")] }
    #expect(alarms(rules(), planted).isEmpty)
    let challengers = (0..<20).flatMap {
      [decision("c\($0)"), review("c\($0)", "escalate", subject: "challenger")]
    }
    #expect(alarms(rules(), challengers).isEmpty)
    // One answer is one fault, however many people say so.
    let one = (0..<20).map { review("c0", "escalate", by: "p\($0)") }
    #expect(alarms(rules(), [decision("c0")] + one).isEmpty)
  }

  private func audited(_ disagreed: Int, of compared: Int) -> [JSONValue] {
    (0..<compared).flatMap { index in
      [
        decision("a\(index)", audit: true, sampled: false),
        comparison("a\(index)", index < disagreed ? "disagree" : "agree"),
      ]
    }
  }

  @Test(
    "the audit's needs a disagreement over what shadow had",
    arguments: [(20, 200, true), (10, 200, false), (60, 1_000, true), (2, 1_000, false)])
  func audit(disagreed: Int, compared: Int, isRaised: Bool) {
    // 20 of 2,000 in shadow: below 1.8 % at most, and 2 % more are allowed.
    let rules = rules(Disagreement(compared: 2_000, disagreed: 20))
    #expect(alarms(rules, audited(disagreed, of: compared)).isEmpty != isRaised)
  }

  @Test("the audit's limit without a shadow to go by is three times the rate of false accepts")
  func noShadow() throws {
    let none = try #require(rules()["t"])
    #expect(LiveWatch.limit(none) == 0.03)
    let much = try #require(rules(Disagreement(compared: 10, disagreed: 10))["t"])
    #expect(LiveWatch.limit(much) == 0.03)
    #expect(alarms(rules(), audited(3, of: 3)).count == 1)
    // What cannot be compared says nothing.
    let unknown = (0..<50).flatMap { [decision("a\($0)", audit: true), comparison("a\($0)", "unknown")] }
    #expect(alarms(rules(), unknown).isEmpty)
  }

  private func call(_ kind: String = "decision", digest: String = "d1", route: String = "local") -> JSONValue
  {
    [
      "kind": .string(kind), "call_id": "c", "task_type": "t", "route_candidate": .string(route),
      "local_model_id": "m", "local_model_digest": .string(digest),
    ]
  }

  @Test("a severe false accept counts once two people or the owner say so")
  func severe() {
    let ana = review("c", "escalate", by: "ana", severity: 2)
    let bob = review("c", "escalate", by: "bob", severity: 3)
    func people(_ records: [JSONValue], owner: String? = nil, challenger: Bool = false) -> [String]? {
      SevereFalseAccept.confirmed(
        "c", isChallenger: challenger, in: records, task: "t", owner: owner, models: aGrant().models)
    }
    #expect(people([call(), ana]) == nil)
    #expect(people([call(), ana, ana]) == nil)
    #expect(people([call(), ana, bob]) == ["ana", "bob"])
    #expect(people([call(), ana], owner: "ana") == ["ana"])
    #expect(people([call(), ana], owner: "bob") == nil)
    #expect(people([call(), review("c", "escalate", by: "ana", severity: 1)], owner: "ana") == nil)
    #expect(people([call(), review("c", "accept", by: "ana", severity: 3)], owner: "ana") == nil)
    // The last word of each counts.
    #expect(people([call(), ana, bob, review("c", "accept", by: "bob")]) == nil)
    #expect(people([call(digest: "d2"), ana, bob]) == nil)
    #expect(people([call(route: "frontier"), ana, bob]) == nil)
    #expect(people([call("challenge"), ana, bob]) == nil)
    let about = review("c", "escalate", by: "ana", subject: "challenger", severity: 2)
    #expect(people([call("challenge"), about], owner: "ana", challenger: true) == ["ana"])
    #expect(people([call(), about], owner: "ana") == nil)
  }

  @Test("a severe label is handed on once")
  func suspicions() {
    var watch = LiveWatch(rules())
    watch.add(review("x", "escalate", severity: 2).jsonBytes.span)
    watch.add(review("y", "escalate", severity: 1).jsonBytes.span)
    #expect(watch.takeSuspicions().map(\.callID) == ["x"])
    #expect(watch.takeSuspicions().isEmpty)
  }
}
