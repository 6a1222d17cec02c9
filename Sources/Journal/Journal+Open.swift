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
    let opened = try recover(folder: folder, options: options, now: now, recent: recent)
    let thread = try reaching { () throws(PosixError) in
      try Thread.spawn(name: "journal") { opened.writer().run() }
    }
    let journal = Journal(
      logID: String(decoding: opened.formatter.logID, as: UTF8.self), options: options, shared: opened.shared,
      writer: thread, lock: lock)
    return (journal, opened.recovery)
  }

  /// All of ``open(folder:options:now:recent:)`` but the lock and the thread.
  static func recover(
    folder: String, options: JournalOptions, now: Int64, recent: ((Span<UInt8>) -> Bool)? = nil
  ) throws(JournalError) -> OpenedLog {
    var opening = try Opening(folder: folder, options: options)
    try opening.recover(recent)
    try opening.prepareSegment()
    var state = JournalState(wakeRecords: options.syncRecords)
    opening.announce(in: &state, at: now)
    return OpenedLog(
      folder: folder, options: options, shared: Monitor(state), formatter: opening.formatter,
      recovery: opening.recovery, segment: opening.number, size: opening.size)
  }
}

/// A log that can be written on.
struct OpenedLog: Sendable {
  let folder: String
  let options: JournalOptions
  let shared: Monitor<JournalState>
  let formatter: RecordFormatter
  let recovery: Recovery
  let segment: Int
  let size: Int64

  func writer() -> JournalWriter {
    JournalWriter(
      folder: folder, options: options, shared: shared, formatter: formatter, segment: segment, size: size)
  }
}

/// The steps from a folder to a place where the next record goes.
private struct Opening {
  let folder: String
  private let options: JournalOptions
  private var segments: SegmentList
  /// The segment to write on in, and what it holds.
  private(set) var number = 1
  private(set) var size: Int64 = 0
  private var logID: String?
  private var lostLines: UInt64 = 0
  private(set) var recovery = Recovery(head: .empty, segment: 1)

  init(folder: String, options: JournalOptions) throws(JournalError) {
    self.folder = folder
    self.options = options
    segments = try SegmentList.read(folder)
  }

  var formatter: RecordFormatter {
    RecordFormatter(logID: logID ?? "", head: recovery.head)
  }

  private var storage: JournalStorage { options.storage }

  /// Finds the record to go on from, cutting what a crash left behind it.
  mutating func recover(_ recent: ((Span<UInt8>) -> Bool)?) throws(JournalError) {
    guard !segments.numbers.isEmpty else {
      recovery.isNew = true
      logID = Self.newLogID()
      return
    }
    // A sync that failed in an earlier run may have left in memory what the disk never got.
    for segment in segments.numbers.suffix(Self.lookedAgain + 1) {
      let path = segments.path(segment)
      try reaching { () throws(PosixError) in try storage.forget(path, options.unsyncedBytes) }
    }
    try cutAgain()
    number = segments.numbers.last ?? 1
    recovery.segment = number
    var wantsMore = recent != nil
    var older = segments.numbers
    while let current = older.popLast() {
      var scan = SegmentScan(after: try lastLink(before: current))
      var reader = try SegmentLines(segments.path(current), current)
      try reader.visit { line, place in
        if scan.add(line, at: place), !scan.isHole, let recent { wantsMore = recent(line) }
      }
      try settle(scan, of: current, size: scan.totalBytes + reader.tornBytes)
      // A segment that was begun and of which nothing has reached the disk: the end of the log is in the one before.
      guard scan.soundLines == 0, recovery.damage == nil else { break }
    }
    // With its end cut, what follows an earlier segment may now say what that one has too much.
    if !recovery.cuts.isEmpty { try cutAgain(emptiesNext: false) }
    while wantsMore, let recent, let number = older.popLast() {
      var reader = try SegmentLines(segments.path(number), number)
      try reader.visit { line, _ in
        if RecordLine(line) != nil { wantsMore = recent(line) }
      }
    }
  }

  /// Decides between going on in a segment, cutting it first, and leaving it alone.
  private mutating func settle(_ scan: SegmentScan, of current: Int, size total: Int64) throws(JournalError) {
    let isLast = current == number
    guard scan.isTorn(size: total, unsynced: options.unsyncedBytes) else {
      recovery.head = scan.last.head
      logID = scan.last.logID ?? logID ?? Self.newLogID()
      recovery.segment = current
      recovery.damage = scan.damage
      // The broken lines at the end had numbers, which records outside may refer to: they are not used again.
      lostLines = UInt64(scan.linesAfter)
      if isLast { startNext() }
      return
    }
    recovery.head = scan.sound.head
    logID = scan.sound.logID ?? logID ?? Self.newLogID()
    if isLast { size = scan.soundBytes }
    guard total > scan.soundBytes else { return }
    recovery.segment = current
    guard try !cut(current, from: total, to: scan.soundBytes, lines: scan.lines - scan.soundLines) else {
      return
    }
    recovery.damage = JournalDamage(
      .tornSegment, segment: current, line: scan.soundLines + 1, offset: scan.soundBytes,
      seq: scan.sound.head.seq + 1)
    if isLast { startNext() }
  }

  private mutating func startNext() {
    number += 1
    size = 0
  }

  /// - Returns: False where the file may not be cut (an append-only attribute, say): its end is left, in sight.
  private mutating func cut(_ segment: Int, from total: Int64, to size: Int64, lines: Int)
    throws(JournalError) -> Bool
  {
    do throws(PosixError) {
      let file = try storage.open(segments.path(segment))
      try storage.truncate(file, size)
      try storage.synchronize(file)
    } catch {
      guard error.isForbidden else { throw .system(error) }
      return false
    }
    recovery.cuts.append(Recovery.Cut(segment: segment, bytes: total - size, lines: lines))
    return true
  }

  // MARK: Cuts that a power failure took back

  /// How many segments before the last are looked at.
  private static let lookedAgain = 8

  /// Makes cuts again that the writer had made and a power failure took back.
  ///
  /// After a failed sync the writer cuts its segment to what is certain and writes the same lines to the next one. Where
  /// that disk did not keep the cut, lines stand in both; one of them has all of the other's, and stays. The last
  /// segments first: the earlier are judged by them.
  ///
  /// - Parameter emptiesNext: Whether it may be the later lines that go; not once the place to go on from is known.
  private mutating func cutAgain(emptiesNext: Bool = true) throws(JournalError) {
    for later in segments.numbers.dropFirst().suffix(Self.lookedAgain).reversed() {
      guard let earlier = segments.numbers.last(where: { $0 < later }),
        let previous = try previousHash(of: later), try !ends(earlier, with: previous),
        try !isFrozen(earlier, says: later)
      else { continue }
      switch try RepeatedLines.remedy(
        segments, in: earlier, repeatedFrom: later, after: previous, options)
      {
      case .cut(let end, let size, let lines): _ = try cut(earlier, from: size, to: end, lines: lines)
      case .emptyNext where emptiesNext: try empty(from: later, heldBy: earlier)
      case .emptyNext, nil: continue
      }
    }
  }

  /// Takes the records of the last segments away, from one on: the one before them has them too.
  private mutating func empty(from first: Int, heldBy earlier: Int) throws(JournalError) {
    do throws(PosixError) {
      // What was one copy of two is the only one from here on.
      try storage.synchronize(try storage.open(segments.path(earlier)))
    } catch {
      guard error.isForbidden else { throw .system(error) }
      return
    }
    for number in segments.numbers.reversed() where number >= first {
      let path = segments.path(number)
      var lines = 0
      var reader = try SegmentLines(path, number)
      try reader.visit { _, _ in lines += 1 }
      let size = try reaching { () throws(PosixError) in try Files.status(path)?.size ?? 0 }
      if size > 0 {
        guard try cut(number, from: size, to: 0, lines: lines) else { return }
      }
      // The first may stay and be written on; an empty one between others may not.
      guard number > first else { return }
      do throws(PosixError) {
        try storage.remove(path)
        try storage.synchronizeFolder(folder)
      } catch { throw .system(error) }
      segments = SegmentList(folder: folder, numbers: segments.numbers.filter { $0 < number })
    }
  }

  /// What a segment's first record goes on from; nil where it begins with none.
  private func previousHash(of segment: Int) throws(JournalError) -> SHA256Digest? {
    var lines = try SegmentLines(segments.path(segment), segment)
    guard try lines.refill() else { return nil }
    var found: SHA256Digest?
    _ = lines.show { line, _ in
      if SegmentScan.Link(at: line) != nil { found = RecordLine.statedPrevious(line) }
      return false
    }
    return found
  }

  /// Whether a segment begins with the word of the start that found the one before it damaged: that one stays as it is.
  private func isFrozen(_ segment: Int, says later: Int) throws(JournalError) -> Bool {
    let word = #""segment":"\#(SegmentList.name(segment))","damage":"#
    var lines = try SegmentLines(segments.path(later), later)
    guard try lines.refill() else { return false }
    var isFound = false
    _ = lines.show { line, _ in
      guard SegmentScan.Link(at: line) != nil, let record = RecordLine(line) else { return false }
      if record.isKind("recovered", in: line) {
        var body: [UInt8] = []
        body.append(copying: line.extracting(record.body))
        isFound = String(decoding: body, as: UTF8.self).contains(word)
      } else if !record.isKind("gap", in: line) {
        return false
      }
      return !isFound
    }
    return isFound
  }

  /// Whether a segment's last bytes are the record of this hash. Looks at no more than them.
  private func ends(_ segment: Int, with hash: SHA256Digest) throws(JournalError) -> Bool {
    let tail = try reaching { () throws(PosixError) -> [UInt8] in
      let file = try Files.open(segments.path(segment), for: .reading)
      var bytes = [UInt8](repeating: 0, count: SHA256Digest.hexCount + 3)
      let count = try file.fill(&bytes, filePosition: max(0, try file.status().size - Int64(bytes.count)))
      return Array(bytes[..<count])
    }
    return tail == Array("\(hash.hex)\"}\n".utf8)
  }

  /// Makes sure that the segment can be written, while failing still has somebody to tell.
  mutating func prepareSegment() throws(JournalError) {
    if size >= Int64(options.segmentBytes) { startNext() }
    // What an earlier run wrote or cut may still be in memory only: from here on it counts as on the disk.
    for earlier in segments.numbers.suffix(Self.lookedAgain) where earlier != number {
      do throws(PosixError) {
        try storage.synchronize(try storage.open(segments.path(earlier)))
      } catch {
        guard error.isForbidden else { throw .system(error) }
      }
    }
    do throws(PosixError) {
      try storage.synchronize(try storage.open(SegmentList.path(folder, number)))
      try storage.synchronizeFolder(folder)
    } catch { throw .system(error) }
  }

  /// Leaves the records that say what was found, ahead of all others.
  func announce(in state: inout JournalState, at now: Int64) {
    state.status.head = recovery.head
    state.status.segment = number
    if lostLines > 0 { state.pending.skip(lostLines, cause: "damaged", at: now) }
    for cut in recovery.cuts {
      let body =
        #""cut_bytes":\#(cut.bytes),"cut_lines":\#(cut.lines),"segment":"\#(SegmentList.name(cut.segment))""#
      say(body, in: &state, at: now)
    }
    if let damage = recovery.damage {
      let body =
        #""cut_bytes":0,"segment":"\#(SegmentList.name(recovery.segment))","damage":"\#(damage.fault.rawValue)""#
        + #","damaged_line":\#(damage.line),"damaged_offset":\#(damage.offset)"#
      say(body, in: &state, at: now)
    }
  }

  private func say(_ body: String, in state: inout JournalState, at now: Int64) {
    let bytes = Array(body.utf8)
    _ = state.accept(kind: "recovered", at: now, body: bytes.span, limit: .max)
  }

  /// The last whole record of the segments before this one.
  private func lastLink(before number: Int) throws(JournalError) -> SegmentScan.Link {
    for earlier in segments.numbers.reversed() where earlier < number {
      let path = segments.path(earlier)
      if let link = try SegmentScan.lastLink(of: path) { return link }
    }
    // Retention leaves a log that begins later; what was before its first record, that record says.
    guard segments.numbers.first == number, number > 1 else {
      return SegmentScan.Link(head: .empty, logID: nil)
    }
    var first: SegmentScan.Link?
    var lines = try SegmentLines(segments.path(number), number)
    if try lines.refill() {
      _ = lines.show { line, _ in
        first = SegmentScan.Link(before: line)
        return false
      }
    }
    return first ?? SegmentScan.Link(head: .empty, logID: nil)
  }

  private static func newLogID() -> String {
    var digits: [UInt8] = []
    for byte in Random.bytes(16) {
      for nibble in [byte >> 4, byte & 15] { digits.append(nibble < 10 ? 48 + nibble : 87 + nibble) }
    }
    return String(decoding: digits, as: UTF8.self)
  }
}
