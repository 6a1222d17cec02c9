/// The kinds of records that are told apart by number; the raw value is the name in the log.
package enum RecordKind: String, CaseIterable {
  case decision, comparison, review, outcome, challenge
  case gap, recovered, policy, flag, drill, probe, start, stop
  case access, gate, receipt, week, checkpoint, eval
  case retention, erasure, key

  /// nil: none of these.
  package init?(_ name: Span<UInt8>) {
    // Nearly every record is one of the first two.
    if name.equals("decision") {
      self = .decision
    } else if name.equals("comparison") {
      self = .comparison
    } else {
      self.init(rawValue: name.text)
    }
  }

  private static let indices = Dictionary(uniqueKeysWithValues: allCases.enumerated().map { ($1, $0) })

  /// In ``allCases``.
  package var index: Int {
    switch self {
    case .decision: 0
    case .comparison: 1
    default: Self.indices[self] ?? 0
    }
  }
}
