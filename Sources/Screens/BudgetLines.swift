import Statistics
package import Wire

/// What is left of the day's budgets, as lines of text.
package enum BudgetLines {
  package struct Line: Equatable {
    package var text: String
    /// Something is used up.
    package var isAlarm = false
  }

  /// Tenants named of each task.
  private static let shown = 3

  /// - Parameter budgets: The member `budgets` of `/v1/status`, in its order.
  package static func lines(_ budgets: [JSONValue]) -> [Line] {
    var tasks: [String] = []
    for budget in budgets {
      let task = budget["task"]?.stringValue ?? "?"
      if !tasks.contains(task) { tasks.append(task) }
    }
    return tasks.flatMap { task in
      let all = budgets.filter { $0["task"]?.stringValue == task }
      let rest = all.dropFirst(shown)
      let usedUp = rest.count { $0["used_up"]?.boolValue == true }
      let more =
        rest.isEmpty
        ? []
        : [
          Line(
            text:
              "\(plain(task)): \(Figures.counted(rest.count, "more tenant")), \(usedUp) used up; shadow-router status --json"
          )
        ]
      return all.prefix(shown).flatMap { lines(of: $0) } + more
    }
  }

  private static func lines(of budget: JSONValue) -> [Line] {
    let parts = [
      part(budget["calls"], of: budget["calls_per_day"]) { "\(Figures.count(Int($0)))" }.map {
        $0 + " calls"
      },
      part(budget["usd"], of: budget["usd_per_day"], Figures.usd),
    ]
    let line =
      "\(plain(budget["task"]?.stringValue ?? "?")), \(tenant(budget)): \(parts.compactMap(\.self).joined(separator: ", ")) today"
    guard budget["used_up"]?.boolValue == true else { return [Line(text: line)] }
    let again = budget["starts_again"]?.stringValue ?? "midnight UTC"
    return [
      Line(text: line + ": USED UP", isAlarm: true),
      Line(
        text:
          "its calls go to the frontier, or to models without a price; starts again at \(again), or with a larger budget in the policy"
      ),
    ]
  }

  private static func tenant(_ budget: JSONValue) -> String {
    if budget["others"]?.boolValue == true { return "all other tenants" }
    return budget["tenant"]?.stringValue.map { "tenant \(plain($0))" } ?? "calls without a tenant"
  }

  private static func plain(_ text: String) -> String {
    TerminalText.plain(text).split(whereSeparator: \.isNewline).joined(separator: " ")
  }

  /// nil where no budget limits it.
  private static func part(_ spent: JSONValue?, of limit: JSONValue?, _ words: (Double) -> String) -> String?
  {
    let spent = spent?.doubleValue ?? 0
    guard let limit = limit?.doubleValue else { return nil }
    return "\(words(spent)) of \(words(limit))"
  }
}
