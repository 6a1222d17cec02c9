import Posix
import RouterCore

extension Journal {
  /// Opens the log of a folder, makes it where it is absent, and starts its writer.
  ///
  /// What a crash left at the end is cut off, and a `recovered` record says so. Damage further in stays as it is:
  /// the segment is left alone and a new one goes on from the last whole record.
  ///
  /// - Parameters:
  ///   - now: Milliseconds since 1970, for the `recovered` record.
  ///   - recent: Shown the intact lines of the last segment, then of the one before, and so on: within a segment
  ///     from old to new. Asked after each segment, by what it returned last, whether it wants an older one.
  /// - Throws: ``JournalError/inUse(folder:)`` where another writer is there. Nothing has been changed then.
  package static func open(
    folder: String, options: JournalOptions = JournalOptions(), now: Int64,
    recent: ((Span<UInt8>) -> Bool)? = nil
  ) throws(JournalError) -> (Journal, Recovery) {
    let lock = try reaching { () throws(PosixError) -> FolderLock? in
      try Files.makeFolder(folder, mode: 0o700)
      return try FolderLock.take(folder)
    }
    guard let lock else { throw .inUse(folder: folder) }
    var opening = try Opening(folder: folder, options: options)
    try opening.recover(recent)
    try opening.prepareSegment(lock)

    var state = JournalState(wakeRecords: options.syncRecords)
    opening.announce(in: &state, at: now)
    let shared = Monitor(state)
    let journal = try start(opening, options, shared, lock)
    return (journal, opening.recovery)
  }

  private static func start(
    _ opening: Opening, _ options: JournalOptions, _ shared: Monitor<JournalState>,
    _ lock: consuming FolderLock
  ) throws(JournalError) -> Journal {
    let (folder, formatter, number, size) = (
      opening.folder, opening.formatter, opening.number, opening.size
    )
    let thread = try reaching { () throws(PosixError) in
      try Thread.spawn(name: "journal") {
        JournalWriter(
          folder: folder, options: options, shared: shared, formatter: formatter, segment: number, size: size
        ).run()
      }
    }
    let logID = String(decoding: formatter.logID, as: UTF8.self)
    return Journal(logID: logID, options: options, shared: shared, writer: thread, lock: lock)
  }
}

/// The steps from a folder to a place where the next record goes.
private struct Opening {
  let folder: String
  private let storage: JournalStorage
  private let segmentBytes: Int
  private let segments: SegmentList
  /// The segment to write on in, and what it holds.
  private(set) var number = 1
  private(set) var size: Int64 = 0
  private var logID: String?
  private var lostLines: UInt64 = 0
  private(set) var recovery = Recovery(head: .empty, segment: 1)

  init(folder: String, options: JournalOptions) throws(JournalError) {
    self.folder = folder
    storage = options.storage
    segmentBytes = options.segmentBytes
    segments = try SegmentList.read(folder)
  }

  var formatter: RecordFormatter {
    RecordFormatter(logID: logID ?? "", head: recovery.head)
  }

  /// Finds the record to go on from, cutting what a crash left behind it.
  mutating func recover(_ recent: ((Span<UInt8>) -> Bool)?) throws(JournalError) {
    guard let last = segments.numbers.last else {
      recovery.isNew = true
      logID = Self.newLogID()
      return
    }
    number = last
    recovery.segment = last
    var wantsMore = recent != nil
    let before = try lastLink(before: last)
    var scan = SegmentScan(after: before)
    var reader = try SegmentLines(segments.path(last), last)
    try reader.visit { line, place in
      if scan.add(line, at: place), let recent { wantsMore = recent(line) }
    }
    try settle(scan, tornBytes: reader.tornBytes)
    var older = segments.numbers.dropLast()
    while wantsMore, let recent, let number = older.popLast() {
      var reader = try SegmentLines(segments.path(number), number)
      try reader.visit { line, _ in
        if RecordLine(line) != nil { wantsMore = recent(line) }
      }
    }
  }

  /// Decides between going on in the last segment, cutting it first, and leaving it alone.
  private mutating func settle(_ scan: SegmentScan, tornBytes: Int64) throws(JournalError) {
    recovery.head = scan.last.head
    logID = scan.last.logID ?? Self.newLogID()
    let total = scan.totalBytes + tornBytes
    size = scan.soundBytes
    guard scan.isTorn else { return leaveDamaged(scan) }
    guard total > size else { return }
    do throws(PosixError) {
      let file = try Files.open(segments.path(number), for: .appending)
      try storage.truncate(file, size)
      try storage.synchronize(file)
      recovery.cutBytes = total - size
    } catch {
      // A file that may not be cut (an append-only attribute, say) is left with its torn end, in sight.
      guard error.isForbidden else { throw .system(error) }
      recovery.damage = JournalDamage(
        .tornSegment, segment: number, line: scan.soundLines + 1, offset: size, seq: scan.last.head.seq + 1)
      number += 1
      size = 0
    }
  }

  private mutating func leaveDamaged(_ scan: SegmentScan) {
    recovery.damage = scan.damage
    // The broken lines at the end had numbers, which records outside may refer to: they are not used again.
    lostLines = UInt64(scan.linesAfter)
    number += 1
    size = 0
  }

  /// Makes sure that the segment can be written, while failing still has somebody to tell.
  mutating func prepareSegment(_ lock: borrowing FolderLock) throws(JournalError) {
    if size >= Int64(segmentBytes) {
      number += 1
      size = 0
    }
    let path = SegmentList.path(folder, number)
    let storage = storage
    do throws(PosixError) {
      let file = try storage.open(path)
      // What an earlier run wrote may still be in memory only: from here on it counts as on the disk.
      try storage.synchronize(file)
      try storage.synchronizeFolder(folder)
    } catch { throw .system(error) }
  }

  /// Leaves the records that say what was found, ahead of all others.
  func announce(in state: inout JournalState, at now: Int64) {
    state.status.head = recovery.head
    state.status.segment = number
    if lostLines > 0 { state.pending.skip(lostLines, cause: "damaged", at: now) }
    guard recovery.cutBytes > 0 || recovery.damage != nil else { return }
    var body = #""cut_bytes":\#(recovery.cutBytes),"segment":"\#(SegmentList.name(recovery.segment))""#
    if let damage = recovery.damage {
      body +=
        #","damage":"\#(damage.fault.rawValue)","damaged_line":\#(damage.line),"damaged_offset":\#(damage.offset)"#
    }
    let bytes = Array(body.utf8)
    _ = state.accept(kind: "recovered", at: now, body: bytes.span, limit: .max)
  }

  /// The last whole record of the segments before this one.
  private func lastLink(before number: Int) throws(JournalError) -> SegmentScan.Link {
    for earlier in segments.numbers.reversed() where earlier < number {
      let path = segments.path(earlier)
      if let link = try SegmentScan.lastLink(of: path) { return link }
    }
    return SegmentScan.Link(head: .empty, logID: nil)
  }

  private static func newLogID() -> String {
    var digits: [UInt8] = []
    for byte in Random.bytes(16) {
      for nibble in [byte >> 4, byte & 15] { digits.append(nibble < 10 ? 48 + nibble : 87 + nibble) }
    }
    return String(decoding: digits, as: UTF8.self)
  }
}
