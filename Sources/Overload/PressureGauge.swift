/// Whether more is waiting than can be taken on: says when to give something up, and when it may be had again.
///
/// A value; whoever owns it tells it the bytes that wait. It lets go late: without that it would change with every record.
package struct PressureGauge: Sendable {
  package enum Level: String, CaseIterable, Comparable, Sendable {
    case calm
    /// No candidate is asked; calls are still decided.
    case noCandidates = "no_candidates"
    /// Whole calls are dropped, and counted.
    case shedding

    package static func < (left: Level, right: Level) -> Bool { left.rank < right.rank }

    private var rank: Int {
      switch self {
      case .calm: 0
      case .noCandidates: 1
      case .shedding: 2
      }
    }
  }

  /// What all percentages are of.
  package let capacityBytes: Int
  package private(set) var level = Level.calm

  private static let candidatesEnd = 80
  private static let callsEnd = 95
  private static let calmAgain = 70

  package init(capacityBytes: Int) { self.capacityBytes = max(1, capacityBytes) }

  /// Where calls come to be dropped, in bytes: what is left above it is for records that may not be missing.
  package var sheddingBytes: Int { capacityBytes / 100 * Self.callsEnd }

  /// Where everything is as before, in bytes.
  package var calmBytes: Int { capacityBytes / 100 * Self.calmAgain }

  /// - Parameter bytes: That wait now.
  @discardableResult
  package mutating func update(_ bytes: Int) -> Level {
    if bytes < calmBytes {
      level = .calm
    } else if bytes >= sheddingBytes {
      level = .shedding
    } else if bytes >= capacityBytes / 100 * Self.candidatesEnd {
      level = max(level, .noCandidates)
    }
    return level
  }
}
