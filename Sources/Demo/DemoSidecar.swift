import Commands
import LogRequests
import Posix
import RouterCore
import Wire

/// The sidecar of a demonstration: the program itself as a child process, seen only through its sockets.
struct DemoSidecar: ~Copyable {
  private var child: ChildProcess
  private let tap: Descriptor
  private let folder: DemoFolder
  /// Lines sent, which is also the number of the last one.
  private(set) var sent = 0
  /// From the start of the process to its `ready`.
  let startMilliseconds: Int

  /// At most so many lines may be on their way: half of it are calls, well below the 256 that a model's queue holds.
  private static let window = 128
  private static let patienceMilliseconds: Int64 = 30_000

  var id: Int32 { child.id }

  private init(
    child: consuming ChildProcess, tap: consuming Descriptor, folder: DemoFolder, startMilliseconds: Int
  ) {
    self.child = child
    self.tap = tap
    self.folder = folder
    self.startMilliseconds = startMilliseconds
  }

  /// Starts it and waits for its `ready`.
  static func ready(
    _ folder: DemoFolder, _ interruption: DemoInterruption
  ) throws(Failure) -> DemoSidecar {
    let start = Clocks.monotonic()
    var child = try spawn(folder)
    let deadline = Clocks.deadline(afterMilliseconds: patienceMilliseconds)
    while !lines(folder.sidecarLog).contains(where: { $0.hasPrefix("ready") }) {
      try interruption.check()
      guard child.poll() == nil, Clocks.monotonic() < deadline else {
        throw fault("the sidecar did not get ready", folder)
      }
      Clocks.sleep(milliseconds: 2)
    }
    let milliseconds = Int((Clocks.monotonic() - start) / 1_000_000)
    let tap = try connect(folder)
    return DemoSidecar(child: child, tap: tap, folder: folder, startMilliseconds: milliseconds)
  }

  private static func spawn(_ folder: DemoFolder) throws(Failure) -> ChildProcess {
    let paths = folder.paths
    do throws(PosixError) {
      return try ChildProcess(
        "/proc/self/exe", name: "shadow-router",
        ["run", "--policy", paths.policy, "--state-dir", paths.state, "--runtime-dir", paths.runtime],
        output: folder.sidecarLog)
    } catch {
      throw .surroundings("the sidecar cannot be started: \(error.description)")
    }
  }

  private static func connect(_ folder: DemoFolder) throws(Failure) -> Descriptor {
    do throws(PosixError) {
      let tap = try UnixSocket.connect(to: folder.paths.tap)
      try tap.setNonBlocking(true)
      return tap
    } catch {
      throw .surroundings("the sidecar's tap does not answer: \(error.description)")
    }
  }

  // MARK: - Traffic

  /// Sends calls, each with its frontier answer behind it, never faster than they are decided.
  ///
  /// - Parameter wantsReplies: The calls then ask what was decided.
  mutating func send(
    _ calls: ArraySlice<DemoCall>, wantsReplies: Bool = false, _ interruption: DemoInterruption,
    _ progress: (Int) -> Void = { _ in }
  ) throws(Failure) {
    var rest = calls
    while !rest.isEmpty {
      try interruption.check()
      var bytes: [UInt8] = []
      for call in rest.prefix(Self.window / 4) {
        bytes += call.callFrame(number: sent + 1, wantsReply: wantsReplies)
        bytes += call.answerFrame(number: sent + 2)
        sent += 2
      }
      rest = rest.dropFirst(Self.window / 4)
      try write(bytes, interruption)
      try settle(leaving: Self.window / 2, interruption)
      progress(rest.startIndex - calls.startIndex)
    }
    try settle(leaving: 0, interruption)
    progress(calls.count)
  }

  /// The `decision` frames that were asked for.
  func replies(_ count: Int, _ interruption: DemoInterruption) throws(Failure) -> [JSONValue] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    let deadline = Clocks.deadline(afterMilliseconds: Self.patienceMilliseconds)
    do throws(PosixError) {
      while bytes.count(where: { $0 == 0x0A }) < count, Clocks.monotonic() < deadline {
        guard try Poll.wait(tap, for: .readable, until: deadline) else { break }
        guard case .bytes(let got) = try tap.read(into: &buffer) else { break }
        bytes += buffer[..<got]
      }
    } catch {
      throw Self.fault("the sidecar's tap broke off: \(error.description)", folder)
    }
    return bytes.split(separator: 0x0A).compactMap { try? JSONValue(parsing: Array($0)) }
  }

  private mutating func write(
    _ bytes: [UInt8], _ interruption: DemoInterruption
  ) throws(Failure) {
    var done = 0
    do throws(PosixError) {
      while done < bytes.count {
        if let count = try tap.send(bytes.span.extracting(done..<bytes.count)) {
          done += count
          continue
        }
        let isOpen = try Poll.wait(tap, for: .writable, until: Clocks.deadline(afterMilliseconds: 100))
        if !isOpen { interruption.note() }
        guard !interruption.isNoted, child.poll() == nil else { break }
      }
    } catch {
      throw Self.fault("the sidecar's tap broke off: \(error.description)", folder)
    }
    try interruption.check()
    guard done == bytes.count else { throw Self.fault("the sidecar ended", folder) }
  }

  /// Waits until at most so many lines are unread or undecided.
  private mutating func settle(
    leaving most: Int, _ interruption: DemoInterruption
  ) throws(Failure) {
    let deadline = Clocks.deadline(afterMilliseconds: Self.patienceMilliseconds)
    while true {
      let balance = try status()["balance"]
      // What is on its way in the socket has not been received, so both are counted.
      let under = sent - (balance?["received"]?.intValue ?? 0) + (balance?["in_flight"]?.intValue ?? 0)
      if under <= most { return }
      try interruption.check()
      guard Clocks.monotonic() < deadline else {
        throw Self.fault("\(under) frames were not decided within 30 seconds", folder)
      }
      Clocks.sleep(milliseconds: 1)
    }
  }

  // MARK: - Control

  mutating func status() throws(Failure) -> JSONValue { try ask("GET", "/v1/status") }
  mutating func reload() throws(Failure) -> JSONValue { try ask("POST", "/v1/reload") }

  mutating func kill(_ isOn: Bool) throws(Failure) -> JSONValue {
    try ask("PUT", "/v1/kill", ["on": .bool(isOn), "reason": "shown by the demo"])
  }

  private mutating func ask(_ method: String, _ target: String, _ body: JSONValue? = nil) throws(Failure)
    -> JSONValue
  {
    do throws(Failure) {
      return try ControlClient.json(method, target, body: body, at: folder.paths).value
    } catch {
      guard child.poll() == nil else { throw Self.fault("the sidecar ended", folder) }
      throw error
    }
  }

  /// Asks it to end, which flushes the log.
  ///
  /// - Returns: Whether it ended well.
  @discardableResult
  mutating func stop() -> Bool {
    child.stop(until: Clocks.deadline(afterMilliseconds: 10_000)) == .exited(0)
  }

  private static func lines(_ path: String) -> [String] {
    guard let bytes = try? Files.read(path, limit: 16 << 20) else { return [] }
    // A line without its end may still grow.
    return bytes.split(separator: 0x0A, omittingEmptySubsequences: false).dropLast().map {
      String(decoding: $0, as: UTF8.self)
    }
  }

  private static func fault(_ what: String, _ folder: DemoFolder) -> Failure {
    let said = lines(folder.sidecarLog).suffix(5).map { "\n  " + $0 }.joined()
    return .surroundings(
      what + (said.isEmpty ? "" : "; it said last:" + said)
        + (folder.isKept ? "\nits log: \(folder.state)/log" : "\nto look into it, run again with --keep DIR"))
  }
}

/// The wish of the user, or of the system, that the demonstration end.
///
/// The signals are read, not handled, so that whatever is under way is put in order first.
final class DemoInterruption {
  private let signals: SignalReader
  private(set) var isNoted = false

  init() throws(PosixError) { signals = try SignalReader([.interrupt, .terminate, .hangUp]) }

  func note() {
    if (try? signals.next()) != nil { isNoted = true }
  }

  func check() throws(Failure) {
    note()
    if isNoted { throw Failure(exit: .no, message: "interrupted; the sidecar is ended") }
  }
}
