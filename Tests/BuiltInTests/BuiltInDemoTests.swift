import Foundation
import Testing
import Text

@testable import BuiltIn

/// The sample that ships: rows apart, models readable, figures as stated.
@Suite("The demo's sample")
struct BuiltInDemoTests {
  static let tasks = ["route_request", "banking_intent", "price_direction", "ci_triage"]

  @Test("trains on no call", arguments: tasks)
  func apart(task: String) throws {
    let calls = try Self.rows("calls.ndjson").filter { $0["task_type"] as? String == task }
    let train = try Self.rows("train/\(task).ndjson")
    #expect(!calls.isEmpty && !train.isEmpty)
    let ids = Set(calls.compactMap { $0["call_id"] as? String })
    let texts = Set(calls.compactMap { ($0["input"] as? String).map(Self.normal) })
    for row in train {
      #expect(!ids.contains(try #require(row["id"] as? String)))
      #expect(!texts.contains(Self.normal(try #require(row["input"] as? String))))
    }
  }

  @Test("has models that answer with the task's labels, and disagree as often as stated", arguments: tasks)
  func figures(task: String) throws {
    let spec = try #require(try Self.object("tasks.json")[task] as? [String: Any])
    let least = try #require(spec["min_confidence"] as? Double)
    let stated = try #require(spec["measured"] as? [String: Int])
    let model = try BuiltInModel(parsing: Self.bytes("models/\(task).model"))
    #expect(Set(model.answers).isSubset(of: Set(try #require(spec["labels"] as? [String]))))
    let stops = TermScanner(BuiltInTerms.security + BuiltInTerms.access + BuiltInTerms.production)
    var hits = TermHits()
    var scratch = BuiltInScratch()
    var counts: [String: Int] = ["training_rows": try Self.rows("train/\(task).ndjson").count]
    for call in try Self.rows("calls.ndjson") where call["task_type"] as? String == task {
      let text = Array(try #require(call["input"] as? String).utf8)
      stops.scan(text.span, hits: &hits)
      let answer = model.classify(text.span, scratch: &scratch)
      let fate =
        !hits.isEmpty
        ? "hard_stops" : answer.novel ? "novel" : answer.confidence < least ? "below" : "would_accepts"
      counts[fate, default: 0] += 1
      counts["calls", default: 0] += 1
      if fate == "would_accepts", answer.label != call["frontier_answer"] as? String {
        counts["disagreements", default: 0] += 1
      }
    }
    #expect(stated.filter { $0.value > 0 } == counts)
  }

  @Test("can be trained again")
  func again() throws {
    let task = "price_direction"
    let rows = try Self.rows("train/\(task).ndjson").map { row in
      let truth = row["truth"] as? [String: Any]
      return TrainingRow(
        text: Array((row["input"] as? String ?? "").utf8), label: truth?["label"] as? String ?? "")
    }
    let shipped = try BuiltInModel(parsing: Self.bytes("models/\(task).model"))
    var options = BuiltInTrainingOptions()
    options.rejectionLabel = "unknown"
    let made = try BuiltInTrainer.train(rows, options: options).model
    #expect(abs(made.heldOutAccuracy - shipped.heldOutAccuracy) < 0.01)
    // Not byte by byte: another machine's libm may round otherwise.
    for row in rows.prefix(100) {
      let text = String(decoding: row.text, as: UTF8.self)
      let one = BuiltInSample.answer(made, text)
      let other = BuiltInSample.answer(shipped, text)
      #expect(one.label == other.label && abs(one.confidence - other.confidence) < 0.02)
    }
  }

  private static func normal(_ text: String) -> String {
    text.lowercased().split { !($0.isLetter || $0.isNumber || $0 == "_") }.joined(separator: " ")
  }

  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("policies/demo")

  private static func bytes(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: folder.appendingPathComponent(name)))
  }

  private static func object(_ name: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(bytes(name))) as? [String: Any])
  }

  private static func rows(_ name: String) throws -> [[String: Any]] {
    try bytes(name).split(separator: 10).map { line in
      try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
    }
  }
}
