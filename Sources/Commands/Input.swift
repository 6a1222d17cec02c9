import Posix

/// A file or standard input, whole.
package enum Input {
  package static func read(_ path: String, limit: Int) throws(Failure) -> [UInt8] {
    do throws(PosixError) {
      guard path == "-" else { return try Files.read(path, limit: limit) }
      return try StandardStream.input.use { (input) throws(PosixError) in try readAll(input, limit: limit) }
    } catch {
      throw .surroundings(error.description)
    }
  }

  private static func readAll(_ input: borrowing Descriptor, limit: Int) throws(PosixError) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while case .bytes(let count) = try input.read(into: &buffer) {
      bytes += buffer[..<count]
      guard bytes.count <= limit else { throw PosixError(code: 27, call: "read", detail: "standard input") }
    }
    return bytes
  }
}
