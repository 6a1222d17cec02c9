import Foundation
import Posix
import RouterCore
import Synchronization
import Testing

@testable import Journal

/// A log in a folder that goes with the test.
struct LogFolder: ~Copyable {
  let path: String

  init() throws {
    path =
      FileManager.default.temporaryDirectory.appendingPathComponent("log-\(UUID().uuidString.prefix(8))").path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  static let now: Int64 = 1_795_233_181_000

  func open(_ change: (inout JournalOptions) -> Void = { _ in }) throws -> (Journal, Recovery) {
    var options = JournalOptions()
    options.backoffMilliseconds = 1...5
    change(&options)
    return try Journal.open(folder: path, options: options, now: Self.now)
  }

  /// Opens, writes so many records and closes.
  func write(_ count: Int, from first: Int = 0, _ change: (inout JournalOptions) -> Void = { _ in }) throws {
    let (journal, _) = try open(change)
    for index in first..<first + count {
      #expect(journal.append(kind: "decision", at: Self.now + Int64(index), body: Self.body(index)))
    }
    #expect(journal.close())
  }

  static func body(_ index: Int) -> [UInt8] {
    Array(#""call_id":"c\#(index)","preview":"\#(String(repeating: "p", count: index % 50))""#.utf8)
  }

  func segments() throws -> [Int] { try SegmentList.read(path).numbers }

  func bytes(_ segment: Int = 1) throws -> [UInt8] {
    try Files.read(SegmentList.path(path, segment), limit: 1 << 30)
  }

  func put(_ bytes: [UInt8], _ segment: Int = 1) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: SegmentList.path(path, segment)))
  }

  func verify(checkpoint: JournalHead? = nil, living: Bool = false) throws -> JournalVerification.Outcome {
    try JournalVerification.verify(path, checkpoint: checkpoint, settling: living ? [1, 10, 50] : [])
  }

  /// Every line, as JSON, with the chain recomputed by other means than the journal's; holes only where `gap` names them.
  func records() throws -> [[String: Any]] {
    var records: [[String: Any]] = []
    var previous = String(repeating: "0", count: 64)
    var expected: UInt64 = 1
    for segment in try segments() {
      for line in try bytes(segment).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        .dropLast()
      {
        let object = try JSONSerialization.jsonObject(with: Data(line))
        let record = try #require(object as? [String: Any])
        let text = String(decoding: line, as: UTF8.self)
        let covered = try #require(text.range(of: #","h":"#, options: .backwards)).lowerBound
        #expect(record["h"] as? String == SHA256.hash(Array(text[..<covered].utf8)).hex)
        #expect(record["prev"] as? String == previous)
        let seq = try #require(record["seq"] as? NSNumber).uint64Value
        if record["kind"] as? String == "gap" {
          #expect((record["from"] as? NSNumber)?.uint64Value == expected)
          #expect((record["to"] as? NSNumber)?.uint64Value == seq - 1)
        } else {
          #expect(seq == expected)
        }
        expected = seq + 1
        previous = try #require(record["h"] as? String)
        records.append(record)
      }
    }
    return records
  }

  func calls() throws -> [String] { try records().compactMap { $0["call_id"] as? String } }
}

/// A disk that fails as told.
final class FailingDisk: Sendable {
  struct Plan {
    /// Bytes that writes still take; what goes past them fails. nil: all.
    var room: Int?
    var failingSyncs = 0
    var failingTruncates = 0
    var failingOpens = 0
    var truncates = 0
    var writes = 0
  }

  // No `Mutex`: where threads wait for one, the thread sanitizer does not see its lock.
  let plan = Monitor(Plan())

  func storage() -> JournalStorage {
    let real = JournalStorage()
    var storage = JournalStorage()
    storage.open = { [self] (path) throws(PosixError) in
      try fail(\.failingOpens, "open", PosixError.noSpace)
      return try real.open(path)
    }
    storage.write = { [self] (file, bytes) throws(PosixError) in
      let take = plan.withLock { plan in
        plan.writes += 1
        let take = min(bytes.count, plan.room ?? bytes.count)
        if let room = plan.room { plan.room = room - take }
        return take
      }
      guard take > 0 else { throw PosixError(code: PosixError.noSpace, call: "write") }
      return try real.write(file, bytes.extracting(0..<take))
    }
    storage.synchronize = { [self] (file) throws(PosixError) in
      try fail(\.failingSyncs, "fdatasync", PosixError.inputOutput)
      try real.synchronize(file)
    }
    storage.truncate = { [self] (file, size) throws(PosixError) in
      plan.withLock { $0.truncates += 1 }
      try fail(\.failingTruncates, "ftruncate", PosixError.inputOutput)
      try real.truncate(file, size)
    }
    return storage
  }

  private func fail(_ count: WritableKeyPath<Plan, Int>, _ call: String, _ code: Int32) throws(PosixError) {
    let fails = plan.withLock { plan in
      guard plan[keyPath: count] > 0 else { return false }
      plan[keyPath: count] -= 1
      return true
    }
    if fails { throw PosixError(code: code, call: call) }
  }
}

func soon(_ milliseconds: Int64 = 20_000) -> UInt64 { Clocks.deadline(afterMilliseconds: milliseconds) }
