package import Posix
import RouterCore

/// The SHA-256 of a file, read piece by piece.
package enum FileDigest {
  /// - Returns: 64 hex digits.
  /// - Throws: EINVAL for what is no regular file: reading a pipe could wait for ever.
  package static func sha256(_ path: String) throws(PosixError) -> String {
    guard try Files.status(path)?.kind == .file else {
      throw PosixError(code: PosixError.invalid, call: "read", detail: "\(path) (not a regular file)")
    }
    let file = try Files.open(path, for: .reading)
    var buffer = [UInt8](repeating: 0, count: 256 << 10)
    var hash = SHA256()
    while case .bytes(let count) = try file.read(into: &buffer) {
      hash.update(buffer.span.extracting(0..<count))
    }
    return hash.finalize().hex
  }
}
