import Journal
import Posix
import RouterCore
import Synchronization
import Testing
import Wire

@testable import Retention

@Suite("The keeper of the log")
struct LogKeeperTests {
  private let now = StateFolder.now
  private let day = StateFolder.day

  @Test("does not trust a clock that went on by more than it lived through")
  func clock() {
    let second: UInt64 = 1_000_000_000
    func steady(_ steps: [(ms: Int64, seconds: UInt64)], lastRecordAt: Int64? = nil) -> [Bool] {
      var watch = ClockWatch(now: now, monotonic: 5 * second, lastRecordAt: lastRecordAt)
      var (at, monotonic) = (now, 5 * second)
      return steps.map { step in
        at += step.ms
        monotonic += step.seconds * second
        return watch.isSteady(now: at, monotonic: monotonic)
      }
    }
    #expect(steady([(1_000, 1), (3_600_000, 3_600), (86_400_000, 86_400)]) == [true, true, true])
    // Set ahead by two hours: a day's pause, which ends by the monotonic clock.
    #expect(steady([(7_200_000, 1), (86_000_000, 86_000), (400_000, 400)]) == [false, false, true])
    // Set back, and ahead again by as much: the second is a jump.
    #expect(steady([(-day, 1), (1_000, 1), (day, 1)]) == [true, true, false])
    #expect(steady([(1_000, 1)], lastRecordAt: now - 6 * day) == [true])
    #expect(steady([(1_000, 1), (day, 86_400)], lastRecordAt: now - 8 * day) == [false, true])
  }

  @Test("sweeps what is as old as what the log has lost, and keeps the policy in force young")
  func sweep() throws {
    let state = try StateFolder()
    let folders = StateFolders(state: state.path, log: state.log)
    let own = String(repeating: "a", count: 64)
    let names = ["policies/\(own).yaml", "policies/old.yaml", "policies/other.txt", "vault/x"]
    for name in names + ["keys/week-2026-W20", "keys/week-2026-W46", "keys/week-x", "keys/current"] {
      let path = Files.join(state.path, name)
      try Files.makeFolder(Files.folder(of: path))
      try Files.replace(path, with: [1])
    }
    // The files are of today: a router that looks a hundred days later.
    let later = Clocks.realtime() + 100 * day
    let rules = LogKeeper.Rules(maxAgeDays: 90, maxBytes: nil, policyRevision: "sha256:\(own)")
    folders.sweep(rules, oldest: ISOWeek(name: "2026-W46")?.start, now: later)
    let left = try ["policies", "vault", "keys"].map { try Files.list(Files.join(state.path, $0)) }
    // Policies and week keys go by what the log still has, texts by their age alone.
    #expect(left[0].contains("\(own).yaml") && left[0].contains("other.txt") && left[0].contains("old.yaml"))
    #expect(left[1] == [])
    #expect(left[2] == ["current", "week-2026-W46", "week-x"])
    folders.sweep(rules, oldest: later - 20 * day, now: later)
    #expect(try Files.list(Files.join(state.path, "policies")) == ["\(own).yaml", "other.txt"])
  }

  @Test("goes on with an erasure that an earlier run began, and says so")
  func erasure() throws {
    let state = try StateFolder()
    let journal = try state.open()
    state.append(0..<5, to: journal)
    let folders = StateFolders(state: state.path, log: state.log)
    let begun = try PreviewErasure(ofCall: "c2", in: state.log, upTo: journal.durableSeq)
    try Files.replace(folders.erasing, with: begun.json.jsonBytes)
    let keeper = LogKeeper(
      LogKeeper.Surroundings(
        folders: folders, journal: journal,
        write: { kind, body in
          journal.append(kind: kind, at: StateFolder.now, body: body.bytes)
            && journal.flush(deadline: Clocks.deadline(afterMilliseconds: 5_000))
        },
        rules: { LogKeeper.Rules(maxAgeDays: 90, maxBytes: nil, policyRevision: "sha256:") },
        needs: { _ in nil },
        tell: { _ in }), checkpointMs: 3_600_000, lastRecordAt: nil, now: StateFolder.now)
    try keeper.start()
    let deadline = Clocks.deadline(afterMilliseconds: 20_000)
    while Files.exists(folders.erasing), Clocks.monotonic() < deadline { Clocks.sleep(milliseconds: 5) }
    #expect(!Files.exists(folders.erasing))
    #expect(try !state.text().contains("call 2 said"))
    let outcome = try state.verify()
    #expect(outcome.isWhole && outcome.erased == 1)
    #expect(throws: LogKeeper.ErasureFault.self) { try keeper.erase("nosuch", who: "ann", reason: nil) }
    #expect(try keeper.erase("c2", who: "ann", reason: nil).previews == 0)
    keeper.stop()
    #expect(journal.close())
  }
}
