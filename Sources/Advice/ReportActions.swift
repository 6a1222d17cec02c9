import Evidence
import Gates
import LogReading
import Statistics

/// What to do first, out of what is wrong now and what each task asks for next.
struct ReportActions {
  private let report: Report

  /// Of what is wrong now; every task has one more of its own.
  private static let mostFaults = 12
  private static let mostTasks = 50

  init(_ report: Report) { self.report = report }

  var actions: [Report.Action] { served + Array(faults.prefix(Self.mostFaults)) + tasks + shared }

  /// Tasks with calls that the policy does not keep on the frontier: those that fail while they are served first, then by
  /// ``rank(_:)``; of equals what would be saved decides.
  private var order: [Report.Task] {
    report.tasks.filter { $0.isLocal != false && ($0.calls > 0 || gate($0.name)?.epoch != nil) }
      .sorted { left, right in
        (Self.rank(left), -left.cost.saving, left.name) < (Self.rank(right), -right.cost.saving, right.name)
      }
  }

  private func gate(_ task: String) -> Gate? {
    report.gate(task)
  }

  // MARK: What is wrong now

  /// What agents get although its gate would not pass now.
  private var served: [Report.Action] {
    report.tasks.filter(\.isLiveWithoutGate).map { task in
      let name = ShellWord.of(task.name)
      let gate = task.isLocal == false ? "the policy keeps it on the frontier" : "its gate does not pass now"
      return Report.Action(
        task: task.name,
        text:
          "it is \(task.rollout?.words ?? "live"), and \(gate) (\(task.readiness.code)): pull it back, or decide that it stays (`shadow-router gate \(name)`)",
        command: "shadow-router demote \(name) --reason T")
    }
  }

  private var faults: [Report.Action] { demotions + severe + missedStops }

  /// The last demotion or override of each task, with the false accept that caused it.
  private var demotions: [Report.Action] {
    var seen: Set<String> = []
    return report.changes.reversed().compactMap { change in
      guard change.kind == "flag", let task = change.task, seen.insert(task).inserted,
        change.weight == .loud
      else { return nil }
      guard let call = cause(change) else {
        return Report.Action(
          task: task, text: "settle what stands out: \(change.text)", command: "shadow-router status")
      }
      return Report.Action(
        task: task,
        text: "read the false accept that sent it back, and close the way it came: \(change.text)",
        command: "shadow-router tail --find \(ShellWord.of(call))")
    }
  }

  /// The call that a demotion names: one of the list, else the one in the router's words.
  private func cause(_ change: Report.Change) -> String? {
    let words = change.text.split { $0 == " " || $0 == "," }.map(String.init)
    let listed = report.falseAccepts.first {
      $0.standing == .known && $0.task == change.task && words.contains($0.callID)
    }
    if let listed { return listed.callID }
    guard let mark = change.text.firstRange(of: "severe false accept: call ") else { return nil }
    return change.text[mark.upperBound...].split(separator: ",").first.map(String.init)
  }

  /// Of each task the worst severe one.
  private var severe: [Report.Action] {
    var order: [String] = []
    var byTask: [String: [Report.FalseAccept]] = [:]
    for item in report.falseAccepts where item.isSevere {
      if byTask[item.task] == nil { order.append(item.task) }
      byTask[item.task, default: []].append(item)
    }
    let named = Set(demotions.compactMap(\.command))
    return order.compactMap { task in
      guard let items = byTask[task], let worst = items.first(where: { !named.contains($0.findCommand) })
      else { return nil }
      let others = items.count > 1 ? " (\(Figures.count(items.count)) severe ones of this task)" : ""
      return Report.Action(
        task: task,
        text: "read the severe false accept \(worst.callID)\(others), and close the way they came",
        command: worst.findCommand)
    }
  }

  /// Where a hard stop should have caught something and the gate counts it.
  private var missedStops: [Report.Action] {
    order.compactMap { task in
      guard let gate = gate(task.name), gate.isUnmet(.missedStops),
        let condition = gate.conditions.first(where: { $0.name == .missedStops })
      else { return nil }
      let item = report.falseAccepts.first {
        $0.task == task.name && $0.isMissedStop && $0.isInEpoch != false
      }
      let count = Figures.counted(Int(condition.figure ?? 0), "would-accept")
      return Report.Action(
        task: task.name,
        text:
          "\(count) that a hard stop should have caught: add the term to `tasks.\(task.name).hard_stops`; which term: read the call",
        command: item?.findCommand ?? "shadow-router check --against running POLICY")
    }
  }

  // MARK: What several gates ask for

  private var shared: [Report.Action] {
    let gates = order.compactMap { gate($0.name) }
    var actions: [Report.Action] = []
    // Where it is a task's own first condition, that task's item says it already.
    let drill = gates.filter { $0.isUnmet(.drill) && $0.firstUnmet?.name != .drill }.map(\.subject.task)
    if !drill.isEmpty {
      actions.append(
        Report.Action(
          text: "try the kill switch, which the gates of \(drill.joined(separator: ", ")) ask for",
          command: "shadow-router drill"))
    }
    let open = gates.compactMap { gate -> String? in
      guard let epoch = gate.epoch, epoch.unlabelled > 0, !Self.isReview(gate.firstUnmet?.name) else {
        return nil
      }
      return "\(gate.subject.task) \(Figures.count(epoch.unlabelled))"
    }
    if !open.isEmpty {
      actions.append(
        Report.Action(
          text: "label what was drawn in this epoch and nobody has labelled: \(open.joined(separator: ", "))",
          command: "shadow-router review"))
    }
    return actions
  }

  private static func isReview(_ name: GateCondition.Name?) -> Bool {
    name == .evidence || name == .labelled
  }

  // MARK: Each task

  /// Each task's first unmet condition.
  private var tasks: [Report.Action] {
    order.prefix(Self.mostTasks).flatMap { task in
      var actions: [Report.Action] = []
      if task.isNotMeasurable { actions.append(Self.measure(task)) }
      actions.append(
        Report.Action(task: task.name, text: text(task), command: task.readiness.command))
      return actions
    }
  }

  private static func rank(_ task: Report.Task) -> Int {
    if task.isLiveWithoutGate { return -1 }
    if task.readiness.answer == .yes { return 0 }
    if task.readiness.answer == .no { return 1 }
    return task.looks == .bad ? 3 : 2
  }

  private func text(_ task: Report.Task) -> String {
    guard task.readiness.condition == "e_process", task.wouldAccepts > 0, let gate = gate(task.name),
      gate.conditions.first(where: { $0.name == .evidence })?.weight != .against
    else {
      return task.readiness.next
    }
    let looks = task.looks == .bad ? "; read its disagreements first, too many to be chance" : ""
    guard let pace = task.pace else {
      guard let missing = gate.missingReviews else { return task.readiness.next }
      let waiting = gate.epoch?.unlabelled ?? 0
      let rest = waiting < missing ? ", the rest come with traffic" : ""
      return "label its drawn would-accepts: \(Figures.count(waiting)) wait now; "
        + "\(Figures.count(missing)) more with none false pass\(rest)\(looks)"
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
    let isSilent =
      task.unknownCauses.first { $0.name != "answered_locally" }?.name == "no_comparison"
    return Report.Action(
      task: task.name,
      text: isSilent
        ? "have the agent send an answer frame for every call: \(Figures.percent(task.unknownShare ?? 0)) cannot be compared"
        : "say how the frontier's answer is read (tasks.\(task.name).agreement): \(Figures.percent(task.unknownShare ?? 0)) cannot be compared",
      command: "shadow-router check POLICY")
  }
}
