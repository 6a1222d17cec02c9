package import LogReading

/// One would-accept of an epoch, with the features by which a tighter policy is applied to it afterwards: 28 bytes, because there may
/// be millions. Numbers only, so that any bytes that were stored are an item.
struct EpochItem: KeyedRow {
  private let callHigh: UInt32
  private let callLow: UInt32
  /// Since 1970, rounded down: days and weeks begin with whole ones.
  let second: UInt32
  /// Not a number where there is none.
  let confidence: Float
  private var inputLow: UInt32
  /// The upper 15 bits of ``input``; the lowest says whether it is drawn.
  private var inputHigh: UInt16
  /// Number of an interned text.
  let label: UInt16
  /// The number of characters, at most 2²⁴ − 1, above ``signals``.
  private var charsAndSignals: UInt32

  static let noLabel = UInt16.max

  /// - Parameters:
  ///   - ts: Milliseconds since 1970.
  ///   - label: nil: none.
  init(
    call: UInt64, ts: Int64, confidence: Double?, label: Int?, isDrawn: Bool,
    _ features: InputFeatures = InputFeatures()
  ) {
    (callHigh, callLow) = (UInt32(call >> 32), UInt32(truncatingIfNeeded: call))
    second = UInt32(clamping: ts / 1_000)
    self.confidence = confidence.map { Float($0) } ?? .nan
    self.label = label.map { UInt16(clamping: $0) } ?? Self.noLabel
    (inputLow, inputHigh, charsAndSignals) = (0, isDrawn ? 1 : 0, 0)
    learn(features)
  }

  /// ``ContentHash/short`` of the call's id: two of a million calls share one with a chance of 3e-8.
  var call: UInt64 { UInt64(callHigh) << 32 | UInt64(callLow) }
  var key: ShortKey { ShortKey(low: call) }

  /// 47 bits of the same of the input's hash; of the call's id where the record has none. Few items are reviewed: one of a hundred
  /// thousand shares its input's with one of a thousand of those with a chance of 1e-6.
  var input: UInt64 { UInt64(inputHigh >> 1) << 32 | UInt64(inputLow) }
  var inputChars: UInt32 { charsAndSignals >> 8 }
  /// Bit i: the i-th of ``RiskSignal``.
  var signals: UInt8 { UInt8(truncatingIfNeeded: charsAndSignals) }
  /// Drawn for the certificate stream.
  var isDrawn: Bool { inputHigh & 1 == 1 }

  mutating func learn(_ features: InputFeatures) {
    let input = features.input ?? call
    inputLow = UInt32(truncatingIfNeeded: input)
    inputHigh = UInt16(truncatingIfNeeded: input >> 32) << 1 | inputHigh & 1
    charsAndSignals = min(features.inputChars, 1 << 24 - 1) << 8 | UInt32(features.signals)
  }

  /// Milliseconds since 1970.
  var ts: Int64 { Int64(second) * 1_000 }
}

/// What a `decision` knows of a call's input.
struct InputFeatures: Sendable {
  /// ``ContentHash/short`` of the input's hash.
  var input: UInt64?
  /// At most UInt32.max.
  var inputChars: UInt32 = 0
  var signals: UInt8 = 0
}

/// What a policy that only tightened since its epoch began still accepts. Terms that were added are not among it: without
/// the text nobody can tell.
package struct AcceptanceLimits: Sendable, Equatable {
  package var minConfidence: Double
  package var maxInputChars: Int
  package var escalateLabels: Set<String>
  package var stopSignals: Set<String>

  package init(
    minConfidence: Double, maxInputChars: Int, escalateLabels: Set<String>, stopSignals: Set<String>
  ) {
    self.minConfidence = minConfidence
    self.maxInputChars = maxInputChars
    self.escalateLabels = escalateLabels
    self.stopSignals = stopSignals
  }
}

/// What one model says it is, within an epoch. A member that is not known yet is taken over from the next call.
struct EpochModel: Sendable, Equatable {
  var name: String?
  var digest: String?
  var prompt: String?
  /// nil: no call gave a confidence yet.
  var confidence: Confidence?

  struct Confidence: Sendable, Equatable {
    var source: String?
    var calibration: String?
  }

  /// Whether evidence about the other is evidence about this, digests apart.
  func isSame(_ other: EpochModel) -> Bool {
    guard name == other.name, prompt == other.prompt else { return false }
    guard let confidence, let others = other.confidence else { return true }
    return confidence == others
  }

  mutating func adopt(_ other: EpochModel) {
    digest = digest ?? other.digest
    confidence = confidence ?? other.confidence
  }
}

/// A call that the subject was asked about, as its record tells it.
struct EpochCall: Sendable {
  var seq: Int
  var ts: Int64
  var revision: String
  var modelID: String
  var model: EpochModel
  var isValid: Bool
  /// nil: not a would-accept.
  var item: EpochItem?
  /// Calls of one reading with the same number say the same of revision and model; 0: not known.
  var identity = 0

  /// The revision that stands for the task's own in records that have none.
  static func wholePolicy(_ revision: String) -> String { "policy " + revision }
}

// MARK: - What is stored

extension EpochItem: Stored {
  static var blank: EpochItem { EpochItem(call: 0, ts: 0, confidence: nil, label: nil, isDrawn: false) }
  mutating func pass(_ state: inout StateCoder) throws(StateFault) { try state.number(&self) }
}

extension EpochCall: StoredMembers {
  static var blank: EpochCall {
    EpochCall(seq: 0, ts: 0, revision: "", modelID: "", model: EpochModel(), isValid: true)
  }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&seq)
    try state.member(&ts)
    try state.member(&revision)
    try state.member(&modelID)
    try state.member(&model)
    try state.member(&isValid)
    try state.member(&item)
    state.leaveOut()  // identity
  }
}

extension EpochModel: StoredMembers {
  static var blank: EpochModel { EpochModel() }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&name)
    try state.member(&digest)
    try state.member(&prompt)
    try state.member(&confidence)
  }
}

extension EpochModel.Confidence: StoredMembers {
  static var blank: Self { Self() }

  mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&source)
    try state.member(&calibration)
  }
}

extension AcceptanceLimits: StoredMembers {
  package static var blank: Self {
    Self(minConfidence: 0, maxInputChars: 0, escalateLabels: [], stopSignals: [])
  }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&minConfidence)
    try state.member(&maxInputChars)
    try state.member(&escalateLabels)
    try state.member(&stopSignals)
  }
}
