/// Whether a text names something: the name as a whole, not as a part of a longer one.
package enum NameMention {
  /// Compares byte by byte, case included: names of files and records are told apart by it.
  ///
  /// A name ends where no letter, digit or `_` goes on, nor a `.` or `-` that has one behind it: `app.log` stands in
  /// `see app.log.` and in `logs/app.log`, not in `webapp.log`, `app.log2` or `app.log.gz`. Beside a character of a script
  /// written without spaces there is always an end.
  ///
  /// - Parameter text: Well-formed UTF-8.
  package static func stands(_ name: String, in text: [UInt8]) -> Bool {
    let name = Array(name.utf8)
    guard let first = name.first, name.count <= text.count else { return false }
    let bytes = text.span
    for place in 0...(text.count - name.count) where text[place] == first {
      let end = place + name.count
      guard text[place..<end].elementsEqual(name) else { continue }
      if isEnd(at: place, inside: place, of: bytes, by: -1), isEnd(at: end, inside: end - 1, of: bytes, by: 1)
      {
        return true
      }
    }
    return false
  }

  /// - Parameters:
  ///   - place: The border: a byte's place, or the end of the text.
  ///   - inside: A byte of the name's outermost character.
  ///   - step: Towards the outside.
  private static func isEnd(at place: Int, inside: Int, of text: Span<UInt8>, by step: Int) -> Bool {
    guard let inner = traits(at: inside, of: text), inner.isWord else { return true }
    let outside = step > 0 ? place : place - 1
    guard let outer = traits(at: outside, of: text) else { return true }
    if inner.isUnspaced || outer.isUnspaced { return true }
    if outer.isWord { return false }
    guard text[outside] == UInt8(ascii: ".") || text[outside] == UInt8(ascii: "-") else { return true }
    guard let beyond = traits(at: outside + step, of: text) else { return true }
    return !beyond.isWord || beyond.isUnspaced
  }

  /// Of the character that a byte belongs to; nil outside the text.
  private static func traits(at byte: Int, of text: Span<UInt8>) -> (isWord: Bool, isUnspaced: Bool)? {
    guard byte >= 0, byte < text.count else { return nil }
    var start = byte
    while start > 0, text[start] & 0xC0 == 0x80 { start -= 1 }
    let isLowLine = text[start] == UInt8(ascii: "_")
    let traits = ScalarTraits(of: ScalarCoding.decode(text, at: &start))
    return (traits.kind != .other || isLowLine, traits.has(.unspacedScript))
  }
}
