package import Posix
package import RouterCore
import Synchronization
package import Wire

/// Raw text of calls: of those drawn for review, where the task's policy says `capture: sampled`, and of debug windows.
///
/// One file a call in `vault/` (0700), mode 0600, named for the SHA-256 of the call's id; those of a window in a folder of
/// its own. Nothing is redacted: people are
/// to see what the models saw. Written by a thread of its own behind a bounded queue; what finds no room or no disk is
/// counted and given up, long before the log would suffer.
package final class Vault: Sendable {
  package enum Loss: String, CaseIterable, Sendable {
    case queueFull = "queue_full"
    case diskShort = "disk_short"
    case writeFailed = "write_failed"
    /// The text alone is larger than its window may grow.
    case windowFull = "window_full"
  }

  private struct Entry: Sendable {
    var callID: String
    var members: [JSONMember]
    /// Adds to a file that stands; makes none.
    var isAddition: Bool
    /// nil: a call that was drawn.
    var window: CaptureWindow?
    var bytes: Int
  }

  private struct State: Sendable {
    var queue: [Entry] = []
    var bytes = 0
    var isStopping = false
    var hasEnded = false
    var kept: UInt64 = 0
    var lost: [Loss: UInt64] = [:]
    var holdings = Holdings()
    /// Bytes in each window's folder, as far as they are known: looked at anew when they are over.
    var windowBytes: [String: Int64] = [:]
  }

  private static let queueEntries = 1_024
  private static let queueBytes = 16 << 20
  /// Bytes that must stay free on the disk: they are the log's.
  private static let reserveBytes: Int64 = 256 << 20

  let folder: String
  let windowsFolder: String
  private let state = Monitor(State())
  private let thread = Mutex<Thread?>(nil)

  package init(stateFolder: String) throws(PosixError) {
    folder = Files.join(stateFolder, "vault")
    windowsFolder = Files.join(folder, "windows")
    try Files.makeFolder(folder, mode: 0o700)
    try Files.setMode(folder, 0o700)
    let started = try Thread.spawn(name: "vault") { [self] in run() }
    thread.withLock { $0 = started }
  }

  /// Keeps what a call was and what was said to it. Never waits.
  ///
  /// - Parameters:
  ///   - window: nil for a drawn call.
  ///   - answer: The candidate's or the challenger's, where one was asked.
  package func keep(
    _ call: Call, task: String, at: Int64, in window: CaptureWindow? = nil, _ answer: JSONMember?
  ) {
    let input = call.text.bytes
    let members = [
      JSONMember("call_id", .string(call.callID)), JSONMember("task_type", .string(task)),
      JSONMember("at", .string(Timestamp.string(at))),
      JSONMember("input", .string(String(decoding: input, as: UTF8.self))),
      JSONMember("call", call.circumstances),
    ]
    put(
      call.callID, isAddition: false, in: window, members + (answer.map { [$0] } ?? []),
      bytes: input.count + 1_000)
  }

  /// Adds an answer to what is kept of a call.
  package func add(_ callID: String, _ answer: JSONMember) {
    put(callID, isAddition: true, in: nil, [answer], bytes: answer.value.jsonText.utf8.count + 500)
  }

  private func put(
    _ callID: String, isAddition: Bool, in window: CaptureWindow?, _ members: [JSONMember], bytes: Int
  ) {
    let hasRoom = state.withLock { state in
      guard !state.isStopping, state.queue.count < Self.queueEntries, state.bytes + bytes <= Self.queueBytes
      else {
        if !isAddition { state.lost[.queueFull, default: 0] += 1 }
        return false
      }
      state.queue.append(
        Entry(callID: callID, members: members, isAddition: isAddition, window: window, bytes: bytes))
      state.bytes += bytes
      return true
    }
    if hasRoom { state.notify() }
  }

  // MARK: - The thread

  private func run() {
    while true {
      let entry = state.wait(
        for: { !$0.queue.isEmpty || $0.isStopping },
        { state -> Entry? in
          guard !state.queue.isEmpty else {
            state.hasEnded = true
            return nil
          }
          let entry = state.queue.removeFirst()
          state.bytes -= entry.bytes
          return entry
        })
      guard let entry else { return }
      let loss = store(entry)
      state.withLock { state in
        if let loss { state.lost[loss, default: 0] += 1 } else if !entry.isAddition { state.kept += 1 }
      }
    }
  }

  private func store(_ entry: Entry) -> Loss? {
    let path =
      entry.window.map { Files.join(Files.join(windowsFolder, $0.folder), Self.name(of: entry.callID)) }
      ?? standing(entry.callID) ?? Files.join(folder, Self.name(of: entry.callID))
    var members =
      (try? Files.readRegular(path, limit: Self.fileLimit)).flatMap { try? JSONValue(parsing: $0) }?.members
      ?? []
    if members.isEmpty, entry.isAddition { return nil }
    for member in entry.members {
      members.removeAll { $0.name == member.name }
      members.append(member)
    }
    guard (Files.freeBytes(folder) ?? .max) - Int64(entry.bytes) > Self.reserveBytes else {
      return .diskShort
    }
    let bytes = JSONValue.object(members).jsonBytes
    if let window = entry.window, let loss = makeRoom(in: window, for: Int64(bytes.count)) { return loss }
    do throws(PosixError) {
      try Files.replace(path, with: bytes, mode: 0o600)
      return nil
    } catch {
      return .writeFailed
    }
  }

  private func makeRoom(in window: CaptureWindow, for bytes: Int64) -> Loss? {
    guard bytes <= window.maxBytes else { return .windowFull }
    let name = window.folder
    do throws(PosixError) {
      try Files.makeFolder(windowsFolder, mode: 0o700)
      try Files.makeFolder(Files.join(windowsFolder, name), mode: 0o700)
    } catch {
      return .writeFailed
    }
    let known = state.withLock { $0.windowBytes[name] }
    var held = known ?? .max - bytes
    if held + bytes > window.maxBytes { held = trim(window, making: bytes).reduce(0) { $0 + $1.size } }
    state.withLock { $0.windowBytes[name] = held + bytes }
    return nil
  }

  private static let fileLimit = 16 << 20

  /// Writes what waits, then ends.
  package func stop() {
    state.withLock { $0.isStopping = true }
    state.notify()
    thread.withLock { $0.take() }?.join()
  }

  // MARK: - Reading and removing

  private static func name(of callID: String) -> String { SHA256.hash(Array(callID.utf8)).hex }

  /// The file of a call's text, in whichever folder it stands.
  private func standing(_ callID: String) -> String? {
    let name = Self.name(of: callID)
    let windows = ((try? Files.list(windowsFolder)) ?? []).map { Files.join(windowsFolder, $0) }
    return ([folder] + windows).map { Files.join($0, name) }.first(where: Files.exists)
  }

  /// Whether text of the call is kept.
  package func holds(_ callID: String) -> Bool { standing(callID) != nil }

  /// The kept texts. To be shown only behind a synced `access` record.
  package func read(_ callID: String) -> JSONValue? {
    guard let path = standing(callID), let bytes = try? Files.readRegular(path, limit: Self.fileLimit) else {
      return nil
    }
    return try? JSONValue(parsing: bytes)
  }

  /// Removes every file that nobody needs any more.
  ///
  /// - Parameter calls: Ids of the calls whose text is still needed.
  /// - Parameter youngest: Files changed later stay: the log may not have been read so far.
  package func removeAll(but calls: Set<String>, olderThan youngest: Int64) {
    guard let names = try? Files.list(folder), !names.isEmpty else { return }
    let needed = Set(calls.map(Self.name))
    for name in names where !needed.contains(name) {
      let path = Files.join(folder, name)
      guard let status = try? Files.status(path, following: false), status.kind != .folder,
        status.modified < youngest
      else { continue }
      try? Files.remove(path)
    }
  }

  func note(_ holdings: Holdings) {
    state.withLock { state in
      state.holdings = holdings
      // What is known of their sizes is as old as that.
      state.windowBytes = [:]
    }
  }

  package var holdings: Holdings { state.withLock { $0.holdings } }

  package var counts: (kept: UInt64, lost: [Loss: UInt64]) { state.withLock { ($0.kept, $0.lost) } }
}

extension Call {
  /// What the decision before any model rests on besides the text and the task type, as a call frame says it.
  fileprivate var circumstances: JSONValue {
    func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
    return [
      "agent": text(agent), "step": text(step), "tenant": text(tenant), "user_group": text(userGroup),
      "frontier": ["model": text(frontierModel)], "artifacts": .array(artifacts.map { .string($0) }),
      "signals": .object(
        RiskSignal.allCases.compactMap { signal in
          signals[signal].map { JSONMember(signal.rawValue, .bool($0)) }
        }),
    ]
  }
}
