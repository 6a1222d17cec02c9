import Posix
import Testing
import Wire

@testable import Service

@Suite("The console's address")
struct ConsoleAddressTests {
  @Test(
    "is one of this machine",
    arguments: [
      ("127.0.0.1:8710", "127.0.0.1:8710"), ("127.1.2.3:0", "127.1.2.3:0"), ("localhost:80", "127.0.0.1:80"),
      ("[::1]:65535", "[::1]:65535"),
    ])
  func taken(text: String, authority: String) throws {
    #expect(try ConsoleAddress(text).authority == authority)
  }

  @Test(
    "is no other machine's, and no name that could come to mean one",
    arguments: [
      "0.0.0.0:8710", "10.0.0.1:8710", "128.0.0.1:1", "[::]:8710", "[::ffff:127.0.0.1]:1", "example.org:80",
      "0127.0.0.1:1", "127.1:1", "127.0.0.256:1", "localhost.example.org:1", "LOCALHOST:1", "127.0.0.1.:1",
    ])
  func refused(text: String) {
    #expect(throws: ConsoleAddress.Fault.self) { try ConsoleAddress(text) }
  }

  @Test(
    "needs a host and a port from 0 to 65535",
    arguments: [
      "", ":", "8710", "127.0.0.1", "127.0.0.1:", ":8710", "127.0.0.1:65536", "127.0.0.1:-1", "::1:8710",
    ])
  func malformed(text: String) {
    #expect(throws: ConsoleAddress.Fault.malformed(text)) { try ConsoleAddress(text) }
  }
}

@Suite("Who may ask the console")
struct ConsoleGuardTests {
  private let guarding = ConsoleGuard(ConsoleAddress(host: "127.0.0.1", port: 8710))

  /// The request goes through the parser, as it does in the console.
  private func refusal(
    _ headers: [(String, String)], _ method: String = "GET", _ target: String = "/v1/status"
  ) throws -> String? {
    var parser = HTTPRequestParser()
    let lines = headers.map { "\($0.0): \($0.1)\r\n" }.joined()
    _ = try parser.feed(Array("\(method) \(target) HTTP/1.1\r\n\(lines)\r\n".utf8))
    return guarding.refusal(of: try #require(parser.request))?.code
  }

  @Test("whoever names the address that it listens on")
  func names() throws {
    for host in ["127.0.0.1:8710", "localhost:8710", "LocalHost:8710"] {
      #expect(try refusal([("Host", host)]) == nil, "\(host)")
    }
    for host in [
      "127.0.0.1", "127.0.0.1:8711", "evil.example", "evil.example:8710", "localhost.evil.example:8710",
      "127.0.0.1:8710.evil.example", "[::1]:8710", "",
    ] {
      #expect(try refusal([("Host", host)]) == "wrong_host", "\(host)")
    }
    #expect(try refusal([]) == "wrong_host")
  }

  @Test("no page of another site, whatever it asks")
  func origins() throws {
    for method in ["GET", "PUT", "POST"] {
      for origin in [
        "http://evil.example", "https://127.0.0.1:8710", "http://127.0.0.1:8711", "http://localhost:8710",
        "null",
      ] {
        #expect(
          try refusal([("Host", "127.0.0.1:8710"), ("Origin", origin)], method) == "wrong_origin", "\(origin)"
        )
      }
      #expect(try refusal([("Host", "127.0.0.1:8710"), ("Origin", "http://127.0.0.1:8710")], method) == nil)
      #expect(
        try refusal(
          [
            ("Host", "127.0.0.1:8710"), ("Origin", "http://127.0.0.1:8710"),
            ("Origin", "http://evil.example"),
          ],
          method) == "wrong_origin")
      for site in ["cross-site", "same-site"] {
        #expect(
          try refusal([("Host", "127.0.0.1:8710"), ("Sec-Fetch-Site", site)], method) == "wrong_site",
          "\(site)")
      }
    }
  }

  @Test("a link from elsewhere may open the page, and nothing else")
  func links() throws {
    let link = [("Host", "127.0.0.1:8710"), ("Sec-Fetch-Site", "cross-site")]
    #expect(try refusal(link, "GET", "/") == nil)
    #expect(try refusal(link, "POST", "/") == "wrong_site")
    #expect(try refusal(link, "GET", "/console.js") == "wrong_site")
    #expect(try refusal([("Host", "127.0.0.1:8710")], "GET", "http://evil.example/") == "bad_target")
  }
}

@Suite("The console's tokens")
struct ConsoleTokenTests {
  private func withFolder(_ body: (String) throws -> Void) throws {
    let folder = Files.join("/tmp", "shadow-router-console-\(Random.bytes(8).map(String.init).joined())")
    try Files.makeFolder(folder)
    defer {
      try? Files.remove(Files.join(folder, "keys/console-token"))
      try? Files.removeFolder(Files.join(folder, "keys"))
      try? Files.removeFolder(folder)
    }
    try body(folder)
  }

  @Test("one is made at the first start, for the owner's eyes only, and kept")
  func made() throws {
    try withFolder { folder in
      let tokens = try ConsoleTokens.prepare(stateFolder: folder)
      #expect(try Files.status(tokens.file)?.mode == 0o600)
      let text = String(decoding: try Files.read(tokens.file, limit: 1000), as: UTF8.self)
      let token = String(text.dropLast())
      #expect(text.last == "\n" && token.utf8.count == 43)
      #expect(tokens.verdict(on: token) == .named("console"))
      #expect(try ConsoleTokens.prepare(stateFolder: folder).verdict(on: token) == .named("console"))
      for wrong in [
        nil, "", String(token.dropLast()), token + "A", token.uppercased(), String(token.reversed()),
      ] {
        #expect(tokens.verdict(on: wrong) == .wrong, "\(wrong ?? "none")")
      }
    }
  }

  @Test("several reviewers have a line each; what is no line of that form counts for nobody")
  func names() throws {
    try withFolder { folder in
      let tokens = try ConsoleTokens.prepare(stateFolder: folder)
      let one = String(repeating: "a", count: 43)
      let two = String(repeating: "b", count: 43)
      let three = String(repeating: "c", count: 43)
      let four = String(repeating: "d", count: 43)
      let lines =
        "# reviewers\nana@example.org \(one)\n\tben \(two)\r\nuid:0 \(three)\n# \(four)\nx y \(four)\nshort abc\n\n"
      try Files.replace(tokens.file, with: Array(lines.utf8))
      #expect(tokens.verdict(on: one) == .named("ana@example.org"))
      #expect(tokens.verdict(on: two) == .named("ben"))
      for wrong in [three, four, "abc", "ana@example.org \(one)"] {
        #expect(tokens.verdict(on: wrong) == .wrong, "\(wrong)")
      }
    }
  }

  @Test("none counts where others may read them, or where they are gone")
  func unusable() throws {
    try withFolder { folder in
      let tokens = try ConsoleTokens.prepare(stateFolder: folder)
      let token = String(decoding: try Files.read(tokens.file, limit: 1000), as: UTF8.self).dropLast()
      try Files.setMode(tokens.file, 0o640)
      guard case .unusable = tokens.verdict(on: String(token)) else {
        Issue.record("a file that others may read was taken")
        return
      }
      try Files.setMode(tokens.file, 0o600)
      #expect(tokens.verdict(on: String(token)) == .named("console"))
      try Files.remove(tokens.file)
      guard case .unusable = tokens.verdict(on: String(token)) else {
        Issue.record("a token counted without its file")
        return
      }
    }
  }

  @Test(
    "are written as RFC 4648 has it",
    arguments: [
      ([], ""), ([0x66], "Zg"), ([0x66, 0x6F], "Zm8"), ([0x66, 0x6F, 0x6F], "Zm9v"), ([0xFB, 0xFF], "-_8"),
    ] as [([UInt8], String)])
  func base64(bytes: [UInt8], text: String) { #expect(Base64URL.text(bytes) == text) }
}
