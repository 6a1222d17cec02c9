import Foundation
import Posix
import Testing

@testable import Journal

@Suite("When the power fails, the log")
struct PowerCutTests {
  /// Some hundred where tests are run on every change; `deploy/faults.sh` asks for 10,000.
  private static let seeds =
    ProcessInfo.processInfo.environment["SHADOW_ROUTER_POWER_CUTS"].flatMap(Int.init) ?? 240

  /// Just this one, to see again what went wrong.
  private static let one = ProcessInfo.processInfo.environment["SHADOW_ROUTER_POWER_CUT"].flatMap(Int.init)
  private static let parts = 4

  @Test(
    "is a prefix of what was reported, with every record that was said to be on the disk",
    arguments: 0..<parts)
  func prefix(part: Int) throws {
    var sums = Sums()
    let seeds =
      Self.one.map { $0 % Self.parts == part ? [$0] : [] }
      ?? Array(stride(from: part + 1, through: Self.seeds, by: Self.parts))
    guard !seeds.isEmpty else { return }
    for seed in seeds {
      var history = try History(seed: seed)
      try history.play(&sums)
    }
    let count = seeds.count
    #expect(Self.one != nil || sums.powerCuts >= count && sums.repairs > 0)
    print(
      "crash model: \(count) of \(Self.seeds) seeds, \(sums.powerCuts) power cuts and \(sums.kills) kills, "
        + "\(sums.records) records kept, \(sums.lost) unsynced ones lost, "
        + "\(sums.repairs) ends cut (\(sums.holes) whole lines behind holes), a prefix each time")
  }

  struct Sums {
    var powerCuts = 0
    var kills = 0
    var records = 0
    var lost = 0
    var repairs = 0
    var holes = 0
  }
}

/// One log's life: written on, cut off, recovered, some times over.
private struct History: ~Copyable {
  private let seed: Int
  private let log: LogFolder
  private let disk: PowerCutDisk
  private var random: SplitMix
  private var options = JournalOptions()
  /// Calls that the log may hold, in order; the first `certain` of them it must.
  private var reported: [String] = []
  private var certain = 0
  private var next = 0

  init(seed: Int) throws {
    let log = try LogFolder()
    try Files.makeFolder(log.path)
    self.seed = seed
    disk = PowerCutDisk(log.path, seed: seed)
    self.log = log
    random = SplitMix(seed: UInt64(seed))
    options.storage = disk.storage()
    options.segmentBytes = [2000, 5000, 1 << 20][random.below(3)]
    options.batchBytes = [1500, 8000][random.below(2)]
    options.syncRecords = [1, 4, 1000][random.below(3)]
    options.syncIntervalMilliseconds = 1_000_000
    options.writeIntervalMilliseconds = 0
    options.backoffMilliseconds = 0...0
  }

  mutating func play(_ sums: inout PowerCutTests.Sums) throws {
    for _ in 0..<4 {
      disk.start(steps: random.below(60), faultsOneIn: [nil, 12, 4, 2][random.below(4)])
      // A start that fails for want of a disk is one more crash.
      if let opened = try? Journal.recover(folder: log.path, options: options, now: LogFolder.now) {
        try check(opened.recovery, &sums)
        write(opened)
      }
      if disk.isOff || random.below(3) > 0 {
        try disk.cutPower()
        sums.powerCuts += 1
      } else {
        sums.kills += 1
      }
    }
    disk.start(steps: nil, faultsOneIn: nil)
    let last = try Journal.recover(folder: log.path, options: options, now: LogFolder.now)
    try check(last.recovery, &sums)
    write(last)
    #expect(certain == reported.count, "seed \(seed): a disk that works takes everything")
    #expect(try log.verify().isWhole, "seed \(seed)")
    #expect(try log.calls() == reported, "seed \(seed)")
    sums.records += reported.count
  }

  private mutating func check(_ recovery: Recovery, _ sums: inout PowerCutTests.Sums) throws {
    let outcome = try log.verify()
    #expect(outcome.isWhole, "seed \(seed): \(outcome.damage?.description ?? "")")
    #expect(recovery.damage == nil, "seed \(seed): \(recovery)")
    let found = try log.calls()
    #expect(found == Array(reported.prefix(found.count)), "seed \(seed)")
    #expect(found.count >= certain, "seed \(seed): records that were on the disk are gone")
    sums.lost += reported.count - found.count
    sums.repairs += recovery.cuts.count
    sums.holes += recovery.cuts.reduce(0) { $0 + $1.lines }
    reported = found
    certain = found.count
  }

  /// Lets the writer take some rounds of records, until the power fails.
  private mutating func write(_ opened: OpenedLog) {
    let (writer, before) = (opened.writer(), reported.count)
    let own = opened.shared.withLock { $0.status.accepted }
    for _ in 0..<12 where !disk.isOff {
      for _ in 0...random.below(5) {
        let body = LogFolder.body(next)
        opened.shared.withLock { state in
          _ = state.accept(kind: "decision", at: LogFolder.now, body: body.span, limit: .max)
        }
        reported.append("c\(next)")
        next += 1
      }
      let isFlush = random.below(2) == 0
      opened.shared.withLock { $0.flushing = isFlush ? 1 : 0 }
      _ = writer.step()
    }
    if !disk.isOff, random.below(2) == 0 || disk.isReliable {
      opened.shared.withLock { $0.closing = true }
      while writer.step() {}
    }
    let durable = opened.shared.withLock { $0.status.durable }
    certain = before + Int(durable > own ? durable - own : 0)
  }
}
