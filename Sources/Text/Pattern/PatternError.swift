/// Why a regular expression was refused, and where in its source.
package struct PatternError: Error, Equatable, CustomStringConvertible {
  /// What stands in the way. The first group is never supported: it cannot run in linear time or is ambiguous.
  package enum Reason: Equatable, Sendable {
    case backReference
    case lookAround(String)
    case unsupported(String)
    case unknownEscape(String)
    case missingOperand(String)
    case repeatedQuantifier(String)
    case unclosed(String)
    case unopened
    case badRange(String)
    case badCount(String)
    case badGroupName(String)
    case badCodePoint(String)
    case tooDeep(limit: Int)
    case tooLarge(limit: Int)
  }

  package let reason: Reason
  /// 1-based, counted in Unicode scalars of the source.
  package let column: Int

  package var description: String { "\(message) (column \(column))" }

  private var message: String {
    switch reason {
    case .backReference: "back-references are not supported: they cannot be matched in linear time"
    case .lookAround(let what): "look-around \(what) is not supported: it cannot be matched in linear time"
    case .unsupported(let what): "\(what) is not supported"
    case .unknownEscape(let escape): "unknown escape \(escape)"
    case .missingOperand(let quantifier): "nothing before \(quantifier) to repeat"
    case .repeatedQuantifier(let quantifier): "\(quantifier) follows another quantifier"
    case .unclosed(let opener): "\(opener) is never closed"
    case .unopened: ") closes nothing"
    case .badRange(let range): "class range \(range) does not ascend between two characters"
    case .badCount(let count): "repeat count \(count) is out of order or above \(PatternLimits.count)"
    case .badGroupName(let name): "group name \(name) is empty, malformed or used twice"
    case .badCodePoint(let digits): "\(digits) is not a Unicode scalar"
    case .tooDeep(let limit): "groups are nested deeper than \(limit)"
    case .tooLarge(let limit): "the pattern expands to more than \(limit) instructions"
    }
  }
}

/// Bounds that keep a pattern's memory and its time per byte of text small, whoever wrote it.
enum PatternLimits {
  /// Largest number in a counted repeat, as in RE2.
  static let count = 1_000
  /// Nested groups; bounds the recursion of reading and compiling.
  static let depth = 200
  /// Instructions of the compiled program; every byte of text costs at most a visit of each.
  static let instructions = 10_000
}
