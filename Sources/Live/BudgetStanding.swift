package import RouterCore

/// What a tenant has spent of what a task's budgets allow it today.
package struct BudgetStanding: Sendable {
  package let account: BudgetLedger.Account
  package let spent: BudgetLedger.Spent
  /// The least that a budget that holds for the tenant allows; nil: none does.
  package var callsPerDay: Int?
  package var usdPerDay: Double?

  package var areCallsUsedUp: Bool { callsPerDay.map { spent.calls >= $0 } ?? false }
  package var isMoneySpent: Bool { usdPerDay.map { spent.usd >= $0 } ?? false }
  package var isUsedUp: Bool { areCallsUsedUp || isMoneySpent }
}

extension BudgetLedger {
  /// Of each task with budgets every account; one of nothing spent where there is none, or where a budget names a tenant.
  /// Used up ones come first, then those that spent most.
  package func standings(of tasks: [TaskPolicy], at now: Int64) -> [BudgetStanding] {
    let today = today(now)
    var standings: [BudgetStanding] = []
    for task in tasks where !task.budgets.isEmpty {
      var spent = today.filter { $0.key.task == task.name }
      for tenant in task.budgets.compactMap(\.tenant) {
        spent[Account(task: task.name, tenant: tenant), default: Spent()].calls += 0
      }
      if spent.isEmpty { spent[Account(task: task.name, tenant: nil)] = Spent() }
      standings += spent.map { account, spent in
        var standing = BudgetStanding(account: account, spent: spent)
        let budgets = Self.holding(task.budgets, for: account.tenant)
        standing.callsPerDay = budgets.compactMap(\.callsPerDay).min()
        standing.usdPerDay = budgets.compactMap(\.usdPerDay).min()
        return standing
      }
    }
    return standings.sorted { $0.rank > $1.rank }
  }

  /// Milliseconds since 1970 at which the budgets of the day of `now` begin anew.
  package static func nextDay(after now: Int64) -> Int64 { (day(now) + 1) * 86_400_000 }
}

extension BudgetStanding {
  fileprivate var rank: (Int, Double, Int, String, String) {
    (isUsedUp ? 1 : 0, spent.usd, spent.calls, account.task, account.tenant ?? "")
  }
}
