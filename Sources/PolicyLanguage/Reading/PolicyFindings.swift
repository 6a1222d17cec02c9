import RouterCore
import Text
import Wire

/// A value and where it stands.
struct Located<Value: Sendable>: Sendable {
  var value: Value
  var mark: Mark
}

/// Gathers what is wrong with a policy while it is read; nothing stops at the first fault.
struct PolicyFindings {
  let options: PolicyReadingOptions
  private(set) var problems: [PolicyProblem] = []

  init(_ options: PolicyReadingOptions) { self.options = options }

  mutating func error(_ mark: Mark, _ message: String) {
    problems.append(PolicyProblem(.error, at: mark, message))
  }

  mutating func warning(_ mark: Mark, _ message: String) {
    problems.append(PolicyProblem(.warning, at: mark, message))
  }

  mutating func wrong(_ node: PolicyNode, _ key: String, expected shape: PolicyShape, remedy: String? = nil) {
    wrong(node, key, expected: shape.words, remedy: remedy)
  }

  mutating func wrong(_ node: PolicyNode, _ key: String, expected: String, remedy: String? = nil) {
    if case .unreadable = node.content { return }
    let tail = remedy.map { "; \($0)" } ?? ""
    error(node.mark, "`\(key)` must be \(expected), not \(node.words)\(tail)")
  }
}

extension PolicyNode {
  /// Null, or nothing at all, without quotes.
  var isNull: Bool {
    if case .scalar(let text, isPlain: true) = content { PolicyScalar(plain: text) == .null } else { false }
  }

  /// The node as a message names it.
  var words: String {
    switch content {
    case .scalar(let text, let isPlain): Self.words(text, isPlain: isPlain)
    case .sequence: "a list"
    case .mapping: "a mapping"
    case .unreadable: "an alias"
    }
  }

  private static func words(_ text: String, isPlain: Bool) -> String {
    let kind = isPlain ? PolicyScalar(plain: text) : .text
    return switch kind {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .int, .number: text
    case .doubtful, .text: PolicyProblem.quote(text)
    }
  }
}

// MARK: - Values

extension PolicyFindings {
  mutating func bool(_ node: PolicyNode, _ key: String) -> Bool? {
    guard case .scalar(let text, let isPlain) = node.content else {
      wrong(node, key, expected: .bool)
      return nil
    }
    if isPlain, case .bool(let value) = PolicyScalar(plain: text) { return value }
    let remedy: String? =
      switch text.lowercased() {
      case "yes", "on", "y", "true": "write true, without quotes"
      case "no", "off", "n", "false": "write false, without quotes"
      default: nil
      }
    wrong(node, key, expected: .bool, remedy: remedy)
    return nil
  }

  mutating func int(_ node: PolicyNode, _ key: String, in range: ClosedRange<Int>) -> Int? {
    switch node.scalar {
    case .int(let value) where range.contains(value): return value
    case .number(let value) where value == value.rounded():
      wrong(node, key, expected: .int(range), remedy: "write it without a fraction or exponent")
    default: wrong(node, key, expected: .int(range), remedy: node.numberRemedy)
    }
    return nil
  }

  mutating func number(_ node: PolicyNode, _ key: String, in range: PolicyRange) -> Double? {
    switch node.scalar {
    case .int(let value) where range.contains(Double(value)): return Double(value)
    case .number(let value) where range.contains(value): return value
    case .int(let value) where range.most == 1 && value > 1 && value <= 100,
      .int(let value) where range.most < 1 && value > 0 && value <= 100:
      wrong(
        node, key, expected: .number(range),
        remedy: "a share, not a percentage: \(value) % is \(Double(value) / 100)")
    default: wrong(node, key, expected: .number(range), remedy: node.numberRemedy)
    }
    return nil
  }

  /// A text that keeps the rule.
  mutating func text(_ node: PolicyNode, _ key: String, _ rule: PolicyTextRule) -> String? {
    guard case .scalar(let text, let isPlain) = node.content else {
      wrong(node, key, expected: .text(rule))
      return nil
    }
    if isPlain {
      switch PolicyScalar(plain: text) {
      case .text: break
      case .null:
        blank(node, key)
        return nil
      case .doubtful, .bool, .int, .number:
        wrong(node, key, expected: .text(rule), remedy: "put it in quotes")
        return nil
      }
    }
    guard let complaint = rule.complaint(about: text) else { return text }
    error(node.mark, "`\(key)` \(complaint)")
    return nil
  }

  mutating func choice(_ node: PolicyNode, _ key: String, _ names: [String]) -> String? {
    guard case .scalar(let text, _) = node.content, !node.isNull else {
      if node.isNull { blank(node, key) } else { wrong(node, key, expected: .choice(names)) }
      return nil
    }
    if names.contains(text) { return text }
    let remedy = NearestName.match(for: text, among: names).map { "did you mean `\($0)`?" }
    if let remedy, names.count > 5 {
      error(node.mark, "`\(key)` cannot be \(PolicyProblem.quote(text)); \(remedy)")
    } else {
      wrong(node, key, expected: .choice(names), remedy: remedy)
    }
    return nil
  }

  mutating func blank(_ node: PolicyNode, _ key: String) {
    error(node.mark, "`\(key)` is blank; give a value or remove it")
  }

  /// The entries of a list, of which equal texts are reported.
  mutating func items(_ node: PolicyNode, _ key: String, least: Int) -> [PolicyNode] {
    guard case .sequence(let items) = node.content else {
      wrong(node, key, expected: "a list", remedy: node.isScalar ? "write [\(node.listed)]" : nil)
      return []
    }
    if items.count < least { error(node.mark, "`\(key)` is an empty list; fill it or remove the key") }
    return items
  }

  mutating func texts(_ node: PolicyNode, _ key: String, _ rule: PolicyTextRule, least: Int) -> [Located<
    String
  >] {
    var found: [Located<String>] = []
    for item in items(node, key, least: least) {
      if let text = text(item, key, rule) { found.append(Located(value: text, mark: item.mark)) }
    }
    reportRepeats(found, key)
    return found
  }

  mutating func choices(_ node: PolicyNode, _ key: String, _ names: [String], least: Int) -> [Located<String>]
  {
    var found: [Located<String>] = []
    for item in items(node, key, least: least) {
      if let text = choice(item, key, names) { found.append(Located(value: text, mark: item.mark)) }
    }
    reportRepeats(found, key)
    return found
  }

  private mutating func reportRepeats(_ found: [Located<String>], _ key: String) {
    // Few are compared with each other sooner than hashed.
    if found.count < 8,
      !found.indices.contains(where: { at in found[..<at].contains { $0.value == found[at].value } })
    {
      return
    }
    var seen = Set<String>(minimumCapacity: found.count)
    for item in found where !seen.insert(item.value).inserted {
      error(item.mark, "`\(key)` names \(PolicyProblem.quote(item.value)) twice; remove one")
    }
  }

  /// The node as a JSON value; numbers that are none in JSON are reported and read as null.
  mutating func json(_ node: PolicyNode, _ key: String) -> JSONValue {
    switch node.content {
    case .unreadable: return .null
    case .sequence(let items): return .array(items.map { json($0, key) })
    case .mapping(let entries): return .object(entries.map { JSONMember($0.key, json($0.value, key)) })
    case .scalar(let text, let isPlain):
      guard isPlain else { return .string(text) }
      switch PolicyScalar(plain: text) {
      case .null: return .null
      case .bool(let value): return .bool(value)
      case .int(let value): return .number(JSONNumber(value))
      case .number(let value): return JSONNumber(value).map { .number($0) } ?? .null
      case .text: return .string(text)
      case .doubtful(let remedy):
        wrong(node, key, expected: "made of JSON values", remedy: "\(remedy), or put it in quotes")
        return .null
      }
    }
  }
}

extension PolicyNode {
  fileprivate var scalar: PolicyScalar {
    if case .scalar(let text, isPlain: true) = content { PolicyScalar(plain: text) } else { .text }
  }

  fileprivate var isScalar: Bool {
    if case .scalar = content { true } else { false }
  }

  /// A scalar as the one entry of a list.
  fileprivate var listed: String {
    if case .scalar(let text, _) = content, text.unicodeScalars.count <= 24 { text } else { "…" }
  }

  fileprivate var numberRemedy: String? {
    guard case .scalar(let text, let isPlain) = content else { return nil }
    if isPlain, case .doubtful(let remedy) = PolicyScalar(plain: text) { return remedy }
    switch PolicyScalar(plain: text) {
    case .int where !isPlain, .number where !isPlain: return "remove the quotes"
    default: break
    }
    return text.hasSuffix("%") ? "write a share: 5 % is 0.05" : nil
  }
}

extension PolicyTextRule {
  /// What is wrong with a text, as the rest of a sentence that starts with its key; nil where nothing is.
  func complaint(about text: String) -> String? {
    if case .any = self { return nil }
    if text.utf8.allSatisfy({ $0 == 0x20 || (0x09...0x0D).contains($0) }) {
      return "is blank; give a value or remove it"
    }
    // Bytes are counted first: most texts are short enough for both.
    if text.utf8.count > limit, text.unicodeScalars.count > limit {
      return "has \(text.unicodeScalars.count) characters; at most \(limit) are allowed"
    }
    return form(text)
  }

  private func form(_ text: String) -> String? {
    switch self {
    case .any, .long: return nil
    case .line:
      return Self.hasControl(text)
        ? "must be one line without control characters, not \(PolicyProblem.quote(text))" : nil
    case .name:
      if Self.hasControl(text) {
        return "must be one line without control characters, not \(PolicyProblem.quote(text))"
      }
      return Self.isPadded(text)
        ? "must not start or end with white space, as \(PolicyProblem.quote(text)) does" : nil
    case .day: return PolicyDate.isDay(text) ? nil : "must be \(words), not \(PolicyProblem.quote(text))"
    case .moment:
      return PolicyDate.isMoment(text) ? nil : "must be \(words), not \(PolicyProblem.quote(text))"
    case .hash: return Self.isHash(text) ? nil : "must be \(words), not \(PolicyProblem.quote(text))"
    case .environmentName:
      // The value is not shown: it may be the secret itself.
      return Self.isEnvironmentName(text)
        ? nil
        : "must be the name of an environment variable, never the secret itself; this is not such a name"
    case .url: return Self.complaint(aboutURL: text)
    case .term: return TermScanner.problem(in: text).map { "has a term that cannot be used: \($0)" }
    case .pattern: return Self.complaint(aboutPattern: text)
    case .pointerOrPattern:
      guard text.utf8.first == UInt8(ascii: "/") else { return Self.complaint(aboutPattern: text) }
      return JSONValue.isPointer(text)
        ? nil : "must be a JSON pointer (RFC 6901), not \(PolicyProblem.quote(text)): `~` is written ~0"
    }
  }

  private static func hasControl(_ text: String) -> Bool {
    text.utf8.contains { $0 < 0x20 || $0 == 0x7F }
  }

  private static func isPadded(_ text: String) -> Bool {
    guard let first = text.utf8.first, let last = text.utf8.last else { return false }
    // Nearly every name is ASCII at both ends, and controls have been refused.
    if first < 0x80, last < 0x80 { return first == 0x20 || last == 0x20 }
    return [text.unicodeScalars.first, text.unicodeScalars.last].contains {
      $0?.properties.isWhitespace == true
    }
  }

  private static func isHash(_ text: String) -> Bool {
    text.utf8.count == 64
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
          UInt8(ascii: "A")...UInt8(ascii: "F"):
          true
        default: false
        }
      }
  }

  /// Prefixes under which providers hand out keys: such a text is no variable's name, whatever its letters.
  private static let keyPrefixes = ["sk-", "sk_", "hf_", "gsk_", "ghp_", "xai-", "aiza", "r8_", "pplx-"]

  private static func isEnvironmentName(_ text: String) -> Bool {
    guard let first = text.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else {
      return false
    }
    let lower = text.lowercased()
    if text != text.uppercased(), keyPrefixes.contains(where: lower.hasPrefix) { return false }
    return text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
  }

  private static func complaint(aboutURL text: String) -> String? {
    do {
      _ = try HTTPURL(parsing: text)
      return nil
    } catch .userInfo {
      // Not shown: it holds a password.
      return "holds a user name or password; remove it and name the secret's place with `api_key_env`"
    } catch {
      return "cannot be used: \(error.description); write it as http://host:port/path"
    }
  }

  private static func complaint(aboutPattern text: String) -> String? {
    do {
      _ = try Pattern(text)
      return nil
    } catch {
      return "has a regular expression that cannot be used: \(error.description)"
    }
  }
}
