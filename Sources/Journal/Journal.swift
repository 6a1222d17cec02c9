import Posix
import RouterCore
import Synchronization

/// The log: append-only segments of hash-chained lines, written by one thread.
///
/// Reporting a record is one lock and one copy; nothing here makes a reporter wait for a disk. What the disk will
/// not take is kept in memory up to a bound, then refused, counted, and named by a `gap` record.
package final class Journal: Sendable {
  /// 32 lower-case hex digits, made at the log's first start.
  package let logID: String
  let shared: Monitor<JournalState>
  private let options: JournalOptions
  private let writer: Mutex<Thread?>
  // Kept out of the file system's sight: two writers would chain to the same record.
  private let lock: Mutex<FolderLock?>

  init(
    logID: String, options: JournalOptions, shared: Monitor<JournalState>, writer: Thread,
    lock: consuming sending FolderLock
  ) {
    self.logID = logID
    self.options = options
    self.shared = shared
    self.writer = Mutex(writer)
    self.lock = Mutex(lock)
  }

  deinit { close() }

  /// Reports a record. From any thread; never waits for the disk.
  ///
  /// Records of one thread keep their order.
  ///
  /// - Parameters:
  ///   - kind: One of the contract's kinds, 1–64 characters that need no escaping.
  ///   - at: Milliseconds since 1970.
  ///   - body: The members after `kind`, as JSON without the braces and commas around them; may be empty. Not checked
  ///     beyond having no newline.
  ///   - isExpendable: Refused while there is still room for others: `reservedBytes` of the buffer are not for it.
  /// - Returns: Whether the log will have it. Otherwise it is counted by cause in ``status``, and where the buffer was
  ///   full a `gap` record will say so.
  @discardableResult
  package func append(kind: String, at: Int64, body: Span<UInt8>, isExpendable: Bool = false) -> Bool {
    let limit = options.bufferBytes - (isExpendable ? options.reservedBytes : 0)
    let refusal = Self.fault(kind, body)
    let wake = shared.withLock { (state) -> Bool? in
      if let refusal = refusal ?? (state.closing ? .closed : nil) {
        state.status.refused[refusal, default: 0] += 1
        return nil
      }
      return state.accept(kind: kind, at: at, body: body, limit: limit)
    }
    if wake == true { shared.notify() }
    return wake != nil
  }

  @discardableResult
  package func append(kind: String, at: Int64, body: [UInt8], isExpendable: Bool = false) -> Bool {
    append(kind: kind, at: at, body: body.span, isExpendable: isExpendable)
  }

  /// Whether records should be as short as they can: the disk fails and a quarter of the buffer is taken, or half is
  /// whatever the disk does.
  package var isShortOfRoom: Bool {
    shared.withLock { state in
      state.heldBytes >= options.bufferBytes / (state.status.failingSince == nil ? 2 : 4)
    }
  }

  /// Waits until everything accepted so far is on the disk.
  ///
  /// - Parameter deadline: Monotonic nanoseconds.
  /// - Returns: False when the deadline passed first.
  package func flush(deadline: UInt64) -> Bool {
    let target = shared.withLock { state in
      state.flushing += 1
      return state.status.accepted
    }
    shared.notify()
    let isSettled = { (state: JournalState) in state.status.durable >= target || state.ended }
    return shared.wait(until: deadline, for: isSettled) { state in
      state.flushing -= 1
      return state.status.durable >= target
    }
  }

  /// Asks for a new segment with the next record, so that the one in use can age. Does not wait.
  package func roll() {
    shared.withLock { $0.rolling = true }
    shared.notify()
  }

  /// Writes and synchronises what is left, then ends the writer. Later appends are refused; a second call
  /// only repeats the answer.
  ///
  /// - Returns: Whether every accepted record is on the disk. A disk that fails is tried three times, not for ever.
  @discardableResult
  package func close() -> Bool {
    shared.withLock { $0.closing = true }
    shared.notify()
    let thread = writer.withLock { $0.take() }
    thread?.join()
    if thread != nil { lock.withLock { $0 = nil } }
    let hasEnded = { (state: JournalState) in state.ended }
    return shared.wait(for: hasEnded) { $0.status.durable == $0.status.accepted }
  }

  /// Notes a record that was not even reported, for want of room: the next `gap` record counts it.
  package func missed(at: Int64) {
    shared.withLock { state in
      guard !state.closing else { return }
      state.status.refused[.bufferFull, default: 0] += 1
      state.pending.miss(at: at)
    }
  }

  /// Memory held by records that are not yet on the disk. Cheaper than ``status``.
  package var pendingBytes: Int { shared.withLock { $0.heldBytes } }

  package var status: JournalStatus {
    shared.withLock { state in
      var status = state.status
      status.pendingBytes = state.heldBytes
      return status
    }
  }

  /// The newest record that is on the disk.
  package var head: JournalHead { shared.withLock { $0.status.head } }

  package var durableSeq: UInt64 { head.seq }

  private static func fault(_ kind: String, _ body: Span<UInt8>) -> JournalStatus.Refusal? {
    guard 1...64 ~= kind.utf8.count, body.firstIndex(of: UInt8(ascii: "\n")) == nil else { return .malformed }
    return RecordFrame.overhead + kind.utf8.count + body.count > RecordFrame.longestLine ? .tooLong : nil
  }
}

/// What reporters and the writer share, under one lock.
struct JournalState: Sendable {
  /// How the writer sleeps, so that a reporter wakes it only where that has a use.
  enum Sleep { case awake, untilAny, untilMany, untilOrdered }

  var pending = PendingRecords()
  /// Lengths of all lines accepted and not yet on the disk, those that the writer has taken among them.
  var heldBytes = 0
  var sleep = Sleep.awake
  var flushing = 0
  var closing = false
  /// The next record begins a segment.
  var rolling = false
  /// The writer has left.
  var ended = false
  var status = JournalStatus()
  let wakeRecords: Int
  static let wakeBytes = 64 << 10

  init(wakeRecords: Int) { self.wakeRecords = wakeRecords }

  var isPressing: Bool { pending.records >= wakeRecords || pending.lineBytes >= Self.wakeBytes }

  /// - Returns: Whether to wake the writer; nil where the record was refused.
  mutating func accept(kind: String, at: Int64, body: Span<UInt8>, limit: Int) -> Bool? {
    let bytes = RecordFrame.overhead + kind.utf8.count + body.count
    guard heldBytes + bytes <= limit else {
      status.refused[.bufferFull, default: 0] += 1
      pending.miss(at: at)
      return nil
    }
    pending.append(kind: kind, at: at, body: body)
    heldBytes += bytes
    status.accepted += 1
    switch sleep {
    case .untilAny: break
    case .untilMany where isPressing: break
    case .awake, .untilMany, .untilOrdered: return false
    }
    sleep = .awake
    return true
  }
}
