/// One labelled text.
package struct TrainingRow: Sendable {
  /// UTF-8; other bytes do no harm.
  package let text: [UInt8]
  package let label: String

  package init(text: [UInt8], label: String) {
    self.text = text
    self.label = label
  }
}

/// How a model is trained. The defaults were measured on intent, headline and build-log data of 300 to 3,300 rows.
package struct BuiltInTrainingOptions: Sendable {
  /// The weight of the loss against the L2 penalty (scikit-learn's C). 10 to 50 were equally good, 1 clearly worse.
  package var strength: Float = 20
  /// Most passes over the rows of one fit.
  package var epochs = 40
  /// A fit is done when its mean duality gap falls below this, in nats.
  package var tolerance: Float = 0.003
  /// Parts of the cross-validation that accuracy, calibration and novelty come from.
  package var folds = 5
  package var seed: UInt64 = 1
  /// The label of rows that belong to no label: trained as a class that is never the answer. Nil: no such class.
  package var rejectionLabel: String?
  /// Share of held-out rows that may be called novel though they are not, 0...1.
  package var falseNovelShare = 0.05
  /// Most n-grams kept, the most frequent first.
  package var maxFeatures = 120_000
  /// Most weights kept, the largest first: two or three bytes each in the file. Half of it cost 0.2 points of accuracy,
  /// twice as many gained nothing (150 labels).
  package var maxWeights = 120_000

  package init() {}
}

/// Where training stands, for a progress line.
package struct BuiltInTrainingProgress: Sendable {
  /// 1...steps: the folds in turn, then the model itself.
  package let step: Int
  package let steps: Int
  /// From 1.
  package let epoch: Int
  /// Mean duality gap in nats; falls towards the tolerance.
  package let gap: Float
}

/// A model and what is known of it from rows that it had not seen.
package struct TrainingResult: Sendable {
  package let model: BuiltInModel
  /// One for each distinct row, answered by a model trained on the other folds; a row of the rejection class is never
  /// ``HeldOutAnswer/right``.
  package let heldOut: [HeldOutAnswer]
  /// Share of ``heldOut`` outside the rejection class answered right, novel ones included; 0...1.
  package let accuracy: Double
  /// Mean distance of confidence and accuracy over ten bins of ``heldOut`` (novel ones left out: an abstention has no
  /// confidence), weighted by size; 0...1.
  package let calibrationError: Double
  /// Share of rows of the rejection class that were called novel, held out too; nil without such a class.
  package let rejected: Double?
}

/// An answer of cross-validation.
package struct HeldOutAnswer: Sendable {
  /// Place of the row in what was given to the trainer.
  package let row: Int
  package let answer: BuiltInAnswer
  package let right: Bool
}

/// Fits the built-in model. Deterministic: the same rows in the same order and the same options give the same file on one
/// machine; elsewhere the C library may round a logarithm otherwise.
package enum BuiltInTrainer {
  /// Trains on `rows`, which may take minutes for thousands of rows with a hundred labels.
  ///
  /// Accuracy, temperature and novelty limits come from cross-validation with whole models, pruned and
  /// quantised as the final one is; the model itself is then trained on all rows.
  ///
  /// - Throws: any ``BuiltInTrainingError``.
  package static func train(
    _ rows: [TrainingRow], options: BuiltInTrainingOptions = BuiltInTrainingOptions(),
    progress: (BuiltInTrainingProgress) -> Void = { _ in }
  ) throws(BuiltInTrainingError) -> TrainingResult {
    let corpus = try BuiltInCorpus(rows, options)
    let folds = max(2, min(options.folds, corpus.texts.count))
    let parts = corpus.folds(folds, seed: options.seed)
    var held: [BuiltInHeldOut] = []
    for fold in 0..<folds {
      let part = corpus.texts.indices.filter { parts[$0] != fold }
      let model = BuiltInFit.model(corpus, part, options) { epoch, gap in
        progress(.init(step: fold + 1, steps: folds + 1, epoch: epoch, gap: gap))
      }
      held += BuiltInHeldOut.answers(of: model, to: corpus, corpus.texts.indices.filter { parts[$0] == fold })
    }
    let raw = BuiltInFit.model(corpus, Array(corpus.texts.indices), options) { epoch, gap in
      progress(.init(step: folds + 1, steps: folds + 1, epoch: epoch, gap: gap))
    }
    return BuiltInCalibration.finish(raw, held, corpus, options)
  }
}

/// The distinct rows, with labels as numbers.
struct BuiltInCorpus {
  let labels: [String]
  let rejection: Int?
  private(set) var texts: [[UInt8]] = []
  private(set) var owners: [Int] = []
  /// Place of each text in what was given.
  private(set) var places: [Int] = []

  init(_ rows: [TrainingRow], _ options: BuiltInTrainingOptions) throws(BuiltInTrainingError) {
    let names = Set(rows.map(\.label)).sorted { BuiltInModel.precedes($0, $1) }
    for name in names where name.isEmpty || name.utf8.count > 256 { throw .unusableLabel(name) }
    guard names.count <= BuiltInModel.mostLabels else { throw .tooManyLabels(names.count) }
    labels = names
    rejection = options.rejectionLabel.flatMap { names.firstIndex(of: $0) }
    var numbers: [String: Int] = [:]
    for (number, name) in names.enumerated() { numbers[name] = number }
    var known: Set<[UInt8]> = []
    for (place, row) in rows.enumerated() {
      let owner = numbers[row.label] ?? 0
      // A row said twice would stand in training and in its own examination.
      guard known.insert(Array("\(owner) ".utf8) + row.text).inserted else { continue }
      texts.append(row.text)
      owners.append(owner)
      places.append(place)
    }
    let usable = (0..<names.count).count { label in
      label != rejection && owners.count(where: { $0 == label }) >= 2
    }
    guard usable >= 2 else { throw .tooFewLabels(usable) }
  }

  /// A part for each text, each label spread evenly over the parts.
  func folds(_ count: Int, seed: UInt64) -> [Int] {
    var order = Array(texts.indices)
    var random = BuiltInRandom(seed: seed)
    random.shuffle(&order)
    var next = [Int](repeating: 0, count: labels.count)
    var parts = [Int](repeating: 0, count: texts.count)
    for text in order {
      // Each label starts elsewhere, or the first part would get the odd one of every label.
      parts[text] = (next[owners[text]] + owners[text]) % count
      next[owners[text]] += 1
    }
    return parts
  }
}
