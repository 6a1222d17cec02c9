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
  private let isOn = Atomic<Bool>(false)
  private let latch = Mutex<Latch?>(nil)
  private let areFlagsUnreadable = Atomic<Bool>(false)

  package init(stateFolder: String, runtimeFolder: String) {
    stateFile = Files.join(stateFolder, "kill")
    runtimeFile = Files.join(runtimeFolder, "kill")
    if let written = Self.read(stateFile) {
      latch.withLock { $0 = written }
      isOn.store(true, ordering: .sequentiallyConsistent)
    }
  }

  /// Why decisions go to the frontier now; nil: they need not.
  package var override: StaticString? { override(seesFile: seesFile) }

  /// Whether a `kill` file is there: two looks at the file system.
  package var seesFile: Bool { Files.exists(stateFile) || Files.exists(runtimeFile) }

  /// As ``override``, for many decisions after one look.
  ///
  /// - Parameter seesFile: What a look gave that was made after the decision's frame was read: a file that anyone put
  ///   there before the frame was sent still counts.
  package func override(seesFile: Bool) -> StaticString? {
    if isOn.load(ordering: .sequentiallyConsistent) { return "kill_switch" }
    if seesFile { return "kill_file" }
    return areFlagsUnreadable.load(ordering: .relaxed) ? "flags_unreadable" : nil
  }

  package var current: Latch? {
    if let known = latch.withLock({ $0 }) { return known }
    return Self.read(stateFile) ?? Self.read(runtimeFile)
  }

  package func flags(areUnreadable: Bool) { areFlagsUnreadable.store(areUnreadable, ordering: .relaxed) }

  /// Takes effect at once; the file follows.
  ///
  /// - Returns: Whether the latch will survive a restart.
  @discardableResult
  package func turnOn(by actor: String, reason: String?, now: Int64) -> Bool {
    isOn.store(true, ordering: .sequentiallyConsistent)
    let isPersistent = (try? Self.write(stateFile, by: actor, reason: reason, now: now)) != nil
    latch.withLock {
      $0 = Latch(by: actor, since: now, reason: reason, isPersistent: isPersistent)
    }
    return isPersistent
  }

  /// Removes every latch.
  ///
  /// - Throws: The file that could not be removed; the switch then stays on.
  package func turnOff() throws(PosixError) {
    for file in [stateFile, runtimeFile] where Files.exists(file) { try Files.remove(file) }
    latch.withLock { $0 = nil }
    isOn.store(false, ordering: .sequentiallyConsistent)
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
