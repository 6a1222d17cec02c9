import Posix
import RouterCore
import Synchronization
import Wire

/// Raw text of the calls that were drawn for review, where the task's policy says `capture: sampled`.
///
/// One file a call in `vault/` (0700), mode 0600, named for the SHA-256 of the call's id. Nothing is redacted: people are
/// to see what the models saw. Written by a thread of its own behind a bounded queue; what finds no room or no disk is
/// counted and given up, long before the log would suffer.
final class Vault: Sendable {
  enum Loss: String, CaseIterable, Sendable {
    case queueFull = "queue_full"
    case diskShort = "disk_short"
    case writeFailed = "write_failed"
  }

  private struct Entry: Sendable {
    var callID: String
    var members: [JSONMember]
    /// Adds to a file that stands; makes none.
    var isAddition: Bool
    var bytes: Int
  }

  private struct State: Sendable {
    var queue: [Entry] = []
    var bytes = 0
    var isStopping = false
    var hasEnded = false
    var kept: UInt64 = 0
    var lost: [Loss: UInt64] = [:]
  }

  private static let queueEntries = 1_024
  private static let queueBytes = 16 << 20
  /// Bytes that must stay free on the disk: they are the log's.
  private static let reserveBytes: Int64 = 256 << 20

  private let folder: String
  private let state = Monitor(State())
  private let thread = Mutex<Thread?>(nil)

  init(stateFolder: String) throws(PosixError) {
    folder = Files.join(stateFolder, "vault")
    try Files.makeFolder(folder, mode: 0o700)
    try Files.setMode(folder, 0o700)
    let started = try Thread.spawn(name: "vault") { [self] in run() }
    thread.withLock { $0 = started }
  }

  /// Keeps what a call was and what was said to it. Never waits.
  func keep(_ callID: String, task: String, at: Int64, input: [UInt8], _ answer: JSONMember) {
    put(
      callID, isAddition: false,
      [
        JSONMember("call_id", .string(callID)), JSONMember("task_type", .string(task)),
        JSONMember("at", .string(Timestamp.string(at))),
        JSONMember("input", .string(String(decoding: input, as: UTF8.self))), answer,
      ], bytes: input.count + 1_000)
  }

  /// Adds the frontier's answer to what is kept of a call.
  func add(_ callID: String, frontier answer: JSONValue) {
    put(callID, isAddition: true, [JSONMember("frontier", answer)], bytes: answer.jsonText.utf8.count + 500)
  }

  private func put(_ callID: String, isAddition: Bool, _ members: [JSONMember], bytes: Int) {
    let hasRoom = state.withLock { state in
      guard !state.isStopping, state.queue.count < Self.queueEntries, state.bytes + bytes <= Self.queueBytes
      else {
        if !isAddition { state.lost[.queueFull, default: 0] += 1 }
        return false
      }
      state.queue.append(Entry(callID: callID, members: members, isAddition: isAddition, bytes: bytes))
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
    let path = path(of: entry.callID)
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
    do throws(PosixError) {
      try Files.replace(path, with: JSONValue.object(members).jsonBytes, mode: 0o600)
      return nil
    } catch {
      return .writeFailed
    }
  }

  private static let fileLimit = 16 << 20

  /// Writes what waits, then ends.
  func stop() {
    state.withLock { $0.isStopping = true }
    state.notify()
    thread.withLock { $0.take() }?.join()
  }

  // MARK: - Reading and removing

  private static func name(of callID: String) -> String { SHA256.hash(Array(callID.utf8)).hex }

  private func path(of callID: String) -> String { Files.join(folder, Self.name(of: callID)) }

  /// Whether text of the call is kept.
  func holds(_ callID: String) -> Bool { Files.exists(path(of: callID)) }

  /// The kept texts. To be shown only behind a synced `access` record.
  func read(_ callID: String) -> JSONValue? {
    guard let bytes = try? Files.readRegular(path(of: callID), limit: Self.fileLimit) else { return nil }
    return try? JSONValue(parsing: bytes)
  }

  /// Removes every file that nobody needs any more.
  ///
  /// - Parameter calls: Ids of the calls whose text is still needed.
  /// - Parameter youngest: Files changed later stay: the log may not have been read so far.
  func removeAll(but calls: Set<String>, olderThan youngest: Int64) {
    guard let names = try? Files.list(folder), !names.isEmpty else { return }
    let needed = Set(calls.map(Self.name))
    for name in names where !needed.contains(name) {
      let path = Files.join(folder, name)
      guard let status = try? Files.status(path), status.modified < youngest else { continue }
      try? Files.remove(path)
    }
  }

  var counts: (kept: UInt64, lost: [Loss: UInt64]) { state.withLock { ($0.kept, $0.lost) } }
}
