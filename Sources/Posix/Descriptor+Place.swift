import Glibc

extension Files {
  /// Opens an existing file to change bytes where they stand.
  package static func openToChange(_ path: String) throws(PosixError) -> Descriptor {
    Descriptor(
      owning: try retrying("open", path) { unsafe Glibc.open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) })
  }
}

extension Descriptor {
  /// Writes all of it at a place in a file, leaving the file's own position alone.
  package func writeAll(_ bytes: [UInt8], filePosition: Int64) throws(PosixError) {
    var done = 0
    while done < bytes.count {
      let count = try retrying("pwrite") {
        unsafe bytes.withUnsafeBytes {
          unsafe pwrite(
            number, $0.baseAddress?.advanced(by: done), $0.count - done, off_t(filePosition) + off_t(done))
        }
      }
      guard count > 0 else { throw PosixError(code: EIO, call: "pwrite", detail: "(nothing taken)") }
      done += count
    }
  }
}
