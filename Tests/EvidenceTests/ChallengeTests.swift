import Advice
import TestLogs
import Testing
import Wire

@testable import Evidence

@Suite("Candidate against challenger")
struct ChallengeTests {
  private func report(_ log: SampleLog) -> Report {
    var fold = EvidenceFold(ReportOptions())
    fold.add(ndjson: log.bytes.span)
    return fold.report()
  }

  /// Calls of each kind: candidate's and challenger's agreement.
  private static let kinds: [(candidate: String, challenger: String, count: Int)] = [
    ("agree", "agree", 20), ("agree", "disagree", 3), ("disagree", "agree", 12), ("disagree", "disagree", 5),
    ("unknown", "unknown", 2),
  ]

  /// The three records of each call in the order given.
  private func log(_ order: [Int] = [0, 1, 2]) -> SampleLog {
    var log = SampleLog()
    for (kind, item) in Self.kinds.enumerated() {
      for number in 0..<item.count {
        let id = "k\(kind)-\(number)"
        for record in order {
          switch record {
          case 0: log.decision(id, reason: number == 0 ? "confidence_low" : nil)
          case 1: log.challenge(id, accepts: number % 2 == 0)
          default: log.comparison(id, item.candidate, challenger: item.challenger)
          }
        }
      }
    }
    return log
  }

  @Test(
    "pairs are counted whatever the order of a call's records",
    arguments: [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
  func orders(order: [Int]) throws {
    let item = try #require(report(log(order)).tasks.first?.challenges.first)
    #expect([item.bothAgree, item.onlyCandidate, item.onlyChallenger, item.neither] == [20, 3, 12, 5])
    #expect(item.calls == 42 && item.records == 42)
    #expect(item.candidate.wouldAccepts == 37 && item.challenger.wouldAccepts == 10 + 2 + 6 + 3 + 1)
    #expect(item.candidate.disagree == 11 + 4 && item.candidate.agree == 19 + 2)
    #expect(item.challenger.disagree == 2 + 3 && item.challenger.agree == 10 + 6)
    // Two-sided exact: 2 · P(Binomial(15, ½) ≤ 3).
    #expect(abs(item.mcNemar - 2 * 576.0 / 32_768) < 1e-12)
    #expect(item.challenger.latency?.p50 == 300 && item.candidate.latency?.p50 == 100)
    #expect(abs((item.challenger.costPerCall ?? 0) - 0.002) < 1e-9)
  }

  @Test("an answer of the wrong form agrees with nothing, where the frontier's answer is known")
  func invalid() throws {
    var log = SampleLog()
    log.decision("a")
    log.challenge("a", accepts: false)
    log.comparison("a", "agree", challenger: "unknown", challengerDetail: "no_valid_answer")
    log.decision("b", reason: "schema_invalid")
    log.challenge("b", accepts: false)
    log.comparison(
      "b", "unknown", detail: "no_valid_answer", challenger: "unknown", challengerDetail: "no_valid_answer")
    let item = try #require(report(log).tasks.first?.challenges.first)
    #expect(item.onlyCandidate == 1 && item.paired == 1)
  }

  @Test("a call that one of the two was not asked about is no pair")
  func notAsked() throws {
    var log = SampleLog()
    log.decision("a")
    log.challenge("a", accepts: false, ms: nil)
    log.comparison("a", "agree", challenger: "unknown", challengerDetail: "no_candidate_answer")
    log.decision("b", reason: "local_unavailable", localMs: nil)
    log.challenge("b", accepts: true)
    log.comparison("b", "unknown", detail: "no_candidate_answer", challenger: "agree")
    let item = try #require(report(log).tasks.first?.challenges.first)
    #expect(item.records == 2 && item.calls == 0 && item.paired == 0 && item.mcNemar == 1)
  }

  @Test("another model is another challenger; a repeated record counts once")
  func models() throws {
    var log = SampleLog()
    for id in ["a", "b", "c", "d"] { log.decision(id) }
    log.challenge("a", accepts: true, digest: nil)
    log.challenge("b", accepts: true)
    log.challenge("b", accepts: false)
    log.challenge("c", accepts: true, digest: "sha256:other")
    log.challenge("d", accepts: true, model: "third")
    let items = try #require(report(log).tasks.first).challenges
    #expect(items.map(\.name) == ["qwen3-4b", "qwen3-4b", "third"])
    // The one without a digest belongs with the one that followed.
    #expect(items.map(\.digest) == ["sha256:beef", "sha256:other", "sha256:beef"])
    #expect(items.map(\.records) == [2, 1, 1])
  }

  @Test("without a challenger there is nothing")
  func none() {
    #expect(report(.week()).tasks.allSatisfy { $0.challenges.isEmpty })
  }

  @Test("confidence sources, calibrations and estimated tokens are told, and a new calibration is a change")
  func sources() throws {
    var log = SampleLog()
    for (number, calibration) in [nil, nil, "aaaaaaaaaaaa", "aaaaaaaaaaaa", "bbbbbbbbbbbb"].enumerated() {
      log.decision(
        "k\(number)",
        more: [
          ("confidence_source", "logprob"), ("calibration", calibration.map { .string($0) } ?? .null),
          ("local_input_tokens", 10), ("local_output_tokens", 3),
          ("local_tokens_estimated", .bool(number == 0)),
        ])
    }
    let report = report(log)
    let task = try #require(report.tasks.first)
    #expect(task.confidenceSources.map(\.calls) == [2, 2, 1])
    #expect(task.confidenceSources.map(\.calibration) == [nil, "aaaaaaaaaaaa", "bbbbbbbbbbbb"])
    #expect(task.tokens == Report.Tokens(calls: 5, input: 50, output: 15, estimated: 1))
    #expect(
      report.changes.filter { $0.kind == "calibration" }.map(\.text)
        == ["of logprob: from none to aaaaaaaaaaaa", "of logprob: from aaaaaaaaaaaa to bbbbbbbbbbbb"])
  }
}
