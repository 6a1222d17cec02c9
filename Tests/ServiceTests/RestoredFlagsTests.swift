import Rollout
import RouterCore
import Testing

@testable import Deciding

@Suite("Flags at a start")
struct RestoredFlagsTests {
  private func document(_ percent: Int) -> FlagsDocument {
    var flag = Flag("t")
    flag.percent = percent
    flag.grant = Grant(
      receipt: "r", isOverride: false, epoch: "e", approver: "ana", taskRevision: "1", models: [],
      baseline: Disagreement(),
      safeguards: Safeguards(TaskPolicy(name: "t", mark: Mark(line: 1, column: 1))), issuedAt: 0, expiresAt: 1
    )
    var document = FlagsDocument(salt: "00")
    document["t"] = flag
    return document
  }

  private func restored(_ bytes: [UInt8], before: [UInt8]? = nil, after: [UInt8]? = nil) -> RestoredFlags {
    let proof = after.map {
      RestoredFlags.Proof(task: "t", before: before.map { SHA256.hash($0).hex }, after: SHA256.hash($0).hex)
    }
    return RestoredFlags(.bytes(bytes), proof: proof)
  }

  @Test("serve only what the newest record names")
  func proof() {
    let (ten, fifty) = (document(10).bytes, document(50).bytes)
    let believed = restored(ten, after: ten)
    #expect(believed.problem == nil && believed.document == document(10) && believed.interrupted == nil)
    for other in [restored(ten), restored(ten, after: fifty), restored(ten, before: fifty, after: fifty)] {
      #expect(other.problem != nil && !other.document.isServing)
    }
    let between = restored(ten, before: ten, after: fifty)
    #expect(between.problem == nil && between.interrupted == "t")
  }

  @Test("serve nothing in a copy of their folder", arguments: [nil, "1-2", "1-3"] as [String?])
  func copied(place: String?) {
    var written = document(10)
    written.place = place
    let proof = RestoredFlags.Proof(task: "t", before: nil, after: SHA256.hash(written.bytes).hex)
    let found = RestoredFlags(.bytes(written.bytes), proof: proof, place: "1-2")
    let isServed = place != "1-3"
    #expect(found.document.isServing == isServed && (found.problem == nil) == isServed)
    #expect(found.document.place == "1-2")
    #expect(RestoredFlags(.bytes(written.bytes), proof: proof).problem == nil)
  }

  @Test("are in shadow without a file, and with one that serves nothing")
  func shadow() {
    for found in [
      RestoredFlags(.nothing, proof: nil), restored(Array(#"{"flags":{}}"#.utf8)),
      restored(Array("{}".utf8)), restored(Array(#"{"metadata":{}}"#.utf8)), restored(document(0).bytes),
    ] {
      #expect(found.problem == nil && !found.document.isServing)
    }
  }

  @Test("that went leave the task of the newest record to be sent back")
  func missing() {
    var proof = RestoredFlags.Proof(task: "t", before: nil, after: "00", now: "10%")
    #expect(RestoredFlags(.nothing, proof: proof).missing == proof)
    #expect(RestoredFlags(.bytes(Array("{}".utf8)), proof: proof).missing == proof)
    #expect(RestoredFlags(.bytes(document(10).bytes), proof: proof).missing == nil)
    proof.now = "shadow"
    #expect(RestoredFlags(.nothing, proof: proof).missing == nil)
    #expect(RestoredFlags(.nothing, proof: nil).missing == nil)
  }

  @Test("cannot be read where they are not the router's")
  func foreign() {
    let texts = [
      "", "{", "[]", #"{"flags":[]}"#, "3", #"{"flags":null}"#, #"{"flags":{"t":{"state":"ENABLED"}}}"#,
    ]
    for text in texts { #expect(restored(Array(text.utf8)).problem != nil) }
    #expect(RestoredFlags(.unreadable("EIO"), proof: nil).problem == "EIO")
  }
}
