/// The places where a term may begin or end.
///
/// An edge is the start or the end of the text, and any place between two characters of different class (ASCII
/// letter, other letter, digit, anything else), between a lower-case and an upper-case letter, between two
/// upper-case letters of which the second is followed by a lower-case one, between any two characters of the
/// class anything else, and on either side of a character of a script written without spaces. A character is a
/// Unicode scalar of the folded text, its case still as written.
enum TermEdges {
  /// - Parameter next: What follows `after`; nil at the end of the text.
  static func isEdge(_ before: ScalarTraits, _ after: ScalarTraits, next: ScalarTraits?) -> Bool {
    let kind = after.kind
    if before.kind != kind || kind == .other { return true }
    if before.has(.unspacedScript) || after.has(.unspacedScript) { return true }
    guard after.has(.upper) else { return false }
    if before.has(.lower) { return true }
    guard before.has(.upper), let next else { return false }
    return next.has(.lower)
  }

  /// Whether there is an edge before the byte at `place` of a well-formed text, or at its end.
  static func isEdge(_ text: Span<UInt8>, at place: Int) -> Bool {
    guard place > 0, place < text.count else { return true }
    var end = ScalarCoding.start(before: place, in: text)
    let before = ScalarTraits(of: text[end] < 0x80 ? UInt32(text[end]) : ScalarCoding.decode(text, at: &end))
    var cursor = place
    let after = ScalarTraits(of: ScalarCoding.decode(text, at: &cursor))
    let next = cursor < text.count ? ScalarTraits(of: ScalarCoding.decode(text, at: &cursor)) : nil
    return isEdge(before, after, next: next)
  }

  /// Writes the text with its case folded and every white space beyond ASCII as blanks, every character where it
  /// was, so that edges can be told from the text itself.
  ///
  /// - Returns: False where that cannot be, because a character's other case is longer or shorter.
  static func foldCaseInPlace(_ text: Span<UInt8>, into out: inout [UInt8]) -> Bool {
    out.removeAll(keepingCapacity: true)
    Folding.append(text, 0..<text.count, to: &out)
    var place = Folding.firstNonASCII(text, from: 0)
    while place < text.count {
      let start = place
      let scalar = ScalarCoding.decode(text, at: &place)
      let traits = ScalarTraits(of: scalar)
      if traits.has(.whiteSpace) {
        for blank in start..<place { out[blank] = 0x20 }
      } else if traits.has(.cased) {
        let other = ScalarTraits.simpleFolding(of: scalar)
        guard ScalarCoding.replace(start..<place, of: &out, with: other) else { return false }
      }
      if place < text.count, text[place] < 0x80 { place = Folding.firstNonASCII(text, from: place) }
    }
    return true
  }

  /// Writes the text with its case folded and every white space as a blank, and for each byte of that, and
  /// once more for its end, 1 where there is an edge before it.
  ///
  /// Case folding changes the length of some sequences and hides the case by which edges are told, so edges are
  /// judged here, where both are at hand.
  static func foldCase(_ text: Span<UInt8>, into out: inout [UInt8], edges: inout [UInt8]) {
    out.removeAll(keepingCapacity: true)
    edges.removeAll(keepingCapacity: true)
    var place = 0
    var before: ScalarTraits? = nil
    var scalar: UInt32? = nil
    while true {
      let next = place < text.count ? ScalarCoding.decode(text, at: &place) : nil
      if let scalar {
        let traits = ScalarTraits(of: scalar)
        let follower = next.map { ScalarTraits(of: $0) }
        edges.append(before.map { isEdge($0, traits, next: follower) } ?? true ? 1 : 0)
        ScalarCoding.append(caseFolded(scalar, traits), to: &out)
        // Inside a character nothing begins or ends.
        while edges.count < out.count { edges.append(0) }
        before = traits
      }
      guard next != nil else { break }
      scalar = next
    }
    edges.append(1)
  }

  /// The form in which terms and texts are compared.
  static func caseFolded(_ scalar: UInt32, _ traits: ScalarTraits) -> UInt32 {
    traits.has(.whiteSpace) ? 0x20 : ScalarTraits.simpleFolding(of: scalar)
  }
}
