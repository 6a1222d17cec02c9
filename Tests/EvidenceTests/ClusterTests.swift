import Advice
import TestData
import TestLogs
import Testing

@testable import Evidence
@testable import Reviews

@Suite("Clusters")
struct ClusterTests {
  @Test(
    "mask what varies",
    arguments: [
      ("order 4711 failed after 3.5 s", "order # failed after # s"),
      ("GET https://example.com/a?b=1 gave 404.", "GET <url> gave #."),
      ("write to ana.b@example.org, please", "write to <email>, please"),
      ("cannot open /var/log/app.log: denied", "cannot open <path>: denied"),
      ("at src/a/b.swift:12:5 and ./x", "at <path> and <path>"),
      ("2026-11-21T10:04:59.123Z WARN", "<time> WARN"), ("[10:04:59] up", "[<time>] up"),
      ("commit 3f2a9c81d0 by bot", "commit <id> by bot"),
      ("run 550e8400-e29b-41d4-a716-446655440000", "run <id>"), ("fault at 0x7ffe12", "fault at <id>"),
      ("key \"any text here\" is gone", "key \"…\" is gone"), ("user='ana b' left", "user='ana b' left"),
      ("id=42 host:web-7", "id=# host:web-#"), ("don't stop", "don't stop"), ("and/or", "and/or"),
      ("decade facade", "decade facade"), ("für 3 Größen", "für # Größen"), ("a\u{0}b  \t c", "a\u{0}b c"),
      ("", ""), ("   ", ""), ("\"", "\""), ("v1.2.3-rc4", "v#-rc#"), ("pid 12345678", "pid #"),
    ])
  func masks(text: String, template: String) { #expect(TextTemplate.of(text) == template) }

  @Test("masking what is masked changes nothing", arguments: [UInt64(1), 2, 3, 4])
  func idempotent(seed: UInt64) {
    var dice = Dice(seed: seed)
    let pieces = Array("ab19fé/:.@=\"'-_ \n(),x0T%").map(String.init)
    for _ in 0..<2_000 {
      let text = (0..<dice.below(60)).map { _ in pieces[dice.below(pieces.count)] }.joined()
      let once = TextTemplate.of(text)
      #expect(!once.utf8.contains { (0x30...0x39).contains($0) }, "\(text.debugDescription)")
    }
  }

  @Test("put calls of one template and one pair of labels together, the first standing for them")
  func groups() {
    func member(_ preview: String?, _ task: String = "t", _ frontier: String = "b") -> TemplateClusters.Member
    {
      TemplateClusters.Member(task: task, preview: preview, label: "a", frontierLabel: frontier)
    }
    let groups = TemplateClusters.groups(worstFirst: [
      member("job 1 failed"), member("job 22 failed"), member(nil), member(nil), member("job 3 failed", "u"),
      member("job 4 failed", "t", "c"), member("job 5 failed"),
    ])
    #expect(groups.map(\.representative) == [0, 2, 3, 4, 5])
    #expect(groups.map(\.count) == [3, 1, 1, 1, 1])
    #expect(groups.map(\.template) == ["job # failed", nil, nil, "job # failed", "job # failed"])
  }

  private func report(_ log: SampleLog) -> Report {
    var fold = EvidenceFold()
    fold.add(ndjson: log.bytes.span)
    return fold.report()
  }

  @Test("are listed once in the report, with how many they stand for")
  func inReport() {
    var log = SampleLog()
    for call in 0..<14 {
      log.decision("job\(call)", confidence: 0.80 + 0.01 * Double(call), input: "job \(call) failed")
      log.comparison("job\(call)", "disagree")
    }
    log.decision("single", confidence: 0.85, input: "something else")
    log.comparison("single", "disagree")
    log.review("job13", "accept")
    log.review("job2", "escalate", severity: 1)
    let items = report(log).falseAccepts
    // The most confident of a group is its worst; the one found acceptable no longer counts, the known one stands alone.
    #expect(items.map(\.callID) == ["job2", "job12", "single"])
    #expect(items.map(\.alike) == [1, 12, 1])
    #expect(items[1].template == "job # failed")
  }
}
