/// What is wrong with an HTTP message, an address, or the connection it came over.
///
/// After any of them the connection cannot be used again.
package enum HTTPError: Error, Equatable, CustomStringConvertible {
  // The message.
  case invalidStartLine
  case unsupportedVersion
  case invalidStatus
  case invalidHeaderLine
  /// A bare CR, a NUL or another control byte in a line, or in a request a line without CR.
  case invalidLineByte
  case invalidContentLength
  case repeatedContentLength
  /// Content-Length and Transfer-Encoding in one message: what request smuggling is made of.
  case contentLengthWithTransferEncoding
  /// A transfer coding other than `chunked`.
  case unsupportedTransferEncoding
  case invalidChunk
  case repeatedHost
  /// 101: the connection would no longer speak HTTP.
  case switchedProtocol
  case headTooLarge(limit: Int)
  case bodyTooLarge(limit: Int)

  // The end of the stream.
  /// Not a byte came: the peer had closed the connection, perhaps before it saw the request.
  case closedBeforeMessage
  case endedInHead
  /// - expected: nil where the body was chunked.
  case shortBody(received: Int, expected: Int?)

  // What we were asked to write.
  case invalidMethod
  case invalidTarget
  case invalidReason
  case invalidHeaderName
  case invalidHeaderValue
  /// Content-Length and Transfer-Encoding belong to the writer.
  case reservedHeader

  package var description: String {
    switch self {
    case .invalidStartLine: "the first line is not HTTP/1.1"
    case .unsupportedVersion: "the HTTP version is not 1.0 or 1.1"
    case .invalidStatus: "the status is not a number from 100 to 599"
    case .invalidHeaderLine: "a header line is malformed"
    case .invalidLineByte: "a line of the head holds a byte that is not allowed"
    case .invalidContentLength: "Content-Length is not a plain number"
    case .repeatedContentLength: "Content-Length is given more than once"
    case .contentLengthWithTransferEncoding: "both Content-Length and Transfer-Encoding are given"
    case .unsupportedTransferEncoding: "the transfer coding is not chunked"
    case .invalidChunk: "a chunk of the body is malformed"
    case .repeatedHost: "Host is given more than once"
    case .switchedProtocol: "the server switched to another protocol"
    case .headTooLarge(let limit): "the head is longer than \(limit) bytes"
    case .bodyTooLarge(let limit): "the body is longer than \(limit) bytes"
    case .closedBeforeMessage: "the connection was closed before a message began"
    case .endedInHead: "the connection was closed within the head"
    case .shortBody(let received, .some(let expected)):
      "the connection was closed after \(received) of \(expected) body bytes"
    case .shortBody(let received, nil):
      "the connection was closed within a chunked body, after \(received) bytes"
    case .invalidMethod: "the method is not a token"
    case .invalidTarget: "the request target holds a byte that is not allowed"
    case .invalidReason: "the reason phrase holds a byte that is not allowed"
    case .invalidHeaderName: "a header name is not a token"
    case .invalidHeaderValue: "a header value holds a byte that is not allowed"
    case .reservedHeader: "Content-Length and Transfer-Encoding are written by the writer"
    }
  }

  /// What a server answers to a request with this fault.
  package var answerStatus: Int {
    switch self {
    case .headTooLarge: 431
    case .bodyTooLarge: 413
    case .unsupportedTransferEncoding: 501
    case .unsupportedVersion: 505
    default: 400
    }
  }
}

package struct HTTPLimits: Sendable {
  /// Bytes of the first line and the headers together; the trailers may take as many again.
  package var headBytes = 64 << 10
  /// Bytes of the body, its chunks' framing not counted.
  package var bodyBytes = 8 << 20

  package init(headBytes: Int = 64 << 10, bodyBytes: Int = 8 << 20) {
    self.headBytes = headBytes
    self.bodyBytes = bodyBytes
  }
}
