package import RouterCore
import Text

/// One page about a policy for the people who decide on it (`check --brief`).
package enum PolicyBrief {
  /// The page as text. `today` is `YYYY-MM-DD` in UTC, for what is overdue.
  package static func text(_ policy: Policy, today: String) -> String {
    let sections: [(title: String, lines: [String])] = [
      ("Waivers", waivers(policy, today)),
      ("May be answered locally", policy.tasks.filter(\.mayBeLocal).flatMap { local($0, policy) }),
      ("Always the frontier", frontierOnly(policy)),
      ("Hard stops", stops(policy)),
      ("Which host receives the text of which task", hosts(policy)),
      ("What text is kept, and how long", kept(policy)),
      ("Gate: what a task must show before it goes live", gates(policy)),
      ("Tests", tests(policy)),
    ]
    var text = head(policy, today).joined(separator: "\n") + "\n"
    for section in sections {
      text += "\n\(section.title)\n"
      for line in section.lines.isEmpty ? ["none"] : section.lines {
        for row in PolicyWords.wrapped("  " + line) { text += row + "\n" }
      }
    }
    return text
  }

  private static func head(_ policy: Policy, _ today: String) -> [String] {
    var lines = ["Policy \(policy.revision)"]
    let review = policy.reviewed
    if review.by.isEmpty, review.on == nil {
      lines.append("Not reviewed yet.")
    } else {
      let by = review.by.isEmpty ? "" : " by \(review.by.joined(separator: ", "))"
      lines.append("Reviewed\(by)\(review.on.map { " on \($0)" } ?? "").")
    }
    if let due = review.due {
      lines.append(
        due < today ? "The next review was due on \(due): OVERDUE." : "The next review is due on \(due).")
    } else {
      lines.append("No next review is set.")
    }
    return lines
  }

  private static func waivers(_ policy: Policy, _ today: String) -> [String] {
    policy.hardStops.waivers.map { waiver in
      PolicyWords.waiver(waiver) + (waiver.until < today ? " [ENDED: the term stops again]" : "")
    }
  }

  private static func local(_ task: TaskPolicy, _ policy: Policy) -> [String] {
    let candidates = task.steps.compactMap(policy.model).map(PolicyWords.model)
    let candidate = candidates.isEmpty ? "none" : candidates.joined(separator: ", then ")
    let labels = task.labels.map(\.name)
    var rows = [
      ("candidate", candidate), ("accepted from", "confidence \(PolicyWords.number(task.minConfidence))"),
    ]
    if let challenger = task.challenger.flatMap(policy.model) {
      rows.append(("challenger", PolicyWords.model(challenger)))
    }
    if !labels.isEmpty { rows.append(("labels", PolicyWords.list(labels))) }
    if !task.escalateLabels.isEmpty {
      rows.append(("always escalated", PolicyWords.list(task.escalateLabels)))
    }
    rows.append(("at most", "\(task.maxInputChars) characters in, \(task.maxOutputChars) out"))
    if !task.hardStops.isEmpty { rows.append(("own stops", PolicyWords.terms(task.hardStops))) }
    if !task.stopSignals.isEmpty {
      rows.append(("stops on signals", PolicyWords.list(task.stopSignals.map(\.rawValue))))
    }
    if !task.budgets.isEmpty {
      rows.append(("budget", PolicyWords.list(task.budgets.map(PolicyWords.budget))))
    }
    let title = "\(task.name) — owner \(task.owner ?? "NOBODY"), impact \(task.impact.rawValue)"
    return [title] + rows.map { "  \(padded($0.0)) \($0.1)" }
  }

  private static func padded(_ text: String) -> String {
    text + String(repeating: " ", count: max(0, 17 - text.count))
  }

  private static func frontierOnly(_ policy: Policy) -> [String] {
    policy.tasks.filter { !$0.mayBeLocal }.map { task in
      "\(task.name) — owner \(task.owner ?? "NOBODY"), \(task.local ? "impact: high" : "local: false")"
    }
  }

  private static func stops(_ policy: Policy) -> [String] {
    let counts =
      "security \(BuiltInTerms.security.count), access \(BuiltInTerms.access.count), "
      + "production \(BuiltInTerms.production.count)"
    let builtin =
      policy.hardStops.builtin
      ? "built-in terms hold (\(counts))" : "THE BUILT-IN TERMS ARE SWITCHED OFF (\(counts))"
    let parts = policy.hardStops.reviewed.map { part in
      "not scanned: \(part.what), \(part.sha256.prefix(12))…, looked at by \(part.by) on \(part.on)"
    }
    return [builtin, "extra terms for every task: \(PolicyWords.terms(policy.hardStops.terms))"] + parts
  }

  private static func hosts(_ policy: Policy) -> [String] {
    PolicyHosts.of(policy).map { "\($0.host): \($0.tasks.joined(separator: ", "))" }
      + ["The router sends text nowhere else; the agent itself asks the frontier (\(frontier(policy)))."]
  }

  private static func frontier(_ policy: Policy) -> String {
    policy.frontier.flatMap(policy.model).map(PolicyWords.model) ?? "not named here"
  }

  private static func kept(_ policy: Policy) -> [String] {
    let privacy = policy.privacy
    let previews =
      privacy.previewChars == 0
      ? "no previews in the log" : "log: redacted previews of at most \(privacy.previewChars) characters"
    let captures = policy.tasks.filter { $0.capture != .off }.map { task in
      "raw text of \(task.name): \(PolicyWords.kept(task))"
    }
    let vault = captures.isEmpty ? ["raw text: none is kept"] : captures
    let patterns =
      privacy.redact.isEmpty ? [] : ["redacted beside the built-in kinds: \(privacy.redact.count) patterns"]
    let size = privacy.maxLogMB.map { ", at most \($0) MB" } ?? ""
    return [
      "\(previews), kept \(privacy.retentionDays) days\(size); longer only what a running epoch or receipt rests on"
    ]
      + vault + patterns
  }

  /// Tasks with the same limits share a line.
  private static func gates(_ policy: Policy) -> [String] {
    var groups: [(words: String, tasks: [String])] = []
    for task in policy.tasks where task.mayBeLocal {
      let words = PolicyWords.gate(task.gate)
      if let group = groups.firstIndex(where: { $0.words == words }) {
        groups[group].tasks.append(task.name)
      } else {
        groups.append((words, [task.name]))
      }
    }
    return groups.map { "\($0.tasks.joined(separator: ", ")): \($0.words)" }
  }

  private static func tests(_ policy: Policy) -> [String] {
    let counts = PolicyTestCounts(policy)
    let tested = policy.tasks.compactMap { task in counts[task.name].map { "\(task.name) \($0)" } }
    let untested = policy.tasks.filter { counts[$0.name] == nil }.map(\.name)
    return ["\(policy.tests.count) in all: \(PolicyWords.list(tested))"]
      + (untested.isEmpty ? [] : ["WITHOUT A TEST: \(untested.joined(separator: ", "))"])
  }
}

/// How many tests name each task.
struct PolicyTestCounts {
  private let counts: [String: Int]

  init(_ policy: Policy) {
    counts = policy.tests.reduce(into: [:]) { counts, test in
      if let task = test.task { counts[task, default: 0] += 1 }
    }
  }

  subscript(_ task: String) -> Int? { counts[task] }
}

/// Who gets to see the text of calls.
enum PolicyHosts {
  /// Each receiver once, in the order of the tasks.
  static func of(_ policy: Policy) -> [(host: String, tasks: [String])] {
    var hosts: [(host: String, tasks: [String])] = []
    for task in policy.tasks {
      for model in task.askedModels.compactMap(policy.model) {
        let host = PolicyWords.host(model)
        if let position = hosts.firstIndex(where: { $0.host == host }) {
          if hosts[position].tasks.last != task.name { hosts[position].tasks.append(task.name) }
        } else {
          hosts.append((host, [task.name]))
        }
      }
    }
    return hosts
  }
}
