import Wire

/// What validation found in a candidate's answer. Every fault that can be told is kept, not only the first.
struct ValidatedAnswer {
  var answer: CandidateAnswer?
  var confidence: Double?
  /// The first thing wrong with the shape; nil: the answer is what was asked for.
  var schemaFault: String?
  /// What was taken off first: `fence`, `thinking`.
  var unwrapped: [String] = []
  var labelIsEscalated: Bool?
  /// nil: passes. `below`, `absent` or `novel`.
  var confidenceFault: String?

  func record(into checks: inout Checks) {
    checks.record(.schemaInvalid, passes: schemaFault == nil)
    guard schemaFault == nil else { return }
    if let labelIsEscalated { checks.record(.labelEscalated, passes: !labelIsEscalated) }
    checks.record(.confidenceLow, passes: confidenceFault == nil)
  }

  func detail(for reason: Reason?) -> String? {
    let cause: String? =
      switch reason {
      case .schemaInvalid: schemaFault
      case .labelEscalated: answer?.label
      case .confidenceLow: confidenceFault
      default: nil
      }
    let parts = (cause.map { [$0] } ?? []) + unwrapped
    return parts.isEmpty ? nil : parts.joined(separator: ",")
  }

  func phrase(task: TaskPolicy, reason: Reason?) -> String {
    if let schemaFault { return "failed schema: \(schemaFault)" }
    if confidenceFault == "novel" { return "passed schema, novel input" }
    guard let confidence else { return "passed schema, no confidence" }
    let figure = ConfidenceText.cut(confidence)
    if reason == .labelEscalated { return "passed schema, escalated label, confidence \(figure)" }
    if confidenceFault != nil {
      return "passed schema, confidence \(figure) below \(ConfidenceText.cut(task.minConfidence))"
    }
    return "passed schema, confidence \(figure)"
  }
}

/// Checks that a candidate's answer is the object that was asked for (contract, section 3).
enum ResponseValidation {
  /// Checks a model's text.
  static func check(_ text: String, artifacts: [String], task: PreparedTask) -> ValidatedAnswer {
    var result = ValidatedAnswer()
    let body = AnswerUnwrapping.unwrap(text, noting: &result.unwrapped)
    let value: JSONValue
    switch parse(body) {
    case .success(let parsed): value = parsed
    case .failure(let fault):
      result.schemaFault = fault.cause
      return result
    }
    let members = readMembers(value, task: task, into: &result)
    guard let members else { return result }
    result.answer = members
    result.schemaFault = result.schemaFault ?? contentFault(members, artifacts: artifacts, task: task)
    grade(task: task, into: &result)
    return result
  }

  /// Checks the built-in classifier's answer, which has the right shape already.
  static func check(
    classified label: String, confidence: Double, isNovel: Bool, task: PreparedTask
  ) -> ValidatedAnswer {
    var result = ValidatedAnswer()
    result.answer = CandidateAnswer(label: label, answer: .string(label))
    result.confidence = confidence
    if !task.labels.isEmpty, !task.labels.contains(label) { result.schemaFault = "label_not_in_set" }
    grade(task: task, into: &result)
    if isNovel { result.confidenceFault = "novel" }
    return result
  }

  private static func grade(task: PreparedTask, into result: inout ValidatedAnswer) {
    if let label = result.answer?.label, !task.labels.isEmpty {
      result.labelIsEscalated = task.escalated.contains(label)
    }
    guard let confidence = result.confidence else {
      result.confidenceFault = "absent"
      return
    }
    // Asked as "at least?", so that nothing unordered passes.
    if !(confidence >= task.policy.minConfidence) { result.confidenceFault = "below" }
  }

  // MARK: - The object

  private struct ParseFault: Error { let cause: String }

  private static func parse(_ text: String) -> Result<JSONValue, ParseFault> {
    let bytes = Array(text.utf8)
    do throws(JSONError) {
      let value = try JSONValue(parsing: bytes)
      guard value.members != nil else { return .failure(ParseFault(cause: "not_an_object")) }
      return .success(value)
    } catch {
      switch error.kind {
      case .trailingText: return .failure(ParseFault(cause: "more_than_one_value"))
      case .duplicateName: return .failure(ParseFault(cause: "duplicate_member"))
      case .endOfText where bytes.allSatisfy({ $0 == 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }):
        return .failure(ParseFault(cause: "empty"))
      case .endOfText: return .failure(ParseFault(cause: "truncated_json"))
      default: return .failure(ParseFault(cause: "not_json"))
      }
    }
  }

  /// Reads `label`, `answer` and `confidence`; the first fault is kept, the answer is read as far as it goes.
  private static func readMembers(
    _ value: JSONValue, task: PreparedTask, into result: inout ValidatedAnswer
  ) -> CandidateAnswer? {
    result.schemaFault = readConfidence(value, into: &result)
    let label = present(value["label"])
    if !task.labels.isEmpty, result.schemaFault == nil { result.schemaFault = labelFault(label, task: task) }
    switch present(value["answer"]) {
    case let answer? where answer.stringValue != nil || answer.members != nil:
      return CandidateAnswer(label: label?.stringValue, answer: answer)
    case .some:
      result.schemaFault = result.schemaFault ?? "answer_wrong_type"
      return nil
    case nil:
      guard !task.labels.isEmpty, let text = label?.stringValue else {
        result.schemaFault = result.schemaFault ?? "answer_missing"
        return nil
      }
      return CandidateAnswer(label: text, answer: .string(text))
    }
  }

  private static func present(_ value: JSONValue?) -> JSONValue? { value?.isNull == true ? nil : value }

  private static func readConfidence(_ value: JSONValue, into result: inout ValidatedAnswer) -> String? {
    guard let given = present(value["confidence"]) else { return nil }
    guard let number = given.doubleValue else { return "confidence_not_a_number" }
    guard number.isFinite, (0...1).contains(number) else { return "confidence_out_of_range" }
    result.confidence = number
    return nil
  }

  private static func labelFault(_ label: JSONValue?, task: PreparedTask) -> String? {
    guard let label else { return "label_missing" }
    guard let text = label.stringValue else { return "label_wrong_type" }
    return task.labels.contains(text) ? nil : "label_not_in_set"
  }

  // MARK: - Its content

  private static func contentFault(
    _ answer: CandidateAnswer, artifacts: [String], task: PreparedTask
  ) -> String? {
    let text = answer.answer.stringValue ?? answer.answer.jsonText
    if task.labels.isEmpty, answer.answer.isBlank { return "answer_blank" }
    if text.unicodeScalars.count > task.policy.maxOutputChars { return "answer_too_long" }
    if task.policy.output == .json, answer.answer.members == nil { return "answer_not_an_object" }
    if task.policy.rejectRefusals, answer.answer.texts.contains(where: Refusal.begins) { return "refusal" }
    if task.policy.citeArtifacts, !artifacts.contains(where: { !$0.isEmpty && text.contains($0) }) {
      return "uncited_artifact"
    }
    return nil
  }
}

extension JSONValue {
  /// Every string inside, whatever holds it.
  fileprivate var texts: [String] {
    var texts: [String] = []
    forEachText { texts.append($0) }
    return texts
  }

  /// Whether nothing in it can be read: no text, white space or characters without width only, an empty object.
  fileprivate var isBlank: Bool {
    texts.allSatisfy { text in
      text.unicodeScalars.allSatisfy {
        $0.properties.isWhitespace || $0.properties.isDefaultIgnorableCodePoint
      }
    }
  }
}

/// Tells an answer that declines from one that answers.
enum Refusal {
  /// Lower-case openings. Only the beginning counts: an answer may well quote such words later.
  private static let openings = [
    "i'm sorry", "i am sorry", "sorry, but", "sorry, i ", "i cannot ", "i can't ", "i can not ", "i'm unable",
    "i am unable", "i'm not able", "i am not able", "as an ai", "i apologize", "i won't ", "i will not ",
    "i must decline", "unfortunately, i cannot",
    "unfortunately, i can't",
  ]

  static func begins(_ text: String) -> Bool {
    let head = text.drop(while: \.isWhitespace).prefix(40).lowercased().replacing("’", with: "'")
    return openings.contains { head.hasPrefix($0) }
  }
}

/// Takes off what models put around the object they were asked for.
enum AnswerUnwrapping {
  /// The text inside a thinking preamble and one fenced block, each of which is noted.
  ///
  /// Only wrappings that leave nothing else are taken off: prose beside the object stays, and fails as JSON.
  static func unwrap(_ text: String, noting notes: inout [String]) -> String {
    var rest = trimmed(text[...])
    for tag in ["think", "thinking"] {
      guard rest.hasPrefix("<\(tag)>"), let end = rest.firstRange(of: "</\(tag)>") else { continue }
      rest = trimmed(rest[end.upperBound...])
      notes.append("thinking")
      break
    }
    if let inside = fenced(rest) {
      rest = trimmed(inside)
      notes.append("fence")
    }
    return String(rest)
  }

  private static func fenced(_ text: Substring) -> Substring? {
    guard text.hasPrefix("```"), text.hasSuffix("```"), text.count >= 6 else { return nil }
    let inside = text.dropFirst(3).dropLast(3)
    guard !inside.contains("```") else { return nil }
    // The rest of the opening line is the language's name.
    guard let line = inside.firstIndex(where: \.isNewline) else { return inside }
    let language = inside[..<line]
    guard language.allSatisfy({ $0.isLetter || $0.isNumber || $0.isWhitespace }) else { return inside }
    return inside[inside.index(after: line)...]
  }

  private static func trimmed(_ text: Substring) -> Substring {
    var rest = text.drop(while: \.isWhitespace)
    while let last = rest.last, last.isWhitespace { rest.removeLast() }
    return rest
  }
}
