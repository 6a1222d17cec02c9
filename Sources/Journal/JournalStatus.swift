package import RouterCore

/// The newest record of a log.
package struct JournalHead: Equatable, Sendable {
  /// 0 where the log has no record yet.
  package let seq: UInt64
  package let hash: SHA256Digest

  package static let empty = JournalHead(seq: 0, hash: .zero)

  package init(seq: UInt64, hash: SHA256Digest) {
    self.seq = seq
    self.hash = hash
  }
}

/// What a journal has done since it was opened, and how it is.
package struct JournalStatus: Sendable {
  /// Why a record was not accepted; closed, so fit for a metric's label.
  package enum Refusal: String, CaseIterable, Sendable {
    case bufferFull = "buffer_full"
    case tooLong = "too_long"
    case malformed = "malformed"
    case closed = "closed"
  }

  /// Which step on the disk failed; closed, so fit for a metric's label.
  package enum Operation: String, CaseIterable, Sendable { case open, write, sync, truncate }

  /// Records that ``Journal/append(kind:at:body:)`` took.
  package internal(set) var accepted: UInt64 = 0
  package internal(set) var refused: [Refusal: UInt64] = [:]
  /// Lines written, `gap` records among them; and their bytes.
  package internal(set) var written: UInt64 = 0
  package internal(set) var writtenBytes: UInt64 = 0
  /// Accepted records that are on the disk.
  package internal(set) var durable: UInt64 = 0
  package internal(set) var head = JournalHead.empty
  package internal(set) var syncs: UInt64 = 0
  package internal(set) var syncDurations = DurationHistogram()
  package internal(set) var segment: Int = 0
  package internal(set) var errors: [Operation: UInt64] = [:]
  /// In words, kept after recovery.
  package internal(set) var lastError: String?
  /// Monotonic nanoseconds of the first failure of those still going on; nil where writing works.
  package internal(set) var failingSince: UInt64?
  /// Memory held by records that are not yet on the disk.
  package internal(set) var pendingBytes = 0
}

/// Counts of durations in fixed buckets.
package struct DurationHistogram: Equatable, Sendable {
  /// Upper bounds in seconds; one more bucket takes what is longer.
  package static let bounds: [Double] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
  ]

  /// One count a bucket, not cumulative: `bounds.count + 1` of them.
  package private(set) var counts = [UInt64](repeating: 0, count: bounds.count + 1)
  package private(set) var totalNanoseconds: UInt64 = 0

  package mutating func add(nanoseconds: UInt64) {
    let seconds = Double(nanoseconds) / 1e9
    counts[Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count] += 1
    totalNanoseconds += nanoseconds
  }
}
