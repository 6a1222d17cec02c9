package import RouterCore

/// What counting an epoch needs of the task's policy.
package struct EpochRules: Sendable, Equatable {
  /// After its first drawn item an epoch lasts so long.
  package var windowDays: Int
  /// Within which a drawn item has to be labelled.
  package var deadlineDays: Int
  /// Who may confirm a severe false accept alone.
  package var owner: String?
  /// First 16 hex digits of the SHA-256 of the ids of calls that a correction was fitted on, or a model trained.
  package var usedCases: Set<String> = []
  /// So many would-accepts that were not drawn are kept; further ones are only counted, and ``EpochEvidence/isPartial``.
  package var undrawnLimit = Int.max

  package init(_ gate: GatePolicy = GatePolicy(), owner: String? = nil) {
    windowDays = gate.windowDays
    deadlineDays = gate.reviewDeadlineDays
    self.owner = owner
  }
}
