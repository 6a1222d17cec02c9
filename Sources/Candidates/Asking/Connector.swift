package import Posix
package import RouterCore
package import Wire

/// Where a model's connections come from.
package enum Connector: Sendable {
  case tcp(HTTPURL)
  /// To the helper process that speaks TLS and knows the key.
  case bridge(HTTPSBridge)

  package init(_ model: ModelPolicy, _ endpoint: HTTPURL) {
    self = endpoint.scheme == .https ? .bridge(HTTPSBridge(model, endpoint)) : .tcp(endpoint)
  }

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
    case .bridge(let bridge): return try bridge.connect()
    }
  }

  /// Why the helper has no answer of the server; nil where the response is the server's own.
  package func fault(in response: HTTPResponse) -> AskFault? {
    guard case .bridge = self, let word = response.headers[HTTPSBridgeFault.header] else { return nil }
    switch HTTPSBridgeFault(rawValue: word) {
    case .refused: return .refused
    case .tlsFailed: return .tlsFailed
    case .connectionLost: return .connectionLost
    case .noKey: return .noKey
    case .badHTTP, .misdirected, nil: return .badHTTP
    }
  }

  /// Ends what runs for it alone. It can be used again.
  package func end() {
    if case .bridge(let bridge) = self { bridge.end() }
  }
}
