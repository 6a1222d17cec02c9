/// Why a model gave no answer. The words are the `detail` of `local_unavailable` and a metric's label.
package enum AskFault: Error, Equatable, Sendable {
  case refused
  case timeout
  case status(Int)
  case connectionLost
  case shortBody
  case responseTooLarge
  case badHTTP
  /// A whole answer that is not of the server's own format.
  case badResponse
  /// The body is encoded in a way that was not asked for, or says so.
  case contentEncoding
  /// Made way for questions of more weight.
  case yielded
  /// A stream that said, after its 200, that it failed.
  case streamError
  /// A stream that ended without its format's mark of a whole answer.
  case streamIncomplete
  case stopping
  case unsupported
  /// No TLS with the server, or a certificate that is not trusted, not valid now, or another host's.
  case tlsFailed
  /// The policy names an API key, and the variable or file holds none.
  case noKey
  /// The https helper is not there, cannot be started, or keeps dying.
  case bridgeUnavailable

  package var cause: String {
    switch self {
    case .refused: "refused"
    case .timeout: "timeout"
    case .status(let status): "status_\(status)"
    case .connectionLost: "connection_lost"
    case .shortBody: "short_body"
    case .responseTooLarge: "response_too_large"
    case .badHTTP: "bad_http"
    case .badResponse: "bad_response"
    case .contentEncoding: "content_encoding"
    case .yielded: "yielded"
    case .streamError: "stream_error"
    case .streamIncomplete: "stream_incomplete"
    case .stopping: "stopping"
    case .unsupported: "provider_not_supported_yet"
    case .tlsFailed: "tls_failed"
    case .noKey: "no_key"
    case .bridgeUnavailable: "bridge_unavailable"
    }
  }

  /// Whether it speaks against the server rather than against this request.
  package var countsForBreaker: Bool {
    switch self {
    case .refused, .timeout, .connectionLost, .shortBody, .badHTTP, .streamError, .streamIncomplete,
      .tlsFailed,
      .bridgeUnavailable:
      true
    case .status(let status): status == 429 || status >= 500
    case .responseTooLarge, .badResponse, .contentEncoding, .yielded, .stopping, .unsupported, .noKey: false
    }
  }
}
