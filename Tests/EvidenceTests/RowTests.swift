import Advice
import Gates
import RouterCore
import TestData
import TestLogs
import Testing
import Wire

@testable import Evidence
@testable import LogReading
@testable import Rows

@Suite("Joined rows")
struct RowTests {
  private func rows(_ lines: [[UInt8]], surveyed: Bool = true, window: ReportWindow = ReportWindow())
    -> [JoinedRow]
  {
    var join = RowJoin(window: window)
    var rows: [JoinedRow] = []
    if surveyed { for line in lines { join.survey(line.span) } }
    for line in lines { join.join(line.span) { rows.append($0) } }
    join.finish { rows.append($0) }
    return rows
  }

  /// Six drawn calls: a, b and c of one input and model, d of the input under another model, e of another input; f like a, not
  /// drawn.
  private func equalInputs() -> SampleLog {
    var log = SampleLog()
    for (id, input, digest, isDrawn) in [
      ("a", "x", "sha256:1", true), ("b", "x", "sha256:1", true), ("c", "x", "sha256:1", true),
      ("d", "x", "sha256:2", true), ("e", "y", "sha256:1", true), ("f", "x", "sha256:1", false),
    ] {
      log.decision(id, sampled: isDrawn, digest: digest, inputHash: input)
      log.comparison(id, "disagree")
    }
    return log
  }

  @Test("of drawn calls with one input and model the label of one counts for all, the worst of several")
  func twins() {
    var log = equalInputs()
    func labels() -> [String] {
      rows(log.lines).map { $0.cell("review_label").stringValue ?? "-" }
    }
    func report() -> Report {
      var fold = EvidenceFold(ReportOptions())
      fold.add(ndjson: log.bytes.span)
      return fold.report()
    }
    #expect(labels() == ["-", "-", "-", "-", "-", "-"])
    #expect(report().totals.reviews.drawnUnlabelled == 5)
    log.review("b", "accept")
    #expect(labels() == ["accept", "accept", "accept", "-", "-", "-"])
    var reviews = report().totals.reviews
    #expect([reviews.accept, reviews.drawnFalse, reviews.drawnUnlabelled] == [3, 2, 2])
    #expect([reviews.clearedDisagreements, reviews.openDisagreements] == [3, 3])
    log.review("c", "escalate", severity: 2, reviewer: "ben")
    #expect(labels() == ["escalate", "escalate", "escalate", "-", "-", "-"])
    reviews = report().totals.reviews
    #expect([reviews.accept, reviews.escalate, reviews.knownFalse, reviews.drawnFalse] == [0, 3, 3, 5])
    #expect(report().periods.reduce(0) { $0 + $1.knownFalse } == 3)
    let listed = report().falseAccepts.filter { $0.standing == .known }
    #expect(listed.map(\.callID) == ["c"])
    #expect(listed.map(\.alike) == [3])
  }

  @Test("what an unsure label leaves suspected is still listed")
  func unsureTwin() {
    var log = SampleLog()
    for (id, agreement) in [("a", "agree"), ("b", "disagree")] {
      log.decision(id, sampled: true, inputHash: "x")
      log.comparison(id, agreement)
    }
    log.review("a", "unsure")
    var fold = EvidenceFold(ReportOptions())
    fold.add(ndjson: log.bytes.span)
    let report = fold.report()
    #expect(report.totals.reviews.unsure == 2 && report.totals.reviews.openDisagreements == 1)
    #expect(report.falseAccepts.map(\.callID) == ["b"])
  }

  private func sample() -> SampleLog {
    var log = SampleLog()
    log.decision("a", run: "r", stops: [("access", "token", "input"), ("security", "cve", "answer")])
    log.decision("b", run: "r")
    log.comparison("b", "disagree")
    log.comparison("a", "agree")
    log.decision("c", reason: "confidence_low")
    log.review("a", "escalate", severity: 2)
    log.outcome(run: "r", "success")
    log.outcome(call: "b", "failure")
    return log
  }

  /// What rows, report and gate make of a call's labels; the gate's k is 1 while it counts as false.
  private func readings(_ labels: [[(String, JSONValue)]], owner: String? = nil) -> (
    row: String?, report: String, k: Int?, severe: [Int]
  ) {
    var log = SampleLog()
    log.decision(
      "a", sampled: true, more: [("local_model_id", "small"), ("task_revision", "r1"), ("signals", [:])])
    log.comparison("a", "agree")
    for label in labels {
      log.record("review", [("call_id", "a"), ("stream", "certificate")] + label)
    }
    var options = ReportOptions()
    var task = TaskPolicy(name: "triage_ticket", mark: Mark(line: 1, column: 1))
    task.owner = owner
    var policy = Policy()
    policy.tasks = [task]
    options.policy = policy
    var fold = EvidenceFold(options)
    fold.add(ndjson: log.bytes.span)
    let reviews = fold.report().totals.reviews
    let counts = [("accept", reviews.accept), ("escalate", reviews.escalate), ("unsure", reviews.unsure)]
    var epochs = EpochFold(EvidenceSubject(task: "triage_ticket"), EpochRules(owner: owner))
    for line in log.lines { epochs.add(line.span) }
    let evidence = epochs.evidence(at: log.now)
    return (
      rows(log.lines).first?.json["review_label"]?.stringValue,
      counts.filter { $0.1 > 0 }.map(\.0).joined(separator: "+"), evidence?.falseOrUnlabelled,
      [reviews.severe, evidence?.severe ?? -1]
    )
  }

  private static func said(_ reviewer: String, _ label: String?, _ more: (String, JSONValue)...) -> [(
    String, JSONValue
  )] {
    [("reviewer", .string(reviewer)), ("review_label", label.map { .string($0) } ?? .null)] + more
  }

  @Test("rows, report and gate read labels alike: of one reviewer the last counts, of several the worst")
  func labels() {
    let ana = Self.said("ana", "escalate", ("severity", 2))
    let readings: [([[(String, JSONValue)]], String?, Int)] = [
      ([], nil, 1), ([ana], "escalate", 1),
      ([ana, Self.said("bob", "accept")], "escalate", 1),
      ([Self.said("bob", "accept"), ana], "escalate", 1),
      ([ana, Self.said("bob", nil)], "escalate", 1), ([ana, Self.said("ana", nil)], nil, 1),
      ([ana, Self.said("ana", "accept")], "accept", 0),
      ([Self.said("ana", "accept"), Self.said("bob", "unsure")], "unsure", 1),
      ([ana, Self.said("bob", "accept", ("stream", "planted"))], "escalate", 1),
      ([Self.said("ana", "accept"), Self.said("ana", "escalate", ("subject", "challenger"))], "accept", 0),
      ([Self.said("ana", "accept"), Self.said("ana", "perhaps")], "accept", 0),
    ]
    for (labels, word, k) in readings {
      let read = self.readings(labels)
      #expect(read.row == word && read.report == word ?? "" && read.k == k, "after \(labels)")
    }
  }

  @Test("report and gate call the same false accepts severe: two people's, or the owner's")
  func severe() {
    let ana = Self.said("ana", "escalate", ("severity", 2))
    #expect(readings([ana]).severe == [0, 0])
    #expect(readings([ana], owner: "ana").severe == [1, 1])
    #expect(readings([ana, Self.said("bob", "escalate", ("severity", 1))]).severe == [0, 0])
    #expect(readings([ana, Self.said("bob", "escalate", ("severity", 3))]).severe == [1, 1])
  }

  @Test("the first columns are the contract's")
  func columns() {
    #expect(
      JoinedRow.columns.prefix(8) == [
        "task_id", "task_type", "local_model", "route_candidate", "validator_result", "hard_stop_match",
        "frontier_answer_hash", "review_label",
      ])
    #expect(String(decoding: CSV.header, as: UTF8.self).hasSuffix("seq\r\n"))
  }

  @Test("one row a call, with what came later")
  func joined() throws {
    let rows = rows(sample().lines)
    #expect(rows.count == 3)
    let byID = Dictionary(uniqueKeysWithValues: rows.map { ($0.cell("call_id").stringValue ?? "", $0) })
    let a = try #require(byID["a"])
    #expect(a.cell("review_label") == "escalate" && a.cell("severity") == 2)
    #expect(a.cell("agreement") == "agree" && a.cell("frontier_answer_hash") == "hmac-sha256:k1:fa")
    #expect(a.cell("outcome") == "success")
    #expect(byID["b"]?.cell("outcome") == "failure")
    #expect(byID["c"]?.cell("agreement") == .null && byID["c"]?.cell("reason") == "confidence_low")
    #expect(
      String(decoding: CSV.line(a), as: UTF8.self).contains(",access:token@input; security:cve@answer,"))
    #expect(a.json["task_id"] == "t-a")
  }

  @Test("every order of the lines gives the same rows")
  func anyOrder() {
    let key = { (row: JoinedRow) in row.cell("call_id").stringValue ?? "" }
    let want = rows(sample().lines).sorted { key($0) < key($1) }
    var dice = Dice(seed: 3)
    for _ in 0..<20 {
      var lines = sample().lines
      for index in lines.indices.dropFirst().reversed() { lines.swapAt(index, dice.below(index + 1)) }
      #expect(rows(lines).sorted { key($0) < key($1) } == want)
    }
  }

  @Test("a repeated decision or comparison gives no second row")
  func repeated() {
    let lines = sample().lines
    #expect(rows(lines + lines).count == 3)
    #expect(rows(lines + lines, surveyed: false).count == 3)
  }

  @Test("a followed log gives each row once, as its comparison comes")
  func followed() {
    let rows = rows(sample().lines, surveyed: false)
    #expect(rows.map { $0.cell("call_id") } == ["b", "a", "c"])
    #expect(rows[0].cell("agreement") == "disagree")
  }

  @Test("cells are quoted, and formulas disarmed")
  func cells() {
    var cells = [JSONValue](repeating: .null, count: JoinedRow.columns.count)
    cells[0] = "=cmd|' /C calc'!A0"
    cells[1] = "a,\"b\"\nc"
    cells[2] = "@x"
    cells[3] = "-1"
    cells[4] = "plain"
    cells[5] = .number(JSONNumber(-1))
    let text = String(decoding: CSV.line(JoinedRow(cells: cells)), as: UTF8.self)
    #expect(text.hasPrefix("'=cmd|' /C calc'!A0,\"a,\"\"b\"\"\nc\",'@x,'-1,plain,-1,,"))
  }
}
