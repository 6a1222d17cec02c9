import Testing
import Wire

@Suite("HTTP requests")
struct HTTPRequestTests {
  private struct Outcome: Equatable {
    /// Method, target, body and whether the connection stays, of every request in the stream.
    var requests: [String] = []
    var error: HTTPError?
  }

  private static let limits = HTTPLimits(headBytes: 120, bodyBytes: 20)

  private func read(_ text: String, cutInto size: Int) -> Outcome {
    var parser = HTTPRequestParser(limits: Self.limits)
    var outcome = Outcome()
    var rest = Array(text.utf8)[...]
    do throws(HTTPError) {
      while !rest.isEmpty {
        rest = rest.dropFirst(try parser.feed(Array(rest.prefix(size))))
        guard let request = parser.request else { continue }
        let body = String(decoding: request.body, as: UTF8.self)
        outcome.requests.append("\(request.method) \(request.target) \(body) \(request.keepsConnection)")
        parser.reset()
      }
      try parser.finish()
    } catch {
      outcome.error = error
    }
    return outcome
  }

  @Test(
    "come out the same however the bytes were cut",
    arguments: [
      ("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", .init(requests: ["GET /healthz  true"])),
      ("GET / HTTP/1.1\r\n\r\n", .init(requests: ["GET /  true"])),
      ("GET / HTTP/1.0\r\n\r\n", .init(requests: ["GET /  false"])),
      (
        "PUT /v1/kill HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}\r\nGET /b?c HTTP/1.1\r\nConnection: close\r\n\r\n",
        .init(requests: ["PUT /v1/kill {} true", "GET /b?c  false"])
      ),
      (
        "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
        .init(requests: ["POST /a x true", "GET /b  true"])
      ),
      ("", .init()),
      ("GET / HT", .init(error: .endedInHead)),
      ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", .init(error: .shortBody(received: 2, expected: 3))),
      ("GET / HTTP/1.1\n\n", .init(error: .invalidLineByte)),
      ("GET  / HTTP/1.1\r\n\r\n", .init(error: .invalidStartLine)),
      ("GET / x HTTP/1.1\r\n\r\n", .init(error: .invalidStartLine)),
      ("G(T / HTTP/1.1\r\n\r\n", .init(error: .invalidStartLine)),
      ("GET /\u{E9} HTTP/1.1\r\n\r\n", .init(error: .invalidStartLine)),
      ("GET / HTTP/2.0\r\n\r\n", .init(error: .unsupportedVersion)),
      ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", .init(error: .repeatedHost)),
      ("POST / HTTP/1.1\r\nContent-Length: 21\r\n\r\n", .init(error: .bodyTooLarge(limit: 20))),
      (
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        .init(error: .contentLengthWithTransferEncoding)
      ),
      ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n", .init(error: .invalidLineByte)),
      (String(repeating: "\r\n", count: 61), .init(error: .headTooLarge(limit: 120))),
    ] as [(String, Outcome)])
  private func table(text: String, expected: Outcome) {
    for size in 1...max(1, text.utf8.count) {
      #expect(read(text, cutInto: size) == expected, "cut into \(size)")
    }
  }

  @Test("say when the client waits for a go-ahead")
  func expectation() throws {
    var parser = HTTPRequestParser()
    _ = try parser.feed(
      Array("POST /a?b=c HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n".utf8))
    #expect(parser.awaitsContinue)
    _ = try parser.feed([0x78])
    #expect(!parser.awaitsContinue)
    #expect(parser.request?.path == "/a")
    #expect(parser.request?.query == "b=c")
  }

  @Test("that are written read back the same")
  func roundTrip() throws {
    let headers: HTTPHeaders = ["Host": "h:1", "X-Name": "caf\u{E9}\tx"]
    let bytes = try HTTPRequestWriter.bytes(method: "POST", target: "/a?b", headers: headers, body: [1, 2])
    var parser = HTTPRequestParser()
    let used = try parser.feed(bytes)
    #expect(used == bytes.count)
    let request = try #require(parser.request)
    #expect(request.body == [1, 2])
    #expect(request.headers["x-name"] == "caf\u{E9}\tx")
    #expect(request.headers.lines.map(\.name) == ["Host", "X-Name", "Content-Length"])
  }

  @Test("and responses that are written read back the same", arguments: [200, 204, 304, 404])
  func responseRoundTrip(status: Int) throws {
    let bytes = try HTTPResponseWriter.bytes(status: status, headers: ["A": "b"], body: [7])
    var parser = HTTPResponseParser()
    let used = try parser.feed(bytes)
    #expect(used == bytes.count)
    #expect(parser.response?.status == status)
    #expect(parser.response?.body == (status == 204 || status == 304 ? [] : [7]))
    #expect(!parser.needsClose)
  }

  @Test(
    "cannot be made to carry a line of somebody else's",
    arguments: [
      ("GE T", "/", "A", "b", .invalidMethod), ("", "/", "A", "b", .invalidMethod),
      ("GET\r\n", "/", "A", "b", .invalidMethod), ("GET", "/ x", "A", "b", .invalidTarget),
      ("GET", "/\r\nX: y", "A", "b", .invalidTarget), ("GET", "", "A", "b", .invalidTarget),
      ("GET", "/\u{E9}", "A", "b", .invalidTarget), ("GET", "/", "A:", "b", .invalidHeaderName),
      ("GET", "/", "", "b", .invalidHeaderName), ("GET", "/", "A\r\nB", "b", .invalidHeaderName),
      ("GET", "/", "A", "b\r\nC: d", .invalidHeaderValue), ("GET", "/", "A", "b\nC: d", .invalidHeaderValue),
      ("GET", "/", "A", "\u{0}", .invalidHeaderValue), ("GET", "/", "content-length", "1", .reservedHeader),
      ("GET", "/", "Transfer-encoding", "chunked", .reservedHeader),
    ] as [(String, String, String, String, HTTPError)])
  func injection(method: String, target: String, name: String, value: String, error: HTTPError) {
    let headers: HTTPHeaders = [name: value]
    #expect(throws: error) {
      try HTTPRequestWriter.bytes(method: method, target: target, headers: headers, body: nil)
    }
    if error == .invalidHeaderName || error == .invalidHeaderValue {
      #expect(throws: error) { try HTTPResponseWriter.bytes(status: 200, headers: headers) }
    }
  }

  @Test("nor responses")
  func responseInjection() {
    #expect(throws: HTTPError.invalidReason) {
      try HTTPResponseWriter.bytes(status: 200, reason: "OK\r\nA: b")
    }
    #expect(throws: HTTPError.invalidStatus) { try HTTPResponseWriter.bytes(status: 1000) }
  }
}

@Suite("HTTP headers")
struct HTTPHeadersTests {
  @Test("are found without regard to case, and set in place of all of their name")
  func names() {
    var headers: HTTPHeaders = ["Accept": "a", "ACCEPT": "b, C ,", "X": "y"]
    #expect(headers["accept"] == "a")
    #expect(headers.values("aCCept") == ["a", "b, C ,"])
    #expect(headers.tokens("accept").filter { !$0.isEmpty } == ["a", "b", "c"])
    headers["accept"] = "z"
    #expect(headers.lines.map(\.value) == ["y", "z"])
    headers["x"] = nil
    #expect(headers["X"] == nil)
  }
}
