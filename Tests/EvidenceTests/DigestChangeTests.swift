import Advice
import TestLogs
import Testing
import Wire

@testable import Evidence

@Suite("A model's digest")
struct DigestChangeTests {
  private func report(_ write: (inout SampleLog) -> Void) -> Report {
    var log = SampleLog()
    write(&log)
    var fold = EvidenceFold()
    let bytes = log.bytes
    fold.add(ndjson: bytes.span)
    return fold.report()
  }

  /// One call a digest, in this order; what the report says changed, and the calls it counts by digest.
  private static let courses: [(digests: [String?], changes: [String], calls: [String: Int])] = [
    (["sha256:a", "sha256:a"], [], ["sha256:a": 2]),
    (["sha256:a", "sha256:b"], ["from qwen (sha256:a) to qwen (sha256:b)"], ["sha256:a": 1, "sha256:b": 1]),
    ([nil, nil, "sha256:a"], [], ["sha256:a": 3]),
    (["sha256:a", nil, "sha256:a"], [], ["sha256:a": 3]),
    (
      ["sha256:a", nil, "sha256:b"], ["from qwen (sha256:a) to qwen (sha256:b)"],
      ["sha256:a": 1, "sha256:b": 2]
    ),
    ([nil], [], ["-": 1]),
  ]

  @Test(
    "begins anew where it changes; calls without one belong with those that follow",
    arguments: courses.indices)
  func calls(index: Int) throws {
    let course = Self.courses[index]
    let report = report { log in
      for (number, digest) in course.digests.enumerated() {
        log.decision("c\(number)", model: "qwen", digest: digest)
      }
    }
    #expect(report.changes.filter { $0.kind == "candidate" }.map(\.text) == course.changes)
    let models = try #require(report.tasks.first).models
    #expect(Dictionary(uniqueKeysWithValues: models.map { ($0.digest ?? "-", $0.calls) }) == course.calls)
  }

  private func probe(_ log: inout SampleLog, _ id: String, _ model: String, _ digest: JSONValue) {
    log.record("probe", [("model_id", .string(id)), ("model", .string(model)), ("digest", digest)])
  }

  @Test("a probe that finds another one is told, over restarts too; a failed one and another model are not")
  func probes() {
    let report = report { log in
      probe(&log, "small", "qwen", "sha256:a")
      probe(&log, "other", "gemma", "sha256:c")
      log.record("stop", [])
      log.record("start", [])
      probe(&log, "small", "qwen", .null)
      probe(&log, "small", "qwen", "sha256:b")
      probe(&log, "other", "phi", "sha256:d")
      probe(&log, "small", "qwen", "sha256:b")
    }
    #expect(
      report.changes.filter { $0.kind == "probe" }.map(\.text)
        == ["model small (qwen): digest from sha256:a to sha256:b; for the gate its evidence starts anew"])
    #expect(report.balance.unknownKinds == 0)
  }
}
