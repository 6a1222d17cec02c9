import RouterCore

/// A piece of a line that never changes.
struct Literal: Sendable {
  private let text: StaticString

  init(_ text: StaticString) { self.text = text }

  var count: Int { text.utf8CodeUnitCount }

  /// Whether these bytes are in `line` at `offset`, also where that is past its end.
  func stands(in line: Span<UInt8>, at offset: Int) -> Bool {
    guard offset >= 0, offset + count <= line.count else { return false }
    // `text` is a literal: its pointer is good for as long as the process runs.
    for index in 0..<count where unsafe text.utf8Start[index] != line[offset + index] { return false }
    return true
  }

  func isAll(of bytes: Span<UInt8>) -> Bool { bytes.count == count && stands(in: bytes, at: 0) }

  func append(to buffer: inout [UInt8]) {
    unsafe buffer.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: count))
  }
}

/// The fixed parts of a record's line, in their order.
enum RecordFrame {
  static let start = Literal(#"{"v":1,"log":""#)
  static let beforeSeq = Literal(#"","seq":"#)
  static let beforeTime = Literal(#","ts":""#)
  static let beforeKind = Literal(#"","kind":""#)
  static let beforePrev = Literal(#","prev":""#)
  static let beforeHash = Literal(#","h":""#)
  static let end = Literal(#""}"#)

  static let logIDCount = 32
  /// A line's most bytes with its newline, by the contract.
  static let longestLine = 64 << 10
  static let logID = 14..<14 + logIDCount

  /// Bytes from the comma before `prev` to the closing brace.
  static let tail = 9 + SHA256Digest.hexCount + 1 + 6 + SHA256Digest.hexCount + 2

  /// All but the kind and the body, with the longest number, the comma before the body and the newline.
  static let overhead = 14 + logIDCount + 8 + 19 + 7 + Timestamp.length + 10 + 1 + 1 + tail + 1

  /// The shortest line there can be: one digit of number, one letter of kind, no body.
  static let shortest = 14 + logIDCount + 8 + 1 + 7 + Timestamp.length + 10 + 1 + 1 + tail

  /// How many of a line's bytes its hash covers: those before `,"h":`.
  static func hashed(_ count: Int) -> Int { count - 2 - SHA256Digest.hexCount - 6 }
}

/// Writes records as lines, each chained to the one before.
struct RecordFormatter {
  let logID: [UInt8]
  private(set) var head: JournalHead
  private var previous: [UInt8] = []
  private var stamp = Timestamp()

  /// - Parameter head: The record that the next one follows.
  init(logID: String, head: JournalHead) {
    self.logID = Array(logID.utf8)
    self.head = head
    head.hash.appendHex(to: &previous)
  }

  /// Appends one line with its newline.
  ///
  /// - Parameter skipping: How many numbers to leave out before this record's own.
  mutating func append(
    kind: Span<UInt8>, at milliseconds: Int64, body: Span<UInt8>, skipping: UInt64 = 0,
    to buffer: inout [UInt8]
  ) {
    let start = buffer.count
    let seq = head.seq + skipping + 1
    RecordFrame.start.append(to: &buffer)
    buffer.append(contentsOf: logID)
    RecordFrame.beforeSeq.append(to: &buffer)
    buffer.append(decimal: seq)
    RecordFrame.beforeTime.append(to: &buffer)
    stamp.append(milliseconds, to: &buffer)
    RecordFrame.beforeKind.append(to: &buffer)
    buffer.append(copying: kind)
    buffer.append(UInt8(ascii: "\""))
    if body.count > 0 {
      buffer.append(UInt8(ascii: ","))
      buffer.append(copying: body)
    }
    RecordFrame.beforePrev.append(to: &buffer)
    buffer.append(contentsOf: previous)
    buffer.append(UInt8(ascii: "\""))

    let hash = SHA256.hash(buffer.span.extracting(start..<buffer.count))
    previous.removeAll(keepingCapacity: true)
    hash.appendHex(to: &previous)
    RecordFrame.beforeHash.append(to: &buffer)
    buffer.append(contentsOf: previous)
    RecordFrame.end.append(to: &buffer)
    buffer.append(UInt8(ascii: "\n"))
    head = JournalHead(seq: seq, hash: hash)
  }
}

extension [UInt8] {
  /// One copy; `append(contentsOf:)` does not take a span.
  mutating func append(copying bytes: Span<UInt8>) {
    unsafe bytes.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
  }

  mutating func append(decimal number: UInt64) {
    let start = count
    var rest = number
    repeat {
      append(UInt8(ascii: "0") + UInt8(rest % 10))
      rest /= 10
    } while rest > 0
    self[start...].reverse()
  }
}
