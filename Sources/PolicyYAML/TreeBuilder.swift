import PolicyLanguage
import RouterCore

/// Builds a tree out of events, reporting what the strict subset refuses and going on.
///
/// Holds its own stack: a hostile nesting costs no call stack.
struct TreeBuilder {
  private var open: [Container] = []
  private var root: PolicyNode?
  private var problems: [PolicyProblem] = []
  private var documents = 0
  private var isWhole = true

  mutating func take(_ event: YAMLEvent) -> YAMLEvents.Next {
    switch event {
    case .scalar(let text, let style, let decorations, let mark):
      report(decorations, at: mark)
      return take(scalar: text, isPlain: style == .plain, at: mark)
    case .sequenceStart(_, let decorations, let mark):
      report(decorations, at: mark)
      return start(Container(.sequence, at: mark))
    case .mappingStart(_, let decorations, let mark):
      report(decorations, at: mark)
      return start(Container(.mapping, at: mark))
    case .end:
      guard let container = open.popLast() else { return .goOn }
      add(container.node)
      return .goOn
    case .alias(let mark):
      error(mark, "an alias (`*name`); a policy spells every value out: write the value here")
      add(PolicyNode(.unreadable, at: mark))
      return .goOn
    case .documentStart(let hasDirectives, let mark):
      return startDocument(hasDirectives: hasDirectives, at: mark)
    case .documentEnd:
      return .goOn
    case .syntaxError(let message, let mark):
      error(mark, "YAML: \(message)")
      isWhole = false
      return .stop
    }
  }

  /// - Parameter more: What else is wrong with the text.
  mutating func finish(with more: [PolicyProblem]) -> PolicyText.Tree {
    problems += more
    if let root, case .scalar("", isPlain: true) = root.content { self.root = nil }
    if root == nil, problems.isEmpty {
      error(.start, "the file is empty; a policy needs at least `tasks`")
    }
    return PolicyText.Tree(root: isWhole ? root : nil, problems: problems)
  }

  private mutating func startDocument(hasDirectives: Bool, at mark: Mark) -> YAMLEvents.Next {
    documents += 1
    if hasDirectives { error(mark, "a directive (`%YAML`, `%TAG`); remove it") }
    guard documents > 1 else { return .goOn }
    error(mark, "a second document starts here; a policy is one document: remove the `---`")
    return .stop
  }

  private mutating func start(_ container: Container) -> YAMLEvents.Next {
    guard open.count < PolicyText.maxDepth else {
      error(container.mark, "nested deeper than \(PolicyText.maxDepth) levels")
      isWhole = false
      return .stop
    }
    open.append(container)
    return .goOn
  }

  private mutating func take(scalar text: String, isPlain: Bool, at mark: Mark) -> YAMLEvents.Next {
    if let top = open.indices.last, open[top].expectsKey {
      if let remark = open[top].takeKey(text, isPlain: isPlain, at: mark) { error(mark, remark) }
    } else {
      add(PolicyNode(.scalar(text, isPlain: isPlain), at: mark))
    }
    return .goOn
  }

  private mutating func add(_ node: PolicyNode) {
    guard let top = open.indices.last else {
      // A second document is reported, not read.
      if root == nil { root = node }
      return
    }
    if open[top].expectsKey {
      error(node.mark, "a list, mapping or alias used as a key; keys are plain text")
      open[top].skipKey()
    } else {
      open[top].add(node)
    }
  }

  private mutating func report(_ decorations: YAMLEvent.Decorations, at mark: Mark) {
    if decorations.contains(.anchor) {
      error(mark, "an anchor (`&name`); a policy spells every value out: remove it")
    }
    if decorations.contains(.tag) {
      error(mark, "a tag (`!name`); types follow from the key table: remove it")
    }
  }

  private mutating func error(_ mark: Mark, _ message: String) {
    problems.append(PolicyProblem(at: mark, message))
  }
}
