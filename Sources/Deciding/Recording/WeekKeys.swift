package import Posix
import Reviews
package import RouterCore
import Synchronization
import Wire

/// The keys of the weekly samples, and the draw itself.
///
/// A key is a file `keys/week-YYYY-Www` of 32 random bytes, mode 0600. Its SHA-256 goes into a `week` record before the
/// week begins (for the week of the first start: at once), the share of each task before its first draw of the week, the
/// key itself once the week is over. Drawing waits for no disk: files are made and read by ``tick(now:)``.
package final class WeekKeys: Sendable {
  private struct Week {
    let week: ISOWeek
    let key: [UInt8]
    let draw: ReviewDraw
    /// By task: settled at its first would-accept of the week.
    var shares: [String: Double] = [:]
    /// By task: how many would-accepts there were.
    var counts: [String: Int] = [:]
    /// The key's file is on the disk.
    var isSaved: Bool

    init(_ week: ISOWeek, key: [UInt8], isSaved: Bool) {
      self.week = week
      self.key = key
      self.isSaved = isSaved
      draw = ReviewDraw(weekKey: key)
    }
  }

  private struct State {
    var current: Week
    var next: Week
    var previous: Week?
    /// Whether the commitment to `next` has been written in this run.
    var hasCommitted = false
    var hasChanged = true
    /// Keys of weeks that are over, to be written to the log at the given time.
    var toReveal: [(week: ISOWeek, at: Int64)] = []
  }

  private let state: Mutex<State>
  /// The log has this week's record, the shares settled so far and the commitment to the next.
  private let isKnown: Bool
  private let folder: String
  private let memory: String
  private let logID: String
  private let write: @Sendable (RecordBody) -> Void

  /// How long after a week's end its key is written: a clock that is set back a little must not draw with a known key.
  private static let revealDelayMs: Int64 = 600_000

  /// Makes or reads the keys; the log hears of them with ``announce(now:)``.
  ///
  /// - Parameter write: Puts a `week` record into the log; must not wait.
  package init(
    stateFolder: String, logID: String, now: Int64, write: @escaping @Sendable (RecordBody) -> Void
  ) throws(PosixError) {
    folder = Files.join(stateFolder, "keys")
    memory = Files.join(stateFolder, "weeks.json")
    self.logID = logID
    self.write = write
    try Files.makeFolder(folder, mode: 0o700)
    let week = ISOWeek(containing: now)
    let known = Self.remembered(memory)
    var current = try Self.load(week, in: folder)
    Self.recall(&current, known)
    let next = try Self.load(week.next, in: folder)
    var state = State(current: current, next: next)
    if var previous = try Self.stored(week.previous, in: folder) {
      Self.recall(&previous, known)
      state.previous = previous
    }
    // Revealed at every start: the log is the only place where it counts, and saying it twice does no harm.
    let past = try Files.list(folder).compactMap {
      $0.hasPrefix("week-") ? ISOWeek(name: String($0.dropFirst(5))) : nil
    }
    let revealed = Set(known["revealed"]?.arrayValue?.compactMap(\.stringValue) ?? [])
    for over in past where over < week && !revealed.contains(over.name) {
      state.toReveal.append((over, max(now, over.end + Self.revealDelayMs)))
    }
    // After anything but a clean stop the records are written once more: the last ones may be gone.
    isKnown =
      known["is_whole"]?.boolValue == true && known["log"]?.stringValue == logID
      && known["weeks"]?[week.name] != nil
    state.hasCommitted = isKnown
    self.state = Mutex(state)
  }

  /// Writes the running week's record and the commitment to the next, before the first call is drawn, unless the log
  /// is known to have them.
  package func announce(now: Int64) {
    if !isKnown { state.withLock { write(Self.record($0.current, key: nil, shares: true)) } }
    tick(now: now)
    remember()
  }

  // MARK: - Drawing

  /// Whether a would-accept is drawn for review.
  ///
  /// - Parameter at: The time that its record will carry: it names the week.
  func isDrawn(_ callID: String, task: TaskPolicy, isChallenger: Bool = false, at: Int64) -> Bool {
    let (draw, share) = state.withLock { state -> (ReviewDraw?, Double) in
      let week = ISOWeek(containing: at)
      if week > state.current.week { advance(&state, to: week) }
      if week == state.current.week {
        let body = Self.settle(&state.current, task, before: state.previous)
        if !isChallenger { state.current.counts[task.name, default: 0] += 1 }
        state.hasChanged = true
        // Written here, under the lock: the record must stand before the first draw's.
        if let body { write(body) }
        return (state.current.draw, state.current.shares[task.name] ?? 0)
      }
      // A clock that was set back across a week's border: only what was settled then can still be drawn.
      guard let previous = state.previous, previous.week == week, let share = previous.shares[task.name]
      else {
        return (nil, 0)
      }
      return (previous.draw, share)
    }
    return draw?.isDrawn(callID, isChallenger: isChallenger, share: share) ?? false
  }

  /// - Returns: The record to write where the task had no share yet.
  private static func settle(_ week: inout Week, _ task: TaskPolicy, before: Week?) -> RecordBody? {
    guard week.shares[task.name] == nil else { return nil }
    let last = before?.week == week.week.previous ? before?.counts[task.name] : nil
    week.shares[task.name] = ReviewDraw.share(policy: task.reviewSample, wouldAccepts: last)
    return record(week, key: nil, shares: true)
  }

  private func advance(_ state: inout State, to week: ISOWeek) {
    let at = state.current.week.end + Self.revealDelayMs
    state.toReveal.append((state.current.week, at))
    state.previous = state.current
    if state.next.week == week {
      state.current = state.next
    } else {
      // The clock has jumped over a week.
      state.current = Week(week, key: Random.bytes(32), isSaved: false)
    }
    state.next = Week(week.next, key: Random.bytes(32), isSaved: false)
    state.hasCommitted = false
    state.hasChanged = true
    write(Self.record(state.current, key: nil, shares: true))
  }

  // MARK: - Keeping

  /// Saves new keys, commits to the coming week's, reveals those of weeks that are over. Once a second or so.
  package func tick(now: Int64) {
    let unsaved = state.withLock { state -> [Week] in
      let week = ISOWeek(containing: now)
      if week > state.current.week { advance(&state, to: week) }
      return [state.current, state.next].filter { !$0.isSaved }
    }
    for week in unsaved where (try? Self.save(week, in: folder)) != nil {
      state.withLock { state in
        if state.current.week == week.week { state.current.isSaved = true }
        if state.next.week == week.week { state.next.isSaved = true }
      }
    }
    let due = state.withLock { state -> [ISOWeek] in
      if state.next.isSaved, !state.hasCommitted {
        state.hasCommitted = true
        write(Self.record(state.next, key: nil, shares: false))
      }
      let due = state.toReveal.filter { $0.at <= now }.map(\.week)
      state.toReveal.removeAll { $0.at <= now }
      return due
    }
    for week in due { reveal(week) }
  }

  private func reveal(_ week: ISOWeek) {
    guard let stored = (try? Self.stored(week, in: folder)) ?? nil else { return }
    var known = Self.remembered(memory)["revealed"]?.arrayValue ?? []
    known.append(.string(week.name))
    write(Self.record(stored, key: stored.key, shares: false))
    remember(revealed: known)
  }

  /// Keeps the shares and counts of this week and the last one across restarts. Once a minute.
  ///
  /// - Parameter isWhole: At a stop: everything written is on the disk.
  package func remember(isWhole: Bool = false) {
    let hasChanged = state.withLock { state in
      defer { state.hasChanged = false }
      return state.hasChanged
    }
    guard hasChanged || isWhole else { return }
    remember(revealed: Self.remembered(memory)["revealed"]?.arrayValue ?? [], isWhole: isWhole)
  }

  private func remember(revealed: [JSONValue], isWhole: Bool = false) {
    let weeks = state.withLock { [$0.current] + [$0.previous].compactMap(\.self) }
    func members<Value>(_ values: [String: Value], _ json: (Value) -> JSONValue) -> JSONValue {
      .object(values.sorted { $0.key < $1.key }.map { JSONMember($0.key, json($0.value)) })
    }
    let document: JSONValue = [
      "weeks": .object(
        weeks.map { week in
          JSONMember(
            week.week.name,
            [
              "shares": members(week.shares) { JSONNumber($0).map { .number($0) } ?? .null },
              "counts": members(week.counts) { .number(JSONNumber($0)) },
            ])
        }),
      "revealed": .array(revealed), "log": .string(logID), "is_whole": .bool(isWhole),
    ]
    // What is not remembered is settled again at the next start, and the log says so.
    try? Files.replace(memory, with: document.jsonBytes, mode: 0o600)
  }

  private static func remembered(_ path: String) -> JSONValue {
    guard let bytes = try? Files.readRegular(path, limit: 4 << 20) else { return [:] }
    return (try? JSONValue(parsing: bytes)) ?? [:]
  }

  private static func recall(_ week: inout Week, _ known: JSONValue) {
    let entry = known["weeks"]?[week.week.name]
    for share in entry?["shares"]?.members ?? [] { week.shares[share.name] = share.value.doubleValue }
    for count in entry?["counts"]?.members ?? [] { week.counts[count.name] = count.value.intValue }
  }

  private static func load(_ week: ISOWeek, in folder: String) throws(PosixError) -> Week {
    if let stored = try stored(week, in: folder) { return stored }
    var made = Week(week, key: Random.bytes(32), isSaved: false)
    try save(made, in: folder)
    made.isSaved = true
    return made
  }

  /// nil where there is none, or it is not whole.
  private static func stored(_ week: ISOWeek, in folder: String) throws(PosixError) -> Week? {
    let path = Files.join(folder, "week-\(week.name)")
    guard Files.exists(path) else { return nil }
    let key = try Files.read(path, limit: 64)
    return key.count == 32 ? Week(week, key: key, isSaved: true) : nil
  }

  private static func save(_ week: Week, in folder: String) throws(PosixError) {
    try Files.replace(Files.join(folder, "week-\(week.week.name)"), with: week.key, mode: 0o600)
  }

  /// The shares in force, by task.
  package var shares: [String: Double] { state.withLock { $0.current.shares } }
  package var week: ISOWeek { state.withLock { $0.current.week } }

  private static func record(_ week: Week, key: [UInt8]?, shares: Bool) -> RecordBody {
    var body = RecordBody()
    body.field("week", week.week.name)
    body.field("key_sha256", SHA256.hash(week.key).hex)
    body.field("key", key.map { $0.map(Self.hex).joined() })
    body.field("shares") { writer in
      guard shares else { return writer.null() }
      writer.beginObject()
      for (task, share) in week.shares.sorted(by: { $0.key < $1.key }) {
        writer.key(task)
        writer.double(share)
      }
      writer.endObject()
    }
    return body
  }

  private static func hex(_ byte: UInt8) -> String {
    let text = String(byte, radix: 16)
    return byte < 16 ? "0" + text : text
  }
}
