import RouterCore
import Wire

/// How the brief and the difference say things: the same words in both.
enum PolicyWords {
  /// 0.72, 1, 0.005: as short as it can be told.
  static func number(_ value: Double) -> String { Int(exactly: value).map(String.init) ?? "\(value)" }

  /// A share as a percentage: 0.05 is `5 %`.
  static func percent(_ share: Double) -> String {
    let hundredths = (share * 10_000).rounded()
    return "\(number(hundredths / 100)) %"
  }

  static func list(_ items: [String]) -> String { items.isEmpty ? "none" : items.joined(separator: ", ") }

  /// A line cut at spaces into rows of at most 110 characters where it can be; later rows stand further in.
  static func wrapped(_ line: String) -> [String] {
    let inset = String(line.prefix { $0 == " " })
    var rows: [String] = []
    var row = inset
    var isFresh = true
    for word in line.dropFirst(inset.count).split(separator: " ", omittingEmptySubsequences: false) {
      if !isFresh, row.count + word.count >= 110 {
        rows.append(row)
        (row, isFresh) = (inset + "    ", true)
      }
      row += isFresh ? word : " " + word
      isFresh = false
    }
    return rows + [row]
  }

  static func model(_ model: ModelPolicy) -> String { "\(model.id) (\(model.provider.name) \(model.name))" }

  /// Where the text of calls goes when this model is asked.
  static func host(_ model: ModelPolicy) -> String {
    guard let endpoint = model.endpoint else { return "this process" }
    return "\(endpoint.scheme.rawValue)://\(endpoint.authority)"
  }

  static func capture(_ capture: TaskPolicy.CapturePolicy) -> String {
    switch capture {
    case .off: "off"
    case .sampled: "sampled"
    case .window(let until, let sample, let size):
      "\(percent(sample)) of calls until \(until), at most \(size) MB"
    }
  }

  /// What text of a task is kept, and until when: the vault's rules in a sentence.
  static func kept(_ task: TaskPolicy) -> String {
    switch task.capture {
    case .off: "none"
    case .sampled:
      "calls drawn for review, until they are labelled, at most \(task.gate.reviewDeadlineDays) days"
    case .window:
      "debug window, \(capture(task.capture)); past the size the oldest goes, at the end everything"
    }
  }

  static func gate(_ gate: GatePolicy) -> String {
    "false accepts at most \(percent(gate.maxFalseAcceptRate)), alpha \(number(gate.alpha)), window "
      + "\(gate.windowDays) days, at least \(gate.minWeeks) \(gate.minWeeks == 1 ? "week" : "weeks"), labels within "
      + "\(gate.reviewDeadlineDays) days, profile \(gate.profile.rawValue)"
  }

  static func budget(_ budget: TaskPolicy.Budget) -> String {
    var parts: [String] = []
    if let calls = budget.callsPerDay { parts.append("\(calls) calls a day") }
    if let money = budget.usdPerDay { parts.append("\(number(money)) USD a day") }
    return "\(budget.tenant ?? "each tenant"): \(list(parts))"
  }

  static func waiver(_ waiver: HardStopPolicy.Waiver) -> String {
    "\"\(waiver.term)\" for \(waiver.task) until \(waiver.until), by \(waiver.by): \(waiver.reason)"
  }

  static func terms(_ terms: [HardStopClass: [String]]) -> String {
    let parts = HardStopClass.allCases.compactMap { stop -> String? in
      guard let own = terms[stop], !own.isEmpty else { return nil }
      return "\(stop.rawValue): \(own.joined(separator: ", "))"
    }
    return parts.isEmpty ? "none" : parts.joined(separator: "; ")
  }
}
