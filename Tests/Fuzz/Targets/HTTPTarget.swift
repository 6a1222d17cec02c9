import Candidates
import Wire

/// A message is the same however its bytes are cut, and one that is written again is read as the same.
enum HTTPTarget {
  private static let limits = HTTPLimits(headBytes: 512, bodyBytes: 1_024)

  // MARK: - Requests

  private struct Requests: Equatable {
    var requests: [HTTPRequest] = []
    var fault: HTTPError?
    /// Bytes were left that it neither took nor refused.
    var isStuck = false
  }

  static func checkRequests(_ input: [UInt8]) throws(Finding) {
    var input = Input(input)
    let size = 1 + input.byte() % 64
    let stream = input.everything()
    let whole = requests([stream])
    try require(requests(stream.pieces(of: size)) == whole, "read otherwise in pieces of \(size)")
    try require(requests(stream.pieces(of: 1)) == whole, "read otherwise byte by byte")
    try require(!whole.isStuck, "bytes that are neither taken nor refused")
    for request in whole.requests {
      try require(request.body.count <= limits.bodyBytes, "a body over the limit")
      try require(request.path.utf8.count <= request.target.utf8.count, "a path longer than its target")
      try checkWriting(request)
    }
  }

  private static func requests(_ pieces: [[UInt8]]) -> Requests {
    var result = Requests()
    var parser = HTTPRequestParser(limits: limits)
    do throws(HTTPError) {
      for piece in pieces {
        var rest = piece
        while !rest.isEmpty {
          let taken = try parser.feed(rest)
          rest.removeFirst(taken)
          _ = parser.awaitsContinue
          guard let request = parser.request else {
            guard taken == 0 else { continue }
            result.isStuck = true
            return result
          }
          result.requests.append(request)
          parser.reset()
        }
      }
      try parser.finish()
    } catch {
      result.fault = error
    }
    return result
  }

  private static func checkWriting(_ request: HTTPRequest) throws(Finding) {
    var headers = request.headers
    for name in ["Content-Length", "Transfer-Encoding", "Connection", "Expect"] { headers[name] = nil }
    let written: [UInt8]
    do throws(HTTPError) {
      written = try HTTPRequestWriter.bytes(
        method: request.method, target: request.target, headers: headers, body: request.body)
    } catch {
      throw Finding("a request that was read cannot be written: \(error)")
    }
    guard written.count - request.body.count <= limits.headBytes else { return }
    let again = requests([written])
    try require(again.fault == nil && again.requests.count == 1, "what was written is \(again)")
    try require(
      again.requests[0].method == request.method && again.requests[0].target == request.target
        && again.requests[0].body == request.body
        && again.requests[0].headers.lines.count == headers.lines.count + 1,
      "what was written is another request")
  }

  // MARK: - Responses

  private struct Response: Equatable {
    var response: HTTPResponse?
    var fault: HTTPError?
    /// Bytes that belong to it.
    var taken = 0
    var needsClose = true
  }

  static func checkResponse(_ input: [UInt8]) throws(Finding) {
    var input = Input(input)
    let size = 1 + input.byte() % 64
    let toHead = input.choice(4) == 1
    let stream = input.everything()
    let whole = response([stream], toHead: toHead)
    try require(
      response(stream.pieces(of: size), toHead: toHead) == whole, "read otherwise in pieces of \(size)")
    try require(response(stream.pieces(of: 1), toHead: toHead) == whole, "read otherwise byte by byte")
    guard let response = whole.response else { return }
    try require((200...599).contains(response.status), "the status \(response.status)")
    try require(response.body.count <= limits.bodyBytes, "a body over the limit")
    let hint = RetryHint(response.headers, now: 1_795_233_181_000)
    try require(hint.wait <= 86_400_000_000_000, "a server is waited for \(hint.wait) ns")
    try checkWriting(response)
  }

  private static func response(_ pieces: [[UInt8]], toHead: Bool) -> Response {
    var result = Response()
    var parser = HTTPResponseParser(limits: limits, toHead: toHead)
    do throws(HTTPError) {
      for piece in pieces where !parser.isComplete { result.taken += try parser.feed(piece) }
      if !parser.isComplete { try parser.finish() }
      result.response = parser.response
      result.needsClose = parser.needsClose
    } catch {
      // Where bytes were refused, how many were taken before says nothing.
      result.taken = 0
      result.fault = error
    }
    return result
  }

  private static func checkWriting(_ response: HTTPResponse) throws(Finding) {
    var headers = response.headers
    for name in ["Content-Length", "Transfer-Encoding", "Connection"] { headers[name] = nil }
    let written: [UInt8]
    do throws(HTTPError) {
      written = try HTTPResponseWriter.bytes(
        status: response.status, reason: response.reason, headers: headers, body: response.body)
    } catch {
      throw Finding("a response that was read cannot be written: \(error)")
    }
    guard written.count - response.body.count <= limits.headBytes else { return }
    let again = self.response([written], toHead: false)
    guard let same = again.response else {
      throw Finding("what was written is refused: \(again.fault as Any)")
    }
    let hasBody = response.status != 204 && response.status != 304
    try require(same.status == response.status && same.reason == response.reason, "another status")
    try require(same.body == (hasBody ? response.body : []), "another body")
  }
}
