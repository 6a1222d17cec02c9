import Foundation
import Posix
import RouterCore
import Synchronization
import Testing

@testable import Journal

@Suite("The log")
struct JournalTests {
  @Test("has the contract's form")
  func form() throws {
    let log = try LogFolder()
    let (journal, recovery) = try log.open()
    #expect(recovery.isNew)
    #expect(journal.append(kind: "start", at: LogFolder.now, body: [] as [UInt8]))
    #expect(journal.append(kind: "flag", at: LogFolder.now + 1, body: Array(#""task":null"#.utf8)))
    #expect(journal.flush(deadline: soon()))
    #expect(journal.durableSeq == 2)
    let zeros = String(repeating: "0", count: 64)
    let first =
      #"{"v":1,"log":"\#(journal.logID)","seq":1,"ts":"2026-11-21T03:53:01.000Z","kind":"start","prev":"\#(zeros)""#
    let hash = SHA256.hash(Array(first.utf8)).hex
    let second =
      #"{"v":1,"log":"\#(journal.logID)","seq":2,"ts":"2026-11-21T03:53:01.001Z","kind":"flag","task":null,"prev":"\#(hash)""#
    let expected =
      first + #","h":"\#(hash)"}"# + "\n" + second + #","h":"\#(SHA256.hash(Array(second.utf8)).hex)"}"#
      + "\n"
    #expect(String(decoding: try log.bytes(), as: UTF8.self) == expected)
    #expect(try Files.status(log.path)?.mode == 0o700)
    #expect(try Files.status(SegmentList.path(log.path, 1))?.mode == 0o600)
    #expect(journal.head.hash == SHA256.hash(Array(second.utf8)))
    #expect(journal.close())
  }

  @Test("goes on after a restart, under the same id")
  func restart() throws {
    let log = try LogFolder()
    for round in 0..<4 { try log.write(10, from: round * 10) }
    #expect(try log.calls() == (0..<40).map { "c\($0)" })
    #expect(Set(try log.records().compactMap { $0["log"] as? String }).count == 1)
    let outcome = try log.verify()
    #expect(outcome.isWhole)
    #expect(outcome.records == 40 && outcome.head.seq == 40 && outcome.segments == 1)
  }

  @Test("has one writer at a time")
  func oneWriter() throws {
    let log = try LogFolder()
    let (journal, _) = try log.open()
    #expect(throws: JournalError.inUse(folder: log.path)) { try log.open() }
    journal.close()
    let (again, _) = try log.open()
    again.close()
  }

  @Test("rolls its segments, chained one to the next")
  func rolling() throws {
    let log = try LogFolder()
    try log.write(300) {
      $0.segmentBytes = 5000
      $0.syncRecords = 7
    }
    try log.write(300, from: 300) { $0.segmentBytes = 5000 }
    let segments = try log.segments()
    #expect(segments.count > 20)
    #expect(segments == Array(1...segments.count))
    for segment in segments { #expect(try log.bytes(segment).count < 5000 + 500) }
    #expect(try log.calls() == (0..<600).map { "c\($0)" })
    #expect(try log.verify().records == 600)
  }

  @Test("keeps each producer's order, whoever else reports")
  func producers() throws {
    let log = try LogFolder()
    let (journal, _) = try log.open { $0.segmentBytes = 200_000 }
    let threads = try (0..<4).map { producer in
      try Thread.spawn(name: "producer") {
        for index in 0..<2500 {
          let body = Array(#""call_id":"\#(producer)-\#(index)""#.utf8)
          #expect(journal.append(kind: "decision", at: LogFolder.now, body: body))
        }
      }
    }
    for thread in threads { thread.join() }
    #expect(journal.close())
    let calls = try log.calls()
    #expect(calls.count == 10_000)
    for producer in 0..<4 {
      #expect(calls.filter { $0.hasPrefix("\(producer)-") } == (0..<2500).map { "\(producer)-\($0)" })
    }
    #expect(try log.verify().isWhole)
    let status = journal.status
    #expect(status.accepted == 10_000 && status.durable == 10_000 && status.written == 10_000)
    #expect(status.pendingBytes == 0)
    #expect(status.syncs < 5000)
    #expect(status.syncDurations.counts.reduce(0, +) == status.syncs)
  }

  @Test("syncs a trickle by itself, in time")
  func trickle() throws {
    let log = try LogFolder()
    let (journal, _) = try log.open { $0.syncIntervalMilliseconds = 20 }
    for index in 0..<5 {
      journal.append(kind: "decision", at: LogFolder.now, body: LogFolder.body(index))
      let end = soon()
      while journal.durableSeq < UInt64(index + 1), Clocks.monotonic() < end { Clocks.sleep(milliseconds: 1) }
      #expect(journal.durableSeq == UInt64(index + 1))
    }
    journal.close()
  }

  @Test("refuses what has no place in it, and counts it by cause")
  func refusals() throws {
    let log = try LogFolder()
    let (journal, _) = try log.open()
    let room = RecordFrame.longestLine - RecordFrame.overhead - 1
    let filler = Array(#""a":""#.utf8)
    #expect(journal.append(kind: "x", at: 0, body: filler + [UInt8](repeating: 97, count: room - 6) + [34]))
    #expect(!journal.append(kind: "x", at: 0, body: filler + [UInt8](repeating: 97, count: room - 5) + [34]))
    #expect(!journal.append(kind: "x", at: 0, body: Array("\"a\":\n1".utf8)))
    #expect(!journal.append(kind: "", at: 0, body: [] as [UInt8]))
    #expect(journal.close())
    #expect(!journal.append(kind: "x", at: 0, body: [] as [UInt8]))
    #expect(journal.status.refused == [.tooLong: 1, .malformed: 2, .closed: 1])
    #expect(try log.verify().records == 1)
    #expect(try log.records().count == 1)
  }

  @Test("an idle log uses no processor time")
  func idle() throws {
    let log = try LogFolder()
    let (journal, _) = try log.open()
    journal.append(kind: "start", at: 0, body: [] as [UInt8])
    #expect(journal.flush(deadline: soon()))
    let syncs = journal.status.syncs
    Clocks.sleep(milliseconds: 50)
    #expect(journal.status.syncs == syncs)
    journal.close()
  }

  @Test("is closed by whoever lets go of it")
  func letGo() throws {
    let log = try LogFolder()
    do {
      let (journal, _) = try log.open()
      journal.append(kind: "start", at: 0, body: [] as [UInt8])
    }
    #expect(try log.verify().records == 1)
  }
}

@Suite("On a failing disk, the log")
struct FailingDiskTests {
  @Test(
    "loses nothing when the disk is full for a while, wherever the write was cut",
    arguments: [0, 1, 100, 333, 1000, 4096, 9999])
  func full(room: Int) throws {
    let log = try LogFolder()
    let disk = FailingDisk()
    let (journal, _) = try log.open { $0.storage = disk.storage() }
    #expect(journal.append(kind: "start", at: 0, body: [] as [UInt8]))
    #expect(journal.flush(deadline: soon()))
    disk.plan.withLock { $0.room = room }
    for index in 0..<100 {
      #expect(journal.append(kind: "decision", at: LogFolder.now, body: LogFolder.body(index)))
    }
    #expect(!journal.flush(deadline: soon(30)))
    let status = journal.status
    #expect(status.failingSince != nil)
    #expect(status.lastError?.contains("No space left on device") == true)
    #expect(try log.verify().damage == nil, "what a reader finds meanwhile is whole records")
    disk.plan.withLock { $0.room = nil }
    #expect(journal.flush(deadline: soon()))
    #expect(journal.status.failingSince == nil)
    #expect(journal.close())
    #expect(try log.calls() == (0..<100).map { "c\($0)" })
    #expect(try log.verify().records == 102)
    #expect(try log.segments() == Array(1...2))
    let said = try #require(try log.records().last)
    #expect(said["kind"] as? String == "recovered" && said["operation"] as? String == "write")
    #expect(said["errno"] as? Int32 == PosixError.noSpace && said["cut_bytes"] as? Int == 0)
  }

  @Test("writes again what a failed sync may have lost, in a new segment", arguments: [1, 2, 5])
  func syncs(failures: Int) throws {
    let log = try LogFolder()
    let disk = FailingDisk()
    let (journal, _) = try log.open { $0.storage = disk.storage() }
    journal.append(kind: "start", at: 0, body: [] as [UInt8])
    #expect(journal.flush(deadline: soon()))
    let before = try log.bytes()
    // One sync tries; another, best effort, follows the cut.
    disk.plan.withLock { $0.failingSyncs = failures }
    for index in 0..<20 { journal.append(kind: "decision", at: LogFolder.now, body: LogFolder.body(index)) }
    #expect(journal.flush(deadline: soon()))
    #expect(try log.bytes() == before, "the failing segment is final")
    #expect(journal.close())
    #expect(try log.calls() == (0..<20).map { "c\($0)" })
    #expect(try log.verify().isWhole)
    #expect(journal.status.errors[.sync, default: 0] >= 1)
  }

  @Test("waits until a failing segment can be cut, rather than leave half a record behind")
  func cuts() throws {
    let log = try LogFolder()
    let disk = FailingDisk()
    let (journal, _) = try log.open { $0.storage = disk.storage() }
    disk.plan.withLock {
      $0.room = 700
      $0.failingTruncates = 3
      $0.failingOpens = 1
    }
    for index in 0..<20 { journal.append(kind: "decision", at: LogFolder.now, body: LogFolder.body(index)) }
    #expect(!journal.flush(deadline: soon(40)))
    // On a busy machine the writer may not have come so far.
    let end = soon()
    while disk.plan.withLock({ $0.truncates }) < 3, Clocks.monotonic() < end { Clocks.sleep(milliseconds: 1) }
    disk.plan.withLock { $0.room = nil }
    #expect(journal.flush(deadline: soon()))
    #expect(journal.close())
    #expect(disk.plan.withLock { $0.truncates } > 3)
    #expect(try log.calls() == (0..<20).map { "c\($0)" })
    #expect(try log.verify().isWhole)
  }

  @Test("refuses records past its bound, and names the missing ones when it can write again")
  func bound() throws {
    let log = try LogFolder()
    let disk = FailingDisk()
    let (journal, _) = try log.open {
      $0.storage = disk.storage()
      $0.bufferBytes = 10_000
    }
    disk.plan.withLock { $0.room = 0 }
    var kept: [String] = []
    for index in 0..<100
    where journal.append(kind: "decision", at: LogFolder.now, body: LogFolder.body(index)) {
      kept.append("c\(index)")
    }
    #expect(kept.count < 50)
    let status = journal.status
    #expect(status.pendingBytes <= 10_000)
    #expect(status.refused == [.bufferFull: UInt64(100 - kept.count)])
    disk.plan.withLock { $0.room = nil }
    #expect(journal.flush(deadline: soon()))
    #expect(journal.append(kind: "decision", at: LogFolder.now, body: LogFolder.body(100)))
    #expect(journal.close())
    #expect(try log.calls() == kept + ["c100"])
    let gaps = try log.records().filter { $0["kind"] as? String == "gap" }
    #expect(gaps.allSatisfy { $0["cause"] as? String == "buffer_full" })
    let outcome = try log.verify()
    #expect(outcome.isWhole)
    #expect(outcome.missing == UInt64(100 - kept.count))
  }

  @Test("keeps room for records that may not be missing, and says when it is short")
  func order() throws {
    let log = try LogFolder()
    let disk = FailingDisk()
    let (journal, _) = try log.open {
      $0.storage = disk.storage()
      $0.bufferBytes = 20_000
      $0.reservedBytes = 5000
    }
    disk.plan.withLock { $0.room = 0 }
    var kept: [String] = []
    var wasShort: [Bool] = []
    for index in 0..<100 {
      wasShort.append(journal.isShortOfRoom)
      // Every third one is of a live call.
      if journal.append(
        kind: "decision", at: LogFolder.now, body: LogFolder.body(index), isExpendable: index % 3 > 0)
      {
        kept.append("c\(index)")
      }
    }
    let firstMissing = try #require((0..<100).first { !kept.contains("c\($0)") })
    let liveMissing = try #require((0..<100).first { $0 % 3 == 0 && !kept.contains("c\($0)") })
    let shortFrom = try #require(wasShort.firstIndex(of: true))
    #expect(shortFrom < firstMissing && firstMissing + 20 < liveMissing)
    #expect((firstMissing..<liveMissing).allSatisfy { kept.contains("c\($0)") == ($0 % 3 == 0) })
    disk.plan.withLock { $0.room = nil }
    #expect(journal.flush(deadline: soon()))
    #expect(!journal.isShortOfRoom)
    #expect(journal.close())
    #expect(try log.calls() == kept)
    // Each run of missing ones is named at its place.
    let outcome = try log.verify()
    #expect(outcome.isWhole && outcome.missing == UInt64(100 - kept.count))
    #expect(try log.records().filter { $0["kind"] as? String == "gap" }.count > 5)
  }

  @Test("that stays broken does not hold up closing, and says that records are lost")
  func closing() throws {
    let log = try LogFolder()
    let disk = FailingDisk()
    let (journal, _) = try log.open { $0.storage = disk.storage() }
    disk.plan.withLock { $0.room = 0 }
    journal.append(kind: "decision", at: LogFolder.now, body: LogFolder.body(0))
    #expect(!journal.close())
    #expect(!journal.close())
    #expect(journal.status.durable == 0)
    try log.write(3)
    #expect(try log.verify().records == 3)
  }

  @Test("that fails once while it is closed goes on in the next segment", arguments: [1, 2])
  func closingOnce(failures: Int) throws {
    let log = try LogFolder()
    let disk = FailingDisk()
    let (journal, _) = try log.open { $0.storage = disk.storage() }
    disk.plan.withLock { $0.failingSyncs = failures }
    for index in 0..<9 { journal.append(kind: "decision", at: LogFolder.now, body: LogFolder.body(index)) }
    #expect(journal.close())
    #expect(try log.calls() == (0..<9).map { "c\($0)" })
  }

  @Test("under random faults ends whole, with every accepted record in order", arguments: 1...6)
  func storm(seed: Int) throws {
    let log = try LogFolder()
    let disk = FailingDisk()
    let (journal, _) = try log.open {
      $0.storage = disk.storage()
      $0.segmentBytes = 30_000
      $0.syncRecords = 5 * seed
      $0.batchBytes = 4000
    }
    var state = UInt64(seed)
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    for index in 0..<1500 {
      if index % 40 == 0 {
        let (room, syncs, truncates) = (random(3000), random(3), random(3))
        disk.plan.withLock { plan in
          plan.room = index % 80 == 0 ? room : nil
          plan.failingSyncs = syncs
          plan.failingTruncates = truncates
        }
        Clocks.sleep(milliseconds: 2)
      }
      #expect(journal.append(kind: "decision", at: LogFolder.now, body: LogFolder.body(index)))
    }
    disk.plan.withLock { $0 = FailingDisk.Plan() }
    #expect(journal.flush(deadline: soon()))
    #expect(journal.close())
    #expect(try log.calls() == (0..<1500).map { "c\($0)" })
    #expect(try log.verify().isWhole)
  }
}
