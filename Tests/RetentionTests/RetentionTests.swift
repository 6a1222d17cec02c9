import Anchors
import Foundation
import Journal
import Posix
import RouterCore
import Testing
import Wire

@testable import Retention

@Suite("Checkpoints of a log")
struct CheckpointProofTests {
  private let now = StateFolder.now

  @Test("hold while the log grows, over restarts, and each leads to the next")
  func grows() throws {
    let state = try StateFolder()
    var texts: [String] = []
    for round in 0..<5 {
      let journal = try state.open()
      state.append(round * 30..<round * 30 + 7 * (round + 1), to: journal)
      texts.append(try state.checkpoint(journal, now: now + Int64(round)))
      for text in texts { #expect(try state.prove(text).problem == nil) }
      #expect(journal.close())
    }
    #expect(Set(texts).count == 5)
    let history = AnchorHistory(reading: state.history, log: try state.open().logID)
    #expect(history.entries.count == 5)
  }

  @Test("are the roots of RFC 6962 over the records' lines")
  func independent() throws {
    let state = try StateFolder()
    let journal = try state.open()
    state.append(0..<3, to: journal)
    let checkpoint = try #require(Checkpoint(try state.checkpoint(journal)))
    #expect(checkpoint.size == 3 && checkpoint.origin == "shadow-router/\(journal.logID)")
    func hash(_ first: UInt8, _ bytes: [UInt8]) -> [UInt8] { SHA256.hash([first] + bytes).bytes }
    let lines = try state.text().split(separator: "\n").prefix(3).map { line in
      var line = String(line)
      for name in ["input_preview", "answer_preview"] {
        line = line.replacing(try! Regex("\"\(name)\":\"([^\"\\\\]|\\\\.)*\""), with: "\"\(name)\":null")
      }
      return hash(0, Array(line.utf8))
    }
    #expect(checkpoint.root.bytes == hash(1, hash(1, lines[0] + lines[1]) + lines[2]))
  }

  @Test("show a log that was rewritten with a whole chain, and between which records")
  func rewritten() throws {
    let state = try StateFolder()
    let journal = try state.open()
    state.append(0..<20, to: journal)
    _ = try state.checkpoint(journal)
    state.append(20..<40, to: journal)
    let text = try state.checkpoint(journal)
    #expect(journal.close())
    // Somebody with all rights writes the log anew, another label in record 30, every hash made again.
    var previous = String(repeating: "0", count: 64)
    for number in try state.segments() {
      let path = SegmentList.path(state.log, number)
      var out = ""
      for line in String(decoding: try Files.read(path, limit: 1 << 20), as: UTF8.self).split(separator: "\n")
      {
        var body = String(
          line[..<(try #require(line.range(of: #","prev":""#, options: .backwards)).lowerBound)])
        if body.contains(#""call_id":"c28""#) {
          body = body.replacing(#""label":"x""#, with: #""label":"y""#)
        }
        body += #","prev":"\#(previous)""#
        previous = SHA256.hash(Array(body.utf8)).hex
        out += body + #","h":"\#(previous)"}"# + "\n"
      }
      try Files.replace(path, with: Array(out.utf8))
    }
    #expect(try state.verify().isWhole)
    let problem = try #require(try state.prove(text).problem)
    #expect(problem.hasPrefix("records 21 to 41:"), "\(problem)")
  }

  @Test("show a log that was cut, that is another, or that never was")
  func others() throws {
    let state = try StateFolder()
    let journal = try state.open()
    state.append(0..<25, to: journal)
    let text = try state.checkpoint(journal)
    #expect(journal.close())
    let last = try #require(try state.segments().last)
    try Files.remove(SegmentList.path(state.log, last))
    #expect(try state.verify().isWhole)
    #expect(try state.prove(text).problem?.contains("the checkpoint covers 25") == true)
    let other = try StateFolder()
    let second = try other.open()
    other.append(0..<25, to: second)
    #expect(try other.prove(text).problem?.contains("of another log") == true)
    #expect(try StateFolder().prove(text).problem?.contains("no records") == true)
  }

  @Test("cover nothing that the disk does not have yet, and are not made of nothing new")
  func durable() throws {
    let state = try StateFolder()
    let journal = try state.open()
    state.append(0..<10, to: journal)
    var anchor = try state.anchor(journal)
    try anchor.follow(upTo: 4)
    #expect(anchor.size == 4)
    try anchor.follow(upTo: 4)
    try anchor.follow(upTo: 5)
    #expect(anchor.size == 5)
    try anchor.follow(upTo: 10)
    #expect(anchor.size == 10)
    let body = try #require(try anchor.checkpoint(now: now))
    #expect(try anchor.checkpoint(now: now) == nil)
    state.write(body, "checkpoint", to: journal)
    try anchor.follow(upTo: 11)
    #expect(try anchor.checkpoint(now: now) == nil)
    state.append(10..<11, to: journal)
    try anchor.follow(upTo: 12)
    #expect(try anchor.checkpoint(now: now) != nil)
  }

  @Test("that cover more than the log has are said to be lost, and forgotten")
  func lost() throws {
    let state = try StateFolder()
    let journal = try state.open()
    state.append(0..<10, to: journal)
    _ = try state.checkpoint(journal)
    let anchor = try LogAnchor(
      logFolder: state.log, stateFolder: state.path, logID: journal.logID, durable: 6)
    #expect(anchor.lost == 7...10)
    #expect(anchor.lastAt == nil)
  }
}

@Suite("Retention")
struct RetentionTests {
  private let now = StateFolder.now
  private let day = StateFolder.day

  /// A hundred records, one a day.
  private func hundredDays(_ state: borrowing StateFolder) throws -> Journal {
    let journal = try state.open()
    state.append(0..<100, to: journal, from: now - 99 * day, step: day)
    return journal
  }

  @Test("leaves a log that proves where it begins, and since when")
  func proves() throws {
    let state = try StateFolder()
    let journal = try hundredDays(state)
    let before = try state.segments()
    let notice = try #require(try state.remove(journal, olderThan: 30 * day, now: now))
    #expect(
      notice.cause == .age && notice.records == notice.firstSeq - 1
        && notice.removed.end == notice.firstSeq - 1)
    #expect(now - notice.lastRemoved > 30 * day && now - notice.lastRemoved < 42 * day)
    #expect(try state.segments() == before.filter { $0 >= notice.firstSegment })
    let outcome = try state.verify()
    #expect(outcome.isWhole && outcome.removal == notice)
    #expect(outcome.records == 101 - notice.records)
    // The next one goes on from it; a restart reads the same.
    state.append(100..<160, to: journal, from: now, step: day)
    #expect(journal.close())
    let again = try state.open()
    let second = try #require(try state.remove(again, olderThan: 30 * day, now: now + 60 * day))
    #expect(second.removed.end > notice.removed.end && second.firstSegment > notice.firstSegment)
    #expect(try state.verify().isWhole)
    #expect(again.close())
  }

  @Test("is told from a cut: without the record, or past its place, the log is damaged")
  func cut() throws {
    let state = try StateFolder()
    let journal = try hundredDays(state)
    #expect(journal.close())
    let first = try #require(try state.segments().first)
    try Files.remove(SegmentList.path(state.log, first))
    #expect(try state.verify().damage?.fault == .missingSegment)

    let other = try StateFolder()
    let second = try hundredDays(other)
    let notice = try #require(try other.remove(second, olderThan: 30 * day, now: now))
    try Files.remove(SegmentList.path(other.log, notice.firstSegment))
    #expect(try other.verify().damage?.fault == .missingSegment)
    #expect(second.close())
  }

  @Test("that a crash cut short is finished, and the log is whole before and after")
  func crash() throws {
    let state = try StateFolder()
    let journal = try hundredDays(state)
    let text = try state.checkpoint(journal)
    let retention = LogRetention(folder: state.log, maxAgeMs: 30 * day)
    let plan = try #require(try retention.survey(now: now, needs: []).plan)
    let notice = try #require(try retention.notice(plan, previous: nil))
    state.write(notice.body, "retention", to: journal)
    for count in 0...plan.segments.count {
      if count > 0 { try Files.remove(SegmentList.path(state.log, plan.segments[count - 1])) }
      #expect(try state.verify().isWhole, "after \(count) removed files")
      #expect(try state.prove(text).problem == nil, "after \(count) removed files")
    }
    #expect(try retention.finish(try #require(try RetentionNotice.newest(in: state.log))) == 0)
    #expect(journal.close())
  }

  @Test("keeps checkpoints provable: those of records that are left, and those of removed ones")
  func checkpoints() throws {
    let state = try StateFolder()
    let journal = try state.open()
    var texts: [String] = []
    for round in 0..<10 {
      state.append(
        round * 10..<round * 10 + 10, to: journal, from: now - Int64(10 - round) * 10 * day, step: day)
      texts.append(try state.checkpoint(journal, now: now - Int64(10 - round) * 10 * day + 9 * day))
    }
    let notice = try #require(try state.remove(journal, olderThan: 30 * day, now: now))
    for text in texts {
      let proof = try state.prove(text)
      #expect(proof.problem == nil)
      #expect(proof.removed == min(try #require(Checkpoint(text)).size, notice.removed.end))
    }
    // A false root in the removed part, and a false one in the part that is left.
    for index in [1, 9] {
      var checkpoint = try #require(Checkpoint(texts[index]))
      checkpoint.root = SHA256.hash([UInt8(index)])
      #expect(try state.prove(checkpoint.text).problem?.contains("not the records of the checkpoint") == true)
    }
    // Without the kept checkpoints only those of the part that is left can be proven.
    try Files.remove(state.history)
    #expect(try state.prove(texts[0]).problem?.contains("removed by retention") == true)
    #expect(try state.prove(texts[9]).problem == nil)
    #expect(journal.close())
  }

  @Test("goes on with its tree where the kept checkpoints are gone")
  func rebuilt() throws {
    let state = try StateFolder()
    let journal = try hundredDays(state)
    let before = try state.checkpoint(journal)
    _ = try #require(try state.remove(journal, olderThan: 30 * day, now: now))
    try Files.remove(state.history)
    state.append(100..<110, to: journal)
    let after = try state.checkpoint(journal)
    #expect(try state.prove(before).problem == nil)
    #expect(try state.prove(after).problem == nil)
    #expect(journal.close())
  }

  @Test("removes nothing that is needed, and says who needs it")
  func needs() throws {
    let state = try StateFolder()
    let journal = try hundredDays(state)
    let retention = LogRetention(folder: state.log, maxAgeMs: 30 * day)
    let free = try #require(try retention.survey(now: now, needs: []).plan)
    for need in [LogNeed(seq: 1, why: "x"), LogNeed(at: now - 99 * day, why: "x")] {
      let survey = try retention.survey(now: now, needs: [need])
      #expect(survey.plan == nil && survey.heldBy == "x")
    }
    let partly = try retention.survey(now: now, needs: [LogNeed(at: now - 60 * day, why: "an epoch")])
    let plan = try #require(partly.plan)
    #expect(partly.heldBy == "an epoch" && plan.segments.count < free.segments.count)
    #expect(plan.lastRemoved < now - 60 * day)
    #expect(try retention.survey(now: now, needs: [LogNeed(at: now, why: "x")]).heldBy == nil)
    #expect(journal.close())
  }

  @Test("by size removes the oldest until the rest fits, and never the segment in use")
  func size() throws {
    let state = try StateFolder()
    let journal = try hundredDays(state)
    let total = try state.text().utf8.count
    let plan = try #require(
      try LogRetention(folder: state.log, maxBytes: Int64(total / 2)).survey(now: now, needs: []).plan)
    #expect(plan.cause == .size)
    let left = try state.segments().filter { !plan.segments.contains($0) }
    #expect(left.count >= 1 && plan.segments == Array(1...plan.segments.count))
    let all = try LogRetention(folder: state.log, maxBytes: 1).survey(now: now, needs: []).plan
    #expect(all?.segments == Array(try state.segments().dropLast()))
    #expect(
      try LogRetention(folder: state.log, maxBytes: Int64(total)).survey(now: now, needs: []).plan == nil)
    #expect(journal.close())
  }

  @Test("remembers what was spent at gates, through one removal after the other")
  func attempts() throws {
    let state = try StateFolder()
    let journal = try state.open()
    for attempt in 1...3 {
      var body = RecordBody()
      body.field("task", "triage")
      body.field("attempt", attempt)
      state.write(body, "gate", to: journal, at: now - 99 * day)
    }
    state.append(0..<40, to: journal, from: now - 90 * day, step: day)
    let first = try #require(try state.remove(journal, olderThan: 60 * day, now: now))
    #expect(first.attempts == [RetentionNotice.GateAttempt(task: "triage", attempt: 3)])
    state.append(40..<140, to: journal, from: now, step: day)
    let second = try #require(try state.remove(journal, olderThan: 10 * day, now: now + 100 * day))
    #expect(second.attempts == first.attempts && second.firstSegment > first.firstSegment)
    #expect(journal.close())
  }

  @Test("a segment that is asked for begins with the next record")
  func roll() throws {
    let state = try StateFolder()
    let journal = try state.open()
    state.append(0..<2, to: journal)
    journal.roll()
    Clocks.sleep(milliseconds: 50)
    #expect(try state.segments() == [1])
    state.append(2..<3, to: journal)
    #expect(try state.segments() == [1, 2])
    journal.roll()
    journal.roll()
    #expect(journal.close())
    #expect(try state.segments() == [1, 2])
    #expect(try state.verify().records == 3)
  }
}

@Suite("Erasure")
struct ErasureTests {
  private func erase(_ callID: String, _ state: borrowing StateFolder, _ journal: Journal) throws
    -> PreviewErasure
  {
    let erasure = try PreviewErasure(ofCall: callID, in: state.log, upTo: journal.durableSeq)
    state.write(
      erasure.notice(who: "ann", reason: "asked for", hadCapture: false).body, "erasure", to: journal)
    try erasure.erase(in: state.log)
    return erasure
  }

  @Test("takes one call's previews out, moves no byte, and leaves a whole log that says so")
  func erases() throws {
    let state = try StateFolder()
    let journal = try state.open()
    state.append(0..<30, to: journal)
    let checkpoint = try state.checkpoint(journal)
    let before = try state.text()
    let erasure = try erase("c7", state, journal)
    #expect(erasure.previews == 2 && erasure.records == 1)
    let text = try state.text()
    #expect(!text.contains("what call 7 said") && text.contains("what call 8 said"))
    #expect(text.utf8.count > before.utf8.count && text.contains(#""call_id":"c7","input_preview":null   "#))
    let outcome = try state.verify()
    #expect(outcome.isWhole && outcome.erased == 1)
    // A checkpoint from before it still holds: the rest of the record is what it was.
    #expect(try state.prove(checkpoint).problem == nil)
    #expect(try state.prove(try state.checkpoint(journal)).problem == nil)
    // A second time there is nothing left; the restart goes on with the chain.
    #expect(try PreviewErasure(ofCall: "c7", in: state.log, upTo: journal.durableSeq).places.isEmpty)
    #expect(journal.close())
    let again = try state.open()
    state.append(30..<33, to: again)
    #expect(again.close())
    #expect(try state.verify().isWhole)
  }

  @Test("of a record in the last segment leaves a log that a restart goes on with")
  func lastSegment() throws {
    let state = try StateFolder()
    let journal = try state.open()
    state.append(0..<3, to: journal)
    _ = try erase("c2", state, journal)
    #expect(journal.close())
    let (again, recovery) = try Journal.open(folder: state.log, now: StateFolder.now)
    #expect(recovery.damage == nil && recovery.cutBytes == 0)
    #expect(again.close())
    #expect(try state.verify().isWhole)
  }

  @Test("is damage where no record speaks of it, or where more than the previews changed")
  func forged() throws {
    let state = try StateFolder()
    let journal = try state.open()
    state.append(0..<8, to: journal)
    let path = SegmentList.path(state.log, 1)
    let silent = try PreviewErasure(ofCall: "c3", in: state.log, upTo: journal.durableSeq)
    try silent.erase(in: state.log)
    let damage = try #require(try state.verify().damage)
    #expect(damage.fault == .hash && damage.seq == 4)
    state.write(silent.notice(who: "ann", reason: nil, hadCapture: false).body, "erasure", to: journal)
    #expect(try state.verify().isWhole)
    // The rest of an erased record is held by the erasure's own digest.
    var text = String(decoding: try Files.read(path, limit: 1 << 20), as: UTF8.self)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    text = lines.map { part in
      let line = String(part)
      let isErased = line.contains(#""call_id":"c3","input"#)
      return isErased ? line.replacing(#""label":"x""#, with: #""label":"y""#) : line
    }.joined(separator: "\n")
    try Files.replace(path, with: Array(text.utf8))
    #expect(try state.verify().damage?.seq == 4)
    #expect(journal.close())
  }

  @Test("goes on after a crash that left half of it, however it was cut", arguments: [0, 1, 5, 11, 18])
  func crash(bytes: Int) throws {
    let state = try StateFolder()
    let journal = try state.open()
    state.append(0..<5, to: journal)
    let erasure = try PreviewErasure(ofCall: "c1", in: state.log, upTo: journal.durableSeq)
    let kept = erasure.json
    state.write(erasure.notice(who: "ann", reason: nil, hadCapture: false).body, "erasure", to: journal)
    // The first bytes of the first preview were written when the power went.
    let place = try #require(erasure.places.first)
    let preview = try #require(place.previews.first)
    let file = try Files.openToChange(SegmentList.path(state.log, place.segment))
    try file.writeAll(
      Array(KeptForm.erased(preview.count).prefix(bytes)),
      filePosition: place.offset + Int64(preview.lowerBound))
    let again = try #require(PreviewErasure(kept))
    #expect(again.places == erasure.places)
    try again.erase(in: state.log)
    #expect(try state.verify().isWhole)
    #expect(try !state.text().contains("call 1 said"))
    #expect(journal.close())
  }
}
