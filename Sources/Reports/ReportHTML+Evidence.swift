import Evidence
import Gates
import Statistics

extension HTMLReport {
  // MARK: False accepts

  func falseAccepts(_ html: inout HTMLText) {
    html.heading("False accepts, worst first", "false")
    let shown = report.falseAccepts.count { $0.standing == .suspected }
    html.element("p") { line in
      line.prose(
        "\(ReportWords.falseAcceptCounts(report)) Of the suspected \(Figures.count(shown)) of the worst are listed, one of each kind that looks alike: the more confident, the worse. All of them: `shadow-router report --format csv`. Texts are redacted."
      )
    }
    guard !report.falseAccepts.isEmpty else { return }
    html.element("div", class: "card") { card in
      Self.cases(Array(report.falseAccepts.prefix(Self.openCases)), from: 1, &card)
      let rest = Array(report.falseAccepts.dropFirst(Self.openCases))
      guard !rest.isEmpty else { return }
      card.element("details") { details in
        details.element("summary", "\(Figures.count(rest.count)) more")
        Self.cases(rest, from: Self.openCases + 1, &details)
      }
    }
  }

  /// Shown without a click.
  private static let openCases = 5

  private static func cases(_ items: [Report.FalseAccept], from first: Int, _ html: inout HTMLText) {
    html.element("ol", class: "cases") { list in
      for (index, item) in items.enumerated() {
        list.element("li", [("class", "case"), ("id", "fa\(first + index)")]) { falseAccept(item, &$0) }
      }
    }
  }

  private static func falseAccept(_ item: Report.FalseAccept, _ html: inout HTMLText) {
    html.element("div", class: "head") { head in
      head.pill(ReportWords.standing(item), item.standing == .known ? .bad : .warn)
      head.element("strong", item.task)
      if let confidence = item.confidence { head.text("confidence \(Figures.confidence(confidence))") }
      if let alike = ReportWords.alike(item) { head.pill(alike, .mute) }
    }
    html.element("dl", class: "said") { list in
      entry("Candidate", item.label, item.answerPreview, &list)
      entry("Frontier", item.frontierLabel, item.frontierPreview, &list)
      if let input = item.inputPreview { entry("Input", nil, input, &list) }
      if item.alike > 1, let template = item.template { entry("Alike", nil, template, &list) }
      list.element("dt", "Catch it by")
      list.element("dd") { $0.prose(ReportWords.remedy(item)) }
      if let confirmed = ReportWords.confirmed(item) { plainEntry("Called false", confirmed, &list) }
      let checks = ReportWords.checks(item)
      if !checks.isEmpty { plainEntry("Checks", checks, &list) }
      if let result = item.validatorResult { plainEntry("Result", result, &list) }
      if let detail = item.agreementDetail { plainEntry("Compared", detail, &list) }
      if let note = item.note { plainEntry("Note", note + (item.reviewer.map { " (\($0))" } ?? ""), &list) }
      list.element("dt", "Find it")
      list.element("dd") { value in
        value.element("code", "shadow-router tail --find \(ShellWord.of(item.callID))")
        if let run = item.runID { value.text(" " + ReportWords.named("run", run)) }
        if let task = item.taskID { value.text(", task \(task)") }
        value.text(", \(String(item.ts.prefix(16)).replacingT) UTC")
      }
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
    html.heading("Agents and runs", "runs")
    guard !report.agents.isEmpty || !report.runs.isEmpty else {
      return html.element("p", "No call named a run, so nothing can be summed by run.")
    }
    html.element(
      "p", class: "soft",
      "What each costs with the frontier alone beside what it costs, or in shadow would cost, with would-accepts answered locally. "
        + "The worst return first."
        + (report.callsWithoutRun > 0 ? " \(Figures.count(report.callsWithoutRun)) calls name no run." : ""))
    let perRun = { (cost: Double, runs: Int) in runs > 0 ? Figures.usd(cost / Double(runs)) : "–" }
    html.table(
      "Agents",
      [
        "Agent", "Runs", "Successful", "Steps", "Would-accepts", "Fallbacks", "Frontier only", "With router",
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
    html.element("p", class: "soft small", ReportWords.costsReconciled(report))
    html.table(
      "Runs, worst return first",
      [
        "Run", "Agent", "Outcome", "Steps", "Would-accepts", "Fallbacks", "Time, frontier only",
        "Time with router",
        "Cost, frontier only", "Cost with router",
      ],
      report.runs.map { run in
        [
          .text(run.id), .text(run.agent ?? "–"), .text(run.outcome ?? "–"),
          .number(Figures.count(run.calls)),
          .number(Figures.count(run.wouldAccepts)), .number(Figures.count(run.fallbacks)),
          .number(Figures.milliseconds(run.latencyMs)), .number(Figures.milliseconds(run.routedMs)),
          .number(Figures.usd(run.cost.frontierOnly)), .number(Figures.usd(run.cost.withRouter)),
        ]
      } + otherRuns)
  }

  private var otherRuns: [[HTMLText.Cell]] {
    guard let rest = report.otherRuns else { return [] }
    return [
      [
        .text("\(Figures.count(rest.runs)) others"), .text("–"),
        .text("\(Figures.count(rest.successes)) success"), .number(Figures.count(rest.calls)),
        .number(Figures.count(rest.wouldAccepts)), .number(Figures.count(rest.fallbacks)),
        .number(Figures.milliseconds(rest.latencyMs)), .number(Figures.milliseconds(rest.routedMs)),
        .number(Figures.usd(rest.cost.frontierOnly)), .number(Figures.usd(rest.cost.withRouter)),
      ]
    ]
  }

  // MARK: Gates

  func gates(_ html: inout HTMLText) {
    html.heading("The gate of each task", "gates")
    html.element("p", class: "soft") { line in
      line.prose(
        "The conditions for promoting a task, on the evidence of its present epoch; `shadow-router gate TASK` says the same of the "
          + "same log.")
    }
    guard !report.gates.isEmpty else { return html.element("p", "No task has a gate.") }
    for gate in report.gates {
      let whose = gate.subject.isChallenger ? "\(gate.subject.task), challenger" : gate.subject.task
      let unmet = gate.conditions.count { $0.state == .unmet }
      let attributes: [(StaticString, String)] =
        report.gates.count <= Self.openGates
        ? [("class", "card gate"), ("open", "")] : [("class", "card gate")]
      html.element("details", attributes) { details in
        details.element("summary") { summary in
          summary.element("strong", whose + ": ")
          summary.pill(gate.outcome.rawValue, Self.tone(gate.outcome))
          let first = gate.firstUnmet.map { ", first \($0.name.rawValue)" } ?? ""
          summary.text(
            gate.epoch == nil ? "" : " \(unmet) of \(gate.conditions.count) conditions unmet\(first)")
        }
        details.element("p", ReportWords.gateHead(gate))
        guard gate.epoch != nil else { return }
        details.table(
          "Conditions of \(whose)", ["Condition", "State", "Figure", "Wanted", "Missing", "From"],
          isStacked: true,
          gate.conditions.map { condition in
            [
              .text(condition.name.rawValue),
              .pill(ReportWords.state(condition.state), Self.tone(condition.state)), .text(condition.shown),
              .prose(condition.wants), .prose(condition.missing ?? "–"), .prose(condition.source),
            ]
          })
      }
    }
  }

  /// Shown without a click.
  private static let openGates = 2

  private static func tone(_ outcome: Gate.Outcome) -> HTMLText.Tone {
    switch outcome {
    case .pass: .good
    case .fail, .error: .bad
    case .inconclusive: .warn
    case .insufficientData: .mute
    }
  }

  private static func tone(_ state: GateCondition.State) -> HTMLText.Tone {
    switch state {
    case .met: .good
    case .unmet: .bad
    case .notApplicable: .mute
    }
  }

  // MARK: The rest of the evidence

  func hardStops(_ html: inout HTMLText) {
    html.heading("Hard stops, by place", "stops")
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
    html.heading("Balance: what this rests on", "balance")
    html.table(
      "Frames", ["", "Frames"],
      report.frames.stops == 0
        ? []
        : ReportWords.frames(report.frames).map { [.text($0.name), .number(Figures.count($0.value))] })
    html.element("p", class: "soft small") { $0.prose(ReportWords.framesNote(report.frames)) }
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
    html.heading("Reviewers", "reviewers")
    guard !report.reviewers.isEmpty else {
      return html.element("p") { $0.prose("Nobody has labelled anything yet: `shadow-router review`.") }
    }
    html.table(
      "Labels by reviewer", ["Reviewer", "Accept", "Escalate", "Unsure", "Planted", "Of them caught"],
      report.reviewers.map {
        [
          .text($0.name), .number(Figures.count($0.accept)), .number(Figures.count($0.escalate)),
          .number(Figures.count($0.unsure)), .number(Figures.count($0.planted)),
          .number(Figures.count($0.caught)),
        ]
      })
    html.element("p", ReportWords.agreement(report.reviewerAgreement))
    html.element("p", ReportWords.catchRate(report))
  }
}
