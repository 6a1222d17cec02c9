import Glibc

/// What cross-validation says of one row: raw scores, so that the temperature can still be chosen.
struct BuiltInHeldOut {
  let text: Int
  let scores: [Float]
  let seen: BuiltInSeen

  static func answers(of model: BuiltInModel, to corpus: BuiltInCorpus, _ part: [Int]) -> [BuiltInHeldOut] {
    var scratch = BuiltInScratch()
    return part.map { text in
      let bytes = corpus.texts[text]
      model.score(bytes.span, &scratch)
      return BuiltInHeldOut(text: text, scores: scratch.scores, seen: scratch.seen)
    }
  }
}

/// Makes held-out scores into a temperature, novelty limits and figures.
enum BuiltInCalibration {
  static func finish(
    _ raw: BuiltInModel, _ held: [BuiltInHeldOut], _ corpus: BuiltInCorpus,
    _ options: BuiltInTrainingOptions
  ) -> TrainingResult {
    let inside = held.filter { corpus.owners[$0.text] != corpus.rejection }
    let temperature = temperature(held, corpus)
    let novelty = novelty(inside, corpus, options)
    func calibrated(accuracy: Double, digest: String) -> BuiltInModel {
      BuiltInModel(
        digest: digest, heldOutAccuracy: accuracy, trainingRows: raw.trainingRows, labels: raw.labels,
        rejection: raw.rejection, temperature: temperature, novelty: novelty, vocabulary: raw.vocabulary,
        biases: raw.biases, weights: raw.weights)
    }
    let judge = calibrated(accuracy: 0, digest: "")
    let answers = held.map { item in
      let answer = judge.answer(from: item.scores, seen: item.seen)
      return HeldOutAnswer(
        row: corpus.places[item.text], answer: answer,
        right: answer.label == corpus.labels[corpus.owners[item.text]])
    }.sorted { $0.row < $1.row }
    let accuracy = Double(answers.count(where: \.right)) / Double(max(1, inside.count))
    // Rounded to what the file keeps, so that the model here and the one read back are equal.
    let draft = calibrated(accuracy: Double(Float(accuracy)), digest: "")
    let model = calibrated(
      accuracy: draft.heldOutAccuracy,
      digest: BuiltInModel.identity(of: draft.encoded()))
    let strangers = held.filter { corpus.owners[$0.text] == corpus.rejection }
    let rejected = strangers.count { judge.answer(from: $0.scores, seen: $0.seen).novel }
    return TrainingResult(
      model: model, heldOut: answers, accuracy: accuracy,
      calibrationError: calibrationError(answers.filter { !$0.answer.novel }),
      rejected: corpus.rejection == nil ? nil : Double(rejected) / Double(max(1, strangers.count)))
  }

  /// The divisor of scores under which the held-out labels were least surprising, by golden section over its logarithm.
  ///
  /// A share of 1/(rows + 2) of each row is taken to have any other label (Platt's correction): a model without a mistake in
  /// a hundred rows must not claim to be right in a million.
  private static func temperature(_ held: [BuiltInHeldOut], _ corpus: BuiltInCorpus) -> Float {
    let doubt = 1 / Float(held.count + 2)
    func surprise(_ exponent: Float) -> Double {
      let temperature = expf(exponent)
      return held.reduce(0) { sum, item in
        let top = item.scores.max() ?? 0
        let total = item.scores.reduce(Float(0)) { $0 + expf(($1 - top) / temperature) }
        let mean = item.scores.reduce(0, +) / Float(item.scores.count)
        let target = (1 - doubt) * item.scores[corpus.owners[item.text]] + doubt * mean
        return sum + Double(logf(total) - (target - top) / temperature)
      }
    }
    var low: Float = -3
    var high: Float = 3
    let ratio: Float = 0.618_034
    for _ in 0..<30 {
      let left = high - ratio * (high - low)
      let right = low + ratio * (high - low)
      if surprise(left) < surprise(right) { high = right } else { low = left }
    }
    return expf((low + high) / 2)
  }

  private static func novelty(
    _ inside: [BuiltInHeldOut], _ corpus: BuiltInCorpus, _ options: BuiltInTrainingOptions
  ) -> BuiltInNovelty {
    guard !inside.isEmpty else { return BuiltInNovelty() }
    let tops = inside.map { item in
      item.scores.indices.filter { $0 != corpus.rejection }.map { item.scores[$0] }.max() ?? 0
    }
    // A third of the usual score: scores grow with the number of labels and the strength, so no fixed number fits.
    var novelty = BuiltInNovelty(newWordCost: max(0, tops.sorted()[tops.count / 2] / 3))
    let familiar = zip(inside, tops).map { novelty.familiarity($0.seen, topScore: $1) }.sorted()
    let spared = Int(options.falseNovelShare * Double(inside.count))
    novelty.least = familiar[max(0, min(familiar.count - 1, spared))]
    return novelty
  }

  private static func calibrationError(_ answers: [HeldOutAnswer]) -> Double {
    var sums = [Double](repeating: 0, count: 10)
    for item in answers {
      let bin = min(9, Int(item.answer.confidence * 10))
      sums[bin] += item.answer.confidence - (item.right ? 1 : 0)
    }
    return sums.reduce(0) { $0 + abs($1) } / Double(max(1, answers.count))
  }
}
