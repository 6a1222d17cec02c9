import Posix
import Synchronization
import Testing
import Wire

@testable import Deciding
@testable import Operations
@testable import Reviews
@testable import RouterCore

@Suite("Week keys")
struct WeekKeysTests {
  /// Records as they would stand in the log.
  final class Log: Sendable {
    private let records = Mutex<[JSONValue]>([])
    func append(_ body: RecordBody) {
      let text = "{" + String(decoding: body.bytes, as: UTF8.self) + "}"
      if let value = try? JSONValue(parsing: Array(text.utf8)) { records.withLock { $0.append(value) } }
    }
    var all: [JSONValue] { records.withLock { $0 } }
  }

  private func task(_ share: Double) -> TaskPolicy {
    var task = TaskPolicy(name: "t", mark: Mark(line: 1, column: 1))
    task.reviewSample = share
    return task
  }

  private func withFolder(_ body: (String) throws -> Void) throws {
    let folder = "/tmp/shadow-router-weeks-\(UInt64.random(in: 0 ... .max))"
    try Files.makeFolder(folder)
    defer {
      let keys = Files.join(folder, "keys")
      for name in (try? Files.list(keys)) ?? [] { try? Files.remove(Files.join(keys, name)) }
      try? Files.removeFolder(keys)
      try? Files.remove(Files.join(folder, "weeks.json"))
      try? Files.removeFolder(folder)
    }
    try body(folder)
  }

  private let monday = ISOWeek(name: "2026-W47")?.start ?? 0

  @Test("the digest comes before the week, the share before the first draw, the key after the week")
  func order() throws {
    try withFolder { folder in
      let log = Log()
      let keys = try WeekKeys(stateFolder: folder, logID: "log", now: monday) { log.append($0) }
      keys.announce(now: monday)
      #expect(log.all.map { $0["week"]?.stringValue } == ["2026-W47", "2026-W48"])
      _ = keys.isDrawn("a", task: task(0.5), at: monday + 5)
      _ = keys.isDrawn("b", task: task(0.9), at: monday + 6)
      #expect(log.all.count == 3 && log.all[2]["shares"]?["t"]?.doubleValue == 0.5)
      let end = monday + 7 * 86_400_000
      _ = keys.isDrawn("c", task: task(0.5), at: end)
      keys.tick(now: end + 599_999)
      #expect(log.all.allSatisfy { $0["key"]?.isNull == true })
      keys.tick(now: end + 600_000)
      let revealed = log.all.filter { $0["key"]?.stringValue != nil }
      #expect(revealed.count == 1 && revealed[0]["week"]?.stringValue == "2026-W47")
      #expect(
        Set(log.all.filter { $0["week"]?.stringValue == "2026-W47" }.map { $0["key_sha256"]?.stringValue })
          .count == 1)
      // The next but one was committed to as soon as the next began.
      #expect(log.all.contains { $0["week"]?.stringValue == "2026-W49" })
    }
  }

  @Test("a restart draws the same calls with the same share, whatever the policy has become")
  func restart() throws {
    try withFolder { folder in
      let ids = (0..<500).map { "c\($0)" }
      let first = try WeekKeys(stateFolder: folder, logID: "log", now: monday) { _ in }
      let drawn = ids.map { first.isDrawn($0, task: task(0.3), at: monday + 1) }
      first.remember()
      let second = try WeekKeys(stateFolder: folder, logID: "log", now: monday + 2) { _ in }
      #expect(ids.map { second.isDrawn($0, task: task(0.9), at: monday + 3) } == drawn)
      #expect(drawn.contains(true) && drawn.contains(false))
      for name in try Files.list(Files.join(folder, "keys")) {
        let status = try Files.status(Files.join(folder, "keys/" + name))
        #expect(status?.mode == 0o600)
      }
    }
  }

  @Test("a start after a clean stop repeats nothing, after any other, or with another log, it does")
  func repeats() throws {
    try withFolder { folder in
      func start(_ logID: String) throws -> Int {
        let log = Log()
        let keys = try WeekKeys(stateFolder: folder, logID: logID, now: monday) { log.append($0) }
        keys.announce(now: monday)
        if logID == "clean" { keys.remember(isWhole: true) }
        return log.all.count
      }
      var counts: [Int] = []
      for log in ["torn", "torn", "clean", "clean", "another"] { counts.append(try start(log)) }
      #expect(counts == [2, 2, 2, 0, 2])
    }
  }

  @Test("a busy week lowers the next one's share, and nothing lowers its own")
  func budget() throws {
    try withFolder { folder in
      let keys = try WeekKeys(stateFolder: folder, logID: "log", now: monday) { _ in }
      for index in 0..<800 { _ = keys.isDrawn("c\(index)", task: task(1), at: monday + 1) }
      #expect(keys.shares == ["t": 1])
      _ = keys.isDrawn("d", task: task(1), at: monday + 7 * 86_400_000)
      #expect(keys.shares == ["t": 0.1])
    }
  }

  @Test("a clock set back across the week's border draws by the week of the record")
  func setBack() throws {
    try withFolder { folder in
      let keys = try WeekKeys(stateFolder: folder, logID: "log", now: monday) { _ in }
      let ids = (0..<200).map { "c\($0)" }
      let drawn = ids.map { keys.isDrawn($0, task: task(0.5), at: monday + 1) }
      let end = monday + 7 * 86_400_000
      #expect(ids.map { keys.isDrawn($0, task: task(0.5), at: end) } != drawn)
      #expect(ids.map { keys.isDrawn($0, task: task(0.5), at: end - 1) } == drawn)
      #expect(!keys.isDrawn("x", task: task(1), at: monday - 30 * 86_400_000))
    }
  }
}

@Suite("Reservations")
struct ReservationsTests {
  private let key = ReviewKey(callID: "a")

  @Test("an item is its reviewer's until the time is over, and asking again renews it")
  func expiry() {
    var held = Reservations(patience: 100)
    held.take(key, .certificate, for: "ann", now: 0)
    #expect(held.isTaken(key, from: "bob", now: 99))
    #expect(!held.isTaken(key, from: "ann", now: 99))
    #expect(held.renew("ann", now: 90).map(\.key) == [key])
    #expect(held.isTaken(key, from: "bob", now: 189))
    #expect(!held.isTaken(key, from: "bob", now: 190))
    #expect(held.renew("ann", now: 200).isEmpty)
  }

  @Test("only the holder can let go")
  func release() {
    var held = Reservations(patience: 100)
    held.take(key, .hunt, for: "ann", now: 0)
    held.release(key, by: "bob")
    #expect(held.held(key, by: "ann", now: 1)?.stream == .hunt)
    held.release(key, by: "ann")
    #expect(!held.isTaken(key, from: "bob", now: 1))
  }
}
