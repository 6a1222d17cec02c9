package import RouterCore

/// The form of a record's line that an erasure leaves as it is: every preview stands as `null`.
///
/// A preview is the value of a member whose name ends in `_preview`. Erasing puts `null` and spaces over its bytes, so
/// that nothing else in the file moves; the line then no longer has the hash that it states, but its kept form, `h` and
/// `prev` with it, is what it was. The leaves of checkpoints are kept forms.
package enum KeptForm {
  private static let nameEnd = Array(#"_preview":"#.utf8)
  private static let null = Array("null".utf8)

  /// The line in this form.
  package static func bytes(_ line: Span<UInt8>) -> [UInt8] {
    var kept: [UInt8] = []
    kept.reserveCapacity(line.count)
    var from = 0
    for value in values(line) {
      kept.append(copying: line.extracting(from..<value.range.lowerBound))
      kept.append(contentsOf: null)
      from = value.range.upperBound
    }
    kept.append(copying: line.extracting(from..<line.count))
    return kept
  }

  /// Of the line, as a leaf of a checkpoint's tree.
  package static func leaf(_ line: Span<UInt8>) -> SHA256Digest { MerkleHash.leaf(bytes(line).span) }

  /// Whether a preview was erased in the line, and none is left.
  package static func isErased(_ line: Span<UInt8>) -> Bool {
    let values = values(line)
    return values.contains { $0.state == .erased } && !values.contains { $0.state == .filled }
  }

  /// The previews that the line still holds, with their quotes, as ranges of its bytes.
  package static func previews(_ line: Span<UInt8>) -> [Range<Int>] {
    values(line).filter { $0.state == .filled }.map(\.range)
  }

  /// What stands in the place of a preview of so many bytes, quotes counted, once it is erased.
  package static func erased(_ count: Int) -> [UInt8] {
    // One character in quotes has no room for `null`.
    let word = count >= null.count ? null : Array("\"\"".utf8)
    return word + [UInt8](repeating: UInt8(ascii: " "), count: max(0, count - word.count))
  }

  private struct Value {
    enum State { case filled, empty, erased }
    /// The spaces behind an erased one are part of it.
    var range: Range<Int>
    var state: State
  }

  private static func values(_ line: Span<UInt8>) -> [Value] {
    var found: [Value] = []
    var place = 0
    while place + nameEnd.count < line.count {
      guard line[place] == UInt8(ascii: "_"), stands(nameEnd, in: line, at: place) else {
        place += 1
        continue
      }
      place += nameEnd.count
      guard let value = value(line, at: place) else { continue }
      found.append(value)
      place = value.range.upperBound
    }
    return found
  }

  /// nil for what is neither a string nor null.
  private static func value(_ line: Span<UInt8>, at start: Int) -> Value? {
    var end = start
    if stands(null, in: line, at: start) {
      end += null.count
    } else {
      guard line[start] == UInt8(ascii: "\"") else { return nil }
      end += 1
      while end < line.count, line[end] != UInt8(ascii: "\"") {
        end += line[end] == UInt8(ascii: "\\") ? 2 : 1
      }
      guard end < line.count else { return nil }
      end += 1
    }
    let isFilled = line[start] == UInt8(ascii: "\"") && end > start + 2
    let word = end
    while !isFilled, end < line.count, line[end] == UInt8(ascii: " ") { end += 1 }
    return Value(range: start..<end, state: isFilled ? .filled : end > word ? .erased : .empty)
  }

  private static func stands(_ bytes: [UInt8], in line: Span<UInt8>, at start: Int) -> Bool {
    guard start + bytes.count <= line.count else { return false }
    for (index, byte) in bytes.enumerated() where line[start + index] != byte { return false }
    return true
  }
}

extension [UInt8] {
  fileprivate mutating func append(copying bytes: Span<UInt8>) {
    unsafe bytes.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
  }
}
