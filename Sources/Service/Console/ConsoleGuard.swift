import Wire

/// Which requests the console refuses before it looks at what they want.
///
/// Every page that is open in the reviewer's browser can send requests here. A name that was made to point to this
/// machine (DNS rebinding) shows in Host; another site's page shows in Origin and in Sec-Fetch-Site.
struct ConsoleGuard: Sendable {
  struct Refusal: Equatable, Sendable {
    let status: Int
    let code: String
    let message: String
  }

  /// Host headers that name this console, in lower case.
  private let authorities: [String]

  /// - Parameter address: With the port that it got.
  init(_ address: ConsoleAddress) {
    var authorities = [address.authority, "localhost:\(address.port)"]
    // The port of plain HTTP is left out by browsers.
    if address.port == 80 { authorities += authorities.map { String($0.dropLast(":80".count)) } }
    self.authorities = authorities
  }

  func refusal(of request: HTTPRequest) -> Refusal? {
    guard let host = request.headers["Host"]?.lowercased(), authorities.contains(host) else {
      return Refusal(
        status: 403, code: "wrong_host",
        message: "the Host header must be \(authorities.joined(separator: " or "))")
    }
    guard request.target.hasPrefix("/") else {
      return Refusal(status: 400, code: "bad_target", message: "the request target must be a path")
    }
    let origins = request.headers.values("Origin")
    guard origins.allSatisfy({ $0.lowercased() == "http://" + host }) else {
      return Refusal(
        status: 403, code: "wrong_origin", message: "requests of other sites' pages are refused")
    }
    let site = request.headers["Sec-Fetch-Site"]?.lowercased() ?? "none"
    let isLink = request.method == "GET" && request.path == "/"
    guard site == "same-origin" || site == "none" || isLink else {
      return Refusal(
        status: 403, code: "wrong_site", message: "requests of other sites' pages are refused")
    }
    return nil
  }
}
