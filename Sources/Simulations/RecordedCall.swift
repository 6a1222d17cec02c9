import LogReading
import RouterCore
import Wire

/// What a `decision` record keeps of a call that a policy could be applied to again: everything but its texts.
struct RecordedCall: Sendable {
  var policyRevision = ""
  /// `YYYY-MM-DD`, UTC: waivers hold by it.
  var day = ""
  var taskType: String?
  var taskTypeSource: TaskTypeSource?
  var agent: String?
  var step: String?
  /// Those that the caller raised.
  var signals: Set<RiskSignal> = []
  var inputChars = 0
  var checks: [Reason: Checks.Result] = [:]
  var hits: [HardStopHit] = []
  /// nil: accepted.
  var reason: Reason?
  /// nil also where the candidate's label was outside the set.
  var label: String?
  /// As corrected by what was fitted then.
  var confidence: Double?
  var validatorResult: String?
  /// From 1; nil where the task had no cascade or no candidate was to be asked.
  var cascadeStep: Int?
  var cascadeLength: Int?

  /// As many hits as a record holds: there may have been more.
  static let hitLimit = 64

  /// Whether the candidate was asked, whatever came of it.
  var wasAsked: Bool { (checks[.localUnavailable] ?? .skipped) != .skipped }
  var isNovel: Bool { validatorResult == "passed schema, novel input" }

  /// What was wrong with the answer's shape, first; nil where nothing was.
  var schemaFault: String? {
    let mark = "failed schema: "
    guard let validatorResult, validatorResult.hasPrefix(mark) else { return nil }
    return String(validatorResult.dropFirst(mark.count))
  }

  init() {}

  /// - Returns: nil where the record lacks its list of checks or names a reason that this version does not know.
  init?(_ line: LogLine, in text: Span<UInt8>) {
    guard let checks = line.value(.checks, in: text)?.members, !checks.isEmpty else { return nil }
    for check in checks {
      guard let reason = Reason(rawValue: check.name) else { continue }
      self.checks[reason] = check.value.stringValue.flatMap(Checks.Result.init(rawValue:))
    }
    if let name = line.string(.reason, in: text) {
      guard let reason = Reason(rawValue: name) else { return nil }
      self.reason = reason
    }
    policyRevision = line.string(.policyRevision, in: text) ?? ""
    day = String((line.string(.ts, in: text) ?? "").prefix(10))
    taskType = line.string(.taskType, in: text)
    taskTypeSource = line.string(.taskTypeSource, in: text).flatMap(TaskTypeSource.init(rawValue:))
    agent = line.string(.agent, in: text)
    step = line.string(.step, in: text)
    signals = Set(
      (line.value(.signals, in: text)?.members ?? []).compactMap { RiskSignal(rawValue: $0.name) })
    inputChars = line.int(.inputChars, in: text) ?? 0
    if line.isFilled(.hardStopMatch) {
      hits = (line.value(.hardStopMatch, in: text)?.arrayValue ?? []).compactMap(Self.hit)
    }
    label = line.string(.label, in: text)
    confidence = line.double(.confidence, in: text)
    validatorResult = line.string(.validatorResult, in: text)
    cascadeStep = line.int(.cascadeStep, in: text)
    cascadeLength = line.int(.cascadeLength, in: text)
  }

  private static func hit(_ value: JSONValue) -> HardStopHit? {
    guard let kind = value["class"]?.stringValue.flatMap(HardStopClass.init(rawValue:)),
      let place = value["where"]?.stringValue.flatMap(HardStopHit.Place.init(rawValue:)),
      let term = value["term"]?.stringValue
    else { return nil }
    return HardStopHit(kind: kind, term: term, place: place)
  }
}
