/// How many requests are taken: a bucket that fills steadily.
package struct RequestRate: Sendable {
  private let perSecond: Double
  private let most: Double
  private var level: Double
  private var last: UInt64

  /// - Parameters:
  ///   - most: What may come at once after a pause.
  ///   - now: Monotonic nanoseconds, here as below.
  package init(perSecond: Double, most: Double, now: UInt64) {
    self.perSecond = perSecond
    self.most = most
    level = most
    last = now
  }

  package mutating func admit(at now: UInt64) -> Bool {
    level = min(most, level + Double(now - min(now, last)) / 1e9 * perSecond)
    last = max(last, now)
    guard level >= 1 else { return false }
    level -= 1
    return true
  }

  /// Nothing has been taken for so long that it is as if it were new.
  fileprivate func isFull(at now: UInt64) -> Bool {
    level + Double(now - min(now, last)) / 1e9 * perSecond >= most
  }
}

/// A rate for each peer. Peers are told apart by user: a process can have as many connections as it likes, and users are
/// what the kernel vouches for.
package struct PeerRates: Sendable {
  /// Requests a second that each may send; twice as many at once after a pause.
  package let perSecond: Int
  private var rates: [UInt32: RequestRate] = [:]

  /// More peers than this share one rate.
  private static let most = 1_000

  package init(perSecond: Int) { self.perSecond = perSecond }

  /// - Parameter now: Monotonic nanoseconds.
  package mutating func admits(_ user: UInt32, at now: UInt64) -> Bool {
    let key = rates[user] != nil || hasRoom(at: now) ? user : .max
    var rate =
      rates[key] ?? RequestRate(perSecond: Double(perSecond), most: 2 * Double(perSecond), now: now)
    defer { rates[key] = rate }
    return rate.admit(at: now)
  }

  private mutating func hasRoom(at now: UInt64) -> Bool {
    if rates.count >= Self.most { rates = rates.filter { !$0.value.isFull(at: now) } }
    return rates.count < Self.most
  }
}
