package import LogReading
internal import RouterCore
internal import Wire

/// Reads a log once, in order, and keeps the newest epoch of one task's candidate or challenger, with its labels.
///
/// Reads no clock. Earlier epochs leave nothing behind but the `gate` records in which they were asked about. A
/// would-accept of the epoch costs 40 to 45 bytes.
package struct EpochFold: Sendable {
  package let subject: EvidenceSubject
  package let rules: EpochRules
  private let taskKey: ContentHash

  /// Not while ``add(_:)`` reads.
  private var line: LogLine? = LogLine()
  /// Only saves work.
  private var told = Told()
  private var epochs: SubjectEpochs
  private var reviews = EpochReviews()
  private var labels = Interner(limit: 20_000)
  package private(set) var health = LogHealth()
  package private(set) var asks: [GateAsk] = []
  /// What `eval` found: of each model and eval set the newest.
  private var evaluations: [EvalResult] = []

  package init(_ subject: EvidenceSubject, _ rules: EpochRules = EpochRules()) {
    self.subject = subject
    taskKey = ContentHash(Array(subject.task.utf8).span)
    self.rules = rules
    epochs = SubjectEpochs(rules)
  }

  /// Reads one line without its newline.
  package mutating func add(_ text: Span<UInt8>) {
    guard text.count > 0 else { return }
    var own = line.take() ?? LogLine()
    take(text, Self.read(text, &own), &own)
    line = own
  }

  /// - Returns: The record's time in milliseconds since 1970; nil where the line is no record.
  static func read(_ text: Span<UInt8>, _ line: inout LogLine) -> Int64? {
    line.read(text) ? line.time(in: text) : nil
  }

  /// Takes in a line that was read.
  mutating func take(_ text: Span<UInt8>, _ ms: Int64?, _ line: inout LogLine) {
    guard let ms else { return health.sawDamage() }
    health.saw(&line, text, at: ms)
    follow(text, ms, &line)
  }

  /// Likewise, where somebody else keeps the ``health`` of the log.
  mutating func follow(_ text: Span<UInt8>, _ ms: Int64, _ line: inout LogLine) {
    switch line.kind {
    case .decision: decision(text, ms, &line)
    case .challenge: challenge(text, ms, &line)
    case .review: review(text, ms, &line)
    case .gate: gate(text, &line)
    case .retention: carried(text, line)
    case .eval: evaluation(text, ms)
    case .policy, .start: policy(text, ms, line)
    case .probe: probe(text, line)
    default: break
    }
  }

  /// The epoch in force at a time (milliseconds since 1970); nil where none has begun.
  package func evidence(at now: Int64) -> EpochEvidence? {
    guard let epoch = epochs.current(at: now) else { return nil }
    let accepts = epoch.limits.map { Acceptance($0, labels.texts) }
    var evidence = EpochEvidence(epoch, reviews, at: now, rules, accepts)
    evidence.count(epoch.items, accepts)
    evidence.evaluations = evaluations.filter { result in
      epoch.models[result.modelID].map { result.isAbout($0) } ?? false
    }
    return evidence
  }

  /// The same of the certificate sample and the labels alone, without a pass over all would-accepts: their number, drift and
  /// what `eval` found are left out.
  package func sample(at now: Int64) -> EpochEvidence? {
    epochs.current(at: now).map { epoch in
      EpochEvidence(epoch, reviews, at: now, rules, epoch.limits.map { Acceptance($0, labels.texts) })
    }
  }

  /// Number of the first record of the epoch in force; nil where none is, or nothing was drawn in it yet.
  package func epochInUse(at now: Int64) -> Int? {
    epochs.current(at: now).flatMap { $0.firstDrawn == nil ? nil : $0.firstSeq }
  }

  /// See ``EpochRules/undrawnLimit``.
  package var isPartial: Bool { epochs.isPartial }

  /// Epochs that another one followed, oldest first; the newest few.
  var endings: [EpochEnding] { epochs.endings }

  /// Labels of people on items that they were known to have to catch.
  package var catches: (planted: Int, caught: Int) { reviews.catches }

  // MARK: Calls

  private mutating func decision(_ text: Span<UInt8>, _ ms: Int64, _ line: inout LogLine) {
    guard line.isTask(.taskType, taskKey, in: text),
      let key = line.hash(.callID, in: text)?.short
    else { return }
    let features = features(text, &line)
    // Rotated, the challenger has answered in the candidate's place.
    guard subject.isChallenger != Self.isRotated(text, line) else {
      return call(text, key, ms, features, &line)
    }
    epochs.learn(features, of: Self.ofChallenge(key))
  }

  private mutating func challenge(_ text: Span<UInt8>, _ ms: Int64, _ line: inout LogLine) {
    guard subject.isChallenger != Self.isRotated(text, line), line.isTask(.taskType, taskKey, in: text),
      let key = line.hash(.callID, in: text)?.short
    else { return }
    call(text, Self.ofChallenge(key), ms, InputFeatures(), &line)
  }

  private static func isRotated(_ text: Span<UInt8>, _ line: LogLine) -> Bool {
    line.bool(.rotated, in: text) == true
  }

  /// Labels and items of the two answers to one call are kept apart.
  private static func ofChallenge(_ call: UInt64) -> UInt64 { ~call }

  private func features(_ text: Span<UInt8>, _ line: inout LogLine) -> InputFeatures {
    var bits: UInt8 = 0
    if line.isFilled(.signals) {
      let given = Set(line.value(.signals, in: text)?.members?.map(\.name) ?? [])
      for (place, signal) in RiskSignal.allCases.enumerated() where given.contains(signal.rawValue) {
        bits |= 1 << place
      }
    }
    return InputFeatures(
      input: line.hash(.inputHash, in: text)?.short,
      inputChars: UInt32(clamping: line.int(.inputChars, in: text) ?? 0), signals: bits)
  }

  /// What a record says of who answered, and under which policy. Mostly it says the same as the one before.
  private struct Told: Sendable {
    var bytes: [ContentHash?] = []
    var modelID = ""
    var model = EpochModel()
    var revision = ""
    /// Another one for each that is otherwise; from 1.
    var number = 0
  }

  private static let identityFields: [LogField] = [
    .localModelID, .localModel, .localModelDigest, .promptRevision, .confidenceSource, .calibration,
    .taskRevision, .policyRevision,
  ]

  /// nil: no model is named.
  private mutating func identity(_ text: Span<UInt8>, _ line: inout LogLine) -> Told? {
    let hasConfidence = line.double(.confidence, in: text) != nil
    var isSame =
      told.bytes.count == Self.identityFields.count && hasConfidence == (told.model.confidence != nil)
    if isSame {
      for (place, field) in Self.identityFields.enumerated() where isSame {
        isSame = line.hash(field, in: text) == told.bytes[place]
      }
    }
    if isSame { return told }
    guard let modelID = line.string(.localModelID, in: text) ?? line.string(.localModel, in: text) else {
      return nil
    }
    told.bytes = []
    for field in Self.identityFields { told.bytes.append(line.hash(field, in: text)) }
    told.modelID = modelID
    told.model = EpochModel(
      name: line.string(.localModel, in: text), digest: line.string(.localModelDigest, in: text),
      prompt: line.string(.promptRevision, in: text),
      confidence: hasConfidence
        ? EpochModel.Confidence(
          source: line.string(.confidenceSource, in: text), calibration: line.string(.calibration, in: text))
        : nil)
    told.revision = revision(text, line)
    told.number += 1
    return told
  }

  /// A call that the subject answered; what never reached it, or got no answer, says nothing about it.
  private mutating func call(
    _ text: Span<UInt8>, _ key: UInt64, _ ms: Int64, _ features: InputFeatures, _ line: inout LogLine
  ) {
    let isAccepted = line.isString(.routeCandidate, "local", in: text)
    let checks = isAccepted ? nil : line.value(.checks, in: text)
    guard isAccepted || checks?[Reason.localUnavailable.rawValue]?.stringValue == "pass",
      let told = identity(text, &line)
    else { return }
    let confidence = line.double(.confidence, in: text)
    var item: EpochItem?
    if isAccepted, !isUsed(text, line) {
      item = EpochItem(
        call: key, ts: ms, confidence: confidence,
        label: line.number(.label, in: text, &labels),
        isDrawn: line.bool(.sampled, in: text) == true, features)
    }
    epochs.add(
      EpochCall(
        seq: line.int(.seq, in: text) ?? 0, ts: ms, revision: told.revision, modelID: told.modelID,
        model: told.model, isValid: checks?[Reason.schemaInvalid.rawValue]?.stringValue != "fail", item: item,
        identity: told.number)
    )
  }

  /// Whether a correction was fitted on the call, or a model trained: it says nothing about its own fit.
  private func isUsed(_ text: Span<UInt8>, _ line: LogLine) -> Bool {
    guard !rules.usedCases.isEmpty, let id = line.string(.callID, in: text) else { return false }
    return rules.usedCases.contains(String(SHA256.hash(Array(id.utf8)).hex.prefix(16)))
  }

  /// Records of earlier versions name only the whole policy.
  private func revision(_ text: Span<UInt8>, _ line: LogLine) -> String {
    line.string(.taskRevision, in: text)
      ?? EpochCall.wholePolicy(line.string(.policyRevision, in: text) ?? "")
  }

  // MARK: What people and the router did

  private mutating func review(_ text: Span<UInt8>, _ ms: Int64, _ line: inout LogLine) {
    guard let key = line.withBytes(.callID, in: text, { ContentHash($0).short }),
      let record = ReviewRecord(line, in: text, at: ms)
    else { return }
    reviews.add(record, to: record.isChallenger && !record.isPlanted ? Self.ofChallenge(key) : key)
  }

  private mutating func evaluation(_ text: Span<UInt8>, _ ms: Int64) {
    guard let result = EvalResult(text, at: ms), result.task == subject.task else { return }
    evaluations.removeAll { $0.modelID == result.modelID && $0.evalSetSHA256 == result.evalSetSHA256 }
    evaluations.append(result)
  }

  private mutating func gate(_ text: Span<UInt8>, _ line: inout LogLine) {
    guard line.isTask(.task, taskKey, in: text), let epoch = line.string(.epoch, in: text) else {
      return
    }
    asks.append(
      GateAsk(
        epoch: epoch, isChallenger: line.isString(.subject, "challenger", in: text),
        attempt: line.int(.attempt, in: text) ?? 1, outcome: line.string(.outcome, in: text) ?? ""))
  }

  /// Attempts that stood in records which retention removed: they stay spent.
  private mutating func carried(_ text: Span<UInt8>, _ line: LogLine) {
    for entry in line.value(.attempts, in: text)?.arrayValue ?? []
    where entry["task"]?.stringValue == subject.task {
      guard let attempt = entry["attempt"]?.intValue else { continue }
      asks.append(GateAsk(epoch: "", isChallenger: false, attempt: attempt, outcome: ""))
    }
  }

  private mutating func policy(_ text: Span<UInt8>, _ ms: Int64, _ line: LogLine) {
    let policy = line.string(.revision, in: text) ?? line.string(.policyRevision, in: text) ?? ""
    for change in line.value(.tasks, in: text)?.arrayValue ?? [] {
      guard let change = TaskRevisionChange(change), change.subject == subject else { continue }
      epochs.policyChanged(change, wholePolicy: EpochCall.wholePolicy(policy), at: ms)
    }
  }

  private mutating func probe(_ text: Span<UInt8>, _ line: LogLine) {
    guard let id = line.string(.modelID, in: text), let digest = line.string(.digest, in: text) else {
      return
    }
    epochs.probed(id, digest)
  }
}

/// Several subjects at once: each line is read once.
package struct EpochFolds: Sendable {
  private var line = LogLine()
  package private(set) var folds: [EpochFold]

  package init(_ folds: [EpochFold]) { self.folds = folds }

  /// Takes one line without its newline.
  package mutating func add(_ text: Span<UInt8>) {
    guard text.count > 0 else { return }
    let ms = EpochFold.read(text, &line)
    for index in folds.indices { folds[index].take(text, ms, &line) }
  }
}

/// One earlier `gate` record of the task.
package struct GateAsk: Sendable, Equatable {
  package var epoch: String
  package var isChallenger: Bool
  package var attempt: Int
  package var outcome: String
}

/// A tightened policy, as it is applied to items.
struct Acceptance {
  private let limits: AcceptanceLimits
  private let minConfidence: Float
  private let escalated: Set<UInt16>
  private let stops: UInt8

  init(_ limits: AcceptanceLimits, _ labels: [String]) {
    self.limits = limits
    minConfidence = Float(limits.minConfidence)
    escalated = Set(
      labels.indices.filter { limits.escalateLabels.contains(labels[$0]) }.map { UInt16(clamping: $0) })
    stops = RiskSignal.allCases.enumerated().reduce(0) { bits, signal in
      limits.stopSignals.contains(signal.element.rawValue) ? bits | 1 << signal.offset : bits
    }
  }

  /// Confidences nearer to the threshold than single precision tells stay in, as everything does that cannot be told.
  func holds(_ item: EpochItem) -> Bool {
    (item.confidence.isNaN ? 0 : item.confidence) >= minConfidence
      && item.inputChars <= limits.maxInputChars && !escalated.contains(item.label)
      && item.signals & stops == 0
  }
}

extension LogLine {
  fileprivate mutating func isTask(_ field: LogField, _ task: ContentHash, in text: Span<UInt8>) -> Bool {
    hash(field, in: text) == task
  }
}

// MARK: - What is stored

extension EpochFold: StoredMembers {
  package static var blank: EpochFold { EpochFold(EvidenceSubject(task: "")) }

  /// Subject and rules stay its own: whoever stores it makes sure that they are the same.
  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    for _ in 0..<5 { state.leaveOut() }  // subject, rules, taskKey, line, told
    try state.member(&epochs)
    try state.member(&reviews)
    try state.member(&labels)
    try state.member(&health)
    try state.member(&asks)
    try state.member(&evaluations)
  }
}

extension GateAsk: StoredMembers {
  package static var blank: GateAsk { GateAsk(epoch: "", isChallenger: false, attempt: 0, outcome: "") }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&epoch)
    try state.member(&isChallenger)
    try state.member(&attempt)
    try state.member(&outcome)
  }
}
