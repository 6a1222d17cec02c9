import LogReading

/// One would-accept of an epoch, with the features by which a tighter policy is applied to it afterwards.
struct EpochItem: Sendable {
  let call: ContentHash
  /// Hash of the input's hash; nil where the record has none.
  var input: ContentHash?
  /// Milliseconds since 1970.
  let ts: Int64
  let confidence: Double?
  var inputChars: Int
  /// Number of an interned text; −1: none.
  let label: Int32
  /// Bit i: the i-th of ``RiskSignal``.
  var signals: UInt16
  /// Drawn for the certificate stream.
  let isDrawn: Bool
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

  /// The revision that stands for the task's own in records that have none.
  static func wholePolicy(_ revision: String) -> String { "policy " + revision }
}
