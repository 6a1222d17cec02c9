/// Why a schema cannot be used, and where.
///
/// May be shown to whoever wrote the schema: it quotes keywords and names of the schema, never a value that was checked.
package struct SchemaProblem: Error, Equatable, Sendable, CustomStringConvertible {
  /// JSON pointer, within the schema, of the value at fault; `""` is the whole schema.
  package let pointer: String
  /// The keyword at fault; nil where it is the schema itself.
  package let keyword: String?
  /// The keyword ought not to be there; else its value is wrong.
  package let isAboutName: Bool
  /// What is wrong, and what to do about it.
  package let message: String

  package var description: String { message }
}

/// Where a value does not fit a schema. Holds nothing of the value but places in it.
package struct SchemaFault: Equatable, Sendable {
  /// JSON pointer within the value, but that names which the schema does not say, or which are no plain words, stand
  /// as `*`.
  package let pointer: String
  /// The keyword that refused it, or ``tooComplex``.
  package let keyword: String
  /// The member that is missing, where the keyword is `required` or `dependentRequired`: a name of the schema's.
  package let missing: String?

  package init(pointer: String, keyword: String, missing: String?) {
    self.pointer = pointer
    self.keyword = keyword
    self.missing = missing
  }

  /// The check was given up: it nests or branches beyond the limits. The value does not count as fitting.
  package static let tooComplex = "too_complex"
}
