import RouterCore
import Testing

@testable import BuiltIn

@Suite("The built-in model, trained")
struct BuiltInTrainerTests {
  @Test("is the same file every time")
  func deterministic() throws {
    let first = try BuiltInSample.train().model
    let second = try BuiltInSample.train().model
    #expect(first.encoded() == second.encoded())
    #expect(first.digest == "sha256:" + SHA256.hash(first.encoded()).hex)
  }

  @Test("answers what it has not seen")
  func generalises() throws {
    let result = try BuiltInSample.train()
    #expect(result.accuracy >= 0.9)
    #expect(result.heldOut.count == BuiltInSample.rows.count)
    #expect(result.model.answers == ["money", "music", "travel", "weather"])
    let answer = BuiltInSample.answer(result.model, "Is it COLD on monday?")
    #expect(answer.label == "weather")
    #expect(!answer.novel)
  }

  @Test(
    "calls unlike input novel",
    arguments: ["", "   \n", "xq zvw jjkk 9981", "Привет, как дела", "\u{0}\u{1}", "supercalifragilistic"])
  func novel(text: String) throws {
    #expect(BuiltInSample.answer(try BuiltInSample.train().model, text).novel)
  }

  @Test("never answers with the rejection class")
  func rejects() throws {
    let result = try BuiltInSample.train(BuiltInSample.rows + BuiltInSample.strangers, rejecting: "unknown")
    #expect(!result.model.answers.contains("unknown"))
    let answer = BuiltInSample.answer(result.model, "explain why cats purr")
    #expect(answer.novel)
    #expect(result.model.answers.contains(answer.label))
    #expect(try #require(result.rejected) >= 0.5)
    #expect(!BuiltInSample.answer(result.model, "book a flight to rome").novel)
  }

  @Test("is as sure as it is right where labels are noise")
  func calibrated() throws {
    var random = BuiltInRandom(seed: 7)
    let rows = BuiltInSample.rows.enumerated().map { index, row in
      let wrong = random.next() % 10 < 4
      return TrainingRow(text: row.text + Array(" \(index)".utf8), label: wrong ? "weather" : row.label)
    }
    let result = try BuiltInSample.train(rows)
    let claimed = result.heldOut.reduce(0) { $0 + $1.answer.confidence } / Double(result.heldOut.count)
    #expect(abs(claimed - result.accuracy) < 0.15)
    #expect(result.calibrationError < 0.3)
  }

  @Test("does not claim certainty from a handful of rows without a mistake")
  func modest() throws {
    let result = try BuiltInSample.train()
    for row in result.heldOut { #expect(row.answer.confidence < 0.9999) }
  }

  @Test("counts a row that is said twice once")
  func repetitions() throws {
    let result = try BuiltInSample.train(BuiltInSample.rows + BuiltInSample.rows)
    #expect(result.model.trainingRows == BuiltInSample.rows.count)
    #expect(result.heldOut.count == BuiltInSample.rows.count)
  }

  @Test("refuses rows it cannot learn from")
  func refuses() {
    func train(_ rows: [(String, String)]) throws {
      _ = try BuiltInTrainer.train(rows.map { TrainingRow(text: Array($0.0.utf8), label: $0.1) })
    }
    #expect(throws: BuiltInTrainingError.tooFewLabels(0)) { try train([]) }
    #expect(throws: BuiltInTrainingError.tooFewLabels(1)) { try train([("a", "x"), ("b", "x"), ("c", "y")]) }
    #expect(throws: BuiltInTrainingError.unusableLabel("")) { try train([("a", ""), ("b", "x")]) }
    let long = String(repeating: "l", count: 257)
    #expect(throws: BuiltInTrainingError.unusableLabel(long)) { try train([("a", long), ("b", "x")]) }
  }

  @Test("reports each epoch of each fold")
  func progress() throws {
    var seen: [Int] = []
    var options = BuiltInTrainingOptions()
    options.folds = 2
    _ = try BuiltInTrainer.train(BuiltInSample.rows, options: options) { step in
      #expect(step.steps == 3 && step.epoch >= 1 && step.gap.isFinite)
      seen.append(step.step)
    }
    #expect(Set(seen) == [1, 2, 3])
    #expect(seen == seen.sorted())
  }
}
