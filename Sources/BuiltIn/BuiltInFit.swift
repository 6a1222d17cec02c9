import Glibc

/// One fit: vocabulary, solver, pruning, quantisation.
enum BuiltInFit {
  /// A model of some of the texts, not yet calibrated: temperature 1, nothing novel, accuracy 0.
  static func model(
    _ corpus: BuiltInCorpus, _ part: [Int], _ options: BuiltInTrainingOptions,
    progress: (_ epoch: Int, _ gap: Float) -> Void
  ) -> BuiltInModel {
    let vocabulary = vocabulary(part.map { corpus.texts[$0] }, options)
    var examples = BuiltInExamples()
    var scratch = BuiltInScratch()
    for text in part {
      let bytes = corpus.texts[text]
      vocabulary.vectorise(bytes.span, &scratch)
      examples.append(scratch, label: corpus.owners[text])
    }
    var solver = BuiltInSolver(
      features: vocabulary.keys.count, labels: corpus.labels.count, strength: options.strength)
    solver.fit(
      examples, epochs: options.epochs, tolerance: options.tolerance, seed: options.seed, progress: progress)
    return BuiltInModel(
      digest: "", heldOutAccuracy: 0, trainingRows: part.count, labels: corpus.labels,
      rejection: corpus.rejection, temperature: 1, novelty: BuiltInNovelty(), vocabulary: vocabulary,
      biases: solver.biases, weights: weights(solver, vocabulary, options))
  }

  /// Every word that occurs, and every pair and run that occurs in at least two texts.
  ///
  /// Words are all kept because "never seen in training" is asked of them; a pair or run seen once mostly
  /// repeats what its word says.
  static func vocabulary(_ texts: [[UInt8]], _ options: BuiltInTrainingOptions) -> BuiltInVocabulary {
    var frequency: [UInt32: Int] = [:]
    for text in texts {
      var keys: [UInt32] = []
      BuiltInFeatures.walk(text.span) { keys.append($0) }
      keys.sort()
      var last: UInt32?
      for key in keys where key != last {
        frequency[key, default: 0] += 1
        last = key
      }
    }
    var kept = frequency.filter { $0.value >= 2 || BuiltInFeatures.kind(of: $0.key) == .word }
      .map { (key: $0.key, count: $0.value) }
    kept.sort { $0.count != $1.count ? $0.count > $1.count : $0.key < $1.key }
    kept = Array(kept.prefix(min(options.maxFeatures, BuiltInModel.mostFeatures)))
    kept.sort { $0.key < $1.key }
    let most = logf(Float(texts.count + 1) / 2)
    let step = max(most, 0.01) / 255
    return BuiltInVocabulary(
      keys: kept.map(\.key),
      rarity: kept.map {
        UInt8(min(255, (logf(Float(texts.count + 1) / Float($0.count + 1)) / step).rounded()))
      },
      idfStep: step)
  }

  /// The largest weights, as bytes.
  private static func weights(
    _ solver: BuiltInSolver, _ vocabulary: BuiltInVocabulary, _ options: BuiltInTrainingOptions
  ) -> BuiltInWeights {
    let features = vocabulary.keys.count
    let least = leastImportance(solver, vocabulary, options)
    var largest: Float = 0
    for feature in 0..<features { largest = max(largest, centred(solver.row(feature)).map(abs).max() ?? 0) }
    var starts: [UInt32] = [0]
    var scales: [Float] = []
    var labels: [UInt16] = []
    var values: [Int8] = []
    for feature in 0..<features {
      let row = centred(solver.row(feature))
      let step = BuiltInModel.step(of: (row.map(abs).max() ?? 0) / 127, largest / 127)
      let scale = BuiltInModel.scale(step, largest / 127)
      scales.append(scale)
      for (label, weight) in row.enumerated()
      where scale > 0 && abs(weight) * vocabulary.idf[feature] >= least {
        let value = Int8(max(-127, min(127, (weight / scale).rounded())))
        guard value != 0 else { continue }
        labels.append(UInt16(label))
        values.append(value)
      }
      starts.append(UInt32(values.count))
    }
    return BuiltInWeights(starts: starts, scales: scales, labels: labels, values: values)
  }

  /// The importance that as many weights reach as may be kept; at most one in a few thousand beyond.
  private static func leastImportance(
    _ solver: BuiltInSolver, _ vocabulary: BuiltInVocabulary, _ options: BuiltInTrainingOptions
  ) -> Float {
    // Quarter-percent steps of a logarithmic scale instead of sorting millions of numbers.
    var histogram = [Int](repeating: 0, count: 8192)
    for feature in vocabulary.keys.indices {
      for weight in centred(solver.row(feature)) where weight != 0 {
        histogram[bin(abs(weight) * vocabulary.idf[feature])] += 1
      }
    }
    var kept = 0
    for bin in histogram.indices.reversed() {
      kept += histogram[bin]
      if kept > options.maxWeights { return expf(Float(bin + 1 - 6144) / 256) }
    }
    return 0
  }

  private static func bin(_ importance: Float) -> Int {
    max(0, min(8191, Int(logf(max(importance, 1e-30)) * 256) + 6144))
  }

  /// Less its median: the same for every label changes no probability, and most labels then have nearly no weight.
  private static func centred(_ row: [Float]) -> [Float] {
    let middle = row.sorted()[row.count / 2]
    return row.map { $0 - middle }
  }
}
