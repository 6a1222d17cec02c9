import Testing
import Wire

@Suite("HTTP addresses")
struct HTTPURLTests {
  @Test(
    "are taken apart",
    arguments: [
      ("http://127.0.0.1:11434/api/generate", "127.0.0.1", 11434, "/api/generate", "127.0.0.1:11434"),
      ("HTTPS://API.Example.com", "api.example.com", 443, "/", "api.example.com"),
      ("http://h?x=1", "h", 80, "/?x=1", "h"), ("http://h:80/a?b=c&d=%20", "h", 80, "/a?b=c&d=%20", "h"),
      ("http://[::1]:8080/x", "::1", 8080, "/x", "[::1]:8080"),
      ("https://[FE80::1]/", "fe80::1", 443, "/", "[fe80::1]"),
      ("http://[::ffff:192.0.2.1]", "::ffff:192.0.2.1", 80, "/", "[::ffff:192.0.2.1]"),
      ("http://my_host-1.internal:65535/", "my_host-1.internal", 65535, "/", "my_host-1.internal:65535"),
      ("http://h/a@b", "h", 80, "/a@b", "h"),
    ] as [(String, String, UInt16, String, String)])
  func parts(text: String, host: String, port: UInt16, target: String, authority: String) throws {
    let url = try HTTPURL(parsing: text)
    #expect(url.host == host)
    #expect(url.port == port)
    #expect(url.target == target)
    #expect(url.authority == authority)
    let again = try HTTPURL(parsing: url.description)
    #expect(again == url)
  }

  @Test(
    "are refused by name",
    arguments: [
      ("", .empty), ("http://h/a b", .invalidCharacter), ("http://h/\n", .invalidCharacter),
      (" http://h/", .invalidCharacter), ("http://h\u{E9}/", .invalidCharacter),
      ("http://h/\u{0}", .invalidCharacter),
      ("ftp://h/", .unsupportedScheme), ("h:80/", .unsupportedScheme), ("http:/h", .unsupportedScheme),
      ("http://user@h/", .userInfo), ("http://user:secret@h/", .userInfo), ("http://@h/", .userInfo),
      ("http://", .noHost), ("http:///a", .noHost), ("http://:80/", .noHost), ("http://a,b/", .invalidHost),
      ("http://h%41/", .invalidHost), ("http://[::1/", .invalidHost), ("http://[]/", .invalidHost),
      ("http://[::1]x/", .invalidHost), ("http://[1::2::3]/", .invalidHost), ("http://[:::]/", .invalidHost),
      ("http://[1:2:3]/", .invalidHost), ("http://[1:2:3:4:5:6:7:8:9]/", .invalidHost),
      ("http://[fe80::1%25eth0]/", .invalidHost), ("http://[::256.0.0.1]/", .invalidHost),
      ("http://[::12345]/", .invalidHost), ("http://h:/", .invalidPort), ("http://h:0/", .invalidPort),
      ("http://h:65536/", .invalidPort), ("http://h:8o/", .invalidPort), ("http://h:+80/", .invalidPort),
      ("http://h:1:2/", .invalidPort), ("http://h/#a", .fragment),
    ] as [(String, HTTPURLError)])
  func refused(text: String, error: HTTPURLError) {
    #expect(throws: error) { try HTTPURL(parsing: text) }
  }
}
