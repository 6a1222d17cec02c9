import Foundation
import Journal
import Posix
import Receipts
import Rollout
import RouterCore
import Testing
import Wire

@Suite("A receipt in the log")
struct ReceiptProofTests {
  private let folder: String
  private let issued: Int64 = 1_800_000_000_000

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "receipts-\(UUID().uuidString)").path
    try Files.makeFolder(folder, mode: 0o700)
  }

  private func grant(_ change: (inout Grant) -> Void = { _ in }) -> Grant {
    var task = TaskPolicy(name: "t", mark: Mark(line: 1, column: 1))
    task.budgets = [TaskPolicy.Budget()]
    var grant = Grant(
      receipt: "00ff", isOverride: false, epoch: "e", approver: "ana", taskRevision: "r1",
      models: [ServedModel(id: "m", name: "n", digest: "d", prompt: nil, calibrations: ["c"])],
      baseline: Disagreement(compared: 3, disagreed: 1), safeguards: Safeguards(task), issuedAt: issued,
      expiresAt: issued + 1_000)
    change(&grant)
    return grant
  }

  /// Records of an hour before the receipt and of an hour after it, in segments of some 30 lines.
  private func write(_ grant: Grant) throws {
    var options = JournalOptions()
    options.segmentBytes = 8 << 10
    let (journal, _) = try Journal.open(folder: folder, options: options, now: issued)
    let filler = Array(#""text":"\#(String(repeating: "x", count: 100))""#.utf8)
    func fill(_ from: Int64) {
      for index in 0..<100 {
        journal.append(kind: "outcome", at: issued + from + Int64(index) * 36_000, body: filler)
      }
    }
    fill(-3_600_000)
    let record = ReceiptRecord(grant: grant, task: "t", isChallenger: false, policyRevision: "p")
    record.body.withBytes { body in
      _ = journal.append(kind: "receipt", at: issued, body: body)
      _ = journal.flush(deadline: Clocks.deadline(afterMilliseconds: 5_000))
    }
    fill(1)
    #expect(journal.close())
  }

  private func fault(_ grant: Grant, task: String = "t", isChallenger: Bool = false) -> String? {
    ReceiptProof.fault(of: grant, task: task, isChallenger: isChallenger, in: folder)
  }

  @Test("stands where every field is as it was written")
  func stands() throws {
    try write(grant())
    #expect(fault(grant()) == nil)
    // Moved on by a tightening.
    #expect(fault(grant { $0.taskRevision = "r2" }) == nil)
    let others: [Grant] = [
      grant { $0.isOverride = true }, grant { $0.epoch = nil }, grant { $0.approver = "bo" },
      grant { $0.models[0].digest = "x" }, grant { $0.models = [] }, grant { $0.baseline.disagreed = 0 },
      grant { $0.safeguards.auditShare = 0 }, grant { $0.safeguards.budgets = [] },
      grant { $0.issuedAt += 1 }, grant { $0.expiresAt += 1 },
    ]
    for other in others { #expect(fault(other)?.contains("something else") == true) }
    #expect(fault(grant(), task: "u") != nil && fault(grant(), isChallenger: true) != nil)
    #expect(fault(grant { $0.receipt = "00fe" })?.contains("not in the log") == true)
  }

  @Test("does not where any byte of its segment is not as it was, whatever the others say")
  func damage() throws {
    try write(grant())
    let list = try SegmentList.read(folder)
    #expect(list.numbers.count > 4)
    let own = try #require(
      list.numbers.first { number in
        guard let bytes = try? Files.read(list.path(number), limit: 1 << 20) else { return false }
        return String(decoding: bytes, as: UTF8.self).contains(#""kind":"receipt""#)
      })
    for number in list.numbers {
      let path = list.path(number)
      let whole = try Files.read(path, limit: 1 << 20)
      for index in stride(from: 60, to: whole.count, by: number == own ? 53 : 2_003) where whole[index] != 10
      {
        var bytes = whole
        bytes[index] ^= 1
        if bytes[index] == 10 { continue }
        try Files.replace(path, with: bytes)
        if number == own {
          #expect(fault(grant()) != nil, "byte \(index)")
        } else if abs(number - own) > 1 {
          #expect(fault(grant()) == nil, "byte \(index) of segment \(number)")
        }
      }
      try Files.replace(path, with: whole)
    }
    // A segment that was written anew from the receipt on, its hashes right: the next one does not follow.
    try Files.remove(list.path(own + 1))
    #expect(fault(grant()) != nil)
    try Files.remove(list.path(own))
    #expect(fault(grant())?.contains("not in the log") == true)
  }

  @Test("stands where what came before it was deleted by age")
  func retention() throws {
    try write(grant())
    let list = try SegmentList.read(folder)
    for number in list.numbers {
      let bytes = try Files.read(list.path(number), limit: 1 << 20)
      if String(decoding: bytes, as: UTF8.self).contains(#""kind":"receipt""#) { break }
      try Files.remove(list.path(number))
    }
    #expect(fault(grant()) == nil)
  }
}
