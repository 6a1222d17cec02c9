package import Evidence
import LogReading
import Statistics

extension Report {
  /// The report as one HTML file: no scripts, nothing loaded from outside, every text escaped.
  package var html: String { HTMLReport(self).page }
}

/// Sets the report for a reader who knows nothing of this project: first which task is ready and what to do next, then
/// the evidence, then where it comes from.
struct HTMLReport {
  let report: Report
  var charts = ReportCharts()

  init(_ report: Report) { self.report = report }

  var page: String {
    var copy = self
    return HTMLText.page(title: "False-accept report, \(report.window.name)") { copy.write(&$0) }
  }

  private mutating func write(_ html: inout HTMLText) {
    header(&html)
    html.raw("<main>")
    summary(&html)
    changes(&html)
    falseAccepts(&html)
    html.element("h2", "The tasks, one by one")
    for (index, task) in report.tasks.enumerated() { self.task(task, index, &html) }
    agents(&html)
    hardStops(&html)
    balance(&html)
    reviewers(&html)
    html.raw("</main>")
    footer(&html)
  }

  private func header(_ html: inout HTMLText) {
    html.element("header") { html in
      html.element("p", class: "eyebrow", "shadow-router · false-accept report")
      html.element("h1", report.window.name.prefix(1).uppercased() + report.window.name.dropFirst())
      if let first = report.firstDecision, let last = report.lastDecision {
        html.element(
          "p", class: "soft small",
          "\(Figures.count(report.totals.calls)) calls from \(LogTime.minute(first)) to \(LogTime.minute(last)) UTC"
        )
      }
      html.element("div", class: "card") { card in
        card.element("p", class: "claim", report.sentence.claim)
        for caveat in report.sentence.caveats { card.element("p", class: "soft small", caveat) }
      }
      html.element("div", class: "card") { Self.words(&$0) }
    }
  }

  private static func words(_ html: inout HTMLText) {
    html.element(
      "p", class: "small",
      "An agent sends its calls to a large, dear model. A small model beside it is asked the same, on trial: its answers are "
        + "compared and recorded, and the agent does not use them unless a task has been promoted.")
    html.element("dl", class: "words") { list in
      for (term, meaning) in [
        ("Frontier, candidate", "The large model that answers today; the small local model under trial."),
        (
          "Would-accept",
          "A call that the router would have answered locally. The base of every rate of errors here."
        ),
        (
          "Suspected false accept",
          "A would-accept whose answer differs from the frontier's. Either may be wrong."
        ),
        ("False accept", "A would-accept that a person, an outcome or a true label says was not acceptable."),
        (
          "Bound, “at most”",
          "With 95 % confidence the true rate is not above it. Few calls give a wide bound."
        ),
      ] {
        list.element("dt", term)
        list.element("dd", meaning)
      }
    }
  }

  // MARK: Summary

  private mutating func summary(_ html: inout HTMLText) {
    html.element("h2", "Which task is ready?")
    html.element("p", readySummary)
    html.table(
      "Every task in one line",
      ["Task", "Ready", "Looks", "Calls", "Would-accepts", "Disagree", "At most", "What to do next"],
      report.tasks.enumerated().map { index, task in
        [
          .link(task.name, "task\(index)"),
          .pill(ReportWords.ready(task.readiness.answer), Self.tone(task.readiness.answer)),
          .pill(ReportWords.looks(task.looks), Self.tone(task.looks)), .number(Figures.count(task.calls)),
          .number(Figures.count(task.wouldAccepts)),
          .number(
            task.comparable > 0 ? "\(Figures.count(task.disagree)) of \(Figures.count(task.comparable))" : "–"
          ),
          .number(task.comparable > 0 ? Figures.bound(task.disagreementUpper) : "–"),
          task.readiness.command.map { .code($0) } ?? .text(task.readiness.next),
        ]
      })
    html.element("p", class: "soft small", ReportWords.looksNote)
    let drawn = report.tasks.filter { $0.calls > 0 }
    guard !drawn.isEmpty else { return }
    let chart = charts.overview(drawn)
    html.element("div", class: "card") { card in
      card.figure(
        "How much would be local, and how often the two models disagree",
        "A dot is the observed disagreement, the line ends at its 95 % bound. A short line close to the left is good.",
        isWide: true, chart)
    }
  }

  private var readySummary: String {
    let ready = report.tasks.filter { $0.readiness.answer == .yes }.map(\.name)
    let refused = report.tasks.filter { $0.readiness.answer == .no }.map(\.name)
    let open = report.tasks.filter { $0.readiness.answer == .cannotTell }.map(\.name)
    var parts: [String] = []
    parts.append(ready.isEmpty ? "No task is ready to go live." : "Ready: \(ready.joined(separator: ", ")).")
    if !open.isEmpty { parts.append("Cannot tell yet: \(open.joined(separator: ", ")).") }
    if !refused.isEmpty { parts.append("Not ready: \(refused.joined(separator: ", ")).") }
    return parts.joined(separator: " ")
  }

  static func tone(_ answer: Report.Readiness.Answer) -> HTMLText.Tone {
    switch answer {
    case .yes: .good
    case .no: .bad
    case .cannotTell: .mute
    }
  }

  static func tone(_ looks: Report.Looks) -> HTMLText.Tone {
    switch looks {
    case .readyForReview: .good
    case .bad: .bad
    case .notMeasurable, .unclear: .warn
    case .frontierOnly, .nothingAccepted, .tooLittleTraffic: .mute
    }
  }

  // MARK: What changed

  private func changes(_ html: inout HTMLText) {
    html.element("h2", "What changed")
    guard !report.changes.isEmpty else {
      return html.element("p", "Nothing: no policy, candidate or flag changed.")
    }
    html.element("div", class: "card") { card in
      card.element("ul", class: "plain") { list in
        for change in report.changes {
          list.element("li") { item in
            item.element("span", class: "soft", String(change.ts.prefix(16)).replacingT + "  ")
            item.element("strong", change.kind)
            item.text(" " + (change.task.map { "\($0): " } ?? "") + change.text)
          }
        }
      }
      if report.changesNotShown > 0 {
        card.element("p", class: "soft small", "and \(Figures.count(report.changesNotShown)) more")
      }
    }
  }

  private func footer(_ html: inout HTMLText) {
    html.element("footer") { html in
      html.element("h2", "Where this comes from")
      if let head = report.head {
        html.element("p") { line in
          line.text("Log ")
          line.element("code", head.log)
          line.text(" up to record \(Figures.count(head.seq)) of \(head.ts), whose hash is ")
          line.element("code", head.hash)
        }
      }
      html.element("p") { line in
        line.text("The same log gives the same report, byte for byte: ")
        line.element("code", report.command)
      }
    }
  }
}

extension String {
  /// `2026-03-02T10:00` as a person writes it.
  fileprivate var replacingT: String { String(map { $0 == "T" ? " " : $0 }) }
}
