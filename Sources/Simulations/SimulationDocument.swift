import Evidence
import LogReading
import RouterCore
import Statistics
package import Wire

extension Simulation {
  /// Words in which a simulation is told; columns are aligned for a terminal.
  package var text: String {
    var lines: [String] = []
    if let firstDecision, let lastDecision {
      let calls = tasks.reduce(0) { $0 + $1.calls }
      lines.append(
        "\(Figures.count(calls)) calls from \(LogTime.minute(firstDecision)) to \(LogTime.minute(lastDecision)) UTC"
      )
    } else {
      lines.append("no calls in the window")
    }
    for missing in missingPolicies {
      lines.append(
        "\(Figures.count(missing.count)) of them were decided by \(missing.name.prefix(19)), which is not at hand: give its file with --was"
      )
    }
    if damaged > 0 { lines.append("\(Figures.count(damaged)) lines of the log are no records") }
    for task in tasks { lines += [""] + task.lines }
    if !tasks.isEmpty { lines += ["", Self.note] }
    return lines.joined(separator: "\n") + "\n"
  }

  /// What is taken for granted.
  package static let note = """
    Taken for granted: asked the same again, a candidate answers the same, and one that was unavailable is so again; where
    labels change it gives the label it gave; confidences are corrected as they were then. Models, prompts and texts that
    changed are not guessed at: they are "cannot be told".
    """

  package var json: JSONValue {
    [
      "first_decision": firstDecision.map { .string(LogTime.format($0)) } ?? .null,
      "last_decision": lastDecision.map { .string(LogTime.format($0)) } ?? .null,
      "missing_policies": .array(
        missingPolicies.map { ["revision": .string($0.name), "calls": .number(JSONNumber($0.count))] }),
      "damaged": .number(JSONNumber(damaged)), "more_false": .bool(hasMoreFalse),
      "tasks": .array(tasks.map(\.json)),
    ]
  }
}

extension Simulation.Task {
  fileprivate var lines: [String] {
    var lines = ["\(name)"]
    func line(_ name: String, _ text: String) {
      lines.append("  " + name + String(repeating: " ", count: max(1, 16 - name.count)) + text)
    }
    let untold = acceptsOpen > 0 ? ", of \(Figures.count(acceptsOpen)) more it cannot be told" : ""
    line("calls", Figures.count(calls))
    line("would accept", "\(Figures.count(acceptsBefore)), then \(Figures.count(acceptsAfter))\(untold)")
    for (index, change) in changes.enumerated() {
      line(
        index == 0 ? "changes" : "",
        "\(change.before?.rawValue ?? "accepted") → \(change.after.words)  \(Figures.count(change.count))")
    }
    if changes.isEmpty { line("changes", "none that can be told") }
    if openCalls > 0 {
      let causes = open.map { "\($0.name) \(Figures.count($0.count))" }.joined(separator: ", ")
      line("cannot be told", "without the text: \(Figures.count(openCalls)) (\(causes))")
    }
    line("false, known", knownFalse.words)
    line("suspected", suspected.words)
    if cleared.before + cleared.letIn + cleared.open > 0 { line("found good", cleared.words) }
    if letIn > 0 {
      line(
        "let in",
        "\(Figures.count(letIn)): \(Figures.count(letInAgree)) agree with the frontier, of \(Figures.count(letInUnmeasured)) nothing is known"
      )
    }
    if assumedLabels > 0 {
      line("assumed", "\(Figures.count(assumedLabels)) calls get the same label though others are offered")
    }
    let uncosted = uncosted > 0 ? " (\(Figures.count(uncosted)) changed calls came without a cost)" : ""
    line("expected cost", (costChange > 0 ? "+" : "") + Figures.usd(costChange) + uncosted)
    return lines
  }

  fileprivate var json: JSONValue {
    func count(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }
    func usd(_ value: Double) -> JSONValue { JSONNumber(value).map { .number($0) } ?? .null }
    return [
      "task_type": .string(name), "calls": count(calls), "would_accepts": count(acceptsBefore),
      "would_accepts_then": count(acceptsAfter), "would_accepts_cannot_be_told": count(acceptsOpen),
      "let_in": count(letIn), "kept_out": count(keptOut), "let_in_agree": count(letInAgree),
      "let_in_unmeasured": count(letInUnmeasured), "labels_assumed": count(assumedLabels),
      "changes": .array(
        changes.map { change in
          [
            "from": change.before.map { .string($0.rawValue) } ?? .null, "to": change.after.json,
            "certain": .bool(change.after.isCertain), "calls": count(change.count),
          ]
        }),
      "cannot_be_told": count(openCalls),
      "causes": .array(open.map { ["cause": .string($0.name), "calls": count($0.count)] }),
      "known_false": knownFalse.json, "suspected": suspected.json, "found_good": cleared.json,
      "cost_change_usd": usd(costChange), "frontier_cost_change_usd": usd(frontierCostChange),
      "local_cost_change_usd": usd(localCostChange), "uncosted": count(uncosted),
      "more_false": .bool(hasMoreFalse),
    ]
  }
}

extension Simulation.Flow {
  fileprivate var words: String {
    let open = open > 0 ? ", \(Figures.count(open)) cannot be told" : ""
    return
      "\(Figures.count(letIn)) let in, \(Figures.count(keptOut)) kept out, \(Figures.count(stay)) stay\(open)"
  }

  fileprivate var json: JSONValue {
    func count(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }
    return [
      "let_in": count(letIn), "kept_out": count(keptOut), "stay": count(stay),
      "cannot_be_told": count(open),
    ]
  }
}

extension Redecision {
  fileprivate var words: String {
    switch self {
    case .accepted: "accepted"
    case .stopped(let reason, let isCertain):
      isCertain ? reason.rawValue : "\(reason.rawValue), or another reason"
    case .open(let cause): "cannot be told: \(cause.rawValue)"
    }
  }

  /// null: accepted.
  fileprivate var json: JSONValue {
    if case .stopped(let reason, _) = self { return .string(reason.rawValue) }
    return .null
  }

  fileprivate var isCertain: Bool {
    if case .stopped(_, let isCertain) = self { return isCertain }
    return true
  }
}
