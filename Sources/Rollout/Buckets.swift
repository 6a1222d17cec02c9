package import RouterCore

/// Who asks, as far as a flag looks at it.
package struct Caller: Sendable {
  package var callID: String
  package var runID: String?
  package var userGroup: String?

  package init(callID: String, runID: String? = nil, userGroup: String? = nil) {
    self.callID = callID
    self.runID = runID
    self.userGroup = userGroup
  }

  /// What a decision sticks to: the run, else the call, so that callers without a run are spread evenly.
  fileprivate var unit: String { runID.map { "run:\($0)" } ?? "call:\(callID)" }
}

/// Throws dice that always fall alike: HMAC-SHA-256 of what is asked under the flags' salt.
package struct Buckets: Sendable {
  private let key: HMACSHA256Key

  package init(_ key: HMACSHA256Key) { self.key = key }

  /// Whether a unit is among a share of all. One that is in at a share is in at every larger one.
  ///
  /// - Parameters:
  ///   - purpose: Each has its own dice, independent of the others'.
  ///   - share: 0…1.
  func holds(_ purpose: String, _ task: String, _ unit: String, share: Double) -> Bool {
    // At 1 nothing may be lost to rounding.
    guard share < 1 else { return true }
    let digest = key.authenticate(Array("\(purpose)\u{0}\(task)\u{0}\(unit)".utf8))
    return Double(digest.leadingBits) * 0x1p-64 < share
  }
}

extension Flag {
  /// On which side of the flag a call is, its receipt being in order.
  ///
  /// Side and control stick to the run; the audit to the call, since runs would make it a sample of clusters.
  package func standing(of caller: Caller, task: TaskPolicy, _ buckets: Buckets) -> Standing {
    var standing = Standing(isRotated: isRotated)
    guard isServing else {
      if let off { standing.reason = off == .stale ? .stale : .disabled }
      return standing
    }
    standing.stage = stage
    let isTargeted = caller.userGroup.map(userGroups.contains) ?? false
    standing.reason = isTargeted ? .targetingMatch : .split
    let unit = caller.unit
    guard isTargeted || buckets.holds("side", self.task, unit, share: Double(percent) / 100) else {
      return standing
    }
    let isControl = buckets.holds("control", self.task, unit, share: task.controlShare)
    standing.cohort = isControl ? .control : .local
    standing.serving = isControl ? nil : grant.map { Standing.Serving(receipt: $0.receipt, since: since) }
    standing.isAudited =
      !isControl && buckets.holds("audit", self.task, "call:\(caller.callID)", share: task.auditShare)
    return standing
  }
}
