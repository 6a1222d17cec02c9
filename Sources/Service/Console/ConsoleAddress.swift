/// Where the console listens: always an address of this machine's own, because what it shows is not for a network.
package struct ConsoleAddress: Equatable, Sendable {
  package enum Fault: Error, Equatable {
    case malformed(String)
    case notLoopback(String)

    package var message: String {
      switch self {
      case .malformed(let text): "--console takes HOST:PORT such as 127.0.0.1:8710, not \(text)"
      case .notLoopback(let host):
        "--console listens on this machine only (127.0.0.1, [::1] or localhost), not on \(host): it speaks plain HTTP and "
          + "shows previews of calls to whoever can reach it; from elsewhere use a tunnel, such as "
          + "ssh -L 8710:127.0.0.1:8710 HOST"
      }
    }
  }

  /// Numeric, without brackets.
  package let host: String
  /// 0 lets the kernel choose.
  package let port: UInt16

  init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// Reads `127.0.0.1:8710`, `localhost:8710` or `[::1]:8710`.
  package init(_ text: String) throws(Fault) {
    guard let colon = text.lastIndex(of: ":"), let port = Self.port(text[text.index(after: colon)...]) else {
      throw .malformed(text)
    }
    let host = String(text[..<colon])
    switch host {
    case "": throw .malformed(text)
    case "localhost": self.init(host: "127.0.0.1", port: port)
    case "[::1]": self.init(host: "::1", port: port)
    default:
      guard !host.contains(":") || host.hasPrefix("[") else { throw .malformed(text) }
      guard Self.isLoopback(host) else { throw .notLoopback(host) }
      self.init(host: host, port: port)
    }
  }

  /// As it stands in a URL and in a Host header.
  package var authority: String { (host.contains(":") ? "[\(host)]" : host) + ":\(port)" }

  private static func port(_ text: Substring) -> UInt16? {
    guard !text.isEmpty, text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) else {
      return nil
    }
    return UInt16(text)
  }

  private static func isLoopback(_ host: String) -> Bool {
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    // Written back and compared: `0127.0.0.1` is another address to some resolvers.
    let numbers = parts.compactMap { part in UInt8(part).flatMap { "\($0)" == part ? $0 : nil } }
    return parts.count == 4 && numbers.count == 4 && numbers[0] == 127
  }
}
