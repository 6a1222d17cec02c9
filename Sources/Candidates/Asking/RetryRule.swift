package import RouterCore
package import Wire

/// What a server says about when to come back.
package struct RetryHint: Sendable, Equatable {
  /// Nanoseconds before which it wants no other request; at most a day.
  package var wait: UInt64 = 0
  /// `x-should-retry: false`: no sense in trying again.
  package var isFinal = false

  package init() {}

  /// Reads `retry-after-ms`, or else `Retry-After` (seconds, or an HTTP date in its current form), and `x-should-retry`.
  /// What cannot be read counts as not said.
  ///
  /// - Parameter now: Milliseconds since 1970, for a date.
  package init(_ headers: HTTPHeaders, now: Int64) {
    isFinal = headers["x-should-retry"]?.lowercased() == "false"
    if let text = headers["retry-after-ms"], let milliseconds = Self.number(text) {
      wait = Self.nanoseconds(milliseconds)
    } else if let text = headers["Retry-After"] {
      if let seconds = Self.number(text) {
        wait = Self.nanoseconds(seconds * 1_000)
      } else if let date = Self.date(text), date > now {
        wait = Self.nanoseconds(Double(date - now))
      }
    }
  }

  /// A plain decimal, as servers send them; no sign, no exponent.
  private static func number(_ text: String) -> Double? {
    guard !text.isEmpty, text.utf8.count <= 20,
      text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") })
    else { return nil }
    return Double(text)
  }

  private static func nanoseconds(_ milliseconds: Double) -> UInt64 {
    UInt64(min(milliseconds, 86_400_000) * 1_000_000)
  }

  /// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7); milliseconds since 1970.
  private static func date(_ text: String) -> Int64? {
    let parts = text.split(separator: " ")
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    guard parts.count == 6, parts[5] == "GMT", let month = months.firstIndex(of: String(parts[2])) else {
      return nil
    }
    let number = month < 9 ? "0\(month + 1)" : "\(month + 1)"
    return Timestamp.parse("\(parts[3])-\(number)-\(parts[1])T\(parts[4])Z")
  }
}

/// Whether and when a request that failed is sent again.
package struct RetryRule: Sendable {
  private let policy: ModelPolicy.RetryPolicy

  package init(_ policy: ModelPolicy.RetryPolicy) { self.policy = policy }

  /// Retries that one question has, whatever it is asked for.
  package var retries: Int { policy.maxAttempts - 1 }

  /// When to send again: full jitter over the doubled backoff, but not before the server wants it.
  ///
  /// - Parameters:
  ///   - made: Retries so far.
  ///   - now, deadline: Monotonic nanoseconds.
  /// - Returns: nil where the cause is not one the policy names, no retry is left, the server wants none, or the wait
  ///   would last past the deadline: waiting for nothing helps nobody.
  package func time(
    after fault: AskFault, hint: RetryHint, made: Int, at now: UInt64, deadline: UInt64,
    using random: inout some RandomNumberGenerator
  ) -> UInt64? {
    guard made < retries, !hint.isFinal, let cause = Self.cause(of: fault), policy.retryOn.contains(cause)
    else { return nil }
    let backoff = UInt64(max(0, policy.backoffMs)) * 1_000_000 << UInt64(min(made, 20))
    let wait = max(UInt64.random(in: 0...backoff, using: &random), hint.wait)
    let (time, isTooFar) = now.addingReportingOverflow(wait)
    return isTooFar || time >= deadline ? nil : time
  }

  /// Until when one try may take: all that is left; or, where a timeout is tried again, an equal share of it.
  package func tryDeadline(made: Int, at now: UInt64, deadline: UInt64) -> UInt64 {
    guard deadline > now, made < retries, policy.retryOn.contains(.timeout) else { return deadline }
    return now + (deadline - now) / UInt64(retries - made + 1)
  }

  /// 429 alone is a rate limit; 529, a server that calls itself overloaded, is a server error.
  private static func cause(of fault: AskFault) -> ModelPolicy.RetryPolicy.Cause? {
    switch fault {
    case .status(429): .rateLimit
    case .status(let status) where status >= 500: .serverError
    case .timeout: .timeout
    default: nil
    }
  }
}
