package import Anchors
package import Journal
import Posix
import RouterCore
import Wire

/// Whether a log still holds what a checkpoint covers.
package struct CheckpointProof: Sendable {
  /// The log itself, as `verify-log` says it.
  package let outcome: JournalVerification.Outcome
  /// Why the checkpoint is not that of this log, with the place; nil: it is.
  package private(set) var problem: String?
  /// Records that the checkpoint covers and that retention has removed since.
  package private(set) var removed: UInt64 = 0

  package var holds: Bool { outcome.isWhole && problem == nil }

  /// Reads the log from its beginning; also while a router writes it or removes what is old: what does not hold is looked
  /// at again, until two looks find the same.
  ///
  /// - Parameters:
  ///   - historyPath: The file of all checkpoints; what is wrong in it can make a proof fail, never succeed.
  ///   - observe: Shown each record as it is read.
  package init(
    _ checkpoint: Checkpoint, logFolder: String, historyPath: String,
    observe: (Span<UInt8>) -> Void = { _ in }
  ) throws(JournalError) {
    var proof = try Self.look(checkpoint, logFolder, historyPath, observe)
    for pause in JournalVerification.usualPauses where !proof.holds {
      let before = proof
      Clocks.sleep(milliseconds: pause)
      proof = try Self.look(checkpoint, logFolder, historyPath, observe)
      if proof.problem == before.problem, proof.outcome.damage == before.outcome.damage { break }
    }
    self = proof
  }

  private init(outcome: JournalVerification.Outcome) { self.outcome = outcome }

  /// Reads the log once.
  private static func look(
    _ checkpoint: Checkpoint, _ logFolder: String, _ historyPath: String, _ observe: (Span<UInt8>) -> Void
  ) throws(JournalError) -> CheckpointProof {
    let notice = try RetentionNotice.newest(in: logFolder)
    var walk = Walk(checkpoint, notice)
    let outcome = try JournalVerification.look(logFolder) { line in
      walk.add(line, historyPath)
      observe(line)
    }
    var proof = CheckpointProof(outcome: outcome)
    guard outcome.isWhole else { return proof }
    guard let logID = walk.logID else {
      proof.problem = "the log has no records; the checkpoint covers \(checkpoint.size)"
      return proof
    }
    guard checkpoint.origin == Checkpoint.origin(ofLog: logID) else {
      proof.problem =
        "the checkpoint is of another log (\(checkpoint.origin)); this one is \(Checkpoint.origin(ofLog: logID))"
      return proof
    }
    proof.problem = walk.problem
    proof.removed = min(checkpoint.size, notice?.removed.end ?? 0)
    return proof
  }

  private struct Walk {
    let checkpoint: Checkpoint
    let firstSeq: UInt64
    /// Records that are not there any more.
    let missing: UInt64
    private(set) var logID: String?
    private var tree: MerkleRange
    private var history: AnchorHistory?
    /// Of the log as it is, where a checkpoint was made: size → root and the last record's number.
    private var found: [UInt64: (root: SHA256Digest?, seq: UInt64)] = [:]
    private var marks: Set<UInt64>
    private var lastSeq: UInt64 = 0

    init(_ checkpoint: Checkpoint, _ notice: RetentionNotice?) {
      self.checkpoint = checkpoint
      firstSeq = notice?.firstSeq ?? 1
      tree = notice?.removed ?? MerkleRange()
      missing = tree.end
      marks = [checkpoint.size]
      found[tree.end] = (tree.root, firstSeq - 1)
    }

    mutating func add(_ line: Span<UInt8>, _ historyPath: String) {
      if logID == nil {
        let id = RecordLine.logID(line)
        let history = AnchorHistory(reading: historyPath, log: id)
        marks.formUnion(history.entries.map(\.size))
        self.history = history
        logID = id
      }
      // Where a removal was not finished, the first records are among the removed ones.
      guard let record = RecordLine(line), record.seq >= firstSeq else { return }
      tree.append(KeptForm.leaf(line))
      lastSeq = record.seq
      if marks.contains(tree.end) { found[tree.end] = (tree.root, record.seq) }
    }

    var problem: String? {
      if checkpoint.size > tree.end {
        return
          "the log ends with record \(lastSeq), its \(tree.end)th; the checkpoint covers \(checkpoint.size) records"
      }
      if let there = found[checkpoint.size] {
        return there.root == checkpoint.root ? nil : "\(place): not the records of the checkpoint"
      }
      return removedProblem
    }

    /// Where the records that the checkpoint covers begin to differ, as near as checkpoints stand.
    private var place: String {
      var tree = MerkleRange()
      var good: UInt64 = firstSeq - 1
      for entry in history?.entries ?? [] where tree.append(entry.stretch) {
        guard entry.size <= checkpoint.size, let there = found[entry.size] else { continue }
        guard there.root == tree.root else { return "records \(good + 1) to \(there.seq)" }
        good = there.seq
      }
      let end = found[checkpoint.size]?.seq ?? lastSeq
      // All checkpoints kept here fit the log: the one that was asked about is none of them.
      return good >= end ? "records \(firstSeq) to \(end)" : "records \(good + 1) to \(end)"
    }

    /// The checkpoint covers removed records alone: its own subtrees must lead to the records that are there.
    private var removedProblem: String? {
      var tree = MerkleRange()
      var isPassed = false
      for entry in history?.entries ?? [] where tree.append(entry.stretch) {
        if entry.size == checkpoint.size {
          guard tree.root == checkpoint.root else {
            return "records 1 to \(entry.seq), which retention removed: not the records of the checkpoint"
          }
          isPassed = true
        }
        guard isPassed, entry.size >= missing, let there = found[entry.size] else { continue }
        return there.root == tree.root
          ? nil : "the way from the checkpoint to the records that are left does not lead to them"
      }
      return
        "its records were removed by retention, and no kept checkpoint leads from it to those that are left"
    }
  }
}
