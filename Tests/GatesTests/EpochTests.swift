import LogReading
import TestLogs
import Testing
import Wire

@testable import Gates

/// A log of one task, one call an hour.
private struct EpochLog {
  var log = SampleLog()
  private var calls = 0

  init() {}

  /// Members of a would-accept; each may be overridden.
  @discardableResult
  mutating func call(
    _ id: String? = nil, input: String? = nil, sampled: Bool = true, confidence: Double = 0.9,
    chars: Int = 100,
    label: String = "crash", signals: [String] = [], revision: String = "r1", digest: String? = "d1",
    model: String = "small", prompt: String? = "p1", calibration: String? = nil, source: String = "logprob",
    accepted: Bool = true, valid: Bool = true, kind: String = "decision"
  ) -> String {
    calls += 1
    let id = id ?? "c\(calls)"
    func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
    let checks: JSONValue = [
      "local_unavailable": "pass", "schema_invalid": .string(valid ? "pass" : "fail"),
      "confidence_low": .string(accepted ? "pass" : "fail"),
    ]
    var members: [(String, JSONValue)] = [
      ("call_id", .string(id)), ("task_type", "t"), ("policy_revision", "sha256:1"),
      ("prompt_revision", text(prompt)), ("task_revision", .string(revision)),
      ("route_candidate", .string(accepted ? "local" : "frontier")),
      ("checks", checks), ("local_model", .string(model + "-name")), ("local_model_id", .string(model)),
      ("local_model_digest", text(digest)), ("label", .string(label)),
      ("confidence", JSONNumber(confidence).map { .number($0) } ?? .null),
      ("confidence_source", .string(source)), ("calibration", text(calibration)),
      ("sampled", .bool(sampled)),
    ]
    if kind == "decision" {
      members += [
        ("signals", .object(signals.map { JSONMember($0, "given") })),
        ("input_chars", .number(JSONNumber(chars))), ("input_hash", .string("h-" + (input ?? id))),
      ]
    }
    log.record(kind, members)
    return id
  }

  mutating func review(
    _ id: String, _ label: String?, by reviewer: String = "ana", stream: String = "certificate",
    severity: Int? = nil, missed: Bool = false, subject: String = "candidate"
  ) {
    log.record(
      "review",
      [
        ("call_id", .string(id)), ("subject", .string(subject)),
        ("review_label", label.map { .string($0) } ?? .null), ("stream", .string(stream)),
        ("severity", severity.map { .number(JSONNumber($0)) } ?? .null), ("missed_stop", .bool(missed)),
        ("reviewer", .string(reviewer)),
      ])
  }

  mutating func policy(_ change: TaskRevisionChange) {
    log.record("policy", [("revision", "sha256:2"), ("taken", true), ("tasks", .array([change.json]))])
  }

  mutating func days(_ count: Int) { log.now += Int64(count) * 86_400_000 }

  func fold(_ subject: EvidenceSubject = EvidenceSubject(task: "t"), _ rules: EpochRules = EpochRules())
    -> EpochFold
  {
    var fold = EpochFold(subject, rules)
    for line in log.lines { fold.add(line.span) }
    return fold
  }

  func evidence(isChallenger: Bool = false, owner: String? = nil) -> EpochEvidence? {
    fold(EvidenceSubject(task: "t", isChallenger: isChallenger), EpochRules(owner: owner)).evidence(
      at: log.now)
  }
}

@Suite("Epochs")
struct EpochTests {
  private static let tightened = AcceptanceLimits(
    minConfidence: 0.8, maxInputChars: 200, escalateLabels: ["other"], stopSignals: ["risky_migration"])

  @Test("an item counts as false until its label says otherwise")
  func counting() throws {
    var log = EpochLog()
    let ids = (0..<10).map { _ in log.call() }
    log.call(sampled: false)
    for id in ids[0..<6] { log.review(id, "accept") }
    log.review(ids[6], "escalate")
    log.review(ids[7], "unsure")
    let evidence = try #require(log.evidence())
    #expect(evidence.wouldAccepts == 11 && evidence.drawn == 10 && evidence.accepted == 6)
    #expect(evidence.falseLabelled == 2 && evidence.unlabelled == 2 && evidence.falseOrUnlabelled == 4)
  }

  @Test("what changes the candidate begins a new epoch", arguments: 0..<7)
  func restarts(change: Int) throws {
    var log = EpochLog()
    for _ in 0..<5 { log.call() }
    switch change {
    case 0: log.call(revision: "r2")
    case 1: log.call(digest: "d2")
    case 2: log.call(prompt: "p2")
    case 3: log.call(calibration: "0123456789ab")
    case 4: log.call(source: "self_reported")
    case 5:
      log.days(56)
      log.call()
    default:
      log.log.record("probe", [("model_id", "small"), ("model", "small-name"), ("digest", "d2")])
      log.call(digest: "d2")
    }
    #expect(try #require(log.evidence()).wouldAccepts == 1)
  }

  @Test(
    "after its window an epoch is over, with or without another call; so it is once a probe finds another digest"
  )
  func over() {
    var log = EpochLog()
    log.call()
    log.days(57)
    #expect(log.fold().evidence(at: log.log.now) == nil)
    var probed = EpochLog()
    probed.call()
    probed.log.record("probe", [("model_id", "small"), ("model", "small-name"), ("digest", "d2")])
    #expect(probed.evidence() == nil)
  }

  @Test("calls without a digest belong with those that follow", arguments: [("d1", 6), ("d2", 4)])
  func withoutDigest(following: String, count: Int) throws {
    var log = EpochLog()
    for _ in 0..<2 { log.call() }
    for _ in 0..<3 { log.call(digest: nil) }
    log.call(digest: following)
    #expect(try #require(log.evidence()).wouldAccepts == count)
    var first = EpochLog()
    for _ in 0..<3 { first.call(digest: nil) }
    first.call()
    #expect(try #require(first.evidence()).wouldAccepts == 4)
  }

  @Test("a cascade's models have one epoch together")
  func cascade() throws {
    var log = EpochLog()
    for _ in 0..<4 {
      log.call(model: "small")
      log.call(digest: "e1", model: "middle", source: "self_reported")
    }
    let evidence = try #require(log.evidence())
    #expect(evidence.wouldAccepts == 8 && evidence.models.map(\.id) == ["middle", "small"])
  }

  @Test("a tightening keeps the epoch, over what the tighter policy still accepts")
  func tightens() throws {
    var log = EpochLog()
    let kept = log.call("kept")
    log.call("low", confidence: 0.75)
    log.call("long", chars: 201)
    log.call("other", label: "other")
    log.call("risky", signals: ["risky_migration"])
    let before = try #require(log.evidence())
    log.policy(
      TaskRevisionChange(
        subject: EvidenceSubject(task: "t"), revision: "r2", previous: "r1", limits: Self.tightened))
    // Decided before the reload, recorded after it.
    log.call("late", revision: "r1")
    log.call(revision: "r2")
    log.review(kept, "accept")
    log.review("low", "escalate")
    let evidence = try #require(log.evidence())
    #expect(before.drawn == 5 && evidence.id == before.id)
    #expect(evidence.drawn == 3 && evidence.accepted == 1 && evidence.falseLabelled == 0)
  }

  @Test("a tightening of something else, or one not said, does not keep it", arguments: 0..<3)
  func notTightened(change: Int) throws {
    var log = EpochLog()
    log.call()
    let subject = EvidenceSubject(task: "t", isChallenger: change == 0)
    if change < 2 {
      log.policy(
        TaskRevisionChange(
          subject: subject, revision: "r2", previous: change == 1 ? "r0" : "r1", limits: Self.tightened))
    }
    log.call(revision: "r2")
    #expect(try #require(log.evidence()).wouldAccepts == 1)
  }

  @Test("calls under the policy before a tightening do not come for ever")
  func lateness() throws {
    var log = EpochLog()
    log.call()
    log.policy(
      TaskRevisionChange(
        subject: EvidenceSubject(task: "t"), revision: "r2", previous: "r1", limits: Self.tightened))
    log.days(1)
    log.call(revision: "r1")
    #expect(try #require(log.evidence()).wouldAccepts == 1)
  }

  @Test("equal inputs are reviewed once, and the worst label counts for each")
  func equalInputs() throws {
    var log = EpochLog()
    for id in ["a", "b", "c"] { log.call(id, input: "same") }
    log.review("b", "accept")
    #expect(try #require(log.evidence()).accepted == 3)
    log.review("c", "escalate", by: "ben")
    #expect(try #require(log.evidence()).falseLabelled == 3)
  }

  @Test("of a reviewer the last label counts, of several reviewers the worst")
  func secondLabels() throws {
    var log = EpochLog()
    log.call("a")
    log.review("a", "escalate")
    log.review("a", "accept")
    #expect(try #require(log.evidence()).accepted == 1)
    log.review("a", "unsure", by: "ben", stream: "second")
    #expect(try #require(log.evidence()).falseLabelled == 1)
    log.review("a", nil, by: "ben", stream: "second")
    #expect(try #require(log.evidence()).accepted == 1)
  }

  @Test("a severe false accept takes two people, or the owner", arguments: [("ben", true), ("ana", false)])
  func severe(second: String, isSevere: Bool) throws {
    var log = EpochLog()
    log.call("a", sampled: false)
    log.review("a", "escalate", stream: "hunt", severity: 2)
    #expect(try #require(log.evidence()).severe == 0)
    #expect(try #require(log.evidence(owner: "ana")).severe == 1)
    log.review("a", "escalate", by: second, stream: "second", severity: 3)
    #expect(try #require(log.evidence()).severe == (isSevere ? 1 : 0))
    #expect(try #require(log.evidence()).drawn == 0)
  }

  @Test("planted items tell about reviewers and change no label")
  func planted() throws {
    var log = EpochLog()
    log.call("a")
    log.review("a", "escalate")
    log.review("a", "accept", by: "ben", stream: "planted")
    log.review("a", "escalate", by: "eva", stream: "planted")
    let catches = log.fold().catches
    #expect(catches.planted == 2 && catches.caught == 1)
    #expect(try #require(log.evidence()).falseLabelled == 1)
  }

  @Test("the challenger has an epoch and labels of its own, in whatever order its records come")
  func challenger() throws {
    var log = EpochLog()
    log.call("a", input: "x")
    log.call("a", digest: "q", model: "big", kind: "challenge")
    log.call("b", digest: "q", model: "big", kind: "challenge")
    log.call("b", input: "x")
    log.review("a", "escalate")
    log.review("b", "accept", subject: "challenger")
    let candidate = try #require(log.evidence())
    let challenger = try #require(log.evidence(isChallenger: true))
    #expect(candidate.falseLabelled == 2 && candidate.models.map(\.id) == ["small"])
    #expect(challenger.accepted == 2 && challenger.models.map(\.id) == ["big"])
  }

  @Test(
    "cases that a correction was fitted on do not count, an id counts once, other calls say how valid answers are"
  )
  func leftOut() throws {
    var log = EpochLog()
    log.call("used")
    log.call("twice")
    log.call("twice")
    log.call(accepted: false, valid: false)
    var rules = EpochRules()
    // The first 16 hex digits of SHA-256("used").
    rules.usedCases = ["f839161355091fcd"]
    let evidence = try #require(log.fold(EvidenceSubject(task: "t"), rules).evidence(at: log.log.now))
    #expect(evidence.wouldAccepts == 1)
    #expect(evidence.asked == 4 && evidence.invalid == 1)
  }

  @Test("what `eval` found counts for the model that it was found of, the newest of each file")
  func evaluations() throws {
    var log = EpochLog()
    func eval(
      _ digest: String, met: Bool, file: Character = "a", prompt: String = "p1",
      calibration: JSONValue = .null
    ) {
      log.log.record(
        "eval",
        [
          ("task", "t"), ("local_model_id", "small"), ("local_model_digest", .string(digest)),
          ("prompt_revision", .string(prompt)), ("calibration", calibration), ("task_revision", "r1"),
          ("policy_revision", "sha256:1"), ("eval_set_sha256", .string(String(repeating: file, count: 64))),
          ("met", .bool(met)), ("cases", 60), ("accepted", 50), ("accepted_wrong", 0),
          ("wrong_upper_bound", JSONNumber(0.005).map { .number($0) } ?? .null),
        ])
    }
    eval("d1", met: true)
    log.call()
    #expect(try #require(log.evidence()).evaluations.map(\.isMet) == [true])
    eval("d1", met: false)
    eval("d1", met: true, file: "b")
    #expect(try #require(log.evidence()).evaluations.map(\.isMet) == [false, true])
    for changed in 0..<3 {
      var other = log
      switch changed {
      case 0: other.call(digest: "d2")
      case 1: other.call(prompt: "p2")
      default: other.call(calibration: "0123456789ab")
      }
      #expect(try #require(other.evidence()).evaluations.isEmpty)
    }
  }

  @Test("past its limit a fold counts what was not drawn, keeps what was, and says so")
  func partial() throws {
    var log = EpochLog()
    for index in 0..<50 { log.call("c\(index)", sampled: index % 10 == 0) }
    log.review("c40", "accept")
    var rules = EpochRules()
    for (limit, isPartial) in [(45, false), (44, true), (0, true)] {
      rules.undrawnLimit = limit
      let fold = log.fold(EvidenceSubject(task: "t"), rules)
      let evidence = try #require(fold.evidence(at: log.log.now))
      #expect(fold.isPartial == isPartial && evidence.isPartial == isPartial)
      #expect(evidence.wouldAccepts == 50 && evidence.drawn == 5 && evidence.accepted == 1)
      #expect(try #require(fold.sample(at: log.log.now)).looks == evidence.looks)
    }
  }

  @Test("thousands of items are found again, each once, also those past the first piece")
  func many() throws {
    var items = EpochItems()
    let calls = (0..<10_000).map { ContentHash(Array("c\($0)".utf8).span).short }
    for (index, call) in calls.enumerated() {
      let item = EpochItem(
        call: call, ts: Int64(index) * 1_000, confidence: 0.5, label: nil, isDrawn: index % 7 == 0)
      let isNew = items.append(item)
      #expect(isNew)
    }
    for call in calls.prefix(100) {
      let isNew = items.append(EpochItem(call: call, ts: 0, confidence: nil, label: 1, isDrawn: true))
      #expect(!isNew)
    }
    #expect(items.count == 10_000 && Array(items.drawn) == Array(stride(from: 0, to: 10_000, by: 7)))
    #expect(
      calls.indices.allSatisfy { items.number(ofCall: calls[$0]) == $0 && items[$0].second == UInt32($0) })
    #expect(items.number(ofCall: 1) == nil)
    #expect(MemoryLayout<EpochItem>.stride == 28)
  }

  @Test("damage and holes are no evidence; a gap that is named is a loss")
  func health() {
    var log = EpochLog()
    log.call()
    log.log.raw("{\"v\":1,")
    #expect(log.fold().health.problem(since: 0) != nil)
    #expect(log.fold().health.problem(since: log.log.now + 1) == nil)
    var hole = EpochLog()
    hole.call()
    hole.log.skip(3)
    hole.call()
    #expect(hole.fold().health.problem(since: 0) != nil)
    hole.log.record("gap", [("from", 2), ("to", 4), ("cause", "disk_full")])
    #expect(hole.fold().health.problem(since: 0) == nil)
    #expect(hole.fold().health.losses(since: 0).lost == 3)
  }

  @Test(
    "drift is seen against the first ISO week, and not in a handful", arguments: [(200, true), (50, false)])
  func drift(each: Int, isSeen: Bool) throws {
    var log = EpochLog()
    for index in 0..<each { log.call(confidence: 0.8 + Double(index % 10) / 100) }
    log.days(7)
    for index in 0..<each { log.call(confidence: 0.9 + Double(index % 10) / 100, label: "other") }
    let evidence = try #require(log.evidence())
    #expect(((evidence.drift?.worst ?? 0) > 1) == isSeen)
    #expect(evidence.weeks == 2)
  }
}
