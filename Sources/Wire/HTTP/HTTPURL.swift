/// The address of an HTTP server and a place on it: `http://host[:port][/path][?query]`, or https.
package struct HTTPURL: Sendable, Equatable, CustomStringConvertible {
  package enum Scheme: String, Sendable {
    case http, https

    package var defaultPort: UInt16 { self == .http ? 80 : 443 }
  }

  package let scheme: Scheme
  /// In lower case; of an IPv6 address without its brackets.
  package let host: String
  package let isIPv6: Bool
  package let port: UInt16
  /// Path and query as they go into the request line; begins with a slash.
  package let target: String

  /// The path alone.
  package var path: String { String(target.prefix { $0 != "?" }) }

  /// For the Host header: the port only where it is not the scheme's own.
  package var authority: String {
    let name = isIPv6 ? "[\(host)]" : host
    return port == scheme.defaultPort ? name : "\(name):\(port)"
  }

  package var description: String { "\(scheme.rawValue)://\(authority)\(target)" }

  package init(parsing text: String) throws(HTTPURLError) {
    guard !text.isEmpty else { throw .empty }
    // Looked at first: a control byte or a space must not slip into a request line or a host name.
    guard text.utf8.allSatisfy(HTTPText.isTargetByte) else { throw .invalidCharacter }
    let (scheme, rest) = try Self.scheme(text)
    let authorityEnd = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
    let authority = rest[..<authorityEnd]
    guard !authority.contains("@") else { throw .userInfo }
    let (host, portText) = try Self.split(authority)
    self.scheme = scheme
    isIPv6 = authority.first == "["
    self.host = host.lowercased()
    port = try Self.port(portText) ?? scheme.defaultPort
    target = try Self.target(rest[authorityEnd...])
  }

  private static func scheme(_ text: String) throws(HTTPURLError) -> (Scheme, Substring) {
    for scheme in [Scheme.http, .https] {
      let prefix = scheme.rawValue + "://"
      if text.prefix(prefix.count).lowercased() == prefix { return (scheme, text.dropFirst(prefix.count)) }
    }
    throw .unsupportedScheme
  }

  /// Host and, behind a colon, port.
  private static func split(_ authority: Substring) throws(HTTPURLError) -> (String, Substring?) {
    if authority.first == "[" {
      guard let end = authority.firstIndex(of: "]") else { throw .invalidHost }
      let address = authority[authority.index(after: authority.startIndex)..<end]
      let rest = authority[authority.index(after: end)...]
      guard IPv6Text.isValid(address), rest.isEmpty || rest.first == ":" else { throw .invalidHost }
      return (String(address), rest.isEmpty ? nil : rest.dropFirst())
    }
    let colon = authority.firstIndex(of: ":")
    let host = authority[..<(colon ?? authority.endIndex)]
    guard !host.isEmpty else { throw .noHost }
    guard host.utf8.count <= 253, host.utf8.allSatisfy(isHostByte) else { throw .invalidHost }
    return (String(host), colon.map { authority[authority.index(after: $0)...] })
  }

  private static func isHostByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  private static func port(_ text: Substring?) throws(HTTPURLError) -> UInt16? {
    guard let text else { return nil }
    guard text.utf8.allSatisfy(\.isDigit), let port = UInt16(text), port > 0 else { throw .invalidPort }
    return port
  }

  private static func target(_ text: Substring) throws(HTTPURLError) -> String {
    // Never sent to a server, so somebody who writes one means something else.
    guard !text.contains("#") else { throw .fragment }
    return text.first == "/" ? String(text) : "/" + text
  }
}

/// Why an address was refused.
package enum HTTPURLError: Error, Equatable, CustomStringConvertible {
  case empty
  /// A space, a control character, or anything outside ASCII.
  case invalidCharacter
  case unsupportedScheme
  /// A name or password before the host: secrets belong elsewhere.
  case userInfo
  case noHost
  case invalidHost
  case invalidPort
  case fragment

  package var description: String {
    switch self {
    case .empty: "the address is empty"
    case .invalidCharacter: "the address holds a space, a control character or one outside ASCII"
    case .unsupportedScheme: "the address does not begin with http:// or https://"
    case .userInfo: "the address holds a user name or password"
    case .noHost: "the address names no host"
    case .invalidHost: "the host is neither a name nor an IP address"
    case .invalidPort: "the port is not a number from 1 to 65535"
    case .fragment: "the address has a fragment (#…), which is never sent"
    }
  }
}
