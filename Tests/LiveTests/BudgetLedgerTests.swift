import Live
import RouterCore
import TestData
import Testing

@Suite("Budgets")
struct BudgetLedgerTests {
  private static let noon: Int64 = 1_790_000_000_000 / 86_400_000 * 86_400_000 + 43_200_000
  private static let day: Int64 = 86_400_000

  private func task(_ budgets: [TaskPolicy.Budget]) -> TaskPolicy {
    var task = TaskPolicy(name: "t", mark: Mark(line: 1, column: 1))
    task.budgets = budgets
    return task
  }

  private func budget(_ tenant: String? = nil, calls: Int? = nil, usd: Double? = nil) -> TaskPolicy.Budget {
    var budget = TaskPolicy.Budget()
    (budget.tenant, budget.callsPerDay, budget.usdPerDay) = (tenant, calls, usd)
    return budget
  }

  @Test("what is told of a budget is what decides; used up ones come first")
  func standings() {
    let tasks = [task([budget(calls: 4, usd: 2), budget("big", calls: 9), budget("idle", usd: 1)])]
    var ledger = BudgetLedger(capacity: 12)
    var dice = SeededGenerator(seed: 7)
    for _ in 0..<200 {
      let tenant = ["a", "b", "big", nil].randomElement(using: &dice) ?? nil
      ledger.spend(task: "t", tenant: tenant, calls: 1, usd: 0.1, at: Self.noon)
      let told = ledger.standings(of: tasks, at: Self.noon)
      for standing in told {
        let state = ledger.state(of: tasks[0], tenant: standing.account.tenant, at: Self.noon)
        #expect(standing.areCallsUsedUp == !state.mayAnswer && standing.isMoneySpent == !state.maySpend)
      }
      #expect(told.map(\.isUsedUp) == told.map(\.isUsedUp).sorted { $0 && !$1 })
      #expect(told.contains { $0.account.tenant == "idle" && $0.usdPerDay == 1 && $0.callsPerDay == nil })
    }
    #expect(ledger.standings(of: tasks, at: Self.noon + Self.day).allSatisfy { $0.spent == .init() })
    #expect(BudgetLedger.nextDay(after: Self.noon) == Self.noon + Self.day / 2)
    #expect(ledger.standings(of: [task([])], at: Self.noon).isEmpty)
  }

  @Test("each tenant has the general budget to itself; one with a budget of its own has that instead")
  func tenants() {
    let task = task([budget(calls: 2), budget("big", calls: 3)])
    var ledger = BudgetLedger()
    for tenant in ["a", "b", "big", nil] {
      for _ in 0..<2 { ledger.spend(task: "t", tenant: tenant, calls: 1, usd: 0, at: Self.noon) }
    }
    #expect(!ledger.state(of: task, tenant: "a", at: Self.noon).mayAnswer)
    #expect(!ledger.state(of: task, tenant: nil, at: Self.noon).mayAnswer)
    #expect(ledger.state(of: task, tenant: "c", at: Self.noon).mayAnswer)
    #expect(ledger.state(of: task, tenant: "big", at: Self.noon).mayAnswer)
    ledger.spend(task: "t", tenant: "big", calls: 1, usd: 0, at: Self.noon)
    #expect(!ledger.state(of: task, tenant: "big", at: Self.noon).mayAnswer)
    ledger.giveBack(task: "t", tenant: "big", at: Self.noon)
    #expect(ledger.state(of: task, tenant: "big", at: Self.noon).mayAnswer)
  }

  @Test("money and calls are bounds of their own, and a bound of nothing is spent at once")
  func bounds() {
    var ledger = BudgetLedger()
    let both = task([budget(calls: 10, usd: 0.5)])
    ledger.spend(task: "t", tenant: nil, calls: 1, usd: 0.5, at: Self.noon)
    let state = ledger.state(of: both, tenant: nil, at: Self.noon)
    #expect(state.mayAnswer && !state.maySpend)
    #expect(!ledger.state(of: task([budget(calls: 0)]), tenant: "x", at: Self.noon).mayAnswer)
    #expect(ledger.state(of: task([]), tenant: nil, at: Self.noon) == BudgetState())
    ledger.spend(task: "t", tenant: "y", calls: 0, usd: .nan, at: Self.noon)
    ledger.spend(task: "t", tenant: "y", calls: 0, usd: -1, at: Self.noon)
    #expect(ledger.spent(task: "t", tenant: "y", at: Self.noon).usd == 0)
  }

  @Test("a new day of UTC begins with nothing spent; a clock set back does not give a day twice")
  func days() {
    let task = task([budget(calls: 1)])
    let midnight = Self.noon / Self.day * Self.day + Self.day
    var ledger = BudgetLedger()
    ledger.spend(task: "t", tenant: nil, calls: 1, usd: 0, at: midnight - 1)
    #expect(!ledger.state(of: task, tenant: nil, at: midnight - 1).mayAnswer)
    #expect(ledger.state(of: task, tenant: nil, at: midnight).mayAnswer)
    ledger.spend(task: "t", tenant: nil, calls: 1, usd: 0, at: midnight)
    #expect(!ledger.state(of: task, tenant: nil, at: midnight - 1).mayAnswer)
    ledger.spend(task: "t", tenant: nil, calls: 1, usd: 0, at: midnight - 1)
    #expect(ledger.spent(task: "t", tenant: nil, at: midnight).calls == 2)
  }

  @Test("tenants that are made up share one budget once the places are taken")
  func crowd() {
    let task = task([budget(calls: 5)])
    var ledger = BudgetLedger(capacity: 3)
    for number in 0..<100 { ledger.spend(task: "t", tenant: "\(number)", calls: 1, usd: 0, at: Self.noon) }
    #expect(ledger.accounts.count == 4)
    #expect(ledger.state(of: task, tenant: "0", at: Self.noon).mayAnswer)
    #expect(!ledger.state(of: task, tenant: "another", at: Self.noon).mayAnswer)
  }

  @Test("the cheapest of a model and its fallbacks is known only as far as prices are")
  func cheapest() {
    var policy = Policy()
    for (name, price) in [("dear", 10.0), ("middle", 3.0), ("cheap", 1.0), ("unpriced", 0)] {
      var model = ModelPolicy(
        id: name + "_id", mark: Mark(line: 1, column: 1), provider: .openai, name: name)
      model.price.inputPerMtok = price
      policy.models.append(model)
    }
    #expect(policy.cheapest(of: "dear", or: ["middle", "cheap_id", "unpriced", "unknown"]) == "cheap_id")
    #expect(policy.cheapest(of: "cheap", or: ["dear"]) == "cheap")
    #expect(policy.cheapest(of: "unpriced", or: ["cheap"]) == "unpriced")
    #expect(policy.cheapest(of: "dear", or: []) == "dear")
  }
}
