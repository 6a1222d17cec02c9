/// The result of every check of one decision, in the order of ``Reason/order``.
///
/// A check that did not run is `skipped`: it says nothing about the call.
package struct Checks: Sendable, Equatable {
  package enum Result: String, Sendable { case pass, fail, skipped }

  private var passed: UInt16 = 0
  private var failed: UInt16 = 0

  package init() {}

  package subscript(_ reason: Reason) -> Result {
    let bit = UInt16(1) << UInt16(reason.order)
    if failed & bit != 0 { return .fail }
    return passed & bit != 0 ? .pass : .skipped
  }

  /// Records a check's result; a check that has failed stays failed.
  package mutating func record(_ reason: Reason, passes: Bool) {
    let bit = UInt16(1) << UInt16(reason.order)
    if passes { passed |= bit } else { failed |= bit }
  }

  /// The reason of the decision: the first check that failed; nil where none did.
  package var firstFailure: Reason? {
    guard failed != 0 else { return nil }
    return Reason.allCases[failed.trailingZeroBitCount]
  }
}

/// A hard-stop term that was found.
package struct HardStopHit: Sendable, Equatable {
  package enum Place: String, Sendable { case input, answer }

  package let kind: HardStopClass
  /// As the policy writes it.
  package let term: String
  package let place: Place

  package init(kind: HardStopClass, term: String, place: Place) {
    self.kind = kind
    self.term = term
    self.place = place
  }
}
