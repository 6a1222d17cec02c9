/// What the sidecar tells its https helper on the command line: names and places, never a secret.
package struct HTTPSBridgeOptions: Sendable, Equatable {
  /// How the key goes to the server.
  package enum KeyHeader: String, Sendable {
    /// `Authorization: Bearer KEY`.
    case bearer
    /// `x-api-key: KEY`.
    case apiKey = "x-api-key"
  }

  /// Only its scheme, host and port are reached; the path is each request's own.
  package var endpoint: HTTPURL
  package var keyHeader = KeyHeader.bearer
  package var keyEnvironment: String?
  package var keyFile: String?
  /// Most connections to the server at a time.
  package var connections = 1
  /// Answers after which it lets another take its place: URLSession keeps some 150 bytes of each for good.
  package var requests = 10_000

  package init(endpoint: HTTPURL) { self.endpoint = endpoint }

  /// nil where the words are not those of ``arguments``.
  package init?(parsing arguments: [String]) {
    guard arguments.count.isMultiple(of: 2), let first = arguments.first, first == "--endpoint",
      let endpoint = try? HTTPURL(parsing: arguments[1])
    else { return nil }
    self.endpoint = endpoint
    for at in stride(from: 2, to: arguments.count, by: 2) {
      let value = arguments[at + 1]
      switch arguments[at] {
      case "--key-header":
        guard let header = KeyHeader(rawValue: value) else { return nil }
        keyHeader = header
      case "--key-env": keyEnvironment = value
      case "--key-file": keyFile = value
      case "--connections", "--requests":
        guard let count = Int(value), count > 0 else { return nil }
        if arguments[at] == "--requests" { requests = count } else { connections = count }
      default: return nil
      }
    }
  }

  package var arguments: [String] {
    var words = ["--endpoint", endpoint.description, "--key-header", keyHeader.rawValue]
    words += ["--connections", "\(connections)", "--requests", "\(requests)"]
    if let keyEnvironment { words += ["--key-env", keyEnvironment] }
    if let keyFile { words += ["--key-file", keyFile] }
    return words
  }
}

/// Why the https helper has no answer of the server, as it tells the sidecar: a 502 with ``header``.
///
/// The helper passes on only the headers in ``passedOn``, so no server can say this itself.
package enum HTTPSBridgeFault: String, Error, Sendable, CaseIterable {
  /// No connection: refused, unreachable, or a name that does not resolve.
  case refused
  /// No TLS, or a certificate that is not trusted, not valid now, or another host's.
  case tlsFailed = "tls_failed"
  case connectionLost = "connection_lost"
  case badHTTP = "bad_http"
  /// The policy names a key, and the variable or file holds none.
  case noKey = "no_key"
  /// The request is for another server than the endpoint.
  case misdirected

  package static let header = "Shadow-Router-Fault"
  /// Headers of the server's answer that the sidecar gets to see.
  package static let passedOn = ["Content-Type", "Retry-After", "Retry-After-Ms", "X-Should-Retry"]
}
