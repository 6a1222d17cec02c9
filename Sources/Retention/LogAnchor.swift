import Anchors
package import Journal
package import Posix
package import RouterCore

/// Keeps the tree over a log's records as it grows, and makes checkpoints of it.
///
/// Takes in only records that are on the disk: what a power cut takes away was in no checkpoint.
package struct LogAnchor: ~Copyable {
  private let logFolder: String
  private let stateFolder: String
  private let logID: String
  private var history: AnchorHistory
  private var tree: MerkleRange
  /// Records since the last checkpoint.
  private var stretch: MerkleRange
  /// Number of the last record in the tree.
  private var seq: UInt64
  private var reader: JournalReader?
  /// Read, and not known to be on the disk yet.
  private var held: (seq: UInt64, leaf: SHA256Digest)?

  /// What the log had lost of what was in a checkpoint, when it was opened: numbers of records; nil: nothing.
  package private(set) var lost: ClosedRange<UInt64>?

  private init(
    logFolder: String, stateFolder: String, logID: String, history: AnchorHistory, tree: MerkleRange,
    seq: UInt64,
    lost: ClosedRange<UInt64>?
  ) {
    self.logFolder = logFolder
    self.stateFolder = stateFolder
    self.logID = logID
    self.history = history
    self.tree = tree
    self.seq = seq
    self.lost = lost
    stretch = MerkleRange(at: tree.end)
  }

  /// Goes on where the last checkpoint was made, or begins where the log does.
  ///
  /// - Parameter durable: Number of the last record on the disk.
  package init(logFolder: String, stateFolder: String, logID: String, durable: UInt64) throws(JournalError) {
    var history = AnchorHistory(reading: AnchorHistory.path(stateFolder), log: logID)
    var lost: ClosedRange<UInt64>?
    if let last = history.entries.last, last.seq > durable {
      lost = durable + 1...last.seq
      history.forget(after: durable)
    }
    // Without a history of its own a log that begins later says itself what was before.
    if history.entries.isEmpty, let notice = try RetentionNotice.newest(in: logFolder) {
      history.add(
        AnchorHistory.Entry(seq: notice.firstSeq - 1, at: notice.lastRemoved, stretch: notice.removed))
    }
    // Whole again where the last line was torn, or the file another log's.
    do throws(PosixError) { try history.save(AnchorHistory.path(stateFolder)) } catch { throw .system(error) }
    self.init(
      logFolder: logFolder, stateFolder: stateFolder, logID: logID, history: history, tree: history.tree,
      seq: history.entries.last?.seq ?? 0, lost: lost)
  }

  /// Records that the newest checkpoint covers.
  package var checkpointed: UInt64? { history.entries.last?.size }
  package var lastAt: Int64? { history.entries.last?.at }
  package var size: UInt64 { tree.end }

  /// Reads on.
  ///
  /// - Parameter durable: Number of the last record on the disk.
  package mutating func follow(upTo durable: UInt64) throws(JournalError) {
    if let held {
      guard held.seq <= durable else { return }
      take(held.seq, held.leaf)
      self.held = nil
    }
    guard seq < durable else { return }
    if reader == nil { reader = try JournalReader(folder: logFolder, from: .seq(seq + 1)) }
    var (tree, stretch, seq) = (tree, stretch, seq)
    var held: (seq: UInt64, leaf: SHA256Digest)?
    defer {
      self.tree = tree
      self.stretch = stretch
      self.seq = seq
      self.held = held
    }
    try reader?.visit { line, _ in
      // After a failing disk a record may be shown twice.
      guard let record = RecordLine(line), record.seq > seq else { return true }
      let leaf = KeptForm.leaf(line)
      guard record.seq <= durable else {
        held = (record.seq, leaf)
        return false
      }
      tree.append(leaf)
      stretch.append(leaf)
      seq = record.seq
      return true
    }
  }

  private mutating func take(_ seq: UInt64, _ leaf: SHA256Digest) {
    guard seq > self.seq else { return }
    tree.append(leaf)
    stretch.append(leaf)
    self.seq = seq
  }

  /// Makes a checkpoint of all that was taken in: the line of the history, then the file `checkpoint`.
  ///
  /// - Returns: The record to write; nil where nothing is new but the record of the checkpoint before.
  package mutating func checkpoint(now: Int64) throws(PosixError) -> RecordBody? {
    guard stretch.end - stretch.start > (history.entries.isEmpty ? 0 : 1), let root = tree.root else {
      return nil
    }
    let checkpoint = Checkpoint(log: logID, size: tree.end, root: root)
    var next = history
    next.add(AnchorHistory.Entry(seq: seq, at: now, stretch: stretch))
    try next.saveLast(AnchorHistory.path(stateFolder))
    history = next
    stretch = MerkleRange(at: tree.end)
    try Files.replace(Self.file(stateFolder), with: Array(checkpoint.text.utf8), mode: 0o644)
    var body = RecordBody()
    body.field("origin", checkpoint.origin)
    body.field("size", Int(clamping: checkpoint.size))
    body.field("root", root.base64)
    body.field("last_seq", Int(clamping: seq))
    return body
  }

  /// The newest checkpoint, to be taken off this machine.
  package static func file(_ stateFolder: String) -> String { Files.join(stateFolder, "checkpoint") }
}

extension RetentionNotice {
  /// The newest one in a log; nil where it begins with its first segment.
  package static func newest(in folder: String) throws(JournalError) -> RetentionNotice? {
    guard Files.exists(folder) else { return nil }
    let segments = try SegmentList.read(folder)
    guard let first = segments.numbers.first else { return nil }
    for number in segments.numbers.reversed() where first > 1 || number == segments.numbers.last {
      var found: RetentionNotice?
      var reader = try JournalReader(folder: folder, from: .place(segment: number, offset: 0))
      try reader.visit { line, place in
        guard place.segment == number else { return false }
        if let notice = RetentionNotice(line) { found = notice }
        return true
      }
      if let found { return found }
    }
    return nil
  }
}
