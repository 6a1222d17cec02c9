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

/// How many requests are taken: a bucket that fills steadily. Used by one thread.
struct RequestRate {
  private let perSecond: Double
  private let most: Double
  private var level: Double
  private var last: UInt64

  /// - Parameters:
  ///   - most: What may come at once after a pause.
  ///   - now: Monotonic nanoseconds, here as below.
  init(perSecond: Double, most: Double, now: UInt64) {
    self.perSecond = perSecond
    self.most = most
    level = most
    last = now
  }

  mutating func admit(at now: UInt64) -> Bool {
    level = min(most, level + Double(now - min(now, last)) / 1e9 * perSecond)
    last = max(last, now)
    guard level >= 1 else { return false }
    level -= 1
    return true
  }
}
