/// A term as it is compared: folded, its case folded, its white space turned into gaps.
///
/// A gap is a stretch of white space, `-` and `_` of a term that holds at least one white space. White space
/// there stands for one or more separators of the text, and a `-` or `_` beside it for itself, so that `rm -rf`
/// is `rm`, then separators of which the last is `-`, then `rf`. Between two literals that neither end nor begin
/// with a separator a gap must take all the separators of the text there: no choice, no backtracking, and work
/// that stays linear in the text. At the ends of a term it takes some, and there is always an edge: a separator
/// is of the class anything else.
struct TermPattern: Equatable {
  /// Gaps are written in bytes that UTF-8 does not have.
  static let anyRun: UInt8 = 0xFF
  static let gapHyphen: UInt8 = 0xFE
  static let gapLowLine: UInt8 = 0xFD

  /// Why a term can match nothing that its author can have meant.
  enum Fault: Error {
    case empty
    case onlyWildcard
    case wildcardInside
  }

  /// UTF-8 of the literals, gaps as above.
  let bytes: [UInt8]
  /// Nothing is asked of what follows the term.
  let isPrefix: Bool

  init(_ term: String) throws(Fault) {
    let scalars = Self.comparable(term)
    guard !scalars.isEmpty else { throw .empty }
    let isPrefix = scalars.last == Self.asterisk
    let body = isPrefix ? scalars.dropLast() : scalars[...]
    guard body.contains(where: { $0 != Self.blank && $0 != Self.asterisk }) else {
      throw isPrefix ? .onlyWildcard : .empty
    }
    guard !body.contains(Self.asterisk) else { throw .wildcardInside }
    self.isPrefix = isPrefix
    bytes = Self.markGaps(body)
  }

  static func isGap(_ byte: UInt8) -> Bool { byte >= gapLowLine }

  /// A separator of a text: white space, as folding leaves it, `-` or `_`.
  static func isSeparator(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x2D || byte == 0x5F || (byte >= 0x09 && byte <= 0x0D)
  }

  private static let blank: UInt32 = 0x20
  private static let asterisk: UInt32 = 0x2A

  private static func comparable(_ term: String) -> [UInt32] {
    var folded: [UInt8] = []
    let utf8 = Array(term.utf8)
    Folding.fold(utf8.span, into: &folded)
    let span = folded.span
    var scalars: [UInt32] = []
    var place = 0
    while place < span.count {
      let scalar = ScalarCoding.decode(span, at: &place)
      scalars.append(TermEdges.caseFolded(scalar, ScalarTraits(of: scalar)))
    }
    return scalars
  }

  private static func markGaps(_ scalars: ArraySlice<UInt32>) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = scalars
    while let scalar = rest.first {
      let stretch = rest.prefix { $0 == blank || $0 == 0x2D || $0 == 0x5F }
      if stretch.contains(blank) {
        for separator in stretch {
          let mark = separator == blank ? anyRun : separator == 0x2D ? gapHyphen : gapLowLine
          // A run of white space is one run, whatever its length.
          if mark != anyRun || bytes.last != anyRun { bytes.append(mark) }
        }
        rest = rest.dropFirst(stretch.count)
      } else if stretch.isEmpty {
        ScalarCoding.append(scalar, to: &bytes)
        rest = rest.dropFirst()
      } else {
        for separator in stretch { ScalarCoding.append(separator, to: &bytes) }
        rest = rest.dropFirst(stretch.count)
      }
    }
    return bytes
  }
}

extension TermPattern.Fault {
  /// What to tell the author.
  func message(_ term: String) -> String {
    switch self {
    case .empty:
      "the term \"\(term)\" is empty once folded, or only white space"
    case .onlyWildcard:
      "the term \"\(term)\" is nothing but \"*\" and white space, and would stop every call"
    case .wildcardInside:
      "the term \"\(term)\" has a \"*\" before its end; only one, as the last character, is understood"
    }
  }
}
