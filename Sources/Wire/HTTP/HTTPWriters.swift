/// Writes requests. Nothing that is passed in can add a line or a request of its own.
package enum HTTPRequestWriter {
  /// - Parameters:
  ///   - target: Path and query, visible ASCII, such as ``HTTPURL/target``.
  ///   - headers: Without Content-Length and Transfer-Encoding.
  ///   - body: nil writes no Content-Length, as for GET.
  package static func bytes(
    method: String, target: String, headers: HTTPHeaders, body: [UInt8]?
  ) throws(HTTPError) -> [UInt8] {
    guard HTTPText.isToken(method.utf8) else { throw .invalidMethod }
    guard !target.isEmpty, target.utf8.allSatisfy(HTTPText.isTargetByte) else { throw .invalidTarget }
    var output: [UInt8] = []
    output.reserveCapacity(512 + (body?.count ?? 0))
    output.append(contentsOf: "\(method) \(target) HTTP/1.1\r\n".utf8)
    try output.append(headers)
    output.endHead(contentLength: body?.count)
    if let body { output.append(contentsOf: body) }
    return output
  }
}

/// Writes responses. Nothing that is passed in can add a line or a response of its own.
package enum HTTPResponseWriter {
  /// - Parameters:
  ///   - reason: The usual phrase where nil.
  ///   - headers: Without Content-Length and Transfer-Encoding.
  ///   - toHead: Announces the body's length but leaves it out.
  package static func bytes(
    status: Int, reason: String? = nil, headers: HTTPHeaders = HTTPHeaders(), body: [UInt8] = [],
    toHead: Bool = false
  ) throws(HTTPError) -> [UInt8] {
    guard (100...599).contains(status) else { throw .invalidStatus }
    let reason = reason ?? usualReason(status)
    guard reason.utf8.allSatisfy(HTTPText.isValueByte) else { throw .invalidReason }
    var output: [UInt8] = []
    output.reserveCapacity(512 + body.count)
    output.append(contentsOf: "HTTP/1.1 \(status) \(reason)\r\n".utf8)
    try output.append(headers)
    let hasBody = status >= 200 && status != 204 && status != 304
    output.endHead(contentLength: hasBody ? body.count : nil)
    if hasBody, !toHead { output.append(contentsOf: body) }
    return output
  }

  /// The head of a response whose body follows as chunks while it comes in.
  ///
  /// - Parameter headers: Without Content-Length and Transfer-Encoding.
  package static func chunkedHead(status: Int, headers: HTTPHeaders) throws(HTTPError) -> [UInt8] {
    guard (200...599).contains(status) else { throw .invalidStatus }
    var output = Array("HTTP/1.1 \(status) \(usualReason(status))\r\n".utf8)
    try output.append(headers)
    output.append(contentsOf: "Transfer-Encoding: chunked\r\n\r\n".utf8)
    return output
  }

  /// A piece of a chunked body; nothing for no bytes, which would end the body.
  package static func chunk(_ bytes: [UInt8]) -> [UInt8] {
    guard !bytes.isEmpty else { return [] }
    return Array("\(String(bytes.count, radix: 16))\r\n".utf8) + bytes + Array("\r\n".utf8)
  }

  /// The end of a chunked body.
  package static let lastChunk = Array("0\r\n\r\n".utf8)

  package static func usualReason(_ status: Int) -> String {
    switch status {
    case 100: "Continue"
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 204: "No Content"
    case 304: "Not Modified"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 411: "Length Required"
    case 413: "Content Too Large"
    case 415: "Unsupported Media Type"
    case 422: "Unprocessable Content"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    default: ""
    }
  }
}

extension [UInt8] {
  fileprivate mutating func append(_ headers: HTTPHeaders) throws(HTTPError) {
    for line in headers.lines {
      guard HTTPText.isToken(line.name.utf8) else { throw .invalidHeaderName }
      guard line.value.utf8.allSatisfy(HTTPText.isValueByte) else { throw .invalidHeaderValue }
      let isReserved = ["Content-Length", "Transfer-Encoding"].contains {
        line.name.isSameHeaderName(as: $0)
      }
      guard !isReserved else { throw .reservedHeader }
      append(contentsOf: "\(line.name): \(line.value)\r\n".utf8)
    }
  }

  fileprivate mutating func endHead(contentLength: Int?) {
    if let contentLength { append(contentsOf: "Content-Length: \(contentLength)\r\n".utf8) }
    append(contentsOf: "\r\n".utf8)
  }
}
