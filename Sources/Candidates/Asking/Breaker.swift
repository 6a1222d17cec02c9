/// Stops asking a model that keeps failing, and lets one probe through after a rest.
///
/// Time is given, never read: monotonic nanoseconds.
package struct Breaker: Sendable {
  package enum State: Sendable, Equatable {
    case closed(failures: Int)
    case open(until: UInt64)
    case probing
  }

  private let tolerance: Int
  private let rest: UInt64
  package private(set) var state = State.closed(failures: 0)

  package init(failures: Int, cooldownMs: Int) {
    tolerance = max(1, failures)
    rest = UInt64(max(0, cooldownMs)) * 1_000_000
  }

  /// Whether the model may be asked now; after a rest the first who asks is the probe.
  package mutating func admit(at now: UInt64) -> Bool {
    switch state {
    case .closed: return true
    case .open(let until) where now < until: return false
    case .open:
      state = .probing
      return true
    case .probing: return false
    }
  }

  /// Whether ``admit(at:)`` would say yes, without becoming the probe.
  package func wouldAdmit(at now: UInt64) -> Bool {
    switch state {
    case .closed: true
    case .open(let until): now >= until
    case .probing: false
    }
  }

  /// An answer came. One to a question from before the breaker opened does not close it.
  package mutating func succeeded() {
    if case .open = state { return }
    state = .closed(failures: 0)
  }

  /// A fault that is about the request and not about the server: it counts for nothing, but a probe has been answered.
  package mutating func answeredOtherwise() {
    if state == .probing { state = .closed(failures: 0) }
  }

  /// The server could not be reached, did not answer in time, or said 429 or 5xx.
  package mutating func failed(at now: UInt64) {
    switch state {
    case .closed(let failures) where failures + 1 < tolerance: state = .closed(failures: failures + 1)
    case .closed, .probing: state = .open(until: now &+ rest)
    case .open: break
    }
  }
}
