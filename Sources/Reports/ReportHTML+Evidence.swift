import Evidence
import Statistics

extension HTMLReport {
  // MARK: False accepts

  func falseAccepts(_ html: inout HTMLText) {
    html.element("h2", "False accepts, worst first")
    let known = report.falseAccepts.count { $0.standing == .known }
    let shown = report.falseAccepts.count - known
    html.element("p") { line in
      line.prose(
        "\(Figures.count(known)) known. \(Figures.count(report.totals.disagree)) would-accepts disagree with the frontier, "
          + "\(Figures.count(shown)) of the worst are listed, one of each kind that looks alike: a confident mistake is worst, because no threshold would have caught "
          + "it. All of them: `shadow-router report --format csv`. Texts are redacted.")
    }
    guard !report.falseAccepts.isEmpty else { return }
    html.element("div", class: "card") { card in
      Self.cases(Array(report.falseAccepts.prefix(Self.openCases)), &card)
      let rest = Array(report.falseAccepts.dropFirst(Self.openCases))
      guard !rest.isEmpty else { return }
      card.element("details") { details in
        details.element("summary", "\(Figures.count(rest.count)) more")
        Self.cases(rest, &details)
      }
    }
  }

  /// Shown without a click.
  private static let openCases = 8

  private static func cases(_ items: [Report.FalseAccept], _ html: inout HTMLText) {
    html.element("ol", class: "cases") { list in
      for item in items { list.element("li", class: "case") { falseAccept(item, &$0) } }
    }
  }

  private static func falseAccept(_ item: Report.FalseAccept, _ html: inout HTMLText) {
    html.element("div", class: "head") { head in
      let severity = item.severity.map { ", severity \($0)" } ?? ""
      head.pill(item.standing.rawValue + severity, item.standing == .known ? .bad : .warn)
      head.element("strong", item.task)
      if let confidence = item.confidence { head.text("confidence \(Figures.confidence(confidence))") }
      head.element("code", item.callID)
      if let alike = ReportWords.alike(item) { head.pill(alike, .mute) }
    }
    html.element("dl", class: "said") { list in
      entry("Candidate", item.label, item.answerPreview, &list)
      entry("Frontier", item.frontierLabel, item.frontierPreview, &list)
      if let input = item.inputPreview { entry("Input", nil, input, &list) }
      if item.alike > 1, let template = item.template { entry("Alike", nil, template, &list) }
      if let detail = item.agreementDetail { plainEntry("Compared", detail, &list) }
      if let result = item.validatorResult { plainEntry("Result", result, &list) }
      let checks = ReportWords.checks(item)
      if !checks.isEmpty { plainEntry("Checks", checks, &list) }
      if let note = item.note { plainEntry(item.reviewer ?? "Reviewer", note, &list) }
    }
  }

  private static func entry(_ name: String, _ label: String?, _ preview: String?, _ html: inout HTMLText) {
    html.element("dt", name)
    html.element("dd") { value in
      if let label { value.element("strong", label + " ") }
      if let preview = ReportWords.preview(preview, beside: label) {
        value.element("span", class: "preview", preview)
      }
      if label == nil, preview == nil { value.element("span", class: "soft", "not kept") }
    }
  }

  private static func plainEntry(_ name: String, _ text: String, _ html: inout HTMLText) {
    html.element("dt", name)
    html.element("dd", text)
  }

  // MARK: Agents and runs

  func agents(_ html: inout HTMLText) {
    guard !report.agents.isEmpty || !report.runs.isEmpty else { return }
    html.element("h2", "Agents and runs")
    html.element(
      "p", class: "soft",
      "What each costs today (frontier only) beside what it would cost with would-accepts answered locally; those that would "
        + "gain least come first.")
    let perRun = { (cost: Double, runs: Int) in runs > 0 ? Figures.usd(cost / Double(runs)) : "–" }
    html.table(
      "Agents",
      [
        "Agent", "Runs", "Successful", "Calls", "Would-accepts", "Fallbacks", "Frontier only", "With router",
        "Per successful run", "Same, frontier only",
      ],
      report.agents.map { agent in
        [
          .text(agent.name), .number(Figures.count(agent.runs)), .number(Figures.count(agent.successes)),
          .number(Figures.count(agent.calls)), .number(Figures.count(agent.wouldAccepts)),
          .number(Figures.count(agent.fallbacks)), .number(Figures.usd(agent.cost.frontierOnly)),
          .number(Figures.usd(agent.cost.withRouter)),
          .number(perRun(agent.cost.withRouter, agent.successes)),
          .number(perRun(agent.cost.frontierOnly, agent.successes)),
        ]
      })
    html.table(
      "Runs, worst return first",
      [
        "Run", "Agent", "Outcome", "Calls", "Would-accepts", "Fallbacks", "Frontier time", "Frontier only",
        "With router",
      ],
      report.runs.map { run in
        [
          .text(run.id), .text(run.agent ?? "–"), .text(run.outcome ?? "–"),
          .number(Figures.count(run.calls)),
          .number(Figures.count(run.wouldAccepts)), .number(Figures.count(run.fallbacks)),
          .number(Figures.milliseconds(run.latencyMs)), .number(Figures.usd(run.cost.frontierOnly)),
          .number(Figures.usd(run.cost.withRouter)),
        ]
      })
  }

  // MARK: The rest of the evidence

  func hardStops(_ html: inout HTMLText) {
    html.element("h2", "Hard stops")
    html.element(
      "p", class: "soft",
      "Words that keep a call with the frontier whatever any model says, by where they stood: in the agent's input, or in the "
        + "candidate's answer.")
    guard !report.hardStops.isEmpty else { return html.element("p", "No hard-stop term was met.") }
    html.table(
      "Terms met", ["Task", "Class", "Term", "Place", "Calls"],
      report.hardStops.map {
        [
          .text($0.task), .text($0.stopClass), .text($0.term), .text($0.place),
          .number(Figures.count($0.count)),
        ]
      })
  }

  func balance(_ html: inout HTMLText) {
    html.element("h2", "What this rests on")
    html.table(
      "Records in the window by kind", ["Kind", "Records"],
      report.balance.kinds.map { [.text($0.name), .number(Figures.count($0.count))] })
    html.table(
      "State of the log", ["", "Count"],
      ReportWords.balance(report.balance).map { [.text($0.name), .number(Figures.count($0.value))] })
    html.table(
      "Gaps that the log names", ["From", "To", "Cause"],
      report.balance.gaps.map {
        [.text(Figures.count($0.from)), .text(Figures.count($0.to)), .text($0.cause)]
      })
    html.element("p", class: "soft small") { $0.prose(ReportWords.balanceNote) }
  }

  func reviewers(_ html: inout HTMLText) {
    html.element("h2", "Reviewers")
    guard !report.reviewers.isEmpty else {
      return html.element("p") { $0.prose("Nobody has labelled anything yet: `shadow-router review`.") }
    }
    html.table(
      "Labels by reviewer", ["Reviewer", "Accept", "Escalate", "Unsure"],
      report.reviewers.map {
        [
          .text($0.name), .number(Figures.count($0.accept)), .number(Figures.count($0.escalate)),
          .number(Figures.count($0.unsure)),
        ]
      })
  }
}
