import Anchors
import Foundation
import Journal
import Posix
import RouterCore
import Testing
import Wire

@testable import Retention

/// A state folder with a log, which goes with the test.
struct StateFolder: ~Copyable {
  let path: String

  init() throws {
    path =
      FileManager.default.temporaryDirectory.appendingPathComponent("state-\(UUID().uuidString.prefix(8))")
      .path
    try Files.makeFolder(path)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  var log: String { Files.join(path, "log") }
  var history: String { AnchorHistory.path(path) }

  static let now: Int64 = 1_795_233_181_000
  static let day: Int64 = 86_400_000

  /// Small segments: some ten records each.
  func open(now: Int64 = Self.now) throws -> Journal {
    var options = JournalOptions()
    options.segmentBytes = 4_000
    options.syncRecords = 1
    return try Journal.open(folder: log, options: options, now: now).0
  }

  static func body(_ index: Int) -> [UInt8] {
    Array(
      #""call_id":"c\#(index)","input_preview":"what call \#(index) said","answer_preview":"a\"b","label":"x""#
        .utf8)
  }

  /// Appends records, each `step` milliseconds after the one before, and waits until they are on the disk.
  func append(_ indices: Range<Int>, to journal: Journal, from at: Int64 = Self.now, step: Int64 = 1_000) {
    for (place, index) in indices.enumerated() {
      #expect(journal.append(kind: "decision", at: at + Int64(place) * step, body: Self.body(index)))
    }
    #expect(journal.flush(deadline: Clocks.deadline(afterMilliseconds: 20_000)))
  }

  func write(_ body: RecordBody, _ kind: String, to journal: Journal, at: Int64 = Self.now) {
    #expect(journal.append(kind: kind, at: at, body: body.bytes))
    #expect(journal.flush(deadline: Clocks.deadline(afterMilliseconds: 20_000)))
  }

  func anchor(_ journal: Journal) throws -> LogAnchor {
    try LogAnchor(logFolder: log, stateFolder: path, logID: journal.logID, durable: journal.durableSeq)
  }

  /// Makes a checkpoint of everything that is on the disk, and returns its text.
  func checkpoint(_ journal: Journal, now: Int64 = Self.now) throws -> String {
    var anchor = try anchor(journal)
    try anchor.follow(upTo: journal.durableSeq)
    let body = try #require(try anchor.checkpoint(now: now))
    write(body, "checkpoint", to: journal, at: now)
    return String(decoding: try Files.read(LogAnchor.file(path), limit: 4_096), as: UTF8.self)
  }

  func prove(_ text: String) throws -> CheckpointProof {
    let checkpoint = try #require(Checkpoint(text))
    return try CheckpointProof(checkpoint, logFolder: log, historyPath: history)
  }

  /// Removes what is older than so many milliseconds.
  func remove(_ journal: Journal, olderThan age: Int64, now: Int64, needs: [LogNeed] = []) throws
    -> RetentionNotice?
  {
    let retention = LogRetention(folder: log, maxAgeMs: age)
    guard let plan = try retention.survey(now: now, needs: needs).plan,
      let notice = try retention.notice(plan, previous: try RetentionNotice.newest(in: log))
    else { return nil }
    write(notice.body, "retention", to: journal, at: now)
    #expect(try retention.finish(notice) == plan.segments.count)
    return notice
  }

  func verify() throws -> JournalVerification.Outcome { try JournalVerification.verify(log, settling: []) }
  func segments() throws -> [Int] { try SegmentList.read(log).numbers }

  func text() throws -> String {
    var text = ""
    for number in try segments() {
      text += String(decoding: try Files.read(SegmentList.path(log, number), limit: 1 << 20), as: UTF8.self)
    }
    return text
  }
}
