import Foundation

/// The hard-stop rules as the contract says them, with no thought for speed: arrays of scalars, every term
/// tried at every place, every length of every run of separators.
package struct TermReference {
  private enum Element {
    case scalar(Unicode.Scalar)
    case run
  }

  private let elements: [Element]
  private let isPrefix: Bool

  package init(_ term: String) {
    var scalars = Self.fold(term)
    isPrefix = scalars.last == "*"
    if isPrefix { scalars.removeLast() }
    var elements: [Element] = []
    var inRun = false
    for scalar in scalars {
      let white = scalar.properties.isWhitespace
      if !white { elements.append(.scalar(Self.foldCase(scalar))) } else if !inRun { elements.append(.run) }
      inRun = white
    }
    self.elements = elements
  }

  /// Whether the term stands anywhere in a text that is folded already.
  package func matches(_ text: [Unicode.Scalar]) -> Bool {
    (0...text.count).contains { start in
      Self.isEdge(text, start) && ends(text, from: start).contains { isPrefix || Self.isEdge(text, $0) }
    }
  }

  private func ends(_ text: [Unicode.Scalar], from start: Int) -> Set<Int> {
    var ends: Set = [start]
    for element in elements {
      var next: Set<Int> = []
      for end in ends {
        switch element {
        case .scalar(let scalar):
          if end < text.count, Self.foldCase(text[end]) == scalar { next.insert(end + 1) }
        case .run:
          var place = end
          while place < text.count, Self.isSeparator(text[place]) {
            place += 1
            next.insert(place)
          }
        }
      }
      ends = next
    }
    return ends
  }

  package static func fold(_ text: String) -> [Unicode.Scalar] {
    let removed: Set<Unicode.Scalar> = [
      "\u{AD}", "\u{200B}", "\u{200C}", "\u{200D}", "\u{2060}", "\u{FEFF}",
    ]
    return text.precomposedStringWithCompatibilityMapping.unicodeScalars.filter { !removed.contains($0) }
  }

  private static func isSeparator(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isWhitespace || scalar == "-" || scalar == "_"
  }

  /// Simple case folding of the characters that the tests use.
  private static func foldCase(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    switch scalar {
    case "ς": return "σ"
    case "ẞ": return "ß"
    default:
      let lower = scalar.properties.lowercaseMapping.unicodeScalars
      return lower.count == 1 ? lower.first ?? scalar : scalar
    }
  }

  // MARK: Edges, sentence by sentence.

  static func isEdge(_ text: [Unicode.Scalar], _ place: Int) -> Bool {
    // "the start or the end of the text"
    if place == 0 || place == text.count { return true }
    let (before, after) = (text[place - 1], text[place])
    // "between two characters of different class"
    if kind(before) != kind(after) { return true }
    // "between a lower-case and an upper-case letter"
    if isLetter(before), before.properties.isLowercase, isUpper(after) { return true }
    // "between two upper-case letters of which the second is followed by a lower-case one"
    if isUpper(before), isUpper(after), place + 1 < text.count, isLetter(text[place + 1]),
      text[place + 1].properties.isLowercase
    {
      return true
    }
    // "between any two characters of the class anything else"
    if kind(before) == "else", kind(after) == "else" { return true }
    // "on either side of a character of a script written without spaces"
    return isUnspaced(before) || isUnspaced(after)
  }

  private static func isUpper(_ scalar: Unicode.Scalar) -> Bool {
    isLetter(scalar) && scalar.properties.isUppercase
  }

  private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }

  private static func kind(_ scalar: Unicode.Scalar) -> String {
    if isLetter(scalar) { return scalar.isASCII ? "ASCII letter" : "other letter" }
    return scalar.properties.generalCategory == .decimalNumber ? "digit" : "else"
  }

  /// Blocks, not scripts: enough for the characters that the tests use.
  private static func isUnspaced(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x3041...0x3096, 0x30A1...0x30FA, 0x4E00...0x9FFF, 0x0E01...0x0E3A, 0x0E40...0x0E5B, 0x0E81...0x0EDF,
      0x1780...0x17DD, 0x1000...0x109F:
      true
    default: false
    }
  }
}
