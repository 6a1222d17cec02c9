internal import RouterCore
internal import Text
internal import Wire

/// Reads the label that the frontier meant, and compares it with the candidate's.
///
/// The frontier answers an agent, not this program, so its label may stand anywhere. The surest place is asked first: the
/// agent's own word for it, then where the policy says, then an answer that is nothing but a label, then a `label`
/// member, and only then prose, where exactly one label of the set has to stand as a word.
struct LabelAgreement {
  private let labels: [TaskPolicy.Label]
  private let policy: AgreementPolicy

  init(_ task: TaskPolicy) {
    labels = task.labels
    policy = task.agreement
  }

  func compare(_ candidate: CandidateAnswer, _ frontier: FrontierAnswer) -> AgreementResult {
    guard let said = candidate.label ?? candidate.answer.stringValue, !ByteText.isBlank(said) else {
      return .unknown(.candidateLabelMissing)
    }
    switch read(frontier) {
    case .nothing: return .unknown(.noLabelFound)
    case .ambiguous: return .unknown(.ambiguousLabel)
    case .outside(let word):
      return AgreementResult(.disagree, score: 0, detail: .frontierLabelOutsideSet, frontierLabel: word)
    case .label(let label):
      let own = member(ByteText.trimmed(said)) ?? ByteText.trimmed(said)
      let same = labels.isEmpty ? ByteText.equalIgnoringCase(own, label) : own == label
      return AgreementResult(
        same ? .agree : .disagree, score: same ? 1 : 0, detail: same ? .labelEqual : .labelDiffers,
        frontierLabel: labels.isEmpty && !Self.isPlain(label) ? nil : label)
    }
  }

  private enum Reading {
    case label(String)
    /// The frontier gave a label, and it is none of the task's; the word where it is short and plain.
    case outside(String?)
    case ambiguous, nothing
  }

  private func read(_ frontier: FrontierAnswer) -> Reading {
    if let given = frontier.label, !ByteText.isBlank(given) { return explicit(given) }
    if let source = policy.from, let found = find(source, in: frontier), !ByteText.isBlank(found) {
      return explicit(found)
    }
    let answer = frontier.value?.stringValue ?? frontier.text
    if let label = known(Self.bare(answer)) { return .label(label) }
    if let named = AnswerJSON.read(frontier)?["label"].flatMap(Self.plainText), !ByteText.isBlank(named) {
      return explicit(named)
    }
    let reading =
      labels.isEmpty ? .nothing : LabelsInProse(labels.map(\.name) + policy.map.keys).find(in: answer)
    switch reading {
    case .nothing: return looksLikeLabel(Self.bare(answer)) ? explicit(answer) : .nothing
    case .several(let words):
      // Different words may still mean one label.
      let meant = Set(words.compactMap(known))
      if meant.count == 1, let label = meant.first { return .label(label) }
      return .ambiguous
    case .one(let word): return known(word).map(Reading.label) ?? .nothing
    }
  }

  private func explicit(_ word: String) -> Reading {
    let word = Self.bare(word)
    if let label = known(word) { return .label(label) }
    if labels.isEmpty { return .label(word) }
    return .outside(Self.isPlain(word) ? word : nil)
  }

  /// The task's label that a word stands for: through the policy's map, else the label itself.
  private func known(_ word: String) -> String? {
    if let mapped = policy.map[word] { return member(mapped) ?? mapped }
    // Sorted, so that the same log gives the same reading whatever the order of the map's keys.
    if !policy.map.isEmpty,
      let key = policy.map.keys.filter({ ByteText.equalIgnoringCase($0, word) }).min(),
      let mapped = policy.map[key]
    {
      return member(mapped) ?? mapped
    }
    return member(word)
  }

  private func member(_ word: String) -> String? {
    if let exact = labels.first(where: { $0.name == word }) { return exact.name }
    // Two labels that differ in case alone are two labels.
    let similar = labels.filter { ByteText.equalIgnoringCase($0.name, word) }
    return similar.count == 1 ? similar[0].name : nil
  }

  private func find(_ source: AgreementPolicy.Source, in frontier: FrontierAnswer) -> String? {
    switch source {
    case .pointer(let pointer):
      return AnswerJSON.read(frontier)?.pointer(pointer).flatMap(Self.plainText)
    case .pattern(let pattern):
      let text = Array((frontier.value?.stringValue ?? frontier.text).utf8)
      guard let match = pattern.firstMatch(in: text.span) else { return nil }
      let group = pattern.groupCount > 0 ? match[1] : match.range
      return group.map { String(decoding: text[$0], as: UTF8.self) }
    }
  }

  /// A string as it is; a number or Boolean by its text: labels such as `401` or `true` exist.
  private static func plainText(_ value: JSONValue) -> String? {
    switch value {
    case .string(let text): text
    case .number(let number): number.literal
    case .bool(let flag): flag ? "true" : "false"
    case .null, .array, .object: nil
    }
  }

  /// Without white space, quotes, Markdown's marks and a full stop around it.
  private static func bare(_ text: String) -> String {
    guard let first = text.utf8.first, let last = text.utf8.last, isMark(first) || isMark(last) else {
      return ByteText.trimmed(text)
    }
    var rest = ByteText.trimmed(text[...])
    while let first = rest.utf8.first, isMark(first) { rest = ByteText.trimmed(rest.dropFirst()) }
    while let last = rest.utf8.last, isMark(last) { rest = ByteText.trimmed(rest.dropLast()) }
    return String(rest)
  }

  private static func isMark(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "`"), UInt8(ascii: "*"), UInt8(ascii: "."), 0x20,
      0x0A, 0x0D:
      true
    default: false
    }
  }

  /// Whether a whole answer, no label of the set, has the shape of one: not more words than the longest label.
  private func looksLikeLabel(_ text: String) -> Bool {
    guard Self.isPlain(text) else { return false }
    let words = { (text: String) in text.split(whereSeparator: \.isWhitespace).count }
    return words(text) <= labels.reduce(1) { max($0, words($1.name)) }
  }

  private static func isPlain(_ word: String) -> Bool {
    !word.isEmpty && word.unicodeScalars.count <= 64
      && word.unicodeScalars.allSatisfy { scalar in
        scalar.properties.isAlphabetic || scalar.properties.numericType != nil
          || " _-./:".unicodeScalars.contains(scalar)
      }
  }
}
