import PolicyLanguage
import RouterCore

/// A list or mapping whose end has not come yet.
struct Container {
  enum Kind { case sequence, mapping }

  let kind: Kind
  let mark: Mark
  private var items: [PolicyNode] = []
  private var entries: [PolicyEntry] = []
  private var key: Key?
  /// First line of each key, once there are so many that comparing with each would be quadratic.
  private var lines: [String: Int] = [:]

  private struct Key {
    let text: String
    let mark: Mark
    /// False where the key was refused: its value is read and thrown away.
    let isKept: Bool
  }

  init(_ kind: Kind, at mark: Mark) {
    self.kind = kind
    self.mark = mark
  }

  var expectsKey: Bool { kind == .mapping && key == nil }

  var node: PolicyNode {
    PolicyNode(kind == .mapping ? .mapping(entries) : .sequence(items), at: mark)
  }

  mutating func add(_ node: PolicyNode) {
    guard kind == .mapping else {
      items.append(node)
      return
    }
    guard let key else { return }
    if key.isKept { entries.append(PolicyEntry(key: key.text, keyMark: key.mark, value: node)) }
    self.key = nil
  }

  /// Takes the key of the next value.
  ///
  /// - Returns: What is wrong with it; nil where nothing is.
  mutating func takeKey(_ text: String, isPlain: Bool, at mark: Mark) -> String? {
    let remark = remark(on: text, isPlain: isPlain)
    key = Key(text: text, mark: mark, isKept: remark == nil)
    if remark == nil { remember(text, line: mark.line) }
    return remark
  }

  mutating func skipKey() { key = Key(text: "", mark: mark, isKept: false) }

  private func remark(on text: String, isPlain: Bool) -> String? {
    if text.isEmpty { return "a blank key; name it or remove the line" }
    if isPlain, text == "<<" { return "a merge key (`<<`); a policy spells every key out: write them here" }
    guard let first = lineOfKey(text) else { return nil }
    return "the key \(PolicyProblem.quote(text)) is given twice, first at line \(first); remove one"
  }

  private static let fewKeys = 12

  private func lineOfKey(_ text: String) -> Int? {
    if entries.count < Self.fewKeys { return entries.first { $0.key == text }?.keyMark.line }
    return lines[text]
  }

  private mutating func remember(_ text: String, line: Int) {
    if entries.count < Self.fewKeys - 1 { return }
    if lines.isEmpty {
      for entry in entries { lines[entry.key] = entry.keyMark.line }
    }
    lines[text] = line
  }
}
