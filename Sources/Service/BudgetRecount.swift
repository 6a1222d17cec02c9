import Journal
import Live
import RouterCore
import Wire

/// What today's records say was spent: after a restart the day's budgets go on where they were.
enum BudgetRecount {
  /// - Parameter now: Milliseconds since 1970.
  static func read(logFolder: String, now: Int64) throws(JournalError) -> BudgetLedger {
    var ledger = BudgetLedger()
    let midnight = BudgetLedger.day(now) * 86_400_000
    var reader = try JournalReader(folder: logFolder, from: .time(midnight))
    var members: [JSONMemberRange] = []
    try reader.visit { line, _ in
      if let spent = Spending(line, &members), spent.at >= midnight {
        ledger.spend(
          task: spent.task, tenant: spent.tenant, calls: spent.isLocal ? 1 : 0, usd: spent.usd, at: now)
      }
      return true
    }
    return ledger
  }

  /// What one decision cost; nil for every other record.
  private struct Spending {
    var at: Int64 = 0
    var task = ""
    var tenant: String?
    var isLocal = false
    var usd = 0.0

    init?(_ line: Span<UInt8>, _ members: inout [JSONMemberRange]) {
      guard (try? JSONIndex.members(of: line, into: &members)) != nil else { return nil }
      for member in members {
        if member.isNamed("kind", in: line) {
          guard line.holds("decision", in: member) else { return nil }
        } else if member.isNamed("ts", in: line) {
          at = Timestamp.parse(line.string(in: member)) ?? 0
        } else if member.kind == .string, member.isNamed("task_type", in: line) {
          task = line.string(in: member)
        } else if member.kind == .string, member.isNamed("tenant", in: line) {
          tenant = line.string(in: member)
        } else if member.kind == .string, member.isNamed("route", in: line) {
          isLocal = line.holds("local", in: member)
        } else if member.kind == .number, member.isNamed("local_cost_usd", in: line) {
          usd = (try? JSONValue(parsing: line.extracting(member.value)))?.doubleValue ?? 0
        }
      }
      guard isLocal || usd > 0 else { return nil }
    }
  }
}
