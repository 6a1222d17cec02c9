#if DEBUG
  import Foundation
  import Glibc
  import Posix
  import Testing

  @testable import Journal

  @Suite("Whichever system call fails, the log")
  struct FaultyCallTests {
    private static let calls = [
      "stat", "open", "flock", "fstat", "pread", "write", "ftruncate", "fdatasync", "fsync",
    ]

    /// A log of some segments, of which the last ends within a record.
    private func torn() throws -> LogFolder {
      let log = try LogFolder()
      try log.write(30) {
        $0.segmentBytes = 4000
        $0.syncRecords = 1
      }
      let last = try #require(try log.segments().last)
      try log.put(try log.bytes(last).dropLast(40), last)
      return log
    }

    @Test("opens or says why, and the next start finds everything", arguments: calls)
    func opening(call: String) throws {
      var fired = 0
      let effects = [EIO, ENOSPC, EDQUOT, EINTR, EMFILE].map(FaultPlan.Effect.error) + [.short]
      for effect in effects {
        for number in 1... {
          let log = try torn()
          let plan = FaultPlan(call, at: number, effect)
          let opened = plan.run { Result { try log.open() } }
          // What was opened can be written on, and closed: that one fault is over, or is the writer's to get around.
          if case .success(let (journal, recovery)) = opened {
            #expect(recovery.damage == nil && recovery.head.seq == 29, "\(call) \(number) \(effect)")
            #expect(journal.append(kind: "decision", at: 0, body: LogFolder.body(30)))
            #expect(journal.close(), "\(call) \(number) \(effect)")
          }
          try log.write(1, from: 31)
          let calls = try log.calls()
          #expect(Array(calls.prefix(29)) == (0..<29).map { "c\($0)" }, "\(call) \(number) \(effect)")
          #expect(calls.last == "c31")
          #expect(try log.verify().isWhole, "\(call) \(number) \(effect)")
          fired += plan.fired
          if plan.fired == 0 { break }
        }
      }
      #expect(fired > 0)
    }
  }
#endif
