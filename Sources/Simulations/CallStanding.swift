import Agreements
import Evidence
import LogReading

/// What people and the frontier say of one call.
enum CallStanding: UInt8 {
  case open, agrees, suspected, cleared, knownFalse

  /// - Parameter failedLocally: A local answer whose outcome was a failure.
  init(labels: some Sequence<ReviewLabels.Label>, verdict: UInt8, failedLocally: Bool) {
    if failedLocally || labels.contains(.escalate) {
      self = .knownFalse
    } else if labels.contains(.accept) {
      self = .cleared
    } else if verdict == EvidenceFold.code(.disagree) {
      self = .suspected
    } else {
      self = verdict == EvidenceFold.code(.agree) ? .agrees : .open
    }
  }
}
