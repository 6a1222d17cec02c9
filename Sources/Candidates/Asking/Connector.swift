package import Posix
package import Wire

/// Where a model's connections come from.
package enum Connector: Sendable {
  case tcp(HTTPURL)

  /// - Parameter waiting: As in ``TCPSocket``: how the wait for a connection is made, so that it can be cut short.
  package func connect(
    until deadline: UInt64,
    waiting: (borrowing Descriptor, UInt64) throws(PosixError) -> Bool = {
      (socket, time) throws(PosixError) in try Poll.wait(socket, for: .writable, until: time)
    }
  ) throws(AskFault) -> Descriptor {
    switch self {
    case .tcp(let url):
      do throws(PosixError) {
        return try TCPSocket.connect(host: url.host, port: url.port, until: deadline, waiting: waiting)
      } catch {
        throw Clocks.monotonic() >= deadline ? .timeout : .refused
      }
    }
  }
}
