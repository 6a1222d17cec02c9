package import LogReading
package import RouterCore
package import Wire

/// What one run of `eval` found, as its record says it: the gate's condition on a task's eval set.
///
/// It counts only for what it was found of: this file, this candidate and digest, asked this way, under this policy of the
/// task.
package struct EvalResult: Sendable, Equatable {
  package var task: String
  package var modelID: String
  package var modelName: String?
  package var modelDigest: String?
  package var promptRevision: String?
  package var calibration: String?
  /// nil: the model is neither candidate nor challenger of the task.
  package var taskRevision: String?
  package var policyRevision: String
  /// 64 hex digits: of the file's bytes.
  package var evalSetSHA256: String
  package var isMet: Bool
  package var cases: Int
  package var accepted: Int
  package var acceptedWrong: Int
  /// Of the rate of wrong among accepted.
  package var upperBound: Double
  /// Milliseconds since 1970.
  package var at: Int64 = 0

  package init(
    task: String, modelID: String, policyRevision: String, evalSetSHA256: String, isMet: Bool, cases: Int,
    accepted: Int, acceptedWrong: Int, upperBound: Double
  ) {
    self.task = task
    self.modelID = modelID
    self.policyRevision = policyRevision
    self.evalSetSHA256 = evalSetSHA256
    self.isMet = isMet
    self.cases = cases
    self.accepted = accepted
    self.acceptedWrong = acceptedWrong
    self.upperBound = upperBound
  }

  /// As it is told to a running router.
  package var json: JSONValue {
    func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
    return [
      "task": .string(task), "local_model_id": .string(modelID), "local_model": text(modelName),
      "local_model_digest": text(modelDigest), "prompt_revision": text(promptRevision),
      "calibration": text(calibration), "task_revision": text(taskRevision),
      "policy_revision": .string(policyRevision), "eval_set_sha256": .string(evalSetSHA256),
      "met": .bool(isMet), "cases": .number(JSONNumber(cases)), "accepted": .number(JSONNumber(accepted)),
      "accepted_wrong": .number(JSONNumber(acceptedWrong)),
      "wrong_upper_bound": JSONNumber(upperBound).map { .number($0) } ?? .null,
    ]
  }

  /// nil where a member is missing, of the wrong type or longer than anything that `eval` writes.
  package init?(_ value: JSONValue) {
    func text(_ name: String) -> String? {
      value[name]?.stringValue.flatMap { $0.utf8.count <= 256 ? $0 : nil }
    }
    func isTextOrNull(_ name: String) -> Bool { (value[name] ?? .null).isNull || text(name) != nil }
    let optional = ["local_model", "local_model_digest", "prompt_revision", "calibration", "task_revision"]
    guard let task = text("task"), let modelID = text("local_model_id"),
      let policyRevision = text("policy_revision"), let evalSet = text("eval_set_sha256"),
      SHA256Digest(hex: Array(evalSet.utf8).span) != nil, optional.allSatisfy(isTextOrNull),
      let isMet = value["met"]?.boolValue, let cases = value["cases"]?.intValue,
      let accepted = value["accepted"]?.intValue, let acceptedWrong = value["accepted_wrong"]?.intValue,
      let upperBound = value["wrong_upper_bound"]?.doubleValue,
      0 <= acceptedWrong, acceptedWrong <= accepted, accepted <= cases, 0...1 ~= upperBound
    else { return nil }
    self.task = task
    self.modelID = modelID
    modelName = text("local_model")
    modelDigest = text("local_model_digest")
    promptRevision = text("prompt_revision")
    calibration = text("calibration")
    taskRevision = text("task_revision")
    self.policyRevision = policyRevision
    evalSetSHA256 = evalSet
    self.isMet = isMet
    self.cases = cases
    self.accepted = accepted
    self.acceptedWrong = acceptedWrong
    self.upperBound = upperBound
  }

  /// The members of an `eval` record.
  package func record(actor: String) -> RecordBody {
    var body = RecordBody()
    body.field("task", task)
    body.field("local_model_id", modelID)
    body.field("local_model", modelName)
    body.field("local_model_digest", modelDigest)
    body.field("prompt_revision", promptRevision)
    body.field("calibration", calibration)
    body.field("task_revision", taskRevision)
    body.field("policy_revision", policyRevision)
    body.field("eval_set_sha256", evalSetSHA256)
    body.field("met", isMet)
    body.field("cases", cases)
    body.field("accepted", accepted)
    body.field("accepted_wrong", acceptedWrong)
    body.field("wrong_upper_bound", upperBound)
    body.field("actor", actor)
    return body
  }

  init?(_ text: Span<UInt8>, at ms: Int64) {
    guard let value = try? JSONValue(parsing: text) else { return nil }
    self.init(value)
    at = ms
  }

  /// Whether the model is the one that was asked, and in the same way. Without a confidence so far nobody knows how it
  /// will be corrected.
  func isAbout(_ model: EpochModel) -> Bool {
    modelDigest == model.digest && promptRevision == model.prompt
      && model.confidence.map { $0.calibration == calibration } ?? true
  }

  /// - Parameter revision: Of an epoch; records of earlier versions name the whole policy.
  func isUnder(_ revision: String) -> Bool {
    taskRevision == revision || EpochCall.wholePolicy(policyRevision) == revision
  }
}

// MARK: - What is stored

extension EvalResult: StoredMembers {
  package static var blank: EvalResult {
    EvalResult(
      task: "", modelID: "", policyRevision: "", evalSetSHA256: "", isMet: false, cases: 0, accepted: 0,
      acceptedWrong: 0, upperBound: 1)
  }

  package mutating func passMembers(_ state: inout StateCoder) throws(StateFault) {
    try state.member(&task)
    try state.member(&modelID)
    try state.member(&modelName)
    try state.member(&modelDigest)
    try state.member(&promptRevision)
    try state.member(&calibration)
    try state.member(&taskRevision)
    try state.member(&policyRevision)
    try state.member(&evalSetSHA256)
    try state.member(&isMet)
    try state.member(&cases)
    try state.member(&accepted)
    try state.member(&acceptedWrong)
    try state.member(&upperBound)
    try state.member(&at)
  }
}
