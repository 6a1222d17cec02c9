import Testing
import Wire

@Suite("Between sidecar and https helper")
struct HTTPSBridgeProtocolTests {
  @Test(
    "options come out of the command line as they went in",
    arguments: [
      "https://models.example.com/v1/chat/completions", "https://[::1]:8443/api/generate?x=1",
    ])
  func options(endpoint: String) throws {
    var options = HTTPSBridgeOptions(endpoint: try HTTPURL(parsing: endpoint))
    #expect(HTTPSBridgeOptions(parsing: options.arguments) == options)
    options.keyHeader = .apiKey
    options.keyEnvironment = "HOSTED_KEY"
    options.keyFile = "/run/secrets/a file"
    options.connections = 17
    #expect(HTTPSBridgeOptions(parsing: options.arguments) == options)
  }

  @Test(
    "anything else on the command line is refused",
    arguments: [
      [], ["--endpoint"], ["--endpoint", "ftp://x/"], ["--key-env", "A", "--endpoint", "https://x/"],
      ["--endpoint", "https://x/", "--key-header", "cookie"],
      ["--endpoint", "https://x/", "--connections", "0"],
      ["--endpoint", "https://x/", "--more", "1"], ["--endpoint", "https://x/", "--key-env"],
    ])
  func refused(words: [String]) { #expect(HTTPSBridgeOptions(parsing: words) == nil) }

  @Test("a body written in pieces is read back whole, and leaves the connection usable")
  func chunks() throws {
    let pieces = [[UInt8]("first".utf8), [], [UInt8](repeating: 0x0A, count: 300), [0]]
    var bytes = try HTTPResponseWriter.chunkedHead(status: 200, headers: ["Retry-After": "3"])
    for piece in pieces { bytes += HTTPResponseWriter.chunk(piece) }
    bytes += HTTPResponseWriter.lastChunk
    var parser = HTTPResponseParser()
    #expect(try parser.feed(bytes) == bytes.count)
    let response = try #require(parser.response)
    #expect(response.body == Array(pieces.joined()))
    #expect(response.headers["Retry-After"] == "3")
    #expect(!parser.needsClose)
  }

  @Test("no server's header can add a line of its own")
  func headers() {
    #expect(throws: HTTPError.invalidHeaderValue) {
      try HTTPResponseWriter.chunkedHead(status: 200, headers: ["Retry-After": "1\r\nX: y"])
    }
    #expect(throws: HTTPError.reservedHeader) {
      try HTTPResponseWriter.chunkedHead(status: 200, headers: ["Content-Length": "1"])
    }
    #expect(throws: HTTPError.invalidStatus) { try HTTPResponseWriter.chunkedHead(status: 101, headers: [:]) }
    #expect(!HTTPSBridgeFault.passedOn.contains { $0.lowercased() == HTTPSBridgeFault.header.lowercased() })
  }
}
