package import Evidence
import Gates
import LogReading
import Statistics

extension Report {
  /// The report as Markdown, for a terminal, a pull request or a wiki.
  package var markdown: String { MarkdownReport(self).text }
}

private struct MarkdownReport {
  private let report: Report
  private var lines: [String] = []

  init(_ report: Report) { self.report = report }

  var text: String {
    var copy = self
    copy.write()
    return copy.lines.joined(separator: "\n") + "\n"
  }

  private mutating func write() {
    lines += ["# Shadow report: \(Self.plain(report.window.name))", ""]
    lines += [report.sentence.claim, ""]
    for caveat in report.sentence.caveats { lines += ["> \(Self.plain(caveat))", ""] }
    lines += [
      "A *would-accept* is a call that the router would have answered locally. A *suspected* false accept is a "
        + "would-accept whose answer differs from the frontier's.", "",
    ]
    glance()
    changes()
    falseAccepts()
    lines += ["## Tasks", ""]
    summary()
    for task in report.tasks { self.task(task) }
    agents()
    hardStops()
    gates()
    balance()
    reviewers()
    head()
  }

  private mutating func glance() {
    guard report.totals.calls > 0 else { return }
    lines += ["## At a glance", ""]
    if let live = ReportWords.live(report) { lines.append("- Live now: \(Self.plain(live))") }
    for answer in [Report.Readiness.Answer.yes, .cannotTell, .no] {
      let names = report.tasks.filter { $0.readiness.answer == answer && $0.isLocal != false }.map {
        Self.plain($0.name)
      }
      if answer == .yes || !names.isEmpty {
        let title = answer == .yes ? "Ready" : answer == .no ? "Not ready" : "Cannot tell yet"
        lines.append("- \(title): \(names.isEmpty ? "none" : names.joined(separator: ", "))")
      }
    }
    if let worst = report.falseAccepts.first {
      lines.append(
        "- The worst false accept: \(Self.plain(worst.task)) `\(Self.code(worst.callID))`, \(ReportWords.standing(worst)); "
          + "caught by \(prose(ReportWords.remedy(worst)))")
    }
    lines.append("- Saved: \(Self.plain(ReportWords.savingHeadline(report)))")
    for sentence in ReportWords.saving(report) { lines.append("  - \(Self.plain(sentence))") }
    lines += ["", "To do, most pressing first:", ""]
    for (index, action) in report.actions.enumerated() {
      let task = action.task.map { "\(Self.plain($0)): " } ?? ""
      let command = action.command.map { " `\(Self.code($0))`" } ?? ""
      lines.append("\(index + 1). \(task)\(prose(action.text))\(command)")
    }
    if report.actions.isEmpty { lines.append("Nothing.") }
    lines.append("")
  }

  /// Text with `commands` between backticks.
  private func prose(_ text: String) -> String {
    text.split(separator: "`", omittingEmptySubsequences: false).enumerated().map { index, part in
      index % 2 == 1 ? "`\(Self.code(String(part)))`" : Self.plain(String(part))
    }.joined()
  }

  private func gate(_ task: Report.Task) -> Gate? {
    report.gate(task.name)
  }

  private mutating func summary() {
    table(
      [
        "Task", "Ready", "Served now", "Looks, before labels", "Calls", "Would-accepts",
        "First unmet condition", "Next",
      ],
      report.tasks.map { task in
        [
          Self.cell(task.name),
          task.isLocal == false ? ReportWords.looks(.frontierOnly) : ReportWords.ready(task.readiness.answer),
          task.rollout.map { Self.cell($0.words) } ?? "–",
          ReportWords.isUnlabelled(gate(task)) ? ReportWords.looks(task.looks) : "see the gate",
          Figures.count(task.calls), Figures.count(task.wouldAccepts),
          task.isLocal == false
            ? "–" : task.readiness.unmet.isEmpty ? "none" : Self.cell(task.readiness.unmet),
          task.readiness.command.map { "`\(Self.code($0))`" } ?? "–",
        ]
      })
    lines += [ReportWords.looksNote, ""]
    table(
      [
        "Task", "Calls", "Would-accept rate", "Escalated", "Reasons", "Defects of would-accepts",
        "Fallback p50 / p95 / p99", "Cost per success", "Of it local + frontier + upkeep",
        "Frontier only",
      ],
      report.tasks.filter { $0.calls > 0 }.map { task in
        [
          Self.cell(task.name), Figures.count(task.calls), Figures.optionalPercent(task.acceptanceRate),
          Figures.optionalPercent(task.escalationRate), Self.cell(ReportWords.mainReasons(task)),
          ReportWords.defects(task, gate(task)),
          ReportWords.percentiles(task.fallbackLatency), optionalUSD(task.costPerSuccess),
          ReportWords.costParts(task),
          optionalUSD(task.frontierOnlyCostPerSuccess),
        ]
      })
    for task in report.tasks {
      for note in [ReportWords.pace(task), ReportWords.notMeasurable(task)].compactMap(\.self) {
        lines += ["- **\(Self.plain(task.name))**: \(Self.plain(note))"]
      }
    }
    lines.append("")
    guard report.periods.count > 1 else { return }
    table(
      ["When", "Calls", "Would-accepts", "Disagree", "Known false"],
      report.periods.suffix(26).map {
        [
          $0.name, Figures.count($0.calls), Figures.count($0.wouldAccepts), Figures.count($0.disagree),
          Figures.count($0.knownFalse),
        ]
      })
  }

  private mutating func changes() {
    lines += ["## What changed", ""]
    if report.changes.isEmpty { lines += ["Nothing: no policy, candidate or flag changed.", ""] }
    // What nobody may overlook stands first.
    for change in report.changes.filter({ $0.weight == .loud })
      + report.changes.filter({ $0.weight != .loud })
    {
      let task = change.task.map { " · \(Self.plain($0))" } ?? ""
      let kind =
        change.weight == .loud ? "**\(Self.plain(change.kind).uppercased())**" : Self.plain(change.kind)
      lines.append("- \(change.ts) · \(kind)\(task) · \(Self.plain(ReportWords.change(change)))")
    }
    if report.changesNotShown > 0 { lines.append("- \(ReportWords.olderChanges(report))") }
    if !report.changes.isEmpty { lines.append("") }
  }

  private mutating func falseAccepts() {
    lines += ["## False accepts, worst first", ""]
    lines += [
      "\(ReportWords.falseAcceptCounts(report)) Of the suspected the worst of each task are shown. "
        + "All of them: `shadow-router report --format csv`.", "",
    ]
    for item in report.falseAccepts { falseAccept(item) }
    if !report.falseAccepts.isEmpty { lines.append("") }
  }

  private mutating func falseAccept(_ item: Report.FalseAccept) {
    let confidence = item.confidence.map { ", confidence \(Figures.confidence($0))" } ?? ""
    lines.append(
      "- **\(Self.plain(item.task))** `\(Self.code(item.callID))`: \(ReportWords.standing(item))\(confidence)"
        + (ReportWords.alike(item).map { ", \($0)" } ?? "")
    )
    lines.append("  - candidate: \(said(item.label, item.answerPreview))")
    lines.append("  - frontier: \(said(item.frontierLabel, item.frontierPreview))")
    if let input = item.inputPreview { lines.append("  - input: `\(Self.code(input))`") }
    if item.alike > 1, let template = item.template { lines.append("  - alike: `\(Self.code(template))`") }
    lines.append("  - catch it by: \(prose(ReportWords.remedy(item)))")
    if let confirmed = ReportWords.confirmed(item) {
      lines.append("  - called false by \(Self.plain(confirmed))")
    }
    let checks = ReportWords.checks(item)
    if !checks.isEmpty { lines.append("  - checks: \(Self.plain(checks))") }
    if let detail = item.agreementDetail { lines.append("  - compared: \(Self.plain(detail))") }
    if let note = item.note {
      lines.append("  - \(Self.plain(item.reviewer ?? "reviewer")): \(Self.plain(note))")
    }
    let ids = [item.runID.map { "run `\(Self.code($0))`" }, item.taskID.map { "task `\(Self.code($0))`" }]
    lines.append("  - " + ([item.ts] + ids.compactMap(\.self)).joined(separator: ", "))
  }

  private func said(_ label: String?, _ preview: String?) -> String {
    let other = ReportWords.preview(preview, beside: label)
    let parts = [label.map { "**\(Self.plain($0))**" }, other.map { "`\(Self.code($0))`" }]
      .compactMap(\.self)
    return parts.isEmpty ? "(not kept)" : parts.joined(separator: " ")
  }

  private mutating func task(_ task: Report.Task) {
    lines += ["### \(Self.plain(task.name))", "", "**\(Self.plain(ReportWords.opening(task)))**", ""]
    let command = task.readiness.command.map { ": `\(Self.code($0))`" } ?? ""
    lines += ["Next: \(Self.plain(task.readiness.next))\(command)", ""]
    lines += [
      ReportWords.standing(task, gate(task)), "",
    ]
    if let sources = ReportWords.sources(task) { lines += [Self.plain(sources), ""] }
    guard task.calls > 0 else { return }
    table(["Figure", "Value"], figures(task))
    if let cost = ReportWords.cost(task) { lines += [cost, ""] }
    table(
      ["Reason", "Calls", "Share"],
      task.reasons.map {
        [$0.name, Figures.count($0.count), Figures.percent(Double($0.count) / Double(task.calls))]
      })
    counts("Why compared as unknown", task.unknownCauses)
    counts("How answers differ", task.disagreementKinds)
    if !task.confusions.isEmpty {
      table(
        ["Candidate said", "Frontier said", "Times"],
        task.confusions.map { [Self.cell($0.candidate), Self.cell($0.frontier), Figures.count($0.count)] })
    }
    confidence(task)
    for item in task.challenges { challenge(item) }
  }

  private mutating func challenge(_ item: Report.Challenge) {
    let digest = item.digest.map { " (\(Self.plain(String($0.prefix(19)))))" } ?? ""
    lines += ["#### Candidate against challenger \(Self.plain(item.name))\(digest)", ""]
    lines += [Self.plain(ReportWords.challenge(item)), ""]
    guard item.calls > 0 else { return }
    table(
      ["Against the frontier", "Challenger agrees", "Challenger does not"],
      [
        ["Candidate agrees", Figures.count(item.bothAgree), Figures.count(item.onlyCandidate)],
        ["Candidate does not", Figures.count(item.onlyChallenger), Figures.count(item.neither)],
      ])
    table(
      ["Over \(Figures.count(item.calls)) calls that both were asked about", "Candidate", "Challenger"],
      ReportWords.sides(item))
  }

  private func figures(_ task: Report.Task) -> [[String]] {
    [
      ["Local acceptance", Figures.optionalPercent(task.acceptanceRate)],
      ["Escalation", Figures.optionalPercent(task.escalationRate)],
      ["Disagreement", Figures.optionalPercent(task.disagreementRate)],
      ["Could not be compared", Figures.optionalPercent(task.unknownShare)],
      ["Valid answers", Figures.optionalPercent(task.validity)],
      ["Candidate p50 / p95 / p99", latency(task.localLatency)],
      ["Frontier p50 / p95 / p99", latency(task.frontierLatency)],
      ["Frontier cost", Figures.usd(task.cost.frontierOnly)],
      ["Candidate cost", Figures.usd(task.cost.local)],
      ["Candidate tokens in / out", ReportWords.tokens(task.tokens)],
      ["Cost with would-accepts local", Figures.usd(task.cost.withRouter + task.upkeep)],
      [
        "Cost per success (frontier only)",
        "\(optionalUSD(task.costPerSuccess)) (\(optionalUSD(task.frontierOnlyCostPerSuccess)))",
      ],
    ]
  }

  private func optionalUSD(_ value: Double?) -> String { value.map(Figures.usd) ?? "–" }

  private func latency(_ latency: Report.Latency?) -> String {
    guard let latency else { return "–" }
    return [latency.p50, latency.p95, latency.p99].map(Figures.milliseconds).joined(separator: " / ")
  }

  private mutating func counts(_ title: String, _ counts: [Report.Count]) {
    guard !counts.isEmpty else { return }
    let text = counts.map { "\($0.name) \(Figures.count($0.count))" }.joined(separator: ", ")
    lines += ["\(title): \(Self.plain(text))", ""]
  }

  private mutating func confidence(_ task: Report.Task) {
    guard !task.confidence.thresholds.isEmpty else { return }
    lines += [ReportWords.confidence(task.confidence), ""]
    table(
      ["Threshold", "Would accept", "Disagree", "At most (95 %)"],
      task.confidence.thresholds.map { row in
        [
          Figures.confidence(row.minConfidence), Figures.count(row.accepted),
          "\(Figures.count(row.disagree)) of \(Figures.count(row.agree + row.disagree))",
          row.agree + row.disagree > 0 ? Figures.bound(row.disagreementUpper) : "–",
        ]
      })
  }

  private mutating func agents() {
    guard !report.agents.isEmpty || !report.runs.isEmpty else { return }
    lines += ["## Agents and runs", ""]
    table(
      [
        "Agent", "Runs", "Successful", "Steps", "Would-accepts", "Fallbacks", "Frontier only", "With router",
        "Per success", "Per success, frontier only",
      ],
      report.agents.map { agent in
        let successes = Double(agent.successes)
        return [
          Self.cell(agent.name), Figures.count(agent.runs), Figures.count(agent.successes),
          Figures.count(agent.calls), Figures.count(agent.wouldAccepts), Figures.count(agent.fallbacks),
          Figures.usd(agent.cost.frontierOnly), Figures.usd(agent.cost.withRouter),
          agent.successes > 0 ? Figures.usd(agent.cost.withRouter / successes) : "–",
          agent.successes > 0 ? Figures.usd(agent.cost.frontierOnly / successes) : "–",
        ]
      })
    if !report.agents.isEmpty { lines += [ReportWords.costsReconciled(report), ""] }
    table(
      [
        "Run (worst return first)", "Agent", "Outcome", "Steps", "Would-accepts", "Fallbacks",
        "Time, frontier only", "Time with router", "Cost, frontier only", "Cost with router",
      ],
      report.runs.map { run in
        [
          Self.cell(run.id), Self.cell(run.agent ?? "–"), run.outcome ?? "–", Figures.count(run.calls),
          Figures.count(run.wouldAccepts), Figures.count(run.fallbacks), Figures.milliseconds(run.latencyMs),
          Figures.milliseconds(run.routedMs), Figures.usd(run.cost.frontierOnly),
          Figures.usd(run.cost.withRouter),
        ]
      } + otherRuns)
    if report.callsWithoutRun > 0 {
      lines += ["\(Figures.count(report.callsWithoutRun)) calls name no run.", ""]
    }
  }

  private var otherRuns: [[String]] {
    guard let rest = report.otherRuns else { return [] }
    return [
      [
        "\(Figures.count(rest.runs)) others", "–", "\(Figures.count(rest.successes)) success",
        Figures.count(rest.calls), Figures.count(rest.wouldAccepts), Figures.count(rest.fallbacks),
        Figures.milliseconds(rest.latencyMs), Figures.milliseconds(rest.routedMs),
        Figures.usd(rest.cost.frontierOnly), Figures.usd(rest.cost.withRouter),
      ]
    ]
  }

  private mutating func gates() {
    lines += ["## Gates", ""]
    for gate in report.gates {
      let whose = gate.subject.isChallenger ? "\(gate.subject.task), challenger" : gate.subject.task
      lines += [
        "### \(Self.plain(whose)): \(gate.outcome.rawValue)", "", Self.plain(ReportWords.gateHead(gate)), "",
      ]
      guard gate.epoch != nil else { continue }
      table(
        ["Condition", "State", "Figure", "Wanted", "Missing"],
        gate.conditions.map {
          [
            $0.name.rawValue, ReportWords.state($0.state), Self.cell($0.shown), prose($0.wants),
            $0.missing.map(prose) ?? "–",
          ]
        })
    }
  }

  private mutating func hardStops() {
    lines += ["## Hard stops", ""]
    if report.hardStops.isEmpty { lines += ["No hard-stop term was met.", ""] }
    table(
      ["Task", "Class", "Term", "Place", "Calls"],
      report.hardStops.map {
        [Self.cell($0.task), Self.cell($0.stopClass), Self.cell($0.term), $0.place, Figures.count($0.count)]
      })
  }

  private mutating func balance() {
    lines += ["## Balance", ""]
    if report.frames.stops > 0 {
      table(
        ["Frames", "Count"], ReportWords.frames(report.frames).map { [$0.name, Figures.count($0.value)] })
    }
    lines += [ReportWords.framesNote(report.frames), ""]
    table(
      ["Records in the window", "Count"],
      report.balance.kinds.map { [Self.cell($0.name), Figures.count($0.count)] })
    table(
      ["The log", "Count"], ReportWords.balance(report.balance).map { [$0.name, Figures.count($0.value)] })
    for gap in report.balance.gaps {
      lines.append("- gap: \(gap.from) to \(gap.to), \(Self.plain(gap.cause))")
    }
    lines += [ReportWords.balanceNote, ""]
  }

  private mutating func reviewers() {
    lines += ["## Reviewers", ""]
    if report.reviewers.isEmpty { lines += ["Nobody has labelled anything yet.", ""] }
    table(
      ["Reviewer", "Accept", "Escalate", "Unsure", "Planted", "Caught"],
      report.reviewers.map {
        [
          Self.cell($0.name), Figures.count($0.accept), Figures.count($0.escalate), Figures.count($0.unsure),
          Figures.count($0.planted), Figures.count($0.caught),
        ]
      })
    guard !report.reviewers.isEmpty else { return }
    lines += [ReportWords.agreement(report.reviewerAgreement), "", ReportWords.catchRate(report), ""]
  }

  private mutating func head() {
    lines += ["## Where this comes from", ""]
    if let head = report.head {
      lines.append(
        "- log `\(Self.code(head.log))`, up to record \(head.seq) of \(head.ts), `\(Self.code(head.hash))`")
    }
    lines.append("- made again by `\(Self.code(report.command))`")
  }

  private mutating func table(_ header: [String], _ rows: [[String]]) {
    guard !rows.isEmpty else { return }
    lines.append("| " + header.joined(separator: " | ") + " |")
    lines.append("|" + String(repeating: " --- |", count: header.count))
    for row in rows { lines.append("| " + row.joined(separator: " | ") + " |") }
    lines.append("")
  }

  // MARK: Escaping

  /// Text from outside, so that none of it is taken for Markdown or HTML.
  private static func plain(_ text: String) -> String {
    var plain = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\", "*", "_", "[", "]", "<", ">", "`", "#", "|", "!", "&", "~":
        plain += "\\"
        plain.unicodeScalars.append(scalar)
      case "\u{0}"..<" ", "\u{7F}"..<"\u{A0}", "\u{2028}", "\u{2029}": plain += " "
      default: plain.unicodeScalars.append(scalar)
      }
    }
    return plain
  }

  private static func cell(_ text: String) -> String { plain(text) }

  /// Text inside backticks, where nothing can be escaped.
  private static func code(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { scalar in
          if scalar == "`" { return "'" }
          // It would end a table's cell, inside backticks too.
          if scalar == "|" { return "¦" }
          return scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value) || scalar.value == 0x2028
            || scalar.value == 0x2029
            ? " " : scalar
        }))
  }
}
