/// Stops asking a model that keeps failing, and lets one probe through after a rest.
///
/// Time is given, never read: monotonic nanoseconds. Every request has a ticket, so that an answer to a question from
/// before the breaker opened or closed says nothing about what came after.
package struct Breaker: Sendable {
  package enum State: Sendable, Equatable {
    case closed(failures: Int)
    case open(until: UInt64)
    case probing
  }

  /// Stands for one request that was let through; to be given back with how it ended.
  package struct Ticket: Sendable {
    fileprivate let period: UInt64
  }

  private let tolerance: Int
  private let rest: UInt64
  package private(set) var state = State.closed(failures: 0)
  /// Counts the changes between closed, open and probing.
  private var period: UInt64 = 0

  /// The longest that a server's own word keeps the breaker open: 10 minutes, in nanoseconds.
  static let longestPause: UInt64 = 600_000_000_000

  package init(failures: Int, cooldownMs: Int) {
    tolerance = max(1, failures)
    rest = UInt64(max(0, cooldownMs)) * 1_000_000
  }

  /// Whether the model may be asked now; after a rest the first who asks is the probe.
  package mutating func admit(at now: UInt64) -> Ticket? {
    switch state {
    case .closed: break
    case .open(let until):
      guard now >= until else { return nil }
      change(to: .probing)
    case .probing: return nil
    }
    return Ticket(period: period)
  }

  /// Whether ``admit(at:)`` would say yes, without becoming the probe.
  package func wouldAdmit(at now: UInt64) -> Bool {
    switch state {
    case .closed: true
    case .open(let until): now >= until
    case .probing: false
    }
  }

  package mutating func succeeded(_ ticket: Ticket) {
    guard ticket.period == period else { return }
    switch state {
    case .closed: state = .closed(failures: 0)
    case .probing: change(to: .closed(failures: 0))
    case .open: break
    }
  }

  /// A fault that is about the request and not about the server: it counts for nothing, but a probe has been answered.
  package mutating func answeredOtherwise(_ ticket: Ticket) {
    guard ticket.period == period, state == .probing else { return }
    change(to: .closed(failures: 0))
  }

  /// The request was taken back before anything could be told from it: the next who asks is the probe.
  package mutating func abandoned(_ ticket: Ticket, at now: UInt64) {
    guard ticket.period == period, state == .probing else { return }
    change(to: .open(until: now))
  }

  /// The server could not be reached, did not answer in time, or said 429 or 5xx.
  ///
  /// - Parameter pause: Nanoseconds for which the server asked to be left alone. Where this failure opens the breaker
  ///   it stays open as long, at most ``longestPause``.
  package mutating func failed(_ ticket: Ticket, at now: UInt64, pause: UInt64 = 0) {
    guard ticket.period == period else { return }
    switch state {
    case .closed(let failures) where failures + 1 < tolerance: state = .closed(failures: failures + 1)
    case .closed, .probing: change(to: .open(until: now &+ max(rest, min(pause, Self.longestPause))))
    case .open: break
    }
  }

  private mutating func change(to new: State) {
    state = new
    period &+= 1
  }
}
