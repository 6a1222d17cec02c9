import RouterCore
import Testing

@testable import Rollout

func aGrant(revision: String = "r1", digest: String? = "d1", expiresAt: Int64 = 1_000) -> Grant {
  Grant(
    receipt: "0123456789abcdef", isOverride: false, epoch: "2026-03-02.1", approver: "ana",
    taskRevision: revision, models: [ServedModel(id: "m", name: "n", digest: digest, prompt: "p")],
    baseline: Disagreement(compared: 100, disagreed: 2), expiresAt: expiresAt)
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
    var placed = document
    placed.place = "7-8"
    #expect(try #require(FlagsDocument(parsing: placed.bytes)) == placed && placed.bytes != bytes)
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
    grant.fit(taskRevision: revision, models: [model], at: ms)
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
      grant.fit(taskRevision: "r1", models: [], at: 0),
      grant.fit(taskRevision: "r1", models: [model, model], at: 0),
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
}
