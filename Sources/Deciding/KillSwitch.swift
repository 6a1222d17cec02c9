package import Posix
import RouterCore
import Synchronization
import Wire

/// Sends everything to the frontier: by command, by signal, or because a file says so.
///
/// Looked at before anything else in every decision; needs no policy, no model and no log. The latch is a file named
/// `kill` in the state folder, so that it holds across restarts and works with no router running.
package final class KillSwitch: Sendable {
  package struct Latch: Sendable {
    package var by: String
    package var since: Int64
    package var reason: String?
    /// False where the file could not be written: the switch holds in this process only.
    package var isPersistent: Bool
  }

  /// The `detail` of decisions while the flags cannot be read.
  static let flagsUnreadable = "flags_unreadable"

  package let stateFile: String
  package let runtimeFile: String
  /// The number of the last time that it was turned on; 0: it is off.
  private let onSince = Atomic<UInt64>(0)
  private let times = Atomic<UInt64>(0)
  /// One at a time: what turns it on or off also writes or removes a file.
  private let switching = Mutex(())
  private let latch = Mutex<Latch?>(nil)
  private let areFlagsUnreadable = Atomic<Bool>(false)

  package init(stateFolder: String, runtimeFolder: String) {
    stateFile = Files.join(stateFolder, "kill")
    runtimeFile = Files.join(runtimeFolder, "kill")
    if let written = Self.read(stateFile) {
      latch.withLock { $0 = written }
      turnOnNow()
    }
  }

  /// Why decisions go to the frontier now; nil: they need not.
  package var override: StaticString? { override(seesFile: seesFile) }

  /// Whether a command or a signal turned it on, or it was on at the start.
  package var isOnByCommand: Bool { onSince.load(ordering: .sequentiallyConsistent) != 0 }

  /// Whether a `kill` file is there: two looks at the file system.
  package var seesFile: Bool { Files.exists(stateFile) || Files.exists(runtimeFile) }

  /// As ``override``, for many decisions after one look.
  ///
  /// - Parameter seesFile: What a look gave that was made after the decision's frame was read: a file that anyone put
  ///   there before the frame was sent still counts.
  package func override(seesFile: Bool) -> StaticString? {
    if isOnByCommand { return "kill_switch" }
    if seesFile { return "kill_file" }
    return areFlagsUnreadable.load(ordering: .relaxed) ? "flags_unreadable" : nil
  }

  package var current: Latch? {
    if var known = latch.withLock({ $0 }) {
      // Somebody may have removed the file meanwhile: then it holds in memory only.
      known.isPersistent = known.isPersistent && Files.exists(stateFile)
      return known
    }
    return Self.read(stateFile) ?? Self.read(runtimeFile)
  }

  package func flags(areUnreadable: Bool) { areFlagsUnreadable.store(areUnreadable, ordering: .relaxed) }

  /// What turning it on came to.
  package struct Turn: Sendable {
    /// Names this time among all that it was turned on.
    package let number: UInt64
    /// Whether the latch will survive a restart.
    package let isPersistent: Bool
  }

  /// Takes effect at once; the file follows.
  @discardableResult
  package func turnOn(by actor: String, reason: String?, now: Int64) -> Turn {
    let number = turnOnNow()
    return switching.withLock { _ in
      let isPersistent = (try? Self.write(stateFile, by: actor, reason: reason, now: now)) != nil
      latch.withLock { $0 = Latch(by: actor, since: now, reason: reason, isPersistent: isPersistent) }
      return Turn(number: number, isPersistent: isPersistent)
    }
  }

  @discardableResult
  private func turnOnNow() -> UInt64 {
    let number = times.add(1, ordering: .sequentiallyConsistent).newValue
    onSince.store(number, ordering: .sequentiallyConsistent)
    return number
  }

  /// Removes every latch.
  ///
  /// - Throws: The file that could not be removed; the switch then stays on.
  package func turnOff() throws(PosixError) {
    try switching.withLock { (_) throws(PosixError) in
      let number = onSince.load(ordering: .sequentiallyConsistent)
      for file in [stateFile, runtimeFile] where Files.exists(file) { try Files.remove(file) }
      release(number)
    }
  }

  /// Why it could not be turned off, with what to do about it.
  package func stays(_ error: PosixError) -> String {
    let folder = [stateFile, runtimeFile].first { (try? Files.status($0))??.kind == .folder }
    let remedy = folder.map { "it is a folder: rmdir \($0), then shadow-router kill off" }
    return "the switch stays on, a latch could not be removed: \(error.description)"
      + (remedy.map { "; \($0)" } ?? "")
  }

  /// What turns it off again, where a decision names this as its detail.
  package static func remedy(_ override: String) -> String {
    override == flagsUnreadable
      ? "remove flags.json, or: shadow-router demote TASK --reason T" : "shadow-router kill off"
  }

  /// Takes back one time that it was turned on, and nothing that anybody else did meanwhile: not where it was turned on
  /// again, nor a `kill` file that somebody made.
  ///
  /// - Returns: Whether it was still that time; the switch may be on by a file all the same.
  package func takeBack(_ turn: Turn, by actor: String) throws(PosixError) -> Bool {
    try switching.withLock { (_) throws(PosixError) in
      guard onSince.load(ordering: .sequentiallyConsistent) == turn.number else { return false }
      if Files.exists(stateFile), Self.read(stateFile)?.by == actor { try Files.remove(stateFile) }
      return release(turn.number)
    }
  }

  /// Whoever turns it on while files are removed must find it on afterwards.
  @discardableResult
  private func release(_ number: UInt64) -> Bool {
    latch.withLock { $0 = nil }
    return onSince.compareExchange(
      expected: number, desired: 0, ordering: .sequentiallyConsistent
    ).exchanged
  }

  /// Writes the latch without a running router: the command line's way.
  package static func write(_ file: String, by actor: String, reason: String?, now: Int64) throws(PosixError)
  {
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("by")
    writer.string(actor)
    writer.key("since")
    writer.string(Timestamp.string(now))
    writer.key("reason")
    if let reason { writer.string(reason) } else { writer.null() }
    writer.endObject()
    try Files.replace(file, with: writer.bytes + [UInt8(ascii: "\n")], mode: 0o644)
  }

  /// nil where there is no file; a file of any other content is a latch too.
  private static func read(_ file: String) -> Latch? {
    guard Files.exists(file) else { return nil }
    let value = (try? Files.readRegular(file, limit: 4096)).flatMap { try? JSONValue(parsing: $0) }
    return Latch(
      by: value?["by"]?.stringValue ?? "file \(file)",
      since: value?["since"]?.stringValue.flatMap { Timestamp.parse($0) } ?? 0,
      reason: value?["reason"]?.stringValue, isPersistent: true)
  }
}
