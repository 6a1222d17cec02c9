import Posix
import RouterCore
import Testing
import Wire

@testable import Captures

@Suite("Debug windows")
struct VaultTests {
  private static func window(_ until: String, sample: Double = 1, maxMB: Int = 1, task: String = "t")
    -> CaptureWindow?
  {
    var policy = TaskPolicy(name: task, mark: Mark(line: 1, column: 1))
    policy.capture = .window(until: until, sample: sample, maxMB: maxMB)
    return CaptureWindow(policy)
  }

  @Test(
    "end with their day in UTC, or at their moment",
    arguments: [
      ("2026-11-21", "2026-11-22T00:00:00Z"), ("2026-12-31", "2027-01-01T00:00:00Z"),
      ("2026-11-21T12:00:00Z", "2026-11-21T12:00:00Z"), ("2026-11-21t12:00:00.5z", "2026-11-21T12:00:00.5Z"),
      ("2026-11-21 12:00:00+02:00", "2026-11-21T10:00:00Z"),
      ("2026-11-21T23:30:00-01:30", "2026-11-22T01:00:00Z"),
    ])
  func ends(until: String, end: String) {
    #expect(Self.window(until)?.end == Timestamp.parse(end))
  }

  @Test("that cannot be read keep nothing", arguments: ["2026-11-21T23:59:60Z", "soon", "2026-02-30"])
  func unreadable(until: String) {
    #expect(Self.window(until) == nil)
  }

  /// A vault in a folder of its own, closed and removed at the end.
  private func withVault(_ body: (Vault, String) throws -> Void) throws {
    let state = Files.join(
      ProcessState.environment("TMPDIR") ?? "/tmp",
      "vault-\(ProcessState.id)-\(UInt64.random(in: 0 ... .max))")
    try Files.makeFolder(state)
    defer { Self.remove(state) }
    let vault = try Vault(stateFolder: state)
    try body(vault, state)
    vault.stop()
  }

  private static func remove(_ folder: String) {
    for name in (try? Files.list(folder)) ?? [] {
      let path = Files.join(folder, name)
      if (try? Files.status(path, following: false))?.kind == .folder {
        remove(path)
      } else {
        try? Files.remove(path)
      }
    }
    try? Files.removeFolder(folder)
  }

  private func call(_ id: String, bytes: Int) -> Call {
    var call = Call(callID: id)
    call.text = CallText(String(repeating: "x", count: bytes))
    return call
  }

  @Test("never grow past their size: the oldest text goes")
  func size() throws {
    try withVault { vault, _ in
      let window = try #require(Self.window("2100-01-01"))
      for number in 0..<30 {
        vault.keep(call("c\(number)", bytes: 100_000), task: "t", at: 0, in: window, nil)
      }
      vault.keep(call("large", bytes: 2_000_000), task: "t", at: 0, in: window, nil)
      vault.stop()
      vault.sweepWindows([window], now: 0)
      let part = try #require(vault.holdings.parts.last)
      #expect(part.bytes <= 1 << 20)
      #expect(part.bytes > 700_000)
      #expect(vault.holds("c29"))
      #expect(!vault.holds("c0"))
      #expect(!vault.holds("large"))
      #expect(vault.counts.lost[.windowFull] == 1)
    }
  }

  @Test("leave nothing once they are over or the policy has them no more; drawn texts stay")
  func time() throws {
    try withVault { vault, _ in
      let window = try #require(Self.window("2026-11-21T12:00:00Z"))
      let other = try #require(Self.window("2100-01-01", task: "other"))
      vault.keep(call("a", bytes: 10), task: "t", at: 0, in: window, nil)
      vault.keep(call("b", bytes: 10), task: "other", at: 0, in: other, nil)
      vault.keep(call("drawn", bytes: 10), task: "t", at: 0, JSONMember("candidate", .null))
      vault.stop()
      vault.sweepWindows([window, other], now: window.end - 1)
      #expect(vault.holds("a"))
      vault.sweepWindows([window, other], now: window.end)
      #expect(!vault.holds("a"))
      #expect(vault.holds("b"))
      vault.sweepWindows([], now: 0)
      #expect(!vault.holds("b"))
      #expect(vault.read("drawn")?["input"]?.stringValue == "xxxxxxxxxx")
    }
  }

  @Test("take in the answers that come later, and only for a call that is kept")
  func additions() throws {
    try withVault { vault, _ in
      let window = try #require(Self.window("2100-01-01"))
      vault.keep(call("a", bytes: 3), task: "t", at: 0, in: window, nil)
      vault.add("a", JSONMember("frontier", ["answer": "later"]))
      vault.add("unknown", JSONMember("frontier", ["answer": "later"]))
      vault.stop()
      #expect(vault.read("a")?["frontier"]?["answer"]?.stringValue == "later")
      #expect(vault.read("a")?["input"]?.stringValue == "xxx")
      #expect(!vault.holds("unknown"))
    }
  }
}
