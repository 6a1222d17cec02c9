@testable import BuiltIn

/// Made-up requests of four kinds: few words, many combinations, the same on every machine.
enum BuiltInSample {
  private static let phrases: [(label: String, starts: [String], ends: [String])] = [
    (
      "weather", ["will it rain", "is it sunny", "how cold is it"],
      ["today", "in paris", "on monday", "tonight"]
    ),
    (
      "music", ["play a song", "turn up the volume", "skip this track"],
      ["now", "please", "by the band", "again"]
    ),
    (
      "money", ["send cash", "what is my balance", "pay the bill"],
      ["to my sister", "today", "from savings", "now"]
    ),
    (
      "travel", ["book a flight", "find a hotel", "rent a car"],
      ["to rome", "for friday", "near the lake", "please"]
    ),
  ]

  /// Four labels with twelve rows each.
  static let rows: [TrainingRow] = phrases.flatMap { kind in
    kind.starts.flatMap { start in
      kind.ends.map { TrainingRow(text: Array("\(start) \($0)".utf8), label: kind.label) }
    }
  }

  /// Rows that belong to no label.
  static let strangers: [TrainingRow] = [
    "who wrote hamlet", "explain photosynthesis", "solve this riddle", "why do cats purr",
    "name a prime number",
    "who discovered penicillin", "explain black holes", "why do leaves fall",
  ].map { TrainingRow(text: Array($0.utf8), label: "unknown") }

  static func train(_ rows: [TrainingRow] = rows, rejecting label: String? = nil) throws -> TrainingResult {
    var options = BuiltInTrainingOptions()
    options.folds = 3
    options.rejectionLabel = label
    return try BuiltInTrainer.train(rows, options: options)
  }

  static func answer(_ model: BuiltInModel, _ text: String) -> BuiltInAnswer {
    var scratch = BuiltInScratch()
    let bytes = Array(text.utf8)
    return model.classify(bytes.span, scratch: &scratch)
  }
}
