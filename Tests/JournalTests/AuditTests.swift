import Foundation
import Posix
import RouterCore
import Testing

@testable import Journal

@Suite("The check of the whole log")
struct AuditTests {
  @Test("says what a start found until it has read the log itself, and finds what the start did not look at")
  func finds() throws {
    let log = try LogFolder()
    try log.write(60) {
      $0.segmentBytes = 4000
      $0.syncRecords = 1
    }
    let audit = JournalAudit(folder: log.path)
    #expect(audit.damage == nil && audit.latest == nil)
    audit.look()
    #expect(audit.damage == nil && audit.latest != nil)
    var bytes = try log.bytes(2)
    bytes[200] ^= 1
    try log.put(bytes, 2)
    let (journal, recovery) = try log.open()
    #expect(recovery.damage == nil)
    journal.close()
    audit.look()
    #expect(audit.damage?.hasPrefix("0000000002.ndjson:1 ") == true)

    let damage = JournalDamage(.hash, segment: 9, seq: 100)
    let second = JournalAudit(folder: log.path, atStart: damage)
    #expect(second.damage == damage.description)
    second.look()
    #expect(second.damage == audit.damage)
  }

  @Test(
    "reads at its rate however large the records are, and makes up for no time lost",
    arguments: [200, 5000, 60_000])
  func pace(record: Int) {
    let rate = 1 << 20
    var now: UInt64 = 77
    var pace = ReadingPace(bytesPerSecond: rate, at: now)
    func read(_ total: Int) -> Double {
      let before = now
      for _ in 0..<total / record { now += 1_000_000 * UInt64(pace.pause(afterReading: record, at: now)) }
      return Double(now - before) / 1e9
    }
    #expect(abs(read(10 << 20) - 10) < 0.1)
    // The disk was busy for a minute.
    now += 60_000_000_000
    #expect(abs(read(5 << 20) - 5) < 0.1)
  }
}
