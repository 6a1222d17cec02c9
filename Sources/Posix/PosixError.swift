import Glibc

/// A system call that failed: which, on what, and why.
package struct PosixError: Error, Equatable, CustomStringConvertible {
  /// The value of errno.
  package let code: Int32
  /// The call's name, as in section 2 of the manual.
  package let call: String
  /// The path, address or situation; may be empty.
  package let detail: String

  package init(code: Int32, call: String, detail: String = "") {
    self.code = code
    self.call = call
    self.detail = detail
  }

  /// The system's words for the code, such as `No space left on device`.
  package var reason: String {
    var text = [CChar](repeating: 0, count: 128)
    guard unsafe strerror_r(code, &text, text.count) == 0 else { return "error \(code)" }
    return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  package var description: String {
    detail.isEmpty ? "\(call): \(reason)" : "\(call) \(detail): \(reason)"
  }

  package static let noSpace = ENOSPC
  package static let inputOutput = EIO
  package static let invalid = EINVAL

  package var isForbidden: Bool { code == EPERM || code == EACCES }
  package var isBrokenPipe: Bool { code == EPIPE || code == ECONNRESET }
  package var isMissing: Bool { code == ENOENT || code == ENOTDIR }
  package var isDiskFull: Bool { code == ENOSPC || code == EDQUOT || code == EFBIG }
}

/// Makes a call again for as long as a signal interrupts it.
///
/// The one place where EINTR is dealt with, and where tests make calls fail (``FaultPlan``). Not for `close`: Linux has given the number back
/// by the time it says EINTR, and a second try might close another thread's descriptor.
///
/// - Parameter body: Returns a negative value, with errno set, where it failed.
@inline(__always)
func retrying<Result: FixedWidthInteger & SignedInteger>(
  _ call: String, _ detail: @autoclosure () -> String = "", _ body: () -> Result
) throws(PosixError) -> Result {
  while true {
    let result = FaultPlan.fails(call) ? -1 : body()
    if result >= 0 { return result }
    let code = errno
    if code != EINTR { throw PosixError(code: code, call: call, detail: detail()) }
  }
}

/// The same where "not now" is an answer.
///
/// - Returns: nil for EAGAIN.
@inline(__always)
func retryingUnlessBlocked<Result: FixedWidthInteger & SignedInteger>(
  _ call: String, _ detail: @autoclosure () -> String = "", _ body: () -> Result
) throws(PosixError) -> Result? {
  while true {
    let result = FaultPlan.fails(call) ? -1 : body()
    if result >= 0 { return result }
    let code = errno
    if code == EAGAIN || code == EWOULDBLOCK { return nil }
    if code != EINTR { throw PosixError(code: code, call: call, detail: detail()) }
  }
}
