package import RouterCore

/// What became of every line that came over the tap. One value behind one lock, so that every snapshot adds up:
/// `received = recorded + answered + malformed + shed + in flight`.
package struct Balance: Sendable {
  package enum Kind: String, CaseIterable, Sendable {
    case call, answer, outcome, ping
    /// A line that could not be read far enough to tell.
    case invalid

    /// The kind of record that such a frame ends in.
    package var record: String {
      switch self {
      case .call: "decision"
      case .answer: "comparison"
      case .outcome: "outcome"
      case .ping, .invalid: ""
      }
    }
  }

  /// Why a whole call was dropped rather than decided or recorded.
  package enum ShedCause: String, CaseIterable, Sendable {
    /// The log could not take the record: its buffer is full, or it is closed.
    case logRefused = "log_refused"
    /// Too much was waiting: before it was decided or, of a long line, before it was whole.
    case overload
    /// Its user sends more than it may.
    case rateLimited = "rate_limited"
  }

  package private(set) var received: [Kind: UInt64] = [:]
  package private(set) var recorded: [Kind: UInt64] = [:]
  package private(set) var answered: UInt64 = 0
  package private(set) var malformed: [FrameFault: UInt64] = [:]
  package private(set) var shed: [ShedCause: UInt64] = [:]
  package private(set) var inFlight: UInt64 = 0
  /// Frames that senders numbered and that never came.
  package private(set) var lostBySender: UInt64 = 0
  /// Connections that ended in the middle of a line; such a line was never whole, so it is no part of the balance.
  package var incomplete: UInt64 = 0

  package mutating func arrived(_ kind: Kind) {
    received[kind, default: 0] += 1
    inFlight += 1
  }

  package mutating func recorded(_ kind: Kind) {
    recorded[kind, default: 0] += 1
    inFlight -= 1
  }

  package mutating func answeredPing() {
    answered += 1
    inFlight -= 1
  }

  package mutating func skipped(_ fault: FrameFault) {
    malformed[fault, default: 0] += 1
    inFlight -= 1
  }

  package mutating func dropped(_ cause: ShedCause) {
    shed[cause, default: 0] += 1
    inFlight -= 1
  }

  /// Stays within what every figure made of it can hold, whatever senders claim.
  package mutating func lost(_ frames: Int) {
    lostBySender = min(lostBySender + UInt64(max(0, frames)), UInt64(Int.max))
  }

  package var receivedTotal: UInt64 { received.values.reduce(0, +) }
  package var recordedTotal: UInt64 { recorded.values.reduce(0, +) }
  package var malformedTotal: UInt64 { malformed.values.reduce(0, +) }
  package var shedTotal: UInt64 { shed.values.reduce(0, +) }
}
