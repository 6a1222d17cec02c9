package import RouterCore

/// What has been spent today (UTC), by task and tenant: calls answered locally, and USD on the task's candidates.
///
/// Bounded: tenants past ``capacity`` are counted together, so that nobody can have a budget of his own for each name
/// that he makes up.
package struct BudgetLedger: Sendable {
  package struct Spent: Sendable, Equatable {
    package var calls = 0
    package var usd = 0.0
    package init() {}
  }

  package struct Account: Hashable, Sendable {
    package let task: String
    /// nil: calls that name no tenant.
    package let tenant: String?
    /// Of all tenants that found no place.
    package var isOfTheRest = false

    package init(task: String, tenant: String?) {
      self.task = task
      self.tenant = tenant
    }
  }

  /// Accounts kept, over all tasks.
  package static let capacity = 10_000
  private let capacity: Int
  /// Days since 1970.
  private var day = Int64.min
  package private(set) var accounts: [Account: Spent] = [:]

  package init(capacity: Int = capacity) { self.capacity = max(1, capacity) }

  package static func day(_ milliseconds: Int64) -> Int64 {
    // Rounded down also before 1970.
    (milliseconds - (milliseconds < 0 ? 86_399_999 : 0)) / 86_400_000
  }

  /// - Parameter now: Milliseconds since 1970; a new day begins with nothing spent, a clock set back changes nothing.
  package mutating func spend(task: String, tenant: String?, calls: Int, usd: Double, at now: Int64) {
    begin(now)
    let account = place(Account(task: task, tenant: tenant))
    accounts[account, default: Spent()].calls += calls
    if usd.isFinite, usd > 0 { accounts[account, default: Spent()].usd += usd }
  }

  /// Takes back a call that was not answered after all.
  package mutating func giveBack(task: String, tenant: String?, at now: Int64) {
    guard Self.day(now) == day else { return }
    let account = place(Account(task: task, tenant: tenant))
    if let spent = accounts[account], spent.calls > 0 { accounts[account]?.calls -= 1 }
  }

  /// Everything that was spent on the day of `now`.
  package func today(_ now: Int64) -> [Account: Spent] { Self.day(now) <= day ? accounts : [:] }

  package func spent(task: String, tenant: String?, at now: Int64) -> Spent {
    guard Self.day(now) <= day else { return Spent() }
    return accounts[place(Account(task: task, tenant: tenant))] ?? Spent()
  }

  /// What a task's budgets still allow a tenant.
  package func state(of task: TaskPolicy, tenant: String?, at now: Int64) -> BudgetState {
    var state = BudgetState()
    guard !task.budgets.isEmpty else { return state }
    let spent = spent(task: task.name, tenant: tenant, at: now)
    for budget in Self.holding(task.budgets, for: tenant) {
      if let most = budget.callsPerDay, spent.calls >= most { state.mayAnswer = false }
      if let most = budget.usdPerDay, spent.usd >= most { state.maySpend = false }
    }
    return state
  }

  /// A budget that names the tenant holds in the place of those for each.
  static func holding(_ budgets: [TaskPolicy.Budget], for tenant: String?) -> [TaskPolicy.Budget] {
    let own = budgets.filter { $0.tenant != nil && $0.tenant == tenant }
    return own.isEmpty ? budgets.filter { $0.tenant == nil } : own
  }

  private mutating func begin(_ now: Int64) {
    let today = Self.day(now)
    guard today > day else { return }
    day = today
    accounts = [:]
  }

  private func place(_ account: Account) -> Account {
    guard accounts[account] == nil, accounts.count >= capacity else { return account }
    var rest = Account(task: account.task, tenant: nil)
    rest.isOfTheRest = true
    return rest
  }
}

/// What the budgets of a task leave a tenant today.
package struct BudgetState: Sendable, Equatable {
  /// Calls may be answered locally.
  package var mayAnswer = true
  /// Models that cost money may be asked.
  package var maySpend = true
  package init() {}
}

extension ModelPolicy {
  /// Whether asking it costs anything that the policy knows of.
  package var isFree: Bool { price.inputPerMtok + price.outputPerMtok + price.usdPerHour == 0 }
}

extension Policy {
  /// Of a frontier model and its fallbacks the one that costs least, as far as the policy gives prices: the first of
  /// equals, and `model` itself where its price is not known.
  package func cheapest(of model: String, or fallbacks: [String]) -> String {
    func price(_ name: String) -> Double? {
      guard let found = models.first(where: { $0.name == name || $0.id == name }) else { return nil }
      let sum = found.price.inputPerMtok + found.price.outputPerMtok
      return sum > 0 ? sum : nil
    }
    guard var least = price(model) else { return model }
    var best = model
    for name in fallbacks {
      if let sum = price(name), sum < least { (best, least) = (name, sum) }
    }
    return best
  }
}
