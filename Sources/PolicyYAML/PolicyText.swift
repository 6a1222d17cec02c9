package import PolicyLanguage
package import RouterCore

/// The text of a policy file, read as a strict subset of YAML.
///
/// One document; no anchors, aliases, tags, merge keys or directives; no duplicate keys; keys are scalars. The subset
/// is what two people read the same way, and it leaves nothing that grows when it is expanded.
package enum PolicyText {
  /// Longest file, in bytes.
  package static let maxBytes = 1 << 20
  /// Deepest nesting of lists and mappings.
  package static let maxDepth = 64

  /// A tree and what is wrong with the text.
  package struct Tree: Sendable {
    /// Nil where the text could not be read to its end. May stand beside problems, so that whoever reads the tree can
    /// report theirs in the same breath; with an error among the problems it is never to be taken as a policy.
    package let root: PolicyNode?
    /// What stands in the way of the tree first, then what is wrong with its layout.
    package let problems: [PolicyProblem]
  }

  /// Reads a file's bytes. Never fails otherwise than by ``Tree/problems``; linear in the length of the text.
  package static func tree(_ bytes: [UInt8]) -> Tree {
    guard bytes.count <= maxBytes else {
      let message =
        "the file has \(bytes.count) bytes; a policy has at most \(maxBytes) (1 MiB), so that people can review it"
      return Tree(root: nil, problems: [PolicyProblem(at: .start, message)])
    }
    if let problem = CharacterCheck.firstProblem(in: bytes) { return Tree(root: nil, problems: [problem]) }
    var builder = TreeBuilder()
    let start = CharacterCheck.startsWithMark(bytes) ? 3 : 0
    var layout = LayoutCheck(bytes, from: start)
    YAMLEvents.forEach(in: bytes, from: start) { event, extent in
      layout.take(event, extent)
      return builder.take(event)
    }
    return builder.finish(with: layout.problems)
  }
}

extension Mark {
  static let start = Mark(line: 1, column: 1)
}
