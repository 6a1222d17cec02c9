package import Evidence
import Gates
import RouterCore

extension EvidenceFold {
  /// The report on what was read so far: its figures, and what they come to. Reading may go on afterwards.
  package func report() -> Report {
    var report = figures()
    for index in report.tasks.indices {
      let task = report.tasks[index]
      let verdict = TaskVerdict(
        task, policy: options.policy?.task(task.name), gate: report.gate(task.name), now: gates.now)
      report.tasks[index].looks = verdict.looks
      report.tasks[index].pace = verdict.pace
      report.tasks[index].readiness = verdict.readiness
    }
    report.sentence = ReportSentence(report).sentence
    report.actions = ReportActions(report).actions
    return report
  }
}
