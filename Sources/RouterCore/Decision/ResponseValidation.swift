import JSONSchema
import Text
import Wire

/// What validation found in a candidate's answer. Every fault that can be told is kept, not only the first.
struct ValidatedAnswer {
  var answer: CandidateAnswer?
  /// The model's own word; out of range it is a fault and not here.
  var selfReported: Double?
  /// What the decision goes by.
  private(set) var confidence: Double?
  /// The first thing wrong with the shape; nil: the answer is what was asked for.
  var schemaFault: String?
  /// What was taken off first, `fence` or `thinking`, and what could not be checked, `tools_undefined`.
  var notes: [String] = []
  var labelIsEscalated: Bool?
  /// The built-in model's own word for input unlike its training.
  var isNovel = false
  /// nil: passes. `below`, `absent` or `novel`.
  private(set) var confidenceFault: String?

  /// Holds the label and the confidence, as corrected, against the task.
  mutating func grade(_ confidence: Double?, task: PreparedTask) {
    self.confidence = confidence
    if let label = answer?.label, !task.labels.isEmpty { labelIsEscalated = task.escalated.contains(label) }
    if isNovel {
      confidenceFault = "novel"
    } else if let confidence {
      // Asked as "at least?", so that nothing unordered passes.
      confidenceFault = confidence >= task.policy.minConfidence ? nil : "below"
    } else {
      confidenceFault = "absent"
    }
  }

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
    let parts = (cause.map { [$0] } ?? []) + notes
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
  /// Checks what a model said, its confidence's height left out.
  static func check(_ reply: CandidateReply, to call: Call, task: PreparedTask) -> ValidatedAnswer {
    var result = ValidatedAnswer()
    if reply.isRefusal {
      result.schemaFault = "refusal"
      return result
    }
    let usesTools = task.policy.output == .toolCall
    if usesTools, !reply.toolCalls.isEmpty {
      // Called by the server's own means: there is no object around it, and no confidence beside it. A text beside them
      // may be a thought; one that calls a tool makes it two calls.
      let beside = (try? JSONValue(parsing: reply.text)).map(toolCalls) ?? []
      read(reply.toolCalls + beside, label: nil, into: &result)
    } else if let object = readObject(reply, into: &result) {
      result.schemaFault = readConfidence(object, into: &result)
      let label = present(object["label"])
      if !task.labels.isEmpty, result.schemaFault == nil {
        result.schemaFault = labelFault(label, task: task)
      }
      if usesTools {
        read(toolCalls(object), label: label?.stringValue, into: &result)
      } else {
        readAnswer(object, label: label?.stringValue, task: task, into: &result)
      }
    }
    guard let answer = result.answer else { return result }
    result.schemaFault = result.schemaFault ?? contentFault(answer, artifacts: call.artifacts, task: task)
    if let tool = answer.toolCall {
      let fault = ToolCallValidation.fault(tool, of: call, noting: &result.notes)
      result.schemaFault = result.schemaFault ?? fault
    }
    return result
  }

  /// Checks the built-in classifier's answer, which has the right shape already.
  static func check(classified label: String, isNovel: Bool, task: PreparedTask) -> ValidatedAnswer {
    var result = ValidatedAnswer()
    result.answer = CandidateAnswer(label: label, answer: .string(label))
    result.isNovel = isNovel
    if !task.labels.isEmpty, !task.labels.contains(label) { result.schemaFault = "label_not_in_set" }
    return result
  }

  // MARK: - The object

  /// The one object in the model's text; nil after noting what is there instead.
  private static func readObject(_ reply: CandidateReply, into result: inout ValidatedAnswer) -> JSONValue? {
    let bytes = Array(AnswerUnwrapping.unwrap(reply.text, noting: &result.notes).utf8)
    do throws(JSONError) {
      let value = try JSONValue(parsing: bytes)
      if value.members == nil { result.schemaFault = "not_an_object" }
      return value.members == nil ? nil : value
    } catch {
      let isBlank = bytes.allSatisfy { $0 == 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }
      result.schemaFault =
        switch error.kind {
        case .endOfText where isBlank: "empty"
        case _ where reply.isCut: "truncated_json"
        case .trailingText: "more_than_one_value"
        case .duplicateName: "duplicate_member"
        case .endOfText: "truncated_json"
        default: "not_json"
        }
      return nil
    }
  }

  /// Reads `answer`, as far as it goes: the label stands in for one that is absent.
  private static func readAnswer(
    _ object: JSONValue, label: String?, task: PreparedTask, into result: inout ValidatedAnswer
  ) {
    switch present(object["answer"]) {
    case let answer? where answer.stringValue != nil || answer.members != nil:
      result.answer = CandidateAnswer(label: label, answer: answer)
    case .some: result.schemaFault = result.schemaFault ?? "answer_wrong_type"
    case nil:
      if !task.labels.isEmpty, let label {
        result.answer = CandidateAnswer(label: label, answer: .string(label))
      } else {
        result.schemaFault = result.schemaFault ?? "answer_missing"
      }
    }
  }

  /// Tool calls in `answer`, or in the object itself where a model leaves that out.
  /// All calls that an object makes: in its `answer`, and beside it.
  private static func toolCalls(_ object: JSONValue) -> [ToolCall] {
    let answer = present(object["answer"]).flatMap { ToolCall.read($0) } ?? []
    return answer + (ToolCall.read(object) ?? [])
  }

  private static func read(_ calls: [ToolCall], label: String?, into result: inout ValidatedAnswer) {
    result.schemaFault = result.schemaFault ?? ToolCallValidation.countFault(calls)
    guard calls.count == 1, var call = calls.first else { return }
    call.arguments = ToolCall.decoded(call.arguments)
    result.answer = CandidateAnswer(label: label, answer: call.json, toolCall: call)
  }

  private static func present(_ value: JSONValue?) -> JSONValue? { value?.isNull == true ? nil : value }

  private static func readConfidence(_ value: JSONValue, into result: inout ValidatedAnswer) -> String? {
    guard let given = present(value["confidence"]) else { return nil }
    guard case .number(let exact) = given, let number = given.doubleValue else {
      return "confidence_not_a_number"
    }
    // By exact value: 1.0000000000000000000001 is no probability, though the nearest double is 1.
    guard number.isFinite, exact >= JSONNumber(0), exact <= JSONNumber(1) else {
      return "confidence_out_of_range"
    }
    result.selfReported = number
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
    if task.policy.output == .json {
      if answer.answer.members == nil { return "answer_not_an_object" }
      if let fault = task.schema?.fault(in: answer.answer) { return "answer_schema:" + fault.detail }
    }
    if task.policy.rejectRefusals, answer.answer.texts.contains(where: Refusal.begins) { return "refusal" }
    if task.policy.citeArtifacts {
      let bytes = Array(text.utf8)
      if !artifacts.contains(where: { NameMention.stands($0, in: bytes) }) { return "uncited_artifact" }
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
    "i must decline",
  ]

  /// What such an opening may hide behind; by itself it declines nothing.
  private static let regrets = [
    "unfortunately", "regrettably", "sadly", "my apologies", "apologies", "i'm afraid", "i am afraid",
  ]
  private static let joints = ["but ", "that "]

  static func begins(_ text: String) -> Bool {
    let start = text.drop(while: \.isWhitespace).prefix(100).lowercased().replacing("’", with: "'")
    var head = start[...]
    if let regret = regrets.first(where: { head.hasPrefix($0) }) {
      head = head.dropFirst(regret.count).drop { $0.isWhitespace || $0.isPunctuation }
      if let joint = joints.first(where: { head.hasPrefix($0) }) { head = head.dropFirst(joint.count) }
    }
    // The last word of an opening may also be the last of its sentence.
    let words = head.map { ".!;".contains($0) ? " " : $0 } + " "
    return openings.contains { words.starts(with: $0) }
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
