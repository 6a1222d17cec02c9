import RouterCore
import Testing
import Wire

@testable import Gates
@testable import Statistics

@Suite("Gate")
struct GateTests {
  private static let now: Int64 = 1_772_445_600_000

  /// An epoch that passes: no false one among enough.
  private func good(drawn: Int = 420, accepted: Int? = nil) -> EpochEvidence {
    var epoch = EpochEvidence()
    epoch.id = "2026-03-02.7"
    epoch.wouldAccepts = 20 * drawn
    epoch.drawn = drawn
    epoch.accepted = accepted ?? drawn
    epoch.asked = 21 * drawn
    epoch.hasLabels = true
    epoch.weeks = 2
    epoch.looks = [EpochEvidence.Look(falseOrUnlabelled: drawn - epoch.accepted, drawn: drawn)]
    return epoch
  }

  private func around(_ change: (inout Gate.Surroundings) -> Void = { _ in }) -> Gate.Surroundings {
    var around = Gate.Surroundings(now: Self.now, policy: GatePolicy())
    around.lastDrill = Self.now - 29 * 86_400_000
    change(&around)
    return around
  }

  private func gate(_ epoch: EpochEvidence?, _ around: Gate.Surroundings) -> Gate {
    Gate(EvidenceSubject(task: "t"), epoch, around)
  }

  private func unmet(_ gate: Gate) -> [GateCondition.Name] {
    gate.conditions.filter { $0.state == .unmet }.map(\.name)
  }

  @Test("passes when every condition is met, and says all of them")
  func passes() {
    let gate = gate(good(), around())
    #expect(gate.outcome == .pass && gate.attempt == 1 && gate.needed == 401 && gate.missingReviews == 0)
    #expect(gate.conditions.map(\.name) == GateCondition.Name.allCases)
    #expect(gate.upperBound < 0.01)
  }

  @Test("without evidence it only says how much is needed")
  func nothing() {
    let gate = gate(nil, around())
    #expect(gate.outcome == .insufficientData && gate.missingReviews == 401 && gate.upperBound == 1)
  }

  @Test(
    "one condition not met is enough",
    arguments: [
      ("severe", GateCondition.Name.severe, Gate.Outcome.fail), ("hunt", .hunt, .fail),
      ("missed", .missedStops, .fail), ("invalid", .validity, .fail), ("weeks", .weeks, .insufficientData),
      ("drift", .drift, .inconclusive), ("unlabelled", .labelled, .insufficientData),
    ])
  func one(what: String, name: GateCondition.Name, outcome: Gate.Outcome) {
    var epoch = good()
    switch what {
    case "severe": epoch.severe = 1
    case "hunt": epoch.huntFalse = 1
    case "missed": epoch.missedStops = 1
    case "invalid": epoch.invalid = epoch.asked / 20
    case "weeks": epoch.weeks = 0
    case "drift": epoch.drift = EpochEvidence.Drift(confidence: 0.1, labels: 0.25)
    default: (epoch.due, epoch.dueLabelled) = (100, 94)
    }
    let gate = gate(epoch, around())
    #expect(unmet(gate) == [name] && gate.outcome == outcome)
    #expect(gate.conditions.allSatisfy { ($0.missing != nil) == ($0.state == .unmet) })
  }

  @Test(
    "nor is anything around it forgotten",
    arguments: [
      ("drill", GateCondition.Name.drill), ("losses", .losses), ("eval", .evalSet), ("reviewers", .catchRate),
      ("strict", .weeks),
    ])
  func surroundings(what: String, name: GateCondition.Name) {
    let gate = gate(
      good(drawn: 900),
      around { around in
        switch what {
        case "drill": around.lastDrill = Self.now - 31 * 86_400_000
        case "losses": (around.received, around.lost) = (100_000, 102)
        case "eval": around.evalSet = .file(sha256: "ab")
        case "reviewers": (around.planted, around.caught) = (40, 37)
        default: around.policy.profile = .strict
        }
      })
    #expect(unmet(gate).contains(name) && gate.outcome != .pass)
  }

  private static let evalSet = String(repeating: "a", count: 64)

  private static func number(_ value: Double) -> JSONValue { JSONNumber(value).map { .number($0) } ?? .null }

  private func evalResult(_ change: (inout [String: JSONValue]) -> Void = { _ in }) throws -> EvalResult {
    var members: [String: JSONValue] = [
      "task": "t", "local_model_id": "small", "local_model_digest": "d1", "policy_revision": "sha256:1",
      "task_revision": "r1", "eval_set_sha256": .string(Self.evalSet), "met": true, "cases": 60,
      "accepted": 50, "accepted_wrong": 0, "wrong_upper_bound": Self.number(0.005),
    ]
    change(&members)
    return try #require(EvalResult(.object(members.map { JSONMember($0.key, $0.value) })))
  }

  @Test(
    "an eval set's bar counts of this file, under this policy, of each model that answers",
    arguments: [
      ("good", GateCondition.State.met, Gate.Outcome.pass), ("none", .unmet, .insufficientData),
      ("another file", .unmet, .insufficientData), ("another policy", .unmet, .insufficientData),
      ("not met", .unmet, .fail), ("one of two", .unmet, .insufficientData),
      ("unreadable", .unmet, .inconclusive),
    ])
  func evalSet(what: String, state: GateCondition.State, outcome: Gate.Outcome) throws {
    var epoch = good()
    epoch.revision = "r1"
    epoch.models = [EpochEvidence.Model(id: "small", name: "s", digest: "d1")]
    epoch.evaluations = [try evalResult()]
    var file = Gate.EvalSet.file(sha256: Self.evalSet)
    switch what {
    case "none": epoch.evaluations = []
    case "another file": file = .file(sha256: String(repeating: "b", count: 64))
    case "another policy": epoch.revision = "r2"
    case "not met": epoch.evaluations = [try evalResult { $0["met"] = false }]
    case "one of two": epoch.models.append(EpochEvidence.Model(id: "middle", name: "m", digest: nil))
    case "unreadable": file = .unreadable("gone")
    default: break
    }
    let gate = gate(epoch, around { $0.evalSet = file })
    #expect(gate.conditions.first { $0.name == .evalSet }?.state == state && gate.outcome == outcome)
  }

  @Test("an eval result with a member that `eval` never writes is none")
  func evalResults() throws {
    let whole = try #require(try evalResult().json.members)
    #expect(EvalResult(.object(whole)) != nil)
    let wrong: [String: JSONValue] = [
      "met": "yes", "accepted": 61, "accepted_wrong": -1, "wrong_upper_bound": Self.number(1.5),
      "eval_set_sha256": "ab", "local_model_digest": 7, "task": .null,
    ]
    for (name, value) in wrong {
      let members = whole.map { $0.name == name ? JSONMember(name, value) : $0 }
      #expect(EvalResult(.object(members)) == nil, "taken with \(name) \(value.jsonText)")
    }
  }

  @Test("unlabelled items count as false, and reviewing them is what is missing")
  func unlabelled() {
    let gate = gate(good(drawn: 420, accepted: 380), around())
    #expect(gate.outcome == .insufficientData && gate.missingReviews == 40)
    #expect(gate.next == "about 40 more reviews at zero false accepts (40 wait now): shadow-router review")
  }

  @Test("too many false ones are against the task; a few ask for more reviews")
  func falseOnes() {
    var bad = good()
    (bad.accepted, bad.falseLabelled) = (390, 30)
    #expect(gate(bad, around()).outcome == .fail)
    var few = good()
    (few.accepted, few.falseLabelled) = (419, 1)
    let gate = gate(few, around())
    #expect(gate.outcome == .inconclusive)
    let needed = SequentialEvidence.needed(false: 1, limit: 0.01, alpha: gate.alpha)
    #expect(gate.missingReviews == needed - 420)
  }

  @Test("each epoch that is asked about has less to spend; asking again costs nothing")
  func attempts() {
    let asks = [
      GateAsk(epoch: "a", isChallenger: false, attempt: 1, outcome: "fail"),
      GateAsk(epoch: "a", isChallenger: false, attempt: 1, outcome: "insufficient_data"),
      GateAsk(epoch: "b", isChallenger: true, attempt: 2, outcome: "fail"),
    ]
    #expect(gate(good(drawn: 600), around { $0.asks = asks }).attempt == 3)
    var again = asks
    again.append(GateAsk(epoch: "2026-03-02.7", isChallenger: false, attempt: 3, outcome: "fail"))
    again.append(GateAsk(epoch: "c", isChallenger: false, attempt: 4, outcome: "fail"))
    let gate = gate(good(drawn: 545), around { $0.asks = again })
    #expect(gate.attempt == 3 && gate.outcome == .insufficientData)
  }

  @Test("reviewers who miss some make the limit smaller and the bound larger")
  func catches() {
    let perfect = gate(good(drawn: 600), around())
    let gate = gate(good(drawn: 600), around { ($0.planted, $0.caught) = (100, 100) })
    #expect(abs(gate.catchRate - 0.954993) < 1e-6 && gate.outcome == .pass)
    #expect(gate.needed > perfect.needed && gate.upperBound > perfect.upperBound)
  }

  @Test("α with nothing left to spend never passes")
  func noAlpha() {
    let gate = gate(good(drawn: 100_000), around { $0.policy.alpha = 0.01 })
    #expect(gate.outcome != .pass && gate.missingReviews == nil)
  }

  @Test("a receipt comes of a pass alone, holds 90 days and reads back as it was")
  func receipt() throws {
    #expect(Receipt(gate(nil, around()), policyRevision: "sha256:1", approver: "ana", at: Self.now) == nil)
    let receipt = try #require(
      Receipt(gate(good(), around()), policyRevision: "sha256:1", approver: "ana", at: Self.now))
    #expect(receipt.expiresAt - receipt.issuedAt == 90 * 86_400_000)
    #expect(Receipt(try JSONValue(parsing: receipt.json.jsonBytes)) == receipt)
    for name in receipt.json.members?.map(\.name) ?? [] {
      let rest = receipt.json.members?.filter { $0.name != name } ?? []
      #expect(Receipt(.object(rest)) == nil, "read without \(name)")
    }
  }
}
