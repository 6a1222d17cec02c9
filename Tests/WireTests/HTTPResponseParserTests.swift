import Testing
import Wire

@Suite("HTTP responses")
struct HTTPResponseParserTests {
  /// What came of a response and a stream that ends after it.
  private struct Outcome: Equatable {
    var status: Int?
    var body = ""
    var trailers: [String] = []
    var needsClose = true
    var left = 0
    var error: HTTPError?
  }

  private static let limits = HTTPLimits(headBytes: 200, bodyBytes: 20)

  private func read(_ text: String, cutInto size: Int, toHead: Bool = false) -> Outcome {
    var parser = HTTPResponseParser(limits: Self.limits, toHead: toHead)
    var outcome = Outcome()
    var rest = Array(text.utf8)[...]
    do throws(HTTPError) {
      while !rest.isEmpty, !parser.isComplete {
        let used = try parser.feed(Array(rest.prefix(size)))
        rest = rest.dropFirst(used)
      }
      if !parser.isComplete { try parser.finish() }
    } catch {
      outcome.error = error
      return outcome
    }
    outcome.status = parser.response?.status
    outcome.body = String(decoding: parser.response?.body ?? [], as: UTF8.self)
    outcome.trailers = parser.response?.trailers.lines.map { "\($0.name)=\($0.value)" } ?? []
    outcome.needsClose = parser.needsClose
    outcome.left = rest.count
    return outcome
  }

  @Test(
    "come out the same however the bytes were cut",
    arguments: [
      (
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        .init(status: 200, body: "hello", needsClose: false)
      ),
      (
        "HTTP/1.1 200 OK\r\ncontent-LENGTH:5  \r\n\r\nhelloHTTP",
        .init(status: 200, body: "hello", needsClose: false, left: 4)
      ),
      ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", .init(status: 200, needsClose: false)),
      ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", .init(status: 200, body: "x")),
      (
        "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx",
        .init(status: 200, body: "x", needsClose: false)
      ),
      (
        "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 1\r\n\r\nx", .init(status: 200, body: "x")
      ),
      ("HTTP/1.1 200 OK\r\n\r\nto the end", .init(status: 200, body: "to the end")),
      ("HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", .init(status: 200, body: "hi", needsClose: false)),
      (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n00a;x=\"y\"\r\n0123456789\r\n0\r\nX-Sum: 7\r\n\r\n!",
        .init(status: 200, body: "abc0123456789", trailers: ["X-Sum=7"], needsClose: false, left: 1)
      ),
      (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        .init(status: 200, needsClose: false)
      ),
      (
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        .init(status: 204, needsClose: false)
      ),
      ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", .init(status: 304, needsClose: false)),
      // What is no response, or a dangerous one.
      ("", .init(error: .closedBeforeMessage)),
      ("HTTP/1.1 200 OK\r\n", .init(error: .endedInHead)),
      ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", .init(error: .shortBody(received: 3, expected: 5))),
      (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        .init(error: .shortBody(received: 3, expected: nil))
      ),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", .init(error: .invalidChunk)),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", .init(error: .invalidChunk)),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", .init(error: .invalidChunk)),
      (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        .init(error: .invalidChunk)
      ),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n", .init(error: .bodyTooLarge(limit: 20))),
      (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\nb\r\n",
        .init(error: .bodyTooLarge(limit: 20))
      ),
      ("HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n", .init(error: .bodyTooLarge(limit: 20))),
      ("HTTP/1.1 200 OK\r\n\r\n012345678901234567890", .init(error: .bodyTooLarge(limit: 20))),
      (
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        .init(error: .repeatedContentLength)
      ),
      ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", .init(error: .invalidContentLength)),
      ("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", .init(error: .invalidContentLength)),
      (
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", .init(error: .invalidContentLength)
      ),
      (
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        .init(error: .contentLengthWithTransferEncoding)
      ),
      (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        .init(error: .unsupportedTransferEncoding)
      ),
      (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        .init(error: .unsupportedTransferEncoding)
      ),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n", .init(error: .unsupportedTransferEncoding)),
      ("HTTP/2 200 OK\r\n\r\n", .init(error: .unsupportedVersion)),
      ("SSH-2.0-OpenSSH\r\n\r\n", .init(error: .invalidStartLine)),
      ("HTTP/1.1 2x0 OK\r\n\r\n", .init(error: .invalidStatus)),
      ("HTTP/1.1 099 OK\r\n\r\n", .init(error: .invalidStatus)),
      ("HTTP/1.1 101 Switching\r\n\r\n", .init(error: .switchedProtocol)),
      ("HTTP/1.1 200 OK\r\nX : y\r\n\r\n", .init(error: .invalidHeaderLine)),
      ("HTTP/1.1 200 OK\r\nX: y\r\n folded\r\n\r\n", .init(error: .invalidHeaderLine)),
      ("HTTP/1.1 200 OK\r\nnothing\r\n\r\n", .init(error: .invalidHeaderLine)),
      ("HTTP/1.1 200 OK\r\nX: a\u{0}b\r\n\r\n", .init(error: .invalidLineByte)),
      ("HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", .init(error: .invalidLineByte)),
      (
        "HTTP/1.1 200 OK\r\nX: " + String(repeating: "y", count: 200) + "\r\n\r\n",
        .init(error: .headTooLarge(limit: 200))
      ),
      (String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 9), .init(error: .headTooLarge(limit: 200))),
    ] as [(String, Outcome)])
  private func table(text: String, expected: Outcome) {
    for size in 1...max(1, text.utf8.count) {
      #expect(read(text, cutInto: size) == expected, "cut into \(size)")
    }
  }

  @Test("to HEAD have no body, whatever they announce")
  func head() {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"
    #expect(read(text, cutInto: 7, toHead: true) == Outcome(status: 200, needsClose: false))
  }

  @Test("can be read piece by piece")
  func streaming() throws {
    var parser = HTTPResponseParser()
    _ = try parser.feed(Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc".utf8))
    #expect(parser.hasHead)
    #expect(parser.takeBody() == Array("abc".utf8))
    _ = try parser.feed(Array("\r\n0\r\n\r\n".utf8))
    #expect(parser.isComplete)
    #expect(parser.takeBody().isEmpty)
    #expect(parser.receivedBodyBytes == 3)
  }
}
