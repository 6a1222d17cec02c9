package struct HTTPRequest: Sendable, Equatable {
  package var method: String
  /// As sent: `/v1/status?x=1`. Visible ASCII.
  package var target: String
  package var headers: HTTPHeaders
  package var body: [UInt8]
  /// Whether the client expects the connection to stay open after the answer.
  package var keepsConnection: Bool

  /// The part of the target before the question mark.
  package var path: String { String(target.prefix { $0 != "?" }) }

  /// The part of the target after the question mark; nil without one.
  package var query: String? {
    target.firstIndex(of: "?").map { String(target[target.index(after: $0)...]) }
  }
}

/// Reads requests for a small server, one after another, from whatever pieces arrive.
///
/// Stricter than the response parser: lines end with CR and LF. A Host header is not demanded, since
/// the control socket has no names; a server on a network port must look at it.
package struct HTTPRequestParser: Sendable {
  private struct Head: Sendable {
    var method: String
    var target: String
    var version: HTTPVersion
  }

  private let limits: HTTPLimits
  private var lines: HTTPLineReader
  private var head: Head?
  private var headers = HTTPHeaders()
  private var body: HTTPBodyReader?

  package init(limits: HTTPLimits = HTTPLimits(bodyBytes: 1 << 20)) {
    self.limits = limits
    lines = HTTPLineReader(acceptsBareNewline: false, limit: limits.headBytes)
  }

  package var isComplete: Bool { body?.isComplete ?? false }

  /// Whether nothing of a request has come: the client may close, and the server may.
  package var isIdle: Bool { lines.taken == 0 }

  /// Whether the client waits for `100 Continue` before it sends the body.
  package var awaitsContinue: Bool {
    body != nil && !isComplete && head?.version == .http11
      && headers.tokens("Expect").contains("100-continue") && body?.received == 0
  }

  /// The request, once complete.
  package var request: HTTPRequest? {
    guard let head, let body, isComplete else { return nil }
    return HTTPRequest(
      method: head.method, target: head.target, headers: headers, body: body.body,
      keepsConnection: headers.keepsConnection(version: head.version))
  }

  /// Takes in bytes in the order they arrived.
  ///
  /// - Returns: How many of them belong to this request. What is left belongs to the next one: take out
  ///   ``request``, ``reset()``, and feed the rest.
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

  /// The stream has ended. Throws where that cuts a request; between requests it is how clients leave.
  package mutating func finish() throws(HTTPError) {
    guard !isIdle else { return }
    guard body != nil else { throw .endedInHead }
    try body?.finish()
  }

  /// Makes ready for the next request on the connection.
  package mutating func reset() { self = HTTPRequestParser(limits: limits) }

  private mutating func take(_ line: [UInt8]) throws(HTTPError) {
    if head == nil {
      // Some clients end a body with an empty line too many; RFC 9112, 2.2 has servers skip it.
      if !line.isEmpty { try takeRequestLine(line) }
    } else if line.isEmpty {
      try endHead()
    } else {
      try headers.add(parsing: line)
    }
  }

  private mutating func takeRequestLine(_ line: [UInt8]) throws(HTTPError) {
    let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
    guard parts.count == 3, HTTPText.isToken(parts[0]), !parts[1].isEmpty,
      parts[1].allSatisfy(HTTPText.isTargetByte)
    else { throw .invalidStartLine }
    head = Head(
      method: parts[0].decodedUTF8, target: parts[1].decodedUTF8,
      version: try HTTPVersion(parsing: parts[2]))
  }

  private mutating func endHead() throws(HTTPError) {
    guard headers.values("Host").count <= 1 else { throw .repeatedHost }
    let framing = try headers.bodyFraming() ?? .length(0)
    body = try HTTPBodyReader(framing: framing, limits: limits, acceptsBareNewline: false)
  }
}
