import RouterCore
import TestLogs
import Testing
import Wire

@testable import Reviews

@Suite("The review queue")
struct ReviewQueueTests {
  private let now: Int64 = 1_772_445_600_000 + 3_600_000

  private func queue(_ log: SampleLog) -> ReviewQueue {
    var queue = ReviewQueue()
    for line in log.lines { queue.add(line.span) }
    return queue
  }

  private func review(
    _ log: inout SampleLog, _ id: String, _ label: String?, by reviewer: String = "ann",
    stream: String = "certificate"
  ) {
    log.record(
      "review",
      [
        ("call_id", .string(id)), ("review_label", label.map { .string($0) } ?? .null),
        ("stream", .string(stream)),
        ("reviewer", .string(reviewer)),
      ])
  }

  private func ids(_ queue: ReviewQueue, for reviewer: String = "ann", limit: Int = 1_000) -> [String] {
    queue.offers(limit, task: nil, reviewer: reviewer, now: now) { _ in false }.map(\.item.key.callID)
  }

  @Test("offers drawn would-accepts once each, in the log's order, and nothing else that is above suspicion")
  func drawn() {
    var log = SampleLog()
    for index in 0..<30 {
      log.decision("c\(index)", sampled: index.isMultiple(of: 2))
      log.comparison("c\(index)", "agree")
    }
    log.decision("low", reason: "confidence_low", sampled: true)
    let queue = queue(log)
    #expect(ids(queue) == (0..<15).map { "c\($0 * 2)" })
    #expect(queue.backlog(now: now) == ["triage_ticket": 15])
  }

  @Test("a label takes an item out, taking it back puts it in again")
  func labels() {
    var log = SampleLog()
    log.decision("a", sampled: true)
    log.decision("b", sampled: true)
    review(&log, "a", "accept")
    #expect(ids(queue(log)) == ["b"])
    review(&log, "a", nil)
    #expect(ids(queue(log)) == ["a", "b"])
    #expect(queue(log).backlog(now: now) == ["triage_ticket": 2])
  }

  @Test("what is drawn and not labelled is overdue past the task's deadline, until it is labelled")
  func overdue() {
    var log = SampleLog()
    for id in ["a", "b"] {
      log.decision(id, sampled: true)
      log.comparison(id, "agree")
    }
    log.decision("not drawn")
    log.comparison("not drawn", "disagree")
    var task = TaskPolicy(name: "triage_ticket", mark: Mark(line: 1, column: 1))
    task.gate.reviewDeadlineDays = 2
    func overdue(afterDays days: Int64) -> [String: Int] {
      var queue = queue(log)
      queue.rules = ["triage_ticket": ReviewQueue.Rules(task)]
      return queue.overdue(now: now + days * 86_400_000)
    }
    #expect(overdue(afterDays: 1) == [:])
    #expect(overdue(afterDays: 3) == ["triage_ticket": 2])
    review(&log, "a", "unsure")
    #expect(overdue(afterDays: 3) == ["triage_ticket": 1])
    review(&log, "b", "escalate")
    #expect(overdue(afterDays: 3) == [:])
  }

  @Test("equal inputs are asked about once, and a label of any of them counts for all")
  func twins() {
    var log = SampleLog()
    for id in ["a", "b", "c"] {
      log.record(
        "decision",
        [
          ("call_id", .string(id)), ("task_type", "t"), ("route_candidate", "local"), ("sampled", true),
          ("local_model_digest", .string(id == "c" ? "other" : "same")), ("input_hash", "h"),
          ("input_preview", "x"),
        ])
    }
    #expect(ids(queue(log)) == ["a", "c"])
    #expect(queue(log).callsInNeed(now: now, graceMs: 0) == ["a", "b", "c"])
    review(&log, "b", "accept")
    #expect(ids(queue(log)) == ["c"])
  }

  @Test(
    "equal inputs under another prompt, model or policy of the task are asked about again",
    arguments: ["prompt_revision", "local_model", "task_revision", "local_model_digest"])
  func anotherBasis(member: String) {
    var log = SampleLog()
    for (id, value) in [("a", "one"), ("b", "one"), ("c", "two")] {
      log.record(
        "decision",
        [
          ("call_id", .string(id)), ("task_type", "t"), ("route_candidate", "local"), ("sampled", true),
          ("input_hash", "h"), (member, .string(value)),
        ])
    }
    review(&log, "a", "accept")
    #expect(ids(queue(log)) == ["c"])
  }

  @Test("the calls that an item stands for are remembered up to a limit, over all items too")
  func manyTwins() {
    var log = SampleLog()
    var queue = ReviewQueue()
    let groups = ReviewQueue.allTwinsLimit / ReviewQueue.twinLimit + 1
    for index in 0..<groups * (ReviewQueue.twinLimit + 2) {
      log.record(
        "decision",
        [
          ("call_id", .string("c\(index)")), ("task_type", "t"), ("route_candidate", "local"),
          ("sampled", true),
          ("local_model_digest", "same"), ("input_hash", .string("h\(index % groups)")),
          ("input_preview", "x"),
        ])
    }
    for line in log.lines { queue.add(line.span) }
    #expect(queue.backlog(now: now) == ["t": groups])
    #expect(queue.callsInNeed(now: now, graceMs: 0).count == groups + ReviewQueue.allTwinsLimit)
  }

  @Test("disagreements are hunted first, at most twenty a task and week")
  func hunt() {
    var log = SampleLog()
    for index in 0..<60 {
      log.decision("c\(index)")
      log.comparison("c\(index)", index < 40 ? "disagree" : "agree")
    }
    #expect(Set(ids(queue(log))).isSubset(of: Set((0..<40).map { "c\($0)" })))
    #expect(ids(queue(log)).count == 20)
    for id in ids(queue(log)).prefix(15) { review(&log, id, "accept", stream: "hunt") }
    #expect(ids(queue(log)).count == 5)
    let nextWeek = now + 7 * 86_400_000
    #expect(queue(log).offers(100, task: nil, reviewer: "ann", now: nextWeek) { _ in false }.count == 20)
  }

  @Test(
    "of many certificate items about a fifth of what is shown is hunted, and no slot can be told beforehand")
  func mixture() {
    var log = SampleLog()
    for index in 0..<300 { log.decision("c\(index)", sampled: true) }
    for index in 0..<30 {
      log.decision("d\(index)")
      log.comparison("d\(index)", "disagree")
    }
    let offers = queue(log).offers(100, task: nil, reviewer: "ann", now: now) { _ in false }
    let hunted = offers.count { $0.stream == .hunt }
    #expect((5...20).contains(hunted))
    #expect(offers.count { $0.stream == .certificate } >= 80)
  }

  @Test("one drawn item in ten waits for a second person, never the first one")
  func second() {
    var log = SampleLog()
    for index in 0..<400 { log.decision("c\(index)", sampled: true) }
    for index in 0..<400 { review(&log, "c\(index)", "accept") }
    let again = ids(queue(log), for: "bob")
    #expect((20...60).contains(again.count))
    #expect(ids(queue(log), for: "ann").isEmpty)
    #expect(queue(log).backlog(now: now, reviewer: "ann") == [:])
    #expect(queue(log).callsInNeed(now: now, graceMs: 0) == Set(again))
    for id in again { review(&log, id, "escalate", by: "bob", stream: "second") }
    #expect(ids(queue(log), for: "cid").isEmpty)
  }

  @Test(
    "what two people escalated is planted once there are twenty, never for those two, once for each other")
  func planted() {
    var log = SampleLog()
    for index in 0..<600 { log.decision("new\(index)", sampled: true) }
    for index in 0..<20 {
      log.decision("e\(index)", sampled: true)
      review(&log, "e\(index)", "escalate")
      if index < 19 { review(&log, "e\(index)", "escalate", by: "bob", stream: "second") }
    }
    func planted(_ reviewer: String) -> [ReviewQueue.Offer] {
      queue(log).offers(600, task: nil, reviewer: reviewer, now: now) { _ in false }.filter {
        $0.stream == .planted
      }
    }
    #expect(planted("cid").isEmpty)
    review(&log, "e19", "escalate", by: "bob", stream: "second")
    let shown = planted("cid")
    #expect((10...20).contains(shown.count))
    #expect(planted("ann").isEmpty)
    for offer in shown { review(&log, offer.item.key.callID, "accept", by: "cid", stream: "planted") }
    #expect(Set(planted("cid").map(\.item.key)).isDisjoint(with: shown.map(\.item.key)))
    // A planted label says something of the reviewer, nothing of the item.
    #expect(shown.allSatisfy { queue(log).item($0.item.key)?.labels.count == 2 })
  }

  @Test("a reserved item is not offered, another task's neither")
  func reserved() {
    var log = SampleLog()
    log.decision("a", task: "t1", sampled: true)
    log.decision("b", task: "t2", sampled: true)
    let queue = queue(log)
    let free = queue.offers(9, task: nil, reviewer: "ann", now: now) { $0.callID == "a" }
    #expect(free.map(\.item.key.callID) == ["b"])
    #expect(
      queue.offers(9, task: "t1", reviewer: "ann", now: now) { _ in false }.map(\.item.key.callID) == ["a"])
  }

  @Test("a challenger's drawn answer is an item of its own, with the decision's preview")
  func challenger() {
    var log = SampleLog()
    let challenge: [(String, JSONValue)] = [
      ("call_id", "a"), ("task_type", "triage_ticket"), ("route_candidate", "local"), ("sampled", true),
      ("label", "x"),
    ]
    log.record("challenge", challenge)
    log.decision("a", sampled: true, input: "hello")
    var queue = queue(log)
    let offers = queue.offers(9, task: nil, reviewer: "ann", now: now) { _ in false }
    #expect(offers.map(\.item.key.subject).sorted() == ["candidate", "challenger"])
    #expect(offers.allSatisfy { $0.item.inputPreview == "hello" })
    log.record(
      "review",
      [
        ("call_id", "a"), ("subject", "challenger"), ("review_label", "accept"), ("stream", "certificate"),
        ("reviewer", "ann"),
      ])
    let last = log.lines[log.lines.count - 1]
    queue.add(last.span)
    #expect(
      queue.offers(9, task: nil, reviewer: "ann", now: now) { _ in false }.map(\.item.key.subject) == [
        "candidate"
      ])
  }

  @Test(
    "the first challenge of a log has its decision's preview too, in either order", arguments: [true, false])
  func previews(isDecisionFirst: Bool) {
    var log = SampleLog()
    let challenge: [(String, JSONValue)] = [
      ("call_id", "a"), ("task_type", "triage_ticket"), ("route_candidate", "local"), ("sampled", true),
    ]
    if !isDecisionFirst { log.record("challenge", challenge) }
    log.decision("a", sampled: true, input: "hello")
    if isDecisionFirst { log.record("challenge", challenge) }
    #expect(queue(log).item(ReviewKey(callID: "a", isChallenger: true))?.inputPreview == "hello")
  }

  private func sampled(
    _ log: inout SampleLog, _ kind: String, _ id: String, input: String, isDrawn: Bool = true
  ) {
    var members: [(String, JSONValue)] = [
      ("call_id", .string(id)), ("task_type", "t"), ("route_candidate", "local"), ("sampled", .bool(isDrawn)),
      ("local_model_digest", "d"),
    ]
    if kind == "decision" { members += [("input_hash", .string(input)), ("input_preview", .string(input))] }
    log.record(kind, members)
  }

  @Test(
    "a challenger's drawn answers to equal inputs are asked about once, in whatever order the records come",
    arguments: [true, false])
  func challengerTwins(isDecisionFirst: Bool) {
    var log = SampleLog()
    for (id, input) in [("a", "same"), ("b", "same"), ("c", "other")] {
      if isDecisionFirst { sampled(&log, "decision", id, input: input, isDrawn: false) }
      sampled(&log, "challenge", id, input: input)
      if !isDecisionFirst { sampled(&log, "decision", id, input: input, isDrawn: false) }
    }
    let before = queue(log)
    #expect(ids(before) == ["a", "c"])
    #expect(before.backlog(now: now) == ["t": 2])
    #expect(before.callsInNeed(now: now, graceMs: 0) == ["a", "b", "c"])
    log.record(
      "review",
      [
        ("call_id", "b"), ("subject", "challenger"), ("review_label", "accept"), ("stream", "certificate"),
        ("reviewer", "ann"),
      ])
    #expect(ids(queue(log)) == ["c"])
  }

  @Test("a kind of answer that has become frequent is hunted, and so is a new template; the usual is not")
  func drift() {
    var log = SampleLog()
    for index in 0..<200 {
      log.decision("old\(index)", label: index < 190 ? "usual" : "rare", confidence: 0.95)
    }
    #expect(ids(queue(log)).isEmpty)
    log.now += 7 * 86_400_000
    for index in 0..<200 {
      log.decision("new\(index)", label: index < 60 ? "usual" : "rare", confidence: 0.95)
    }
    log.decision("odd", label: "usual", confidence: 0.95, input: "an input of another making")
    let hunted = Set(
      queue(log).offers(300, task: nil, reviewer: "ann", now: log.now) { _ in false }.map(\.item.key.callID))
    #expect(hunted.count == 20 && hunted.contains("odd"))
    #expect(hunted.allSatisfy { $0 == "odd" || Int($0.dropFirst(3)) ?? 0 >= 60 })
  }

  @Test("text of what two people escalated stays for planting, and after the deadline it is planted no more")
  func plantedText() {
    var log = SampleLog()
    for index in 0..<20 {
      log.decision("e\(index)", sampled: true)
      for reviewer in ["ann", "bob"] { review(&log, "e\(index)", "escalate", by: reviewer) }
    }
    var task = TaskPolicy(name: "triage_ticket", mark: Mark(line: 1, column: 1))
    task.capture = .sampled
    func planted(after days: Int64, _ task: TaskPolicy) -> (offered: Int, kept: Int) {
      var queue = queue(log)
      queue.rules = ["triage_ticket": ReviewQueue.Rules(task)]
      let at = log.now + days * 86_400_000
      var more = SampleLog()
      more.now = at
      for index in 0..<600 { more.decision("new\(index)", sampled: true) }
      for line in more.lines { queue.add(line.span) }
      let offers = queue.offers(600, task: nil, reviewer: "cid", now: at) { _ in false }
      let kept = queue.callsInNeed(now: at, graceMs: 0).filter { $0.hasPrefix("e") }
      return (offers.count { $0.stream == .planted }, kept.count)
    }
    let fresh = planted(after: 1, task)
    #expect(fresh.offered > 0 && fresh.kept == 20)
    let late = planted(after: 15, task)
    #expect(late.offered == 0 && late.kept == 0)
    task.capture = .off
    #expect(planted(after: 15, task).offered > 0)
  }

  @Test("captured text is needed until labelled, a while longer, and never past the deadline")
  func need() {
    var log = SampleLog()
    log.decision("a", sampled: true)
    #expect(queue(log).callsInNeed(now: now, graceMs: 0) == ["a"])
    #expect(queue(log).callsInNeed(now: now + 15 * 86_400_000, graceMs: 0) == [])
    review(&log, "a", "accept")
    #expect(queue(log).callsInNeed(now: log.now + 10, graceMs: 0) == [])
    #expect(queue(log).callsInNeed(now: log.now + 10, graceMs: 60_000) == ["a"])
  }

  @Test("what is older than the window is forgotten, and memory has a bound")
  func bounds() {
    var log = SampleLog()
    for index in 0..<(ReviewQueue.drawnLimit + 50) { log.decision("c\(index)", sampled: true) }
    var queue = queue(log)
    #expect(queue.forgotten == 50)
    #expect(queue.backlog(now: now) == ["triage_ticket": ReviewQueue.drawnLimit])
    queue.prune(now: log.now + 57 * 86_400_000)
    #expect(queue.backlog(now: now) == [:])
  }

  @Test("an erasure takes the texts of its call's item, which stays to be labelled")
  func erasure() {
    var log = SampleLog()
    log.decision("a", sampled: true, input: "a text of its own")
    log.decision("b", sampled: true, input: "another text")
    log.comparison("a", "agree")
    log.record("erasure", [("call_id", "a"), ("who", "ann"), ("records", [])])
    let queue = queue(log)
    let offers = queue.offers(10, task: nil, reviewer: "ann", now: now) { _ in false }.map(\.item)
    #expect(offers.map(\.key.callID) == ["a", "b"])
    #expect(
      offers[0].inputPreview == nil && offers[0].answerPreview == nil && offers[0].frontierPreview == nil)
    #expect(offers[0].template == "" && offers[1].inputPreview == "another text")
  }

  @Test("knows since when the oldest drawn item has waited")
  func oldestWaiting() throws {
    var log = SampleLog()
    log.decision("undrawn")
    #expect(queue(log).oldestWaiting == nil)
    log.decision("a", sampled: true)
    let first = log.now
    log.decision("b", sampled: true)
    #expect(queue(log).oldestWaiting == first)
    review(&log, "a", "accept")
    #expect(try #require(queue(log).oldestWaiting) > first)
    review(&log, "b", "accept")
    #expect(queue(log).oldestWaiting == nil)
  }
}
