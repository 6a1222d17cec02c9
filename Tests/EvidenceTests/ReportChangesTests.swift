import Advice
import Gates
import TestLogs
import Testing
import Wire

@testable import Evidence

@Suite("What a report leaves out")
struct ReportChangesTests {
  private func report(_ log: SampleLog) -> Report {
    var fold = EvidenceFold()
    fold.add(ndjson: log.bytes.span)
    return fold.report()
  }

  private func demotion(_ log: inout SampleLog, _ reason: String) {
    log.record(
      "flag",
      [
        ("task", "t"), ("old", "10%"), ("new", "shadow"), ("actor", "router"), ("reason", .string(reason)),
      ])
  }

  @Test("of many changes the newest are shown, and every demotion", arguments: [0, 1, 499, 500, 501, 1_700])
  func changes(later: Int) {
    var log = SampleLog()
    demotion(&log, "first")
    log.record("start", [])
    demotion(&log, "second")
    for number in 0..<later { log.record("drill", [("passed", true), ("reason", .string("n\(number)"))]) }
    let report = report(log)
    let demotions = report.changes.filter { $0.weight == .loud }.map(\.text)
    #expect(demotions.count == 2 && demotions[0].hasSuffix("first") && demotions[1].hasSuffix("second"))
    #expect(report.changes.count + report.changesNotShown == later + 3)
    #expect(report.changesNotShown == max(0, later + 1 - 500))
    if later > 0 { #expect(report.changes.last?.text.hasSuffix("n\(later - 1)") == true) }
    #expect(report.changes.map(\.ts) == report.changes.map(\.ts).sorted())
  }

  @Test("a drill's calls are no task's; what only looks like one is counted")
  func drills() {
    var log = SampleLog()
    log.decision("c1")
    log.comparison("c1", "agree")
    let plain = report(log)
    log.decision("drill-ab-1", task: "shadow_router_drill", reason: "unknown_task", localMs: nil)
    log.decision("drill-ab-2", task: "shadow_router_drill", reason: "manual_override", localMs: nil)
    let drilled = report(log)
    #expect(drilled.tasks == plain.tasks && drilled.totals == plain.totals && drilled.saving == plain.saving)
    #expect(drilled.periods == plain.periods && drilled.callsWithoutRun == plain.callsWithoutRun)
    #expect((plain.balance.drillCalls, drilled.balance.drillCalls) == (0, 2))
    // Accepted, of another type, or with an id of an agent's.
    log.decision("drill-ab-3", task: "shadow_router_drill")
    log.decision("drill-ab-4", task: "other", reason: "unknown_task")
    log.decision("c2", task: "shadow_router_drill", reason: "manual_override")
    #expect(report(log).totals.calls == 4)
  }

  @Test("a local answer leaves nothing to compare: that makes no task unmeasurable")
  func served() throws {
    var log = SampleLog()
    for call in 0..<40 {
      log.decision("c\(call)")
      if call < 10 {
        log.comparison("c\(call)", "agree")
      } else if call < 38 {
        let line = try #require(String(validating: log.lines[log.lines.count - 1], as: UTF8.self))
        log.replaceLast(line.replacing(#""route":"frontier""#, with: #""route":"local""#))
      }
    }
    let task = try #require(report(log).tasks.first)
    #expect(task.notCompared == 30 && task.servedAlone == 28)
    #expect(task.unknownShare == 2.0 / 12 && !task.isNotMeasurable)
    #expect(task.unknownCauses.map(\.name) == ["answered_locally", "no_comparison"])
  }
}
