package import RouterCore

/// Where the parts of one line of the log stand.
///
/// The frame is fixed, so finding them parses no JSON:
/// `{"v":1,"log":"…","seq":N,"ts":"…","kind":"…",BODY,"prev":"…","h":"…"}`
package struct RecordLine: Sendable {
  package let seq: UInt64
  /// Milliseconds since 1970.
  package let at: Int64
  package let kind: Range<Int>
  /// The members between `kind` and `prev`, without the commas around them; may be empty.
  package let body: Range<Int>

  /// - Parameter line: Without its newline.
  /// - Returns: nil where the frame is not that of a record. Nothing is said about hashes or the body.
  package init?(_ line: Span<UInt8>) {
    guard line.count >= RecordFrame.shortest, RecordFrame.start.stands(in: line, at: 0),
      RecordFrame.beforeSeq.stands(in: line, at: RecordFrame.logID.upperBound),
      Self.isHex(line, RecordFrame.logID)
    else { return nil }

    var cursor = RecordFrame.logID.upperBound + RecordFrame.beforeSeq.count
    guard let seq = Self.number(line, &cursor), RecordFrame.beforeTime.stands(in: line, at: cursor) else {
      return nil
    }
    cursor += RecordFrame.beforeTime.count
    let time = cursor..<cursor + Timestamp.length
    guard time.upperBound <= line.count, let at = Timestamp.parse(line.extracting(time)),
      RecordFrame.beforeKind.stands(in: line, at: time.upperBound)
    else { return nil }
    cursor = time.upperBound + RecordFrame.beforeKind.count

    let prev = line.count - RecordFrame.tail
    let kindStart = cursor
    while cursor < prev, line[cursor] != UInt8(ascii: "\"") { cursor += 1 }
    guard cursor < prev, cursor > kindStart,
      RecordFrame.beforePrev.stands(in: line, at: prev), RecordFrame.end.stands(in: line, at: line.count - 2),
      RecordFrame.beforeHash.stands(in: line, at: RecordFrame.hashed(line.count))
    else { return nil }
    kind = kindStart..<cursor
    if cursor + 1 == prev {
      body = prev..<prev
    } else {
      guard line[cursor + 1] == UInt8(ascii: ","), cursor + 2 < prev else { return nil }
      body = cursor + 2..<prev
    }
    self.seq = seq
    self.at = at
  }

  /// The digest that the line's bytes have; compare with ``statedHash(_:)``.
  package static func hash(_ line: Span<UInt8>) -> SHA256Digest {
    SHA256.hash(line.extracting(0..<max(0, RecordFrame.hashed(line.count))))
  }

  /// `h` as written; nil where there are no 64 lower-case digits.
  package static func statedHash(_ line: Span<UInt8>) -> SHA256Digest? {
    let start = line.count - 2 - SHA256Digest.hexCount
    guard start >= 0 else { return nil }
    return SHA256Digest(hex: line.extracting(start..<start + SHA256Digest.hexCount))
  }

  /// `prev` as written.
  package static func statedPrevious(_ line: Span<UInt8>) -> SHA256Digest? {
    let start = line.count - RecordFrame.tail + RecordFrame.beforePrev.count
    guard start >= 0 else { return nil }
    return SHA256Digest(hex: line.extracting(start..<start + SHA256Digest.hexCount))
  }

  /// The frame's `log`; only for a line that ``init(_:)`` accepted.
  ///
  /// - Parameter known: Returned itself where the line has the same: comparing is cheaper than a new string.
  package static func logID(_ line: Span<UInt8>, unless known: String? = nil) -> String {
    if let known {
      var index = RecordFrame.logID.lowerBound
      for byte in known.utf8 {
        guard index < line.count, line[index] == byte else { break }
        index += 1
      }
      if index == RecordFrame.logID.upperBound { return known }
    }
    var bytes: [UInt8] = []
    for index in RecordFrame.logID { bytes.append(line[index]) }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func isHex(_ line: Span<UInt8>, _ range: Range<Int>) -> Bool {
    for index in range {
      switch line[index] {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): continue
      default: return false
      }
    }
    return true
  }

  static func number(_ line: Span<UInt8>, _ cursor: inout Int) -> UInt64? {
    let start = cursor
    var value: UInt64 = 0
    while cursor < line.count, UInt8(ascii: "0")...UInt8(ascii: "9") ~= line[cursor], cursor - start < 19 {
      value = value * 10 + UInt64(line[cursor] - UInt8(ascii: "0"))
      cursor += 1
    }
    // One spelling a number: a leading zero is none of ours.
    return cursor > start && line[start] != UInt8(ascii: "0") ? value : nil
  }
}
