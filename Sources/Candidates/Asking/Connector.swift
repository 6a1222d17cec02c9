package import Posix
package import Wire

/// Where a model's connections come from.
package enum Connector: Sendable {
  case tcp(HTTPURL)

  package func connect(until deadline: UInt64) throws(AskFault) -> Descriptor {
    switch self {
    case .tcp(let url):
      do throws(PosixError) {
        return try TCPSocket.connect(host: url.host, port: url.port, until: deadline)
      } catch {
        throw Clocks.monotonic() >= deadline ? .timeout : .refused
      }
    }
  }
}
