package import Evidence
import Gates
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
    changes(&html)
    falseAccepts(&html)
    tasks(&html)
    agents(&html)
    hardStops(&html)
    gates(&html)
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
            + (report.asOf.map { "; evidence as of \(LogTime.minute($0))" } ?? "")
        )
      }
      html.element("div", class: "card") { card in
        card.element("p", class: "claim", report.sentence.claim)
        for caveat in report.sentence.caveats.prefix(1) { card.element("p", class: "soft small", caveat) }
        let rest = report.sentence.caveats.dropFirst()
        guard !rest.isEmpty else { return }
        card.element("details") { details in
          details.element("summary", "What this does not say")
          for caveat in rest { details.element("p", class: "soft small", caveat) }
        }
      }
      if report.totals.calls > 0 { glance(&html) }
      Self.contents(&html)
    }
  }

  /// The questions that readers come with, each answered or one jump away.
  private func glance(_ html: inout HTMLText) {
    html.element("section", [("class", "card glance"), ("aria-label", "At a glance")]) { card in
      card.element("dl") { list in
        if let live = ReportWords.live(report) {
          Self.answer("What is live now?", &list) { value in
            if report.tasks.contains(where: \.isLiveWithoutGate) {
              value.pill("live without a passing gate", .bad)
              value.text(" ")
            }
            value.text(live)
          }
        }
        Self.answer("Which task is ready?", &list) { value in
          value.text(readySummary + " ")
          value.element("a", [("href", "#tasks")]) { $0.text("Why") }
        }
        Self.answer("The worst false accept", &list) { worst(&$0) }
        Self.answer("What should have caught it", &list) { value in
          let remedy = report.falseAccepts.first.map(ReportWords.remedy) ?? "nothing to catch"
          value.prose(remedy.prefix(1).uppercased() + remedy.dropFirst() + ".")
        }
        Self.answer("What it saved", &list) { value in
          value.text(ReportWords.savingHeadline(report) + " ")
          value.element("a", [("href", "#money")]) { $0.text("How") }
        }
        Self.answer("What to do this week", &list) { actions(&$0) }
      }
    }
  }

  private static func answer(_ question: String, _ html: inout HTMLText, _ body: (inout HTMLText) -> Void) {
    html.element("dt", question)
    html.element("dd", [], body)
  }

  private func worst(_ html: inout HTMLText) {
    guard let item = report.falseAccepts.first else {
      return html.text(
        report.totals.wouldAccepts == 0
          ? "None: nothing would have been answered locally." : "None known or suspected.")
    }
    html.pill(ReportWords.standing(item), item.standing == .known ? .bad : .warn)
    html.text(" \(item.task): ")
    if let label = item.label {
      html.text("the candidate said ")
      html.element("strong", label)
      if let other = item.frontierLabel, other != label {
        html.text(", the frontier ")
        html.element("strong", other)
      }
    } else {
      html.element("code", item.callID)
    }
    if let confidence = item.confidence { html.text(", confidence \(Figures.confidence(confidence))") }
    if let alike = ReportWords.alike(item) { html.text(", \(alike)") }
    html.text(". ")
    html.element("a", [("href", "#fa1")]) { $0.text("Read it") }
  }

  private func actions(_ html: inout HTMLText) {
    guard !report.actions.isEmpty else { return html.text("Nothing.") }
    html.element("ol", class: "actions") { list in
      for action in report.actions {
        list.element("li") { item in
          if let task = action.task { item.element("strong", task + ": ") }
          item.prose(action.text)
          if let command = action.command {
            item.text(" ")
            item.element("code", command)
          }
        }
      }
    }
  }

  private static func contents(_ html: inout HTMLText) {
    html.element("nav", [("aria-label", "Contents")]) { nav in
      for (target, name) in [
        ("changes", "What changed"), ("false", "False accepts"), ("tasks", "Tasks"),
        ("runs", "Agents and runs"),
        ("stops", "Hard stops"), ("gates", "Gates"), ("balance", "Balance"), ("reviewers", "Reviewers"),
        ("words", "Words used"),
      ] {
        nav.element("a", [("href", "#" + target)]) { $0.text(name) }
      }
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
          "Drawn, labelled",
          "Picked for review by a lottery that was fixed beforehand; judged by a person."
        ),
        (
          "Gate, epoch",
          "The test that a task has to pass before it goes live, and the evidence it looks at: since the last change of candidate or policy."
        ),
        (
          "Would-accept",
          "A call that the router would have answered locally. The base of every rate of errors here."
        ),
        (
          "Suspected false accept",
          "A would-accept whose answer differs from the frontier's. Either may be wrong."
        ),
        ("Severe", String(ReportWords.severeMeaning.dropFirst("Severe: ".count))),
        (
          "Audit",
          "A call that was answered locally and put to the frontier as well, to see whether the answer was good."
        ),
        (
          "Canary, live",
          "Stages of serving: a share of the eligible calls is answered locally; all of them are."
        ),
        (
          "Hunt",
          "Reviews outside the random draw, the most suspicious first: they find false accepts and give no rate."
        ),
        (
          "E, α",
          "E weighs the labelled draws against the claim that the task is as bad as its limit; a gate passes at 1/α, and α is the share of "
            + "bad candidates that may pass by chance."
        ),
        (
          "PSI", "How far the mix of confidences or labels moved since the epoch's first week; 0.25 is a lot."
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

  private var readySummary: String {
    let local = report.tasks.filter { $0.isLocal != false }
    let names = { (answer: Report.Readiness.Answer) in
      local.filter { $0.readiness.answer == answer }.map(\.name).joined(separator: ", ")
    }
    let (ready, refused, open) = (names(.yes), names(.no), names(.cannotTell))
    let kept = report.tasks.filter { $0.isLocal == false }.map(\.name).joined(separator: ", ")
    var parts = [ready.isEmpty ? "No task is ready to go live." : "Ready: \(ready)."]
    if !refused.isEmpty { parts.append("Not ready: \(refused).") }
    if !open.isEmpty { parts.append("Cannot tell yet: \(open).") }
    if !kept.isEmpty { parts.append("Kept on the frontier by the policy: \(kept).") }
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
    html.heading("What changed", "changes")
    guard !report.changes.isEmpty else {
      return html.element("p", "Nothing: no policy, candidate or flag changed.")
    }
    // What nobody may overlook stands first; the rest keeps the order of time.
    let loud = report.changes.filter { $0.weight == .loud }
    let normal = report.changes.filter { $0.weight == .normal }
    let quiet = report.changes.filter { $0.weight == .quiet }
    html.element("div", class: "card") { card in
      Self.list(loud, &card)
      Self.list(Array(normal.prefix(Self.openChanges)), &card)
      let rest = normal.dropFirst(Self.openChanges) + quiet
      if loud.isEmpty, normal.isEmpty { card.element("p", "No policy, candidate or flag changed.") }
      if !rest.isEmpty {
        card.element("details") { details in
          details.element("summary", "\(Figures.count(rest.count)) more, starts and stops among them")
          Self.list(Array(rest), &details)
        }
      }
      if report.changesNotShown > 0 {
        card.element(
          "p", class: "soft small", ReportWords.olderChanges(report))
      }
    }
  }

  private static let openChanges = 12

  private static func list(_ changes: [Report.Change], _ html: inout HTMLText) {
    guard !changes.isEmpty else { return }
    html.element("ul", class: "plain") { list in
      for change in changes {
        list.element("li") { item in
          item.element("span", class: "soft", String(change.ts.prefix(16)).replacingT + "  ")
          if change.weight == .loud {
            item.pill(change.kind, .bad)
          } else {
            item.element("strong", change.kind)
          }
          item.text(" " + (change.task.map { "\($0): " } ?? "") + ReportWords.change(change))
        }
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
      html.heading("Words used here", "words")
      Self.words(&html)
    }
  }
}

extension String {
  /// `2026-03-02T10:00` as a person writes it.
  var replacingT: String { String(map { $0 == "T" ? " " : $0 }) }
}
