package import Wire

/// A JSON Schema (2020-12), checked and ready to be used from any thread.
///
/// The keywords of validation are applied; those of annotation, `format` among them, are accepted without effect.
/// What is neither is refused when the schema is read, because a rule that is silently not applied is worse than none.
package struct Schema: Sendable {
  /// Whose schema it is.
  package enum Dialect: Sendable {
    /// The policy's own: whatever cannot be applied is a problem.
    case strict
    /// From outside, such as a tool's parameters: what cannot be applied is not applied. Names of types as other
    /// languages have them (`dict`, `float`, `tuple`) are read as what they mean, unknown ones as any type.
    case foreign
  }

  /// The first node is the whole schema.
  let nodes: [SchemaNode]
  /// Some rule asks what the others have evaluated, so that this has to be kept.
  let tracksEvaluation: Bool

  /// What nothing fits.
  package static let never = Schema(nodes: [.always(false)], tracksEvaluation: false)

  init(nodes: [SchemaNode], tracksEvaluation: Bool) {
    self.nodes = nodes
    self.tracksEvaluation = tracksEvaluation
  }

  /// Reads a schema, adding all that is wrong with it to `problems`.
  ///
  /// - Returns: nil where any problem was found; never in the dialect `foreign`, but for a schema that refers to itself
  ///   without end or nests too deep.
  package static func read(
    _ value: JSONValue, _ dialect: Dialect = .strict, problems: inout [SchemaProblem]
  ) -> Schema? {
    var compiler = SchemaCompiler(value, dialect)
    let schema = compiler.compile()
    problems += compiler.problems
    return schema
  }

  /// Whether an object may fit, as far as the outermost `type` tells.
  package var allowsObjects: Bool {
    guard case .rules(let rules) = nodes[0] else { return nodes[0].isAlways }
    return rules.allSatisfy { rule in
      if case .types(let types) = rule { types.contains(.object) } else { true }
    }
  }

  /// Checks a value. Bounded in time and stack, whatever the schema and the value.
  ///
  /// - Returns: Where it does not fit; nil: it does.
  package func fault(in value: JSONValue) -> SchemaFault? {
    var check = SchemaCheck(self)
    return check.fault(in: value)
  }
}

extension SchemaNode {
  var isAlways: Bool {
    if case .always(let verdict) = self { verdict } else { false }
  }
}
