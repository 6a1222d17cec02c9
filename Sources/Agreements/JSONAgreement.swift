internal import RouterCore
internal import Wire

/// Reads an answer as JSON, where it is JSON.
enum AnswerJSON {
  /// `output` where it was JSON, else the text where the whole of it, or the one fenced block in it, is JSON.
  static func read(_ frontier: FrontierAnswer) -> JSONValue? {
    guard let value = frontier.value else { return read(frontier.text) }
    return value.stringValue.map(read) ?? value
  }

  static func read(_ text: String) -> JSONValue? {
    let trimmed = ByteText.trimmed(text)
    guard let first = trimmed.utf8.first else { return nil }
    if first == UInt8(ascii: "{") || first == UInt8(ascii: "[") { return try? JSONValue(parsing: trimmed) }
    return fenced(trimmed).flatMap { try? JSONValue(parsing: $0) }
  }

  /// What stands between the first two lines of three backticks.
  private static func fenced(_ text: String) -> String? {
    var block: [Substring]?
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      let isFence = ByteText.trimmed(line).hasPrefix("```")
      if isFence, let block { return block.joined(separator: "\n") }
      if isFence { block = [] } else { block?.append(line) }
    }
    return nil
  }

  /// Equal as JSON, strings compared without white space at their ends, null as if absent.
  static func same(_ left: JSONValue?, _ right: JSONValue?) -> Bool {
    switch (left ?? .null, right ?? .null) {
    case (.string(let left), .string(let right)): return ByteText.trimmed(left) == ByteText.trimmed(right)
    case (.array(let left), .array(let right)):
      return left.count == right.count && zip(left, right).allSatisfy { same($0, $1) }
    case (.object(let left), .object(let right)):
      let names = sortedNames(left, right)
      let leftValues = byName(left)
      let rightValues = byName(right)
      return names.allSatisfy { same(leftValues[$0], rightValues[$0]) }
    case (let left, let right): return left == right
    }
  }

  static func byName(_ members: [JSONMember]) -> [String: JSONValue] {
    Dictionary(members.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
  }

  static func sortedNames(_ lists: [JSONMember]...) -> [String] {
    Set(lists.joined().map(\.name)).sorted()
  }
}

/// Compares two objects field by field.
enum JSONAgreement {
  static func compare(
    _ candidate: CandidateAnswer, _ frontier: FrontierAnswer, fields: [String]
  ) -> AgreementResult {
    guard let theirs = AnswerJSON.read(frontier) else { return .unknown(.frontierNotJSON) }
    let ours = candidate.answer.stringValue.map(AnswerJSON.read) ?? candidate.answer
    guard let ours else { return .unknown(.candidateNotJSON) }
    if !fields.isEmpty { return named(fields, ours, theirs) }
    // An empty object would agree with everything if its own fields were all that counts.
    guard let members = ours.members, let others = theirs.members, !members.isEmpty else {
      let same = AnswerJSON.same(ours, theirs)
      return AgreementResult(
        same ? .agree : .disagree, score: same ? 1 : 0, detail: same ? .fieldsEqual : .fieldsDiffer)
    }
    let values = AnswerJSON.byName(others)
    let differing = members.count { !AnswerJSON.same($0.value, values[$0.name]) }
    return result(differing: differing, of: members.count, detail: .fieldsDiffer, suffix: ": \(differing)")
  }

  /// Fields that the policy names, so their names may be shown: member names, or JSON pointers.
  private static func named(_ fields: [String], _ ours: JSONValue, _ theirs: JSONValue) -> AgreementResult {
    let at = { (value: JSONValue, field: String) in field.hasPrefix("/") ? value.pointer(field) : value[field]
    }
    let differing = fields.filter { !AnswerJSON.same(at(ours, $0), at(theirs, $0)) }
    let shown = differing.prefix(5).joined(separator: ",") + (differing.count > 5 ? ",…" : "")
    return result(differing: differing.count, of: fields.count, detail: .fieldsDiffer, suffix: ": " + shown)
  }

  static func result(
    differing: Int, of count: Int, detail: AgreementDetail, suffix: String,
    equal: AgreementDetail = .fieldsEqual
  ) -> AgreementResult {
    guard differing > 0 else { return AgreementResult(.agree, score: 1, detail: equal) }
    return AgreementResult(
      .disagree, score: Double(count - differing) / Double(count), detail: detail, suffix: suffix)
  }
}

/// Compares the tool that either would call.
///
/// What the frontier called stands beside its answer, or, where an agent asks for calls as text, in it.
enum ToolAgreement {
  static func compare(_ candidate: CandidateAnswer, _ frontier: FrontierAnswer) -> AgreementResult {
    var theirs = frontier.toolCalls
    if theirs.isEmpty { theirs = AnswerJSON.read(frontier).flatMap(ToolCall.read) ?? [] }
    switch (candidate.toolCall, theirs.count) {
    case (nil, 0): return .unknown(.noToolCall)
    case (nil, _): return AgreementResult(.disagree, score: 0, detail: .candidateCalledNoTool)
    case (_, 0): return AgreementResult(.disagree, score: 0, detail: .frontierCalledNoTool)
    case (let ours?, 1): return compare(ours, theirs[0])
    default: return AgreementResult(.disagree, score: 0, detail: .toolCountDiffers)
    }
  }

  /// Providers that allow no dot in a tool's name put an underscore in its place.
  private static func sameName(_ left: String, _ right: String) -> Bool {
    func folded(_ name: String) -> [UInt8] {
      name.utf8.map { $0 == UInt8(ascii: ".") ? UInt8(ascii: "_") : $0 }
    }
    return folded(left) == folded(right)
  }

  private static func compare(_ ours: ToolCall, _ theirs: ToolCall) -> AgreementResult {
    guard sameName(ours.name, theirs.name) else {
      return AgreementResult(.disagree, score: 0, detail: .toolNameDiffers)
    }
    let left = arguments(ours.arguments)
    let right = arguments(theirs.arguments)
    guard let mine = left.members, let others = right.members else {
      let same = AnswerJSON.same(left, right)
      return AgreementResult(
        same ? .agree : .disagree, score: same ? 1 : 0, detail: same ? .toolCallEqual : .argumentsDiffer)
    }
    // Arguments that only one of them gives count: leaving one out changes what the tool does.
    let names = AnswerJSON.sortedNames(mine, others)
    let mineByName = AnswerJSON.byName(mine)
    let othersByName = AnswerJSON.byName(others)
    let differing = names.count { !AnswerJSON.same(mineByName[$0], othersByName[$0]) }
    return JSONAgreement.result(
      differing: differing, of: names.count, detail: .argumentsDiffer, suffix: ": \(differing)",
      equal: .toolCallEqual)
  }

  /// Some providers give the arguments as a text that holds JSON.
  private static func arguments(_ value: JSONValue) -> JSONValue {
    guard let text = value.stringValue else { return value }
    return ByteText.isBlank(text) ? .object([]) : AnswerJSON.read(text) ?? value
  }
}
