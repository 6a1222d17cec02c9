import RouterCore
import Testing
import Wire

@testable import Rollout

func aTask(_ change: (inout TaskPolicy) -> Void = { _ in }) -> TaskPolicy {
  var task = TaskPolicy(name: "t", mark: Mark(line: 1, column: 1))
  (task.auditShare, task.controlShare, task.reviewSample) = (0.1, 0.2, 0.3)
  change(&task)
  return task
}

func aBudget(_ tenant: String? = nil, calls: Int? = nil, usd: Double? = nil) -> TaskPolicy.Budget {
  var budget = TaskPolicy.Budget()
  (budget.tenant, budget.callsPerDay, budget.usdPerDay) = (tenant, calls, usd)
  return budget
}

func aGrant(
  revision: String = "r1", digest: String? = "d1", issuedAt: Int64 = 0, expiresAt: Int64 = 1_000
) -> Grant {
  Grant(
    receipt: "0123456789abcdef", isOverride: false, epoch: "2026-03-02.1", approver: "ana",
    taskRevision: revision, issuedRevision: "r0",
    models: [ServedModel(id: "m", name: "n", digest: digest, prompt: "p")],
    baseline: Disagreement(compared: 100, disagreed: 2),
    safeguards: Safeguards(aTask { $0.budgets = [aBudget("x", calls: 3, usd: 0.25), aBudget(calls: 7)] }),
    issuedAt: issuedAt, expiresAt: expiresAt)
}

func aFlag(_ percent: Int, groups: [String] = []) -> Flag {
  var flag = Flag("t")
  (flag.percent, flag.userGroups, flag.grant, flag.since) = (percent, groups, aGrant(), 5)
  return flag
}

@Suite("Flags")
struct FlagTests {
  private var document: FlagsDocument {
    var document = FlagsDocument(salt: "00ff")
    document["t"] = aFlag(10, groups: ["beta", "é\"\n"])
    var off = aFlag(100).turnedOff(.stale)
    off.task = "u"
    document["u"] = off
    return document
  }

  @Test("are read back as they were written")
  func roundTrip() throws {
    let bytes = document.bytes
    #expect(try #require(FlagsDocument(parsing: bytes)) == document)
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(text.contains(#""state":"ENABLED""#) && text.contains(#""state":"DISABLED""#))
    #expect(text.contains(#""variants":{"local":true,"frontier":false},"defaultVariant":"frontier""#))
  }

  @Test("that differ in one byte from what the router writes are none")
  func everyByte() {
    let bytes = document.bytes
    for place in bytes.indices {
      var changed = bytes
      changed[place] ^= 1
      // A changed digit may be another flag; then it is one that the router would write just so.
      if let other = FlagsDocument(parsing: changed) { #expect(other.bytes == changed && other != document) }
      #expect(FlagsDocument(parsing: Array(bytes[..<place])) == nil)
    }
    #expect(FlagsDocument(parsing: bytes + bytes) == nil)
    #expect(FlagsDocument(parsing: Array(#"{"flags":{},"metadata":{"salt":"1","more":2}}"#.utf8)) == nil)
  }

  @Test("say their stage in a word")
  func words() {
    #expect(Flag("t").words == "shadow")
    #expect(aFlag(1).words == "1%" && aFlag(1).stage == .canary)
    #expect(
      aFlag(0, groups: ["a", "b"]).words == "0%, groups a b" && aFlag(0, groups: ["a"]).stage == .canary)
    #expect(aFlag(100).stage == .live)
    let off = aFlag(100, groups: ["a"]).turnedOff(.demoted)
    #expect(off.words == "shadow" && off.stage == .shadow && off.grant == nil)
  }

  @Test(
    "go up one stage at a time and down at will",
    arguments: [
      (0, 1, true), (0, 10, false), (0, 100, false), (1, 10, true), (1, 50, false), (10, 50, true),
      (50, 100, true), (10, 100, false), (100, 1, true), (50, 10, true), (10, 10, true), (100, 100, true),
      (1, 2, false), (50, 99, false), (0, 0, true),
    ])
  func steps(old: Int, new: Int, may: Bool) {
    let refusal = Stages.refusal("t", from: old, to: new)
    #expect((refusal == nil) == may)
    if !may, Stages.percents.contains(new), let next = Stages.next(after: old) {
      #expect(refusal?.contains("shadow-router promote t --percent \(next)") == true)
    }
  }

  @Test("let only one task be on its way up")
  func oneAtATime() {
    var document = FlagsDocument(salt: "1")
    document["t"] = aFlag(100)
    #expect(document.inRollout(but: "u") == nil)
    document["t"] = aFlag(50)
    #expect(document.inRollout(but: "u")?.task == "t" && document.inRollout(but: "t") == nil)
  }
}

@Suite("Receipts")
struct GrantTests {
  private func fit(_ grant: Grant, revision: String? = "r1", _ model: ServedModel, at ms: Int64 = 0)
    -> Grant.Fit
  {
    grant.fit(taskRevision: revision, safeguards: grant.safeguards, models: [model], at: ms)
  }

  private let model = ServedModel(id: "m", name: "n", digest: "d1", prompt: "p")

  @Test("cover exactly what their evidence is about")
  func covers() {
    let grant = aGrant()
    #expect(fit(grant, model) == .fits)
    #expect(fit(grant, model, at: 999) == .fits)
    var unknown = model
    unknown.digest = nil
    guard case .unknown = fit(grant, unknown) else {
      Issue.record("a digest that is not known")
      return
    }
    var others: [Grant.Fit] = [
      fit(grant, model, at: 1_000), fit(grant, revision: "r2", model), fit(grant, revision: nil, model),
      grant.fit(taskRevision: "r1", safeguards: grant.safeguards, models: [], at: 0),
      grant.fit(taskRevision: "r1", safeguards: grant.safeguards, models: [model, model], at: 0),
      grant.fit(taskRevision: "r1", safeguards: Safeguards(aTask()), models: [model], at: 0),
      // The evidence knew of no digest, and now there is one.
      fit(aGrant(digest: nil), model),
    ]
    for change: (inout ServedModel) -> Void in [
      { $0.id = "x" }, { $0.name = "x" }, { $0.digest = "x" }, { $0.prompt = "x" },
      { $0.calibrations = ["x"] },
    ] {
      var other = model
      change(&other)
      others.append(fit(grant, other))
    }
    for other in others {
      guard case .differs = other else {
        Issue.record("\(other)")
        continue
      }
    }
    #expect(fit(aGrant(digest: nil), unknown) == .fits)
  }

  @Test("from the future serve nothing and do not end")
  func future() {
    let grant = aGrant(issuedAt: Grant.skewMs + 10, expiresAt: .max)
    guard case .unknown(let why) = fit(grant, model, at: 9) else {
      Issue.record("it is served")
      return
    }
    #expect(why.contains("clock"))
    #expect(fit(grant, model, at: 10) == .fits)
  }
}

@Suite("Safeguards")
struct SafeguardsTests {
  @Test("are loosened by less of any, and by nothing else")
  func loosened() {
    let many = [aBudget("x", calls: 3), aBudget(calls: 7, usd: 1)]
    // Budgets before and after, and whose got more.
    let budgets: [([TaskPolicy.Budget], [TaskPolicy.Budget], String?)] = [
      ([], [], nil), ([], [aBudget(calls: 5)], nil),
      ([aBudget(calls: 5)], [], "each tenant"), ([aBudget(calls: 5)], [aBudget(calls: 6)], "each tenant"),
      ([aBudget(calls: 5)], [aBudget(calls: 4)], nil),
      ([aBudget(calls: 5)], [aBudget(calls: 5, usd: 2)], nil),
      ([aBudget(calls: 5, usd: 2)], [aBudget(calls: 5)], "each tenant"),
      ([aBudget(usd: 2)], [aBudget(usd: 2.5)], "each tenant"), ([aBudget(usd: 2)], [aBudget(usd: 0)], nil),
      ([aBudget(calls: 5), aBudget(usd: 2)], [aBudget(calls: 5, usd: 2)], nil),
      (many, many.reversed(), nil),
      // Without a budget of his own a tenant has that of each.
      (many, [aBudget(calls: 7, usd: 1)], "tenant x"), (many, [aBudget("x", calls: 3)], "each tenant"),
      ([aBudget(calls: 7)], [aBudget(calls: 7), aBudget("x", calls: 8)], "tenant x"),
      ([aBudget(calls: 7)], [aBudget(calls: 7), aBudget("x", calls: 6)], nil),
    ]
    for (before, after, who) in budgets {
      let old = Safeguards(aTask { $0.budgets = before })
      let said = old.loosened(by: Safeguards(aTask { $0.budgets = after }))
      #expect((said == nil) == (who == nil) && (who.map { said?.contains($0) == true } ?? true), "\(after)")
    }
    let shares: [(String, WritableKeyPath<TaskPolicy, Double>)] = [
      ("audit_share", \.auditShare), ("control_share", \.controlShare), ("review_sample", \.reviewSample),
    ]
    for (name, share) in shares {
      let old = Safeguards(aTask { $0[keyPath: share] = 0.5 })
      #expect(old.loosened(by: Safeguards(aTask { $0[keyPath: share] = 0.6 })) == nil)
      let said = old.loosened(by: Safeguards(aTask { $0[keyPath: share] = 0.4999 }))
      #expect(said?.contains(name) == true)
    }
    // What never touches a receipt.
    let other = aTask {
      ($0.owner, $0.evalSet, $0.upkeepUSDPerMonth, $0.capture) = ("bo", "x", 9, .sampled)
      $0.advice.fallbacks = ["x"]
    }
    #expect(Safeguards(aTask()).loosened(by: Safeguards(other)) == nil)
  }

  @Test("are read back as they were written")
  func roundTrip() {
    let all = aGrant().safeguards
    #expect(Safeguards(all.json) == all)
    #expect(Safeguards(.object((all.json.members ?? []).dropLast())) == nil)
  }
}
