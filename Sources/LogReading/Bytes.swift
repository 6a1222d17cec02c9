internal import Glibc

/// What is done with whole runs of bytes, and where this module is unsafe for speed.
extension Span<UInt8> {
  /// Where the next newline stands at or after `start`, or the end of the text.
  package func lineEnd(from start: Int) -> Int {
    guard start < count else { return count }
    return unsafe withUnsafeBufferPointer { bytes in
      guard let base = bytes.baseAddress,
        let found = unsafe memchr(base + start, 0x0A, bytes.count - start)
      else { return bytes.count }
      return unsafe UnsafeRawPointer(found) - UnsafeRawPointer(base)
    }
  }

  package var copied: [UInt8] { unsafe withUnsafeBufferPointer { unsafe Array($0) } }

  /// As a string; what is not UTF-8 becomes U+FFFD.
  package var text: String { unsafe withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) } }
}

extension [UInt8] {
  /// One copy; `append(contentsOf:)` does not take a span.
  package mutating func append(copying bytes: Span<UInt8>) {
    unsafe bytes.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
  }
}
