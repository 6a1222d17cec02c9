import Posix
import RouterCore

/// The thread that writes.
///
/// Takes what reporters left, formats it, writes it, and synchronises for many records at once. Lines stay in `buffer`
/// until a sync has succeeded, because after a failed one Linux may call pages clean that never reached the disk:
/// the only good copy is then the one in memory. So after a failure the segment is cut back to what is certain and is
/// final; the same bytes go to the next segment.
final class JournalWriter {
  private let folder: String
  private let options: JournalOptions
  private let storage: JournalStorage
  private let shared: Monitor<JournalState>

  private var formatter: RecordFormatter
  private var work: ArraySlice<PendingRecords.Chunk> = []
  private var segment: OpenSegment?
  private var number: Int
  /// Bytes that the segment `number` holds for certain.
  private var durableBytes: Int64

  /// Lines since the last good sync: the first `written` bytes are in the file.
  private var buffer: [UInt8] = []
  private var written = 0
  private var lines = 0
  private var unreported = JournalProgress()
  private var charge = 0
  private var accepted: UInt64 = 0

  private var lastWrite: UInt64 = 0
  private var oldestUnsynced: UInt64 = 0
  private var failure: Failure?
  private static let closingTries = 3
  private var failedClosings = 0
  /// Set where the segment must be left, while that has not worked: how much of `buffer` may stay in it.
  private var leaving: Int?

  private struct Failure {
    var nextTry: UInt64
    var backoff: Int64
    /// The first of those still going on, and when it came.
    let fault: Fault
    let since: UInt64
  }

  /// A step that failed.
  private struct Fault: Error {
    let operation: JournalStatus.Operation
    let cause: PosixError
  }

  private final class OpenSegment {
    let file: Descriptor
    init(_ file: consuming Descriptor) { self.file = file }
  }

  /// - Parameters:
  ///   - number: The segment to go on with, or to create.
  ///   - size: What it holds now.
  init(
    folder: String, options: JournalOptions, shared: Monitor<JournalState>, formatter: RecordFormatter,
    segment number: Int, size: Int64
  ) {
    self.folder = folder
    self.options = options
    storage = options.storage
    self.shared = shared
    self.formatter = formatter
    self.number = number
    durableBytes = size
  }

  /// Returns after ``Journal/close()``.
  func run() {
    while step() {}
    shared.withLock { $0.ended = true }
    shared.notify()
  }

  /// Waits for work and does it once.
  ///
  /// - Returns: False when the journal is closed and there is no more to be done.
  func step() -> Bool {
    let orders = sleep()
    let done = turn(syncNow: orders.flushing || orders.closing || orders.rolling)
    if done, orders.rolling, buffer.isEmpty, durableBytes > 0 { startNext() }
    guard orders.closing else { return true }
    // Nothing more can come. One failed step has a next segment to go to; a disk that fails them all has had its chance.
    failedClosings += done ? 0 : 1
    return failedClosings < Self.closingTries && !(work.isEmpty && buffer.isEmpty)
  }

  // MARK: Waiting

  private struct Orders {
    let closing: Bool
    let flushing: Bool
    let rolling: Bool
  }

  /// Waits for something to do and takes over all pending records.
  private func sleep() -> Orders {
    let (mode, deadline) = nextWake()
    let unsynced = written > 0
    shared.withLock { $0.sleep = mode }
    return shared.wait(
      until: deadline,
      for: { state in
        if state.closing { return true }
        if mode != .untilOrdered, state.rolling { return true }
        if mode != .untilOrdered, state.flushing > 0, unsynced || !state.pending.isEmpty { return true }
        switch mode {
        case .awake: return true
        case .untilAny: return !state.pending.isEmpty
        case .untilMany: return state.isPressing
        case .untilOrdered: return false
        }
      },
      { state in
        state.sleep = .awake
        // A failing disk leaves them where they are: their order is kept either way.
        if work.isEmpty { work = state.pending.takeAll()[...] }
        let rolling = state.rolling && mode != .untilOrdered
        if rolling { state.rolling = false }
        return Orders(closing: state.closing, flushing: state.flushing > 0, rolling: rolling)
      })
  }

  private func nextWake() -> (JournalState.Sleep, deadline: UInt64?) {
    if let failure { return (.untilOrdered, failure.nextTry) }
    guard work.isEmpty, written == buffer.count else { return (.awake, nil) }
    guard written > 0 else { return (.untilAny, nil) }
    let due = oldestUnsynced + milliseconds(options.syncIntervalMilliseconds)
    let linger = lastWrite + milliseconds(options.writeIntervalMilliseconds)
    return Clocks.monotonic() < linger ? (.untilMany, min(linger, due)) : (.untilAny, due)
  }

  private func milliseconds(_ count: Int64) -> UInt64 { UInt64(max(0, count)) * 1_000_000 }

  // MARK: Working

  /// Does all the work there is.
  ///
  /// - Returns: False where the disk failed.
  private func turn(syncNow: Bool) -> Bool {
    do throws(Fault) {
      if leaving != nil { try leaveSegment() }
      repeat {
        format()
        try write()
        if syncNow || isSyncDue { try synchronize() }
      } while !work.isEmpty
    } catch {
      failed(error)
      return false
    }
    return true
  }

  private var isSyncDue: Bool {
    guard written > 0 else { return false }
    return lines >= options.syncRecords || isFull
      || Clocks.monotonic() >= oldestUnsynced + milliseconds(options.syncIntervalMilliseconds)
  }

  /// Whether no more may be formatted before a sync.
  private var isFull: Bool {
    buffer.count >= options.batchBytes || durableBytes + Int64(buffer.count) >= Int64(options.segmentBytes)
  }

  private func format() {
    while let index = work.indices.first, !isFull {
      while !work[index].isEmpty, !isFull {
        let charge = work[index].formatNext(with: &formatter, to: &buffer)
        self.charge += charge
        accepted += charge > 0 ? 1 : 0
        lines += 1
        unreported.lines += 1
      }
      guard work[index].isEmpty else { return }
      let spent = work.removeFirst().bytes
      shared.withLock { $0.pending.recycle(spent) }
    }
  }

  private func write() throws(Fault) {
    guard written < buffer.count else { return }
    let segment = try openSegment()
    if written == 0 { oldestUnsynced = Clocks.monotonic() }
    do throws(PosixError) {
      while written < buffer.count {
        let count = try storage.write(segment.file, buffer.span.extracting(written..<buffer.count))
        guard count > 0 else {
          throw PosixError(code: PosixError.inputOutput, call: "write", detail: "(nothing taken)")
        }
        written += count
        unreported.bytes += UInt64(count)
      }
    } catch {
      leaving = buffer[..<written].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
      throw Fault(operation: .write, cause: error)
    }
    lastWrite = Clocks.monotonic()
    report { _ in }
  }

  private func synchronize() throws(Fault) {
    guard written > 0, let segment else { return }
    let start = Clocks.monotonic()
    do throws(PosixError) { try storage.synchronize(segment.file) } catch {
      leaving = 0
      throw Fault(operation: .sync, cause: error)
    }
    let duration = Clocks.monotonic() - start
    durableBytes += Int64(written)
    dropDurable(written)
    let (accepted, charge, head) = (accepted, charge, formatter.head)
    sayRecovered()
    self.accepted = 0
    self.charge = 0
    let flushed = report { state in
      state.status.durable += accepted
      state.heldBytes -= charge
      state.status.failingSince = nil
      state.status.head = head
      state.status.syncs += 1
      state.status.syncDurations.add(nanoseconds: duration)
      return state.flushing > 0
    }
    if flushed { shared.notify() }
    if durableBytes >= Int64(options.segmentBytes) { startNext() }
  }

  /// Leaves a record that says that the disk had failed, behind those that waited for it.
  private func sayRecovered() {
    guard let failure else { return }
    self.failure = nil
    let milliseconds = (Clocks.monotonic() - failure.since) / 1_000_000
    let kind = Array("recovered".utf8)
    let body =
      Array(
        #""cut_bytes":0,"segment":"\#(SegmentList.name(number))","operation":"\#(failure.fault.operation.rawValue)""#
          .utf8)
      + Array(#","errno":\#(failure.fault.cause.code),"failing_ms":\#(milliseconds)"#.utf8)
    formatter.append(kind: kind.span, at: Clocks.realtime(), body: body.span, to: &buffer)
    lines += 1
    unreported.lines += 1
  }

  /// Forgets the first bytes of the buffer, which are on the disk.
  private func dropDurable(_ count: Int) {
    if count == buffer.count {
      buffer.removeAll(keepingCapacity: true)
      lines = 0
    } else {
      buffer.removeFirst(count)
    }
    written = 0
  }

  @discardableResult
  private func report<Result: Sendable>(_ change: (inout JournalState) -> Result) -> Result {
    let progress = unreported
    unreported = JournalProgress()
    let number = number
    return shared.withLock { state in
      state.status.written += progress.lines
      state.status.writtenBytes += progress.bytes
      state.status.segment = number
      return change(&state)
    }
  }

  // MARK: Segments

  private func openSegment() throws(Fault) -> OpenSegment {
    if let segment { return segment }
    do throws(PosixError) {
      var file = try storage.open(SegmentList.path(folder, number))
      // A file with other bytes than ours expects is not ours to add to: an earlier run may have left it.
      while try file.status().size != durableBytes {
        number += 1
        durableBytes = 0
        file = try storage.open(SegmentList.path(folder, number))
      }
      if durableBytes == 0 { try storage.synchronizeFolder(folder) }
      let opened = OpenSegment(file)
      segment = opened
      return opened
    } catch {
      throw Fault(operation: .open, cause: error)
    }
  }

  private func startNext() {
    segment = nil
    number += 1
    durableBytes = 0
  }

  /// Cuts the failing segment to whole records that are on the disk, and turns to the next one.
  ///
  /// Nothing is written anywhere before this has worked: the same record in two segments, or half a record
  /// in the middle of the log, would be damage of our own making.
  private func leaveSegment() throws(Fault) {
    guard let segment, let kept = leaving else { return }
    try cut(segment, to: durableBytes + Int64(kept))
    if kept > 0 {
      do throws(PosixError) {
        try storage.synchronize(segment.file)
        durableBytes += Int64(kept)
      } catch {
        leaving = 0
        try cut(segment, to: durableBytes)
      }
    }
    dropDurable(leaving ?? 0)
    // So that a power cut does not bring back what was cut. Best effort: this disk has just failed.
    try? storage.synchronize(segment.file)
    leaving = nil
    if durableBytes > 0 {
      startNext()
    } else {
      // Empty, so its number can be used again; a hole in the numbers would look like a lost segment.
      self.segment = nil
      try? storage.remove(SegmentList.path(folder, number))
    }
  }

  private func cut(_ segment: OpenSegment, to size: Int64) throws(Fault) {
    do throws(PosixError) { try storage.truncate(segment.file, size) } catch {
      throw Fault(operation: .truncate, cause: error)
    }
  }

  private func failed(_ fault: Fault) {
    note(fault)
    let longest = options.backoffMilliseconds.upperBound
    let backoff = min(failure.map { $0.backoff * 2 } ?? options.backoffMilliseconds.lowerBound, longest)
    failure = Failure(
      nextTry: Clocks.deadline(afterMilliseconds: backoff), backoff: backoff, fault: failure?.fault ?? fault,
      since: failure?.since ?? Clocks.monotonic())
    guard leaving != nil, fault.operation != .truncate else { return }
    // At once where it works, so that a reader finds whole records while the disk is down.
    do throws(Fault) { try leaveSegment() } catch { note(error) }
  }

  private func note(_ fault: Fault) {
    let now = Clocks.monotonic()
    report { state in
      state.status.errors[fault.operation, default: 0] += 1
      state.status.lastError = "\(fault.operation.rawValue): \(fault.cause)"
      if state.status.failingSince == nil { state.status.failingSince = now }
    }
  }
}

/// What was written and not yet told.
struct JournalProgress {
  var lines: UInt64 = 0
  var bytes: UInt64 = 0
}
