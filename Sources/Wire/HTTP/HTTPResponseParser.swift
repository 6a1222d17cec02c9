package struct HTTPResponse: Sendable, Equatable {
  package var status: Int
  /// Often empty; nothing may depend on it.
  package var reason: String
  package var headers: HTTPHeaders
  package var body: [UInt8]
  /// Header lines after a chunked body.
  package var trailers: HTTPHeaders
}

/// Reads one response from whatever pieces arrive. Interim responses (1xx) are skipped.
///
/// After an error it must not be fed again, and the connection is of no more use.
package struct HTTPResponseParser: Sendable {
  private let limits: HTTPLimits
  private let isHead: Bool
  private var lines: HTTPLineReader
  private var version = HTTPVersion.http11
  private var status: Int?
  private var reason = ""
  private var headers = HTTPHeaders()
  private var body: HTTPBodyReader?

  /// - Parameter toHead: Whether the request was HEAD, whose responses announce a body that does not come.
  package init(limits: HTTPLimits = HTTPLimits(), toHead: Bool = false) {
    self.limits = limits
    isHead = toHead
    lines = HTTPLineReader(acceptsBareNewline: true, limit: limits.headBytes)
  }

  package var isComplete: Bool { body?.isComplete ?? false }

  /// Whether the head of the final response is complete.
  package var hasHead: Bool { body != nil }

  /// Body bytes that came, also those taken by ``takeBody()``.
  package var receivedBodyBytes: Int { body?.received ?? 0 }

  /// The response, once complete.
  package var response: HTTPResponse? { isComplete ? head : nil }

  /// What is known of the response once its head is complete, with as much of the body as has come.
  package var head: HTTPResponse? {
    guard let body, let status else { return nil }
    return HTTPResponse(
      status: status, reason: reason, headers: headers, body: body.body, trailers: body.trailers)
  }

  /// Whether the connection cannot carry another request after this response. True until it is complete.
  package var needsClose: Bool {
    guard let body, isComplete, body.framing != .untilClose else { return true }
    return !headers.keepsConnection(version: version)
  }

  /// Takes in bytes in the order they arrived.
  ///
  /// - Returns: How many of them belong to this response; fewer than all only when it is complete.
  package mutating func feed(_ text: Span<UInt8>) throws(HTTPError) -> Int {
    var at = 0
    while at < text.count, body == nil {
      guard let line = try lines.next(text, &at) else { return at }
      try take(line)
    }
    try body?.feed(text, &at)
    return at
  }

  /// See ``feed(_:)-(Span<UInt8>)``.
  package mutating func feed(_ text: [UInt8]) throws(HTTPError) -> Int { try feed(text.span) }

  /// The stream has ended: completes a body that lasts until then, and throws where something is missing.
  package mutating func finish() throws(HTTPError) {
    guard body != nil else { throw lines.taken == 0 ? .closedBeforeMessage : .endedInHead }
    try body?.finish()
  }

  /// Takes out the part of the body that has come, for a reader of streams.
  package mutating func takeBody() -> [UInt8] { body?.takeBody() ?? [] }

  private mutating func take(_ line: [UInt8]) throws(HTTPError) {
    if status == nil {
      try takeStatusLine(line)
    } else if line.isEmpty {
      try endHead()
    } else {
      try headers.add(parsing: line)
    }
  }

  /// `HTTP/1.1 200 OK`; the reason and the space before it may be missing.
  private mutating func takeStatusLine(_ line: [UInt8]) throws(HTTPError) {
    let parts = line.split(separator: 0x20, maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count >= 2 else { throw .invalidStartLine }
    version = try HTTPVersion(parsing: parts[0])
    guard parts[1].count == 3, parts[1].allSatisfy(\.isDigit), let code = Int(parts[1].decodedUTF8),
      (100...599).contains(code)
    else { throw .invalidStatus }
    status = code
    reason = parts.count > 2 ? parts[2].decodedUTF8 : ""
  }

  private mutating func endHead() throws(HTTPError) {
    guard let status else { return }
    guard status != 101 else { throw .switchedProtocol }
    guard status >= 200 else {
      // The limit goes on counting, so that interim responses without end are refused too.
      self.status = nil
      headers = HTTPHeaders()
      return
    }
    let announced = try headers.bodyFraming()
    let hasNoBody = isHead || status == 204 || status == 304
    body = try HTTPBodyReader(
      framing: hasNoBody ? .length(0) : announced ?? .untilClose, limits: limits, acceptsBareNewline: true)
  }
}
