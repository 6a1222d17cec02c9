/// Records between the threads that report and the one that writes: a queue in flat memory.
///
/// Chunks rather than one array, because growing a large array copies it, under the lock that every reporter waits for.
struct PendingRecords: Sendable {
  /// One entry: `at` (8 bytes), length of the kind (1), length of the body (4), kind, body. An entry without
  /// a kind says that records are missing here: its body is their number (8 bytes) and the cause.
  struct Chunk: Sendable {
    var bytes: [UInt8] = []
    var cursor = 0

    var isEmpty: Bool { cursor == bytes.count }
  }

  static let chunkBytes = 256 << 10
  static let headerBytes = 13

  private(set) var chunks: [Chunk] = []
  private(set) var records = 0
  /// Lengths of the lines to come.
  private(set) var lineBytes = 0
  private var missing: UInt64 = 0
  private var missingAt: Int64 = 0
  private var spare: [[UInt8]] = []

  var isEmpty: Bool { records == 0 && missing == 0 }

  mutating func append(kind: String, at: Int64, body: Span<UInt8>) {
    nameMissing()
    header(at: at, kindCount: kind.utf8.count, bodyCount: body.count)
    let last = chunks.count - 1
    chunks[last].bytes.append(contentsOf: kind.utf8)
    chunks[last].bytes.append(copying: body)
    records += 1
    lineBytes += RecordFrame.overhead + kind.utf8.count + body.count
  }

  /// Notes a record that could not be kept; neighbours share one entry.
  mutating func miss(at: Int64) {
    if missing == 0 { missingAt = at }
    missing += 1
  }

  /// Notes numbers that are lost for a cause of their own.
  mutating func skip(_ count: UInt64, cause: String, at: Int64) {
    let text = Array(cause.utf8)
    header(at: at, kindCount: 0, bodyCount: 8 + text.count)
    let last = chunks.count - 1
    chunks[last].bytes.append(number: count, bytes: 8)
    chunks[last].bytes.append(contentsOf: text)
    records += 1
    lineBytes += RecordFrame.overhead + 64 + text.count
  }

  /// Hands everything over, in order, and starts empty.
  mutating func takeAll() -> [Chunk] {
    nameMissing()
    defer {
      chunks = []
      records = 0
      lineBytes = 0
    }
    return chunks
  }

  /// Takes a chunk's memory back for later records. A few are kept: what a burst needed once is not needed for ever.
  mutating func recycle(_ bytes: consuming [UInt8]) {
    guard spare.count < 4, bytes.capacity <= 2 * Self.chunkBytes else { return }
    bytes.removeAll(keepingCapacity: true)
    spare.append(bytes)
  }

  private mutating func nameMissing() {
    guard missing > 0 else { return }
    let count = missing
    missing = 0
    skip(count, cause: JournalStatus.Refusal.bufferFull.rawValue, at: missingAt)
  }

  private mutating func header(at: Int64, kindCount: Int, bodyCount: Int) {
    let wanted = Self.headerBytes + kindCount + bodyCount
    if chunks.isEmpty || chunks[chunks.count - 1].bytes.count + wanted > Self.chunkBytes {
      var bytes = spare.popLast() ?? []
      bytes.reserveCapacity(Self.chunkBytes)
      chunks.append(Chunk(bytes: bytes))
    }
    let last = chunks.count - 1
    chunks[last].bytes.append(number: UInt64(bitPattern: at), bytes: 8)
    chunks[last].bytes.append(UInt8(kindCount))
    chunks[last].bytes.append(number: UInt64(bodyCount), bytes: 4)
  }
}

extension PendingRecords.Chunk {
  /// Takes the next entry out and formats it.
  ///
  /// - Returns: What it was charged for when it was accepted; 0 for a `gap`, which nobody reported.
  mutating func formatNext(with formatter: inout RecordFormatter, to buffer: inout [UInt8]) -> Int {
    let header = cursor + PendingRecords.headerBytes
    let at = Int64(bitPattern: bytes.number(at: cursor, bytes: 8))
    let kindEnd = header + Int(bytes[cursor + 8])
    let end = kindEnd + Int(bytes.number(at: cursor + 9, bytes: 4))
    cursor = end
    let all = bytes.span
    guard kindEnd == header else {
      formatter.append(
        kind: all.extracting(header..<kindEnd), at: at, body: all.extracting(kindEnd..<end), to: &buffer)
      return RecordFrame.overhead + end - header
    }
    let count = bytes.number(at: header, bytes: 8)
    let first = formatter.head.seq + 1
    let cause = String(decoding: bytes[header + 8..<end], as: UTF8.self)
    let kind = Array("gap".utf8)
    let body = Array(#""from":\#(first),"to":\#(first + count - 1),"cause":"\#(cause)""#.utf8)
    formatter.append(kind: kind.span, at: at, body: body.span, skipping: count, to: &buffer)
    return 0
  }
}

extension [UInt8] {
  /// Little-endian.
  fileprivate mutating func append(number: UInt64, bytes: Int) {
    for index in 0..<bytes { append(UInt8(truncatingIfNeeded: number >> UInt64(8 * index))) }
  }

  fileprivate func number(at offset: Int, bytes: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<bytes { value |= UInt64(self[offset + index]) << UInt64(8 * index) }
    return value
  }
}
