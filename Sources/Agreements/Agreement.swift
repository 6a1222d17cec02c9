package import RouterCore
internal import Wire

/// Whether the candidate and the frontier said the same, as far as a program can tell.
package struct AgreementResult: Sendable, Equatable {
  package enum Verdict: String, CaseIterable, Sendable { case agree, disagree, unknown }

  package var verdict: Verdict
  /// 0…1: the share that is the same; nil where nothing could be compared.
  package var score: Double?
  /// One of a short list of codes, where fields differ followed by names from the policy or a count. Never text of
  /// an answer.
  package var detail: String
  /// The label that was read out of the frontier's answer. Outside the task's set, or where it has none, it is the
  /// frontier's own word, of at most 64 characters, and has to be redacted like any other text before it is written.
  package var frontierLabel: String?

  package init(
    _ verdict: Verdict, score: Double? = nil, detail: AgreementDetail, suffix: String = "",
    frontierLabel: String? = nil
  ) {
    self.verdict = verdict
    self.score = score
    self.detail = detail.rawValue + suffix
    self.frontierLabel = frontierLabel
  }

  static func unknown(_ detail: AgreementDetail, frontierLabel: String? = nil) -> Self {
    Self(.unknown, detail: detail, frontierLabel: frontierLabel)
  }
}

/// Why a comparison came out as it did. Logs and reports show these words: append, never rename.
package enum AgreementDetail: String, CaseIterable, Sendable {
  case frontierError = "frontier_error"
  case frontierEmpty = "frontier_empty"
  case candidateEmpty = "candidate_empty"

  case labelEqual = "label_equal"
  case labelDiffers = "label_differs"
  /// The frontier named a label that the task does not know: most often a request outside the task.
  case frontierLabelOutsideSet = "frontier_label_outside_set"
  case ambiguousLabel = "ambiguous_label"
  case noLabelFound = "no_label_found"
  case candidateLabelMissing = "candidate_label_missing"

  case fieldsEqual = "fields_equal"
  case fieldsDiffer = "fields_differ"
  case frontierNotJSON = "frontier_not_json"
  case candidateNotJSON = "candidate_not_json"

  case textSimilar = "text_similar"
  case textDiffers = "text_differs"

  case toolCallEqual = "tool_call_equal"
  case toolNameDiffers = "tool_name_differs"
  case argumentsDiffer = "arguments_differ"
  case toolCountDiffers = "tool_count_differs"
  case frontierCalledNoTool = "frontier_called_no_tool"
  case candidateCalledNoTool = "candidate_called_no_tool"
  case noToolCall = "no_tool_call"

  // Where there was nothing to compare.
  /// A check that needs no model decided; the candidate was not asked.
  case notAsked = "not_asked"
  case noCandidateAnswer = "no_candidate_answer"
  /// The candidate's answer was not the object asked for.
  case noValidAnswer = "no_valid_answer"
  /// The call's own side waited longer than memory allows.
  case expired
  /// The call was decided before the router was started again.
  case restart
  /// No call of that id was seen.
  case unknownCall = "unknown_call"
}

/// Compares what the candidate said with what the frontier said, by the method that the task's policy names.
///
/// Pure and linear in the size of the answers.
package enum Agreement {
  package static func compare(
    candidate: CandidateAnswer, frontier: FrontierAnswer, task: TaskPolicy
  ) -> AgreementResult {
    if frontier.error != nil { return .unknown(.frontierError) }
    let hasText = !ByteText.isBlank(frontier.text)
    let hasValue = frontier.value.map { !$0.isNull } ?? false
    let hasLabel = frontier.label.map { !ByteText.isBlank($0) } ?? false
    guard hasText || hasValue || hasLabel || !frontier.toolCalls.isEmpty else {
      return .unknown(.frontierEmpty)
    }
    switch task.agreement.by {
    case .label: return LabelAgreement(task).compare(candidate, frontier)
    case .json: return JSONAgreement.compare(candidate, frontier, fields: task.agreement.fields)
    case .text: return TextAgreement.compare(candidate, frontier, minScore: task.agreement.minScore)
    case .toolCall: return ToolAgreement.compare(candidate, frontier)
    }
  }
}

/// What the comparisons ask of text.
enum ByteText {
  static func isBlank(_ text: String) -> Bool { text.unicodeScalars.allSatisfy(\.properties.isWhitespace) }

  /// Without white space at both ends.
  static func trimmed(_ text: Substring) -> Substring {
    var rest = text
    while let first = rest.unicodeScalars.first, first.properties.isWhitespace {
      rest.unicodeScalars.removeFirst()
    }
    while let last = rest.unicodeScalars.last, last.properties.isWhitespace {
      rest.unicodeScalars.removeLast()
    }
    return rest
  }

  static func trimmed(_ text: String) -> String {
    // Nearly every label and value has nothing to trim; those must not be copied.
    guard let first = text.unicodeScalars.first, let last = text.unicodeScalars.last,
      first.properties.isWhitespace || last.properties.isWhitespace
    else { return text }
    return String(trimmed(text[...]))
  }

  static func equalIgnoringCase(_ left: String, _ right: String) -> Bool {
    if left == right { return true }
    // A label is compared with whole answers; what is far longer is settled without reading it.
    let (shorter, longer) = (min(left.utf8.count, right.utf8.count), max(left.utf8.count, right.utf8.count))
    guard longer <= 3 * shorter + 3 else { return false }
    if left.utf8.allSatisfy({ $0 < 0x80 }), right.utf8.allSatisfy({ $0 < 0x80 }) {
      return left.utf8.count == right.utf8.count
        && zip(left.utf8, right.utf8).allSatisfy { lower($0) == lower($1) }
    }
    return left.lowercased() == right.lowercased()
  }

  /// ASCII only.
  @inline(__always)
  static func lower(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
}
