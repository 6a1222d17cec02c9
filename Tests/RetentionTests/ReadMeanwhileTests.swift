import Anchors
import Foundation
import Journal
import Posix
import RouterCore
import Testing

@testable import Retention

@Suite("Whoever reads the log meanwhile")
struct ReadMeanwhileTests {
  private let now = StateFolder.now
  private let day = StateFolder.day

  @Test("does not take a removal of what is old for damage, wherever he is", arguments: [1, 12, 40, 70, 100])
  func removal(moment: Int) throws {
    let state = try StateFolder()
    let journal = try state.open()
    state.append(0..<100, to: journal, from: now - 99 * day, step: day)
    let text = try state.checkpoint(journal)
    var read = 0
    let outcome = try JournalVerification.verify(state.log) { _ in
      read += 1
      if read == moment { removeOld(state, journal, days: 60) }
    }
    #expect(outcome.isWhole, "\(outcome.damage?.description ?? "")")
    // Again, with a checkpoint to prove.
    read = 0
    let proof = try CheckpointProof(
      try #require(Checkpoint(text)), logFolder: state.log, historyPath: state.history
    ) { _ in
      read += 1
      if read == moment / 3 + 1 { removeOld(state, journal, days: 30) }
    }
    #expect(proof.holds, "\(proof.problem ?? proof.outcome.damage?.description ?? "")")
    #expect(try state.verify().removal?.segments ?? 0 > 0)
    #expect(journal.close())
  }

  private func removeOld(_ state: borrowing StateFolder, _ journal: Journal, days: Int64) {
    let notice = try? state.remove(journal, olderThan: days * day, now: now)
    #expect(notice != nil)
  }

  @Test("does not take an erasure for damage")
  func erasure() throws {
    let state = try StateFolder()
    let journal = try state.open()
    state.append(0..<60, to: journal)
    var read = 0
    let outcome = try JournalVerification.verify(state.log) { _ in
      read += 1
      guard read == 1 else { return }
      #expect(throws: Never.self) {
        let erasure = try PreviewErasure(ofCall: "c40", in: state.log, upTo: journal.durableSeq)
        #expect(erasure.previews == 2)
        state.write(
          erasure.notice(who: "ann", reason: nil, hadCapture: false).body, "erasure", to: journal)
        try erasure.erase(in: state.log)
      }
    }
    #expect(outcome.isWhole && outcome.erased == 1)
    #expect(journal.close())
  }

  @Test("does not take half an erasure for damage of the record that he looks up")
  func lookup() throws {
    let state = try StateFolder()
    let journal = try state.open()
    state.append(0..<60, to: journal)
    let erasure = try PreviewErasure(ofCall: "c41", in: state.log, upTo: journal.durableSeq)
    let place = try #require(erasure.places.first)
    state.write(erasure.notice(who: "ann", reason: nil, hadCapture: false).body, "erasure", to: journal)
    let wanted = Array(#""call_id":"c40""#.utf8)
    var looks = 0
    let found = try JournalLookup.find(in: state.log, from: 0) { line in
      guard
        String(decoding: (0..<line.count).map { line[$0] }, as: UTF8.self).utf8.firstRange(of: wanted) != nil
      else { return false }
      looks += 1
      #expect(throws: Never.self) {
        // The first of two previews at the first look, all of them at the second.
        guard looks == 1 else { return try erasure.erase(in: state.log) }
        let preview = try #require(place.previews.first)
        try Files.openToChange(SegmentList.path(state.log, place.segment)).writeAll(
          KeptForm.erased(preview.count), filePosition: place.offset + Int64(preview.lowerBound))
      }
      return true
    }
    #expect(found == .intact && looks == 2)
    #expect(journal.close())
  }
}
