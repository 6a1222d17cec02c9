internal import LogReading
internal import RouterCore
internal import Wire

/// Reads a log once, in order, and keeps the newest epoch of one task's candidate or challenger, with its labels.
///
/// Reads no clock. Earlier epochs leave nothing behind but the `gate` records in which they were asked about.
package struct EpochFold: Sendable {
  package let subject: EvidenceSubject
  private let rules: EpochRules

  private var line = LogLine()
  private var epochs: SubjectEpochs
  private var reviews = EpochReviews()
  private var labels = Interner(limit: 20_000)
  /// What only the `decision` knows of a challenger's call.
  private var features: [ContentHash: Features] = [:]
  package private(set) var health = LogHealth()
  package private(set) var asks: [GateAsk] = []

  private struct Features: Sendable {
    var input: ContentHash?
    var inputChars: Int
    var signals: UInt16
  }

  package init(_ subject: EvidenceSubject, _ rules: EpochRules = EpochRules()) {
    self.subject = subject
    self.rules = rules
    epochs = SubjectEpochs(windowDays: rules.windowDays)
  }

  /// Reads one line without its newline.
  package mutating func add(_ text: Span<UInt8>) {
    guard text.count > 0 else { return }
    guard line.read(text), let ms = line.withBytes(.ts, in: text, { LogTime.parse($0) }) ?? nil else {
      health.sawDamage()
      return
    }
    health.saw(seq: line.int(.seq, in: text), log: line.string(.log, in: text), at: ms)
    if line.isString(.kind, "decision", in: text) { return decision(text, ms) }
    if line.isString(.kind, "challenge", in: text) { return challenge(text, ms) }
    if line.isString(.kind, "review", in: text) { return review(text, ms) }
    if line.isString(.kind, "gate", in: text) { return gate(text) }
    if line.isString(.kind, "policy", in: text) || line.isString(.kind, "start", in: text) {
      return policy(text, ms)
    }
    if line.isString(.kind, "probe", in: text) { return probe(text) }
    other(text, ms)
  }

  /// The epoch in force at a time (milliseconds since 1970); nil where none has begun.
  package func evidence(at now: Int64) -> EpochEvidence? {
    guard var epoch = epochs.current(at: now) else { return nil }
    if subject.isChallenger {
      for index in epoch.items.indices {
        guard let known = features[epoch.items[index].call] else { continue }
        epoch.items[index].input = known.input
        epoch.items[index].inputChars = known.inputChars
        epoch.items[index].signals = known.signals
      }
    }
    // A sender may use an id again long after; one review must not count for both.
    var seen: Set<ContentHash> = []
    epoch.items.removeAll { !seen.insert($0.call).inserted }
    let accepts = epoch.limits.map { Acceptance($0, labels.texts) }
    if let accepts { epoch.items.removeAll { !accepts.holds($0) } }
    return EpochEvidence(epoch, reviews, at: now, rules)
  }

  /// Labels of people on items that they were known to have to catch.
  package var catches: (planted: Int, caught: Int) { reviews.catches }

  // MARK: Calls

  private mutating func decision(_ text: Span<UInt8>, _ ms: Int64) {
    guard line.isTask(.taskType, subject.task, in: text),
      let key = line.withBytes(.callID, in: text, { ContentHash($0) })
    else { return }
    guard subject.isChallenger else { return call(text, key, ms) }
    features[key] = features(text)
  }

  private mutating func challenge(_ text: Span<UInt8>, _ ms: Int64) {
    guard subject.isChallenger, line.isTask(.taskType, subject.task, in: text),
      let key = line.withBytes(.callID, in: text, { ContentHash($0) })
    else { return }
    call(text, key, ms)
  }

  private mutating func features(_ text: Span<UInt8>) -> Features {
    let signals = line.value(.signals, in: text)?.members?.map(\.name) ?? []
    let bits = RiskSignal.allCases.enumerated().reduce(UInt16(0)) { bits, signal in
      signals.contains(signal.element.rawValue) ? bits | 1 << signal.offset : bits
    }
    return Features(
      input: line.withBytes(.inputHash, in: text) { ContentHash($0) },
      inputChars: line.int(.inputChars, in: text) ?? 0, signals: bits)
  }

  /// A call that the subject answered; what never reached it, or got no answer, says nothing about it.
  private mutating func call(_ text: Span<UInt8>, _ key: ContentHash, _ ms: Int64) {
    let isAccepted = line.isString(.routeCandidate, "local", in: text)
    let checks = isAccepted ? nil : line.value(.checks, in: text)
    guard isAccepted || checks?[Reason.localUnavailable.rawValue]?.stringValue == "pass",
      let modelID = line.string(.localModelID, in: text) ?? line.string(.localModel, in: text)
    else { return }
    let confidence = line.double(.confidence, in: text)
    let model = EpochModel(
      name: line.string(.localModel, in: text), digest: line.string(.localModelDigest, in: text),
      prompt: line.string(.promptRevision, in: text),
      confidence: confidence == nil
        ? nil
        : EpochModel.Confidence(
          source: line.string(.confidenceSource, in: text), calibration: line.string(.calibration, in: text)))
    var item: EpochItem?
    if isAccepted, !isUsed(text) {
      let features = subject.isChallenger ? Features(inputChars: 0, signals: 0) : self.features(text)
      item = EpochItem(
        call: key, input: features.input, ts: ms, confidence: confidence, inputChars: features.inputChars,
        label: Int32(line.withBytes(.label, in: text) { labels.number($0) } ?? -1), signals: features.signals,
        isDrawn: line.bool(.sampled, in: text) == true)
    }
    epochs.add(
      EpochCall(
        seq: line.int(.seq, in: text) ?? 0, ts: ms, revision: revision(text), modelID: modelID, model: model,
        isValid: checks?[Reason.schemaInvalid.rawValue]?.stringValue != "fail", item: item))
  }

  /// Whether a correction was fitted on the call: it says nothing about its own fit.
  private mutating func isUsed(_ text: Span<UInt8>) -> Bool {
    guard !rules.usedCases.isEmpty, let id = line.string(.callID, in: text) else { return false }
    return rules.usedCases.contains(String(SHA256.hash(Array(id.utf8)).hex.prefix(16)))
  }

  /// Records of earlier versions name only the whole policy.
  private func revision(_ text: Span<UInt8>) -> String {
    line.string(.taskRevision, in: text)
      ?? EpochCall.wholePolicy(line.string(.policyRevision, in: text) ?? "")
  }

  // MARK: What people and the router did

  private mutating func review(_ text: Span<UInt8>, _ ms: Int64) {
    guard let key = line.withBytes(.callID, in: text, { ContentHash($0) }) else { return }
    let label = EpochReviews.Label(line.string(.reviewLabel, in: text))
    let reviewer = line.string(.reviewer, in: text) ?? ""
    if line.isString(.stream, "planted", in: text) {
      reviews.sawPlanted(label, by: reviewer, call: key)
      return
    }
    guard line.isString(.subject, "challenger", in: text) == subject.isChallenger else { return }
    let entry = label.map { label in
      EpochReviews.Entry(
        reviewer: reviewer, label: label, severity: line.int(.severity, in: text) ?? 0,
        isMissedStop: line.bool(.missedStop, in: text) == true, ts: ms)
    }
    reviews.add(entry, by: reviewer, to: key)
  }

  private mutating func gate(_ text: Span<UInt8>) {
    guard line.isTask(.task, subject.task, in: text), let epoch = line.string(.epoch, in: text) else {
      return
    }
    asks.append(
      GateAsk(
        epoch: epoch, isChallenger: line.isString(.subject, "challenger", in: text),
        attempt: line.int(.attempt, in: text) ?? 1, outcome: line.string(.outcome, in: text) ?? ""))
  }

  private mutating func policy(_ text: Span<UInt8>, _ ms: Int64) {
    let policy = line.string(.revision, in: text) ?? line.string(.policyRevision, in: text) ?? ""
    for change in line.value(.tasks, in: text)?.arrayValue ?? [] {
      guard let change = TaskRevisionChange(change), change.subject == subject else { continue }
      epochs.policyChanged(change, wholePolicy: EpochCall.wholePolicy(policy), at: ms)
    }
  }

  private mutating func probe(_ text: Span<UInt8>) {
    guard let id = line.string(.modelID, in: text), let digest = line.string(.digest, in: text) else {
      return
    }
    epochs.probed(id, digest)
  }

  private mutating func other(_ text: Span<UInt8>, _ ms: Int64) {
    if line.isString(.kind, "stop", in: text) {
      health.stopped(
        received: line.int(.received, in: text) ?? 0,
        lost: (line.int(.shed, in: text) ?? 0) + (line.int(.lostBySender, in: text) ?? 0), at: ms)
    } else if line.isString(.kind, "gap", in: text) {
      health.gap(from: line.int(.from, in: text) ?? 0, to: line.int(.to, in: text) ?? 0, at: ms)
    } else if line.isString(.kind, "drill", in: text), line.bool(.passed, in: text) == true {
      health.lastDrill = ms
    }
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
private struct Acceptance {
  private let limits: AcceptanceLimits
  private let escalated: Set<Int32>
  private let stops: UInt16

  init(_ limits: AcceptanceLimits, _ labels: [String]) {
    self.limits = limits
    escalated = Set(labels.indices.filter { limits.escalateLabels.contains(labels[$0]) }.map(Int32.init))
    stops = RiskSignal.allCases.enumerated().reduce(0) { bits, signal in
      limits.stopSignals.contains(signal.element.rawValue) ? bits | 1 << signal.offset : bits
    }
  }

  func holds(_ item: EpochItem) -> Bool {
    (item.confidence ?? 0) >= limits.minConfidence && item.inputChars <= limits.maxInputChars
      && !escalated.contains(item.label) && item.signals & stops == 0
  }
}

extension LogLine {
  fileprivate mutating func isTask(_ field: LogField, _ task: String, in text: Span<UInt8>) -> Bool {
    withBytes(field, in: text) { $0.isEqual(task) } ?? false
  }
}

extension Span<UInt8> {
  fileprivate func isEqual(_ text: String) -> Bool {
    guard text.utf8.count == count else { return false }
    for (index, byte) in text.utf8.enumerated() where self[index] != byte { return false }
    return true
  }
}
