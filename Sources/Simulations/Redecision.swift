package import RouterCore

/// What another policy makes of a recorded call, as far as its record tells.
package enum Redecision: Hashable, Sendable {
  case accepted
  /// Stays with the frontier. `isCertain` false: so much is certain, but another check, which the record cannot tell,
  /// might come first and be the reason.
  case stopped(Reason, isCertain: Bool)
  /// It depends on a text or an answer that the record does not hold.
  case open(Cause)

  package enum Cause: String, CaseIterable, Sendable {
    /// The candidate was never asked about it.
    case notAsked = "not_asked"
    /// A hard-stop term holds that was not looked for then, or a record's hits are not all kept.
    case term
    /// A part of the text is newly exempt from the scan, or no longer.
    case reviewedPart = "reviewed_part"
    case classifier
    /// Another model, or the same one at another place or with other limits.
    case candidate
    /// The same model is asked something else: prompt, examples, form of the answer.
    case question
    /// A check of the answer's text is new or looser.
    case answer
    /// A step of the cascade whose answer is not in the record.
    case cascade
    /// The policy of the time is not at hand.
    case policy
    /// The record is not whole, or of a later version.
    case record
  }
}

/// What one check comes to under another policy.
enum Told: Equatable {
  case pass, fail
  case open(Redecision.Cause)

  init(_ passes: Bool) { self = passes ? .pass : .fail }
}

extension Redecision {
  /// Reads the checks in the contract's order: the first that fails is the reason, unless an earlier one is open.
  init(_ check: (Reason) -> Told) {
    var cause: Cause?
    for reason in Reason.allCases {
      switch check(reason) {
      case .pass: continue
      case .open(let found): cause = cause ?? found
      case .fail:
        self = .stopped(reason, isCertain: cause == nil)
        return
      }
    }
    self = cause.map { .open($0) } ?? .accepted
  }

  /// What both come to where the checks of this one, none of which fails for certain, are made first.
  func followed(by next: Redecision) -> Redecision {
    guard case .open(let cause) = self else { return next }
    guard case .stopped(let reason, _) = next else { return .open(cause) }
    return .stopped(reason, isCertain: false)
  }
}
