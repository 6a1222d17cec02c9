package import Posix

/// How a log is written. The defaults are the contract's.
package struct JournalOptions: Sendable {
  /// A segment is closed once it has this many bytes; it may pass them by less than one line.
  package var segmentBytes = 64 << 20

  /// Longest time that a written record waits for the disk. What a power cut can take.
  package var syncIntervalMilliseconds: Int64 = 200

  /// A sync is due as soon as this many records wait for it, whatever the time.
  package var syncRecords = 256

  /// Most memory, in bytes, of records that are not yet on the disk; past it they are refused and counted.
  package var bufferBytes = 64 << 20

  /// What of ``bufferBytes`` is kept for records that may not be missing: those that may are refused earlier.
  package var reservedBytes = 8 << 20

  /// Least time between two writes of a trickle: at 2,000 records a second a write for each would cost more than
  /// the records. What kill -9 can take. A full ``syncRecords`` or 64 KiB do not wait for it.
  package var writeIntervalMilliseconds: Int64 = 10

  /// Most bytes between two syncs under load. Larger costs memory and latency and hardly gains.
  package var batchBytes = 1 << 20

  /// First and longest wait before writing is tried again after a failure; doubled each time.
  package var backoffMilliseconds: ClosedRange<Int64> = 100...5000

  /// The system calls on segments; a test puts failing ones here.
  package var storage = JournalStorage()

  /// Most bytes of a segment that are written and not confirmed by a sync.
  var unsyncedBytes: Int64 { Int64(batchBytes + RecordFrame.longestLine) }

  package init() {}
}

/// The calls that change a log's files, each replaceable: a full or dying disk is hard to have otherwise.
package struct JournalStorage: Sendable {
  package var open: @Sendable (_ path: String) throws(PosixError) -> Descriptor = {
    (path) throws(PosixError) in
    try Files.open(path, for: .appending, mode: 0o600)
  }

  /// Returns the number of bytes taken, which may be fewer than given.
  package var write: @Sendable (borrowing Descriptor, Span<UInt8>) throws(PosixError) -> Int = {
    (file, bytes) throws(PosixError) in try file.write(bytes) ?? 0
  }

  package var synchronize: @Sendable (borrowing Descriptor) throws(PosixError) -> Void = {
    (file) throws(PosixError) in try file.synchronizeData()
  }

  package var truncate: @Sendable (borrowing Descriptor, Int64) throws(PosixError) -> Void = {
    (file, size) throws(PosixError) in try file.truncate(to: size)
  }

  package var synchronizeFolder: @Sendable (_ path: String) throws(PosixError) -> Void = {
    (path) throws(PosixError) in try Files.synchronizeFolder(path)
  }

  /// Has the end of a segment, this many bytes, read from the disk rather than from memory.
  package var forget: @Sendable (_ path: String, _ bytes: Int64) throws(PosixError) -> Void = {
    (path, bytes) throws(PosixError) in
    let file = try Files.open(path, for: .reading)
    file.forgetCached(from: try file.status().size - bytes)
  }

  package var remove: @Sendable (_ path: String) throws(PosixError) -> Void = {
    (path) throws(PosixError) in try Files.remove(path)
  }

  package init() {}
}
