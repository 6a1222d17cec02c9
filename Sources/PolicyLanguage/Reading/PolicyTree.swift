package import RouterCore

/// A YAML node with its place: what the strict subset leaves of a document.
package struct PolicyNode: Sendable {
  package enum Content: Sendable {
    /// `isPlain`: written without quotes, so that it may be a number, a Boolean or null.
    case scalar(String, isPlain: Bool)
    case sequence([PolicyNode])
    /// In document order; keys are unique, which the reader has checked.
    case mapping([PolicyEntry])
    /// An alias, which nothing can stand in for. Its problem has been reported: readers stay silent about it.
    case unreadable
  }

  package let content: Content
  package let mark: Mark

  package init(_ content: Content, at mark: Mark) {
    self.content = content
    self.mark = mark
  }
}

/// One `key: value` of a mapping.
package struct PolicyEntry: Sendable {
  package let key: String
  package let keyMark: Mark
  package let value: PolicyNode

  package init(key: String, keyMark: Mark, value: PolicyNode) {
    self.key = key
    self.keyMark = keyMark
    self.value = value
  }
}
