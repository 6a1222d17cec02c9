import Gates
import Statistics

/// What to do first, out of what each task asks for next.
struct ReportActions {
  private let report: Report

  private static let most = 6

  init(_ report: Report) { self.report = report }

  var actions: [Report.Action] { Array((faults + tasks).prefix(Self.most)) }

  /// What is wrong now, before any task is brought forward: the worst false accept, and the last demotion of each task.
  private var faults: [Report.Action] {
    var actions: [Report.Action] = []
    let severe = report.falseAccepts.filter { $0.standing == .known && ($0.severity ?? 0) >= 2 }
    if let worst = severe.first {
      let others =
        severe.count > 1 ? " and the other \(Figures.count(severe.count - 1)) costly or severe ones" : ""
      actions.append(
        Report.Action(
          task: worst.task,
          text: "read the false accept \(worst.callID)\(others), and close the way they came",
          command: "shadow-router tail --find \(ShellWord.of(worst.callID))"))
    }
    var seen: Set<String> = []
    for change in report.changes.reversed() where change.kind == "flag" {
      guard let task = change.task, seen.insert(task).inserted, change.weight == .loud else { continue }
      actions.append(
        Report.Action(
          task: task, text: "settle what stands out: \(change.text)", command: "shadow-router status"))
    }
    return actions
  }

  /// Those that are ready, those that fail, then the others; of equals what would be saved decides.
  private var tasks: [Report.Action] {
    let order = report.tasks.filter { $0.isLocal != false && $0.calls > 0 }.sorted { left, right in
      (Self.rank(left), -left.cost.saving, left.name) < (Self.rank(right), -right.cost.saving, right.name)
    }
    return order.flatMap { task in
      var actions: [Report.Action] = []
      if task.isNotMeasurable { actions.append(Self.measure(task)) }
      actions.append(
        Report.Action(task: task.name, text: text(task), command: task.readiness.command))
      return actions
    }
  }

  private static func rank(_ task: Report.Task) -> Int {
    if task.readiness.answer == .yes { return 0 }
    if task.readiness.answer == .no { return 1 }
    return task.looks == .bad ? 3 : 2
  }

  private func text(_ task: Report.Task) -> String {
    guard task.readiness.condition == "e_process", task.readiness.answer != .no, task.wouldAccepts > 0 else {
      return task.readiness.next
    }
    let looks = task.looks == .bad ? "; read its disagreements first, too many to be chance" : ""
    guard let pace = task.pace else {
      let gate = report.gates.first { $0.subject == EvidenceSubject(task: task.name) }
      guard let missing = gate?.missingReviews else { return task.readiness.next }
      return "label its drawn would-accepts: \(Figures.count(missing)) more with none false pass\(looks)"
    }
    let due = min(Double(pace.needed - pace.labelled), max(pace.weeklyNeeded, 1).rounded(.up))
    let weekly = pace.daysLeft < 7 ? pace.needed - pace.labelled : Int(due)
    let share =
      pace.isDrawnEnough
      ? ""
      : pace.shareNeeded.map { "; set review_sample to \(Figures.share($0)), or too few are drawn" }
        ?? "; too few are drawn whatever the review_sample"
    return
      "label about \(Figures.count(weekly)) of its drawn would-accepts this week, of "
      + "\(Figures.count(pace.needed - pace.labelled)) still needed\(share)\(looks)"
  }

  private static func measure(_ task: Report.Task) -> Report.Action {
    let isSilent = task.unknownCauses.first?.name == "no_comparison"
    return Report.Action(
      task: task.name,
      text: isSilent
        ? "have the agent send an answer frame for every call: \(Figures.percent(task.unknownShare ?? 0)) cannot be compared"
        : "say how the frontier's answer is read (tasks.\(task.name).agreement): \(Figures.percent(task.unknownShare ?? 0)) cannot be compared",
      command: "shadow-router check POLICY")
  }
}
