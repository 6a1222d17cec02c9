import Glibc

/// What the built-in model says about one text.
package struct BuiltInAnswer: Sendable, Equatable {
  package let label: String
  /// The calibrated probability that ``label`` is right, 0...1, for inputs like those of training.
  package let confidence: Double
  /// ``confidence`` less the probability of the next best label, 0...1.
  package let margin: Double
  /// Unlike what training saw, so that ``confidence`` means nothing: abstain.
  package let novel: Bool
}

/// A linear text classifier: TF-IDF n-grams, multinomial logistic regression, calibrated, small, without dependencies.
///
/// A value; share it between threads freely. Made by ``BuiltInTrainer`` or read from a file.
package struct BuiltInModel: Sendable {
  /// What the model can answer, the rejection class not among them, in ascending order of UTF-8.
  package var answers: [String] {
    rejection == nil ? labels : labels.enumerated().filter { $0.offset != rejection }.map(\.element)
  }
  /// `sha256:` and the digest of the whole file: the identity of the model in records.
  package let digest: String
  /// Share of answers that were right in cross-validation, 0...1, novel inputs included.
  package let heldOutAccuracy: Double
  /// How many rows it was trained on, repetitions not counted.
  package let trainingRows: Int

  let labels: [String]
  /// The label that means "none of these", if it was trained with one.
  let rejection: Int?
  /// Scores are divided by this before they become probabilities.
  let temperature: Float
  let novelty: BuiltInNovelty
  let vocabulary: BuiltInVocabulary
  let biases: [Float]
  let weights: BuiltInWeights

  /// Answers one text; meant for some kilobytes, works for any length.
  ///
  /// Allocates nothing once `scratch` has grown. Never waits.
  package func classify(_ text: Span<UInt8>, scratch: inout BuiltInScratch) -> BuiltInAnswer {
    score(text, &scratch)
    return answer(from: scratch.scores, seen: scratch.seen)
  }

  /// The answer that scores lead to.
  func answer(from scores: [Float], seen: BuiltInSeen) -> BuiltInAnswer {
    let best = top(scores, besides: rejection)
    let next = top(scores, besides: rejection, and: best)
    let rejected = rejection.map { scores[$0] >= scores[best] } ?? false
    // Relative to the very highest score, which may be the rejection class: nothing overflows.
    let highest = max(scores[best], rejection.map { scores[$0] } ?? scores[best])
    var sum: Float = 0
    for score in scores { sum += expf((score - highest) / temperature) }
    let confidence = expf((scores[best] - highest) / temperature) / sum
    let second = next == best ? 0 : expf((scores[next] - highest) / temperature) / sum
    return BuiltInAnswer(
      label: labels[best], confidence: Double(min(1, confidence)),
      margin: Double(max(0, min(1, confidence - second))),
      novel: rejected || novelty.isNovel(seen, topScore: scores[best]))
  }

  /// Fills `scratch.scores`, before the temperature.
  func score(_ text: Span<UInt8>, _ scratch: inout BuiltInScratch) {
    vocabulary.vectorise(text, &scratch)
    scratch.scores.removeAll(keepingCapacity: true)
    scratch.scores.append(contentsOf: biases)
    for place in scratch.touched.indices {
      weights.add(Int(scratch.touched[place]), times: scratch.values[place], to: &scratch.scores)
    }
  }

  private func top(_ scores: [Float], besides first: Int?, and second: Int? = nil) -> Int {
    var best: Int?
    for label in scores.indices where label != first && label != second {
      if best.map({ scores[label] > scores[$0] }) ?? true { best = label }
    }
    return best ?? second ?? 0
  }
}

/// When a text is too unlike the training rows to be answered.
///
/// Familiarity is the best label's score, less a cost for the share of words never seen. On out-of-scope requests this
/// told more than the share of new n-grams, entropy, the margin or the log-sum of scores did, each alone.
struct BuiltInNovelty: Sendable, Equatable {
  /// Taken off for a text of nothing but new words; half of it for half the words.
  var newWordCost: Float = 0
  /// Novel below this familiarity.
  var least: Float = -1e9

  func familiarity(_ seen: BuiltInSeen, topScore: Float) -> Float {
    topScore - newWordCost * Float(seen.newWords) / Float(max(1, seen.words))
  }

  func isNovel(_ seen: BuiltInSeen, topScore: Float) -> Bool {
    // A text with nothing known in it is like nothing, whatever the biases say.
    seen.runs == seen.newRuns || familiarity(seen, topScore: topScore) < least
  }
}

/// Weights by feature, only those that matter, one signed byte each with a scale by feature.
struct BuiltInWeights: Sendable {
  /// Entries of feature f: `starts[f]..<starts[f + 1]`; one more than there are features.
  let starts: [UInt32]
  let scales: [Float]
  let labels: [UInt16]
  let values: [Int8]

  @inline(__always)
  func add(_ feature: Int, times value: Float, to scores: inout [Float]) {
    let factor = value * scales[feature]
    for entry in Int(starts[feature])..<Int(starts[feature &+ 1]) {
      scores[Int(labels[entry])] += factor * Float(values[entry])
    }
  }
}
