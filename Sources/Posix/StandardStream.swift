/// Descriptors 0, 1 and 2, which this process uses and never closes.
package enum StandardStream: Int32, Sendable {
  case input = 0
  case output = 1
  case error = 2

  package func use<Value>(
    _ body: (borrowing Descriptor) throws(PosixError) -> Value
  ) throws(PosixError) -> Value {
    let descriptor = Descriptor(owning: rawValue)
    let result: Result<Value, PosixError>
    do throws(PosixError) { result = .success(try body(descriptor)) } catch { result = .failure(error) }
    _ = descriptor.release()
    return try result.get()
  }

  package var isTerminal: Bool { (try? use { $0.isTerminal }) ?? false }
}
