import Glibc

extension Span where Element == UInt8 {
  /// Where `byte` first stands at or after `start`; the C library's vector search.
  package func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
    guard start < count else { return nil }
    return unsafe withUnsafeBytes { bytes -> Int? in
      guard let base = bytes.baseAddress,
        let hit = unsafe memchr(base + start, Int32(byte), bytes.count - start)
      else { return nil }
      return unsafe UnsafeRawPointer(hit) - base
    }
  }

  /// Where `byte` last stands before `end`.
  package func lastIndex(of byte: UInt8, before end: Int) -> Int? {
    var index = min(end, count) - 1
    while index >= 0 {
      if self[index] == byte { return index }
      index -= 1
    }
    return nil
  }
}
