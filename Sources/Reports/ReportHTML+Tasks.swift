import Evidence
import Gates
import Statistics

extension HTMLReport {
  // MARK: All tasks

  mutating func tasks(_ html: inout HTMLText) {
    html.heading("The tasks", "tasks")
    html.table(
      "Every task in one line",
      [
        "Task", "Ready", "Served now", "Looks, before labels", "Calls", "Would-accepts",
      ],
      report.tasks.enumerated().map { index, task in
        [
          .link(task.name, "task\(index)"),
          Self.readyPill(task), .text(task.rollout?.words ?? "–"),
          ReportWords.isUnlabelled(gate(task))
            ? .pill(ReportWords.looks(task.looks), Self.tone(task.looks)) : .text("see the gate"),
          .number(Figures.count(task.calls)),
          .number(Figures.count(task.wouldAccepts)),
        ]
      })
    html.table(
      "What each is short of", ["Task", "First unmet condition", "What to do next"],
      report.tasks.filter { $0.isLocal != false }.map { task in
        [
          .text(task.name), .text(task.readiness.unmet.isEmpty ? "none" : task.readiness.unmet),
          task.readiness.command.map { .code($0) } ?? .text(task.readiness.next),
        ]
      })
    html.element("p", class: "soft small") { $0.prose(ReportWords.looksNote) }
    let seen = report.tasks.filter { $0.calls > 0 }
    guard !seen.isEmpty else { return }
    slowTasks(&html)
    html.table(
      "What each task came to",
      [
        "Task", "Calls", "Would-accept rate", "Escalated", "Reasons", "Defects of would-accepts",
      ],
      seen.map { task in
        [
          .text(task.name), .number(Figures.count(task.calls)),
          .number(Figures.optionalPercent(task.acceptanceRate)),
          .number(Figures.optionalPercent(task.escalationRate)), .text(ReportWords.mainReasons(task)),
          .text(ReportWords.defects(task, gate(task))),
        ]
      })
    html.table(
      "What each task took and cost",
      [
        "Task", "Fallback p50 / p95 / p99", "Cost per success", "Of it local + frontier + upkeep",
        "Frontier only",
      ],
      seen.map { task in
        [
          .text(task.name), .number(ReportWords.percentiles(task.fallbackLatency)),
          .number(task.costPerSuccess.map(Figures.usd) ?? "–"), .text(ReportWords.costParts(task)),
          .number(task.frontierOnlyCostPerSuccess.map(Figures.usd) ?? "–"),
        ]
      })
    let figures = [
      (
        "How sure we are, against the limit",
        "A bar ends at the bound: with 95 % confidence no more are false. It has to end before the task's limit. Grey: nobody has "
          + "labelled any, and the bar is that of disagreement.", charts.bounds(seen, report.gates)
      ),
      (
        "Would-accepts, and what was wrong with them",
        "By the time of the call. Red: called false by people; light: suspected, because the frontier differs.",
        charts.periods(report.periods)
      ),
    ]
    html.element("div", class: "card") { card in
      card.element("div", class: "grid") { grid in
        for figure in figures { grid.figure(figure.0, figure.1, figure.2) }
      }
    }
    money(seen, &html)
    for (index, task) in report.tasks.enumerated() { self.task(task, index, &html) }
  }

  func gate(_ task: Report.Task) -> Gate? {
    report.gates.first { $0.subject == EvidenceSubject(task: task.name) }
  }

  /// Tasks that cannot pass as things are, or of which nothing can be measured.
  private func slowTasks(_ html: inout HTMLText) {
    let notes = report.tasks.flatMap { task in
      [ReportWords.pace(task), ReportWords.notMeasurable(task)].compactMap(\.self).map { (task.name, $0) }
    }
    guard !notes.isEmpty else { return }
    html.element("div", class: "card") { card in
      card.element("h3", "Tasks that get nowhere as things are")
      card.element("ul", class: "plain") { list in
        for (name, note) in notes {
          list.element("li") { item in
            item.element("strong", name + ": ")
            item.text(note)
          }
        }
      }
    }
  }

  private mutating func money(_ tasks: [Report.Task], _ html: inout HTMLText) {
    let chart = charts.costs(tasks)
    let missing = tasks.compactMap { task in ReportWords.cost(task).map { "\(task.name): \($0)" } }
    html.element("section", [("class", "card"), ("id", "money")]) { card in
      card.element("h3", "Money")
      for sentence in ReportWords.saving(report) { card.element("p", sentence) }
      for note in missing { card.element("p", class: "soft small", note) }
      card.element("div", class: "grid") { grid in
        grid.figure(
          "Frontier alone, and with the router",
          "Above: what the frontier alone costs. Below: what it costs with would-accepts answered locally; blue runs the candidate, "
            + "grey stays with the frontier, amber is stated upkeep.", chart)
      }
    }
  }

  // MARK: One task

  mutating func task(_ task: Report.Task, _ index: Int, _ html: inout HTMLText) {
    var drawn: [(title: String, caption: String, chart: HTMLText)] = []
    if task.calls > 0 {
      drawn.append(
        (
          "Where its calls go", "Accepted, or the first check that kept a call with the frontier.",
          charts.reasons(task)
        ))
    }
    if !task.confidence.bins.isEmpty {
      drawn.append(
        ("What the confidence is worth", ReportWords.confidence(task.confidence), charts.confidence(task)))
    }
    if task.confidence.bins.contains(where: { $0.agree + $0.disagree > 0 }) {
      drawn.append(
        (
          "Does the confidence mean what it says",
          "A dot is the share that agrees with the frontier at that confidence, with its 95 % interval; on the line it can be believed.",
          charts.agreement(task)
        ))
    }
    if task.localLatency != nil || task.frontierLatency != nil || task.fallbackLatency != nil {
      drawn.append(("How long it takes", ReportWords.percentileNote, charts.latency(task)))
    }
    html.element("section", [("class", "card"), ("id", "task\(index)")]) { card in
      Self.opening(task, gate(task), &card)
      if !drawn.isEmpty {
        card.element("div", class: "grid") { grid in
          for item in drawn { grid.figure(item.title, item.caption, item.chart) }
        }
      }
      if !task.confidence.bins.isEmpty { Self.legend(&card) }
      if task.calls > 0 { Self.tables(task, &card) }
      for item in task.challenges { challenge(item, &card) }
    }
  }

  private static func readyPill(_ task: Report.Task) -> HTMLText.Cell {
    task.isLocal == false
      ? .pill(ReportWords.looks(.frontierOnly), .mute)
      : .pill(ReportWords.ready(task.readiness.answer), tone(task.readiness.answer))
  }

  private static func opening(_ task: Report.Task, _ gate: Gate?, _ html: inout HTMLText) {
    html.element("div", class: "head") { head in
      head.element("h3", task.name)
      if task.isLocal == false {
        head.pill(ReportWords.looks(.frontierOnly), .mute)
      } else {
        head.pill("ready: " + ReportWords.ready(task.readiness.answer), tone(task.readiness.answer))
      }
      if let rollout = task.rollout {
        head.pill("served: " + rollout.words, task.isLiveWithoutGate ? .bad : .good)
      }
      if ReportWords.isUnlabelled(gate), task.isLocal != false {
        head.pill(ReportWords.looks(task.looks), tone(task.looks))
      }
      if let owner = task.owner { head.element("span", class: "soft small", "owner: \(owner)") }
    }
    html.element("p", ReportWords.opening(task))
    html.element("p", class: "soft", ReportWords.standing(task, gate))
    if let note = ReportWords.notMeasurable(task) { html.element("p", note) }
    if let sources = ReportWords.sources(task) { html.element("p", class: "soft", sources) }
    if let pace = ReportWords.pace(task) { html.element("p", pace) }
    html.element("div", class: "next") { next in
      next.element("p") { line in
        line.element("strong", "Next: ")
        line.prose(task.readiness.next)
      }
      if let command = task.readiness.command { next.element("p") { $0.element("code", command) } }
    }
  }

  private mutating func challenge(_ item: Report.Challenge, _ html: inout HTMLText) {
    let chart = charts.pairs(item)
    html.element("div", class: "challenge") { box in
      box.element("div", class: "head") { head in
        head.element("h3", "Candidate against challenger")
        head.element("code", item.name)
        if let digest = item.digest { head.element("span", class: "soft small", String(digest.prefix(19))) }
      }
      box.element("p", ReportWords.challenge(item))
      guard item.calls > 0 else { return }
      box.element("div", class: "grid") { grid in
        if item.paired > 0 {
          grid.figure(
            "Which of the two agrees with the frontier",
            "Areas are as large as the counts. Blue: only one of the two agrees. An answer that is not of the form asked for agrees "
              + "with nothing.", chart)
        }
        grid.element("div") { cell in
          cell.table(
            "Over \(Figures.count(item.calls)) calls that both were asked about",
            ["", "Candidate", "Challenger"],
            ReportWords.sides(item).map { [.text($0[0]), .number($0[1]), .number($0[2])] })
        }
      }
    }
  }

  private static func legend(_ html: inout HTMLText) {
    html.element("p", class: "soft small") { line in
      for (tone, text) in [("good", "agrees"), ("bad", "disagrees"), ("grey", "not compared")] {
        line.element("span", [("class", "key \(tone)")])
        line.text(text)
      }
    }
  }

  private static func tables(_ task: Report.Task, _ html: inout HTMLText) {
    if let note = ReportWords.cost(task) { html.element("p", class: "soft small", note) }
    html.element("details") { details in
      details.element("summary", "All figures, reasons, causes and thresholds")
      details.table("Figures of \(task.name)", ["Figure", "Value"], figures(task))
      details.table("Reasons", ["Reason", "Calls", "Share"], shares(task.reasons, of: task.calls))
      details.table("Details of the reasons", ["Detail", "Calls"], counts(task.reasonDetails))
      details.table("Why some could not be compared", ["Cause", "Would-accepts"], counts(task.unknownCauses))
      details.table("How answers differ", ["Kind", "Would-accepts"], counts(task.disagreementKinds))
      details.table(
        "Labels most often confused", ["Candidate said", "Frontier said", "Times"],
        task.confusions.map { [.text($0.candidate), .text($0.frontier), .number(Figures.count($0.count))] })
      details.table(
        "What each threshold would let through, of the calls that were compared",
        ["Threshold", "Would accept", "Disagree", "At most"],
        task.confidence.thresholds.map { row in
          [
            .text(Figures.confidence(row.minConfidence)), .number(Figures.count(row.accepted)),
            .number("\(Figures.count(row.disagree)) of \(Figures.count(row.agree + row.disagree))"),
            .number(row.agree + row.disagree > 0 ? Figures.bound(row.disagreementUpper) : "–"),
          ]
        })
      details.table(
        "Models asked", ["Model", "Digest", "Calls"],
        task.models.map { [.text($0.name), .text($0.digest ?? "–"), .number(Figures.count($0.calls))] })
    }
  }

  private static func figures(_ task: Report.Task) -> [[HTMLText.Cell]] {
    let usd = { (value: Double?) in value.map(Figures.usd) ?? "–" }
    let rows: [(String, String)] = [
      ("Would be answered locally (acceptance rate)", Figures.optionalPercent(task.acceptanceRate)),
      ("Stays with the frontier (escalation rate)", Figures.optionalPercent(task.escalationRate)),
      ("Would-accepts that disagree with the frontier", Figures.optionalPercent(task.disagreementRate)),
      ("Would-accepts that could not be compared", Figures.optionalPercent(task.unknownShare)),
      ("Candidate's answers of the form asked for", Figures.optionalPercent(task.validity)),
      (
        "Labelled by people: accept, escalate, unsure",
        [task.reviews.accept, task.reviews.escalate, task.reviews.unsure].map(Figures.count).joined(
          separator: ", ")
      ),
      ("Frontier's answer to a fallback: p50 / p95 / p99", ReportWords.percentiles(task.fallbackLatency)),
      ("Cost with the frontier alone", Figures.usd(task.cost.frontierOnly)),
      ("Cost with would-accepts local, upkeep included", Figures.usd(task.cost.withRouter + task.upkeep)),
      ("Of it, running the candidate", Figures.usd(task.cost.local)),
      ("Candidate's tokens, in / out", ReportWords.tokens(task.tokens)),
      ("Cost per success, with would-accepts local", usd(task.costPerSuccess)),
      ("Cost per success, frontier only", usd(task.frontierOnlyCostPerSuccess)),
    ]
    return rows.map { [.text($0.0), .number($0.1)] }
  }

  private static func counts(_ counts: [Report.Count]) -> [[HTMLText.Cell]] {
    counts.map { [.text($0.name), .number(Figures.count($0.count))] }
  }

  private static func shares(_ counts: [Report.Count], of total: Int) -> [[HTMLText.Cell]] {
    counts.map { count in
      [
        .text(count.name), .number(Figures.count(count.count)),
        .number(Figures.percent(Double(count.count) / Double(max(1, total)))),
      ]
    }
  }
}
