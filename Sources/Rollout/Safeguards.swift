package import RouterCore
package import Wire

/// What a task's policy watches and bounds its local answers with, beside the rules by which they are accepted.
///
/// A receipt is issued under some; a policy that has less of any ends it. More of them changes nothing.
package struct Safeguards: Sendable, Equatable {
  /// Shares, 0…1.
  package var auditShare: Double
  package var controlShare: Double
  package var reviewSample: Double
  package var budgets: [Budget]

  /// Of one tenant, or (nil) of each that has none of its own.
  package struct Budget: Sendable, Equatable {
    package var tenant: String?
    /// nil: unlimited.
    package var callsPerDay: Int?
    package var usdPerDay: Double?
  }

  package init(_ task: TaskPolicy) {
    auditShare = task.auditShare
    controlShare = task.controlShare
    reviewSample = task.reviewSample
    budgets = task.budgets.map {
      Budget(tenant: $0.tenant, callsPerDay: $0.callsPerDay, usdPerDay: $0.usdPerDay)
    }
  }

  /// What of these is less under others, in words; nil: nothing.
  package func loosened(by now: Safeguards) -> String? {
    guard now != self else { return nil }
    let shares = [
      ("audit_share", auditShare, now.auditShare), ("control_share", controlShare, now.controlShare),
      ("review_sample", reviewSample, now.reviewSample),
    ]
    for (name, own, other) in shares where other < own {
      return "\(name) is \(other), and was \(own) when the receipt was issued"
    }
    // A tenant that only one of the two names has, in the other, the budget of each.
    for tenant in [nil] + Set((budgets + now.budgets).compactMap(\.tenant)).sorted().map(Optional.some) {
      let (own, other) = (limits(for: tenant), now.limits(for: tenant))
      guard other.calls > own.calls || other.usd > own.usd else { continue }
      return "the budget of \(tenant.map { "tenant \($0)" } ?? "each tenant") was raised or removed"
    }
    return nil
  }

  /// As calls are held to them: a budget that names the tenant holds in the place of those for each.
  private func limits(for tenant: String?) -> (calls: Int, usd: Double) {
    let own = budgets.filter { $0.tenant != nil && $0.tenant == tenant }
    let holding = own.isEmpty ? budgets.filter { $0.tenant == nil } : own
    return (
      holding.compactMap(\.callsPerDay).min() ?? .max, holding.compactMap(\.usdPerDay).min() ?? .infinity
    )
  }

  package var json: JSONValue {
    func number(_ value: Double?) -> JSONValue {
      value.flatMap { JSONNumber($0) }.map { .number($0) } ?? .null
    }
    return [
      "audit_share": number(auditShare), "control_share": number(controlShare),
      "review_sample": number(reviewSample),
      "budget": .array(
        budgets.map { budget in
          [
            "tenant": budget.tenant.map { .string($0) } ?? .null,
            "calls_per_day": budget.callsPerDay.map { .number(JSONNumber($0)) } ?? .null,
            "usd_per_day": number(budget.usdPerDay),
          ]
        }),
    ]
  }

  package init?(_ value: JSONValue) {
    guard let auditShare = value["audit_share"]?.doubleValue,
      let controlShare = value["control_share"]?.doubleValue,
      let reviewSample = value["review_sample"]?.doubleValue, let budgets = value["budget"]?.arrayValue
    else { return nil }
    self.auditShare = auditShare
    self.controlShare = controlShare
    self.reviewSample = reviewSample
    self.budgets = budgets.map {
      Budget(
        tenant: $0["tenant"]?.stringValue, callsPerDay: $0["calls_per_day"]?.intValue,
        usdPerDay: $0["usd_per_day"]?.doubleValue)
    }
  }
}
