/// Finds which of a set of words stand in a text as whole words; ASCII letters without case.
///
/// One pass over at most 64 KiB of the text; each place where a word begins looks only at the labels that begin with
/// the same byte. A label inside a longer one that also stands there does not count.
struct LabelsInProse {
  enum Finding: Equatable {
    case nothing
    case one(String)
    /// Different words, in the order of the set.
    case several([String])
  }

  /// Longer answers are not labels with some words around them.
  static let limitBytes = 65_536

  private let words: [(name: String, bytes: [UInt8])]
  /// Indices into `words` by first byte, longest first.
  private var byFirst: [UInt8: [Int]] = [:]

  init(_ names: [String]) {
    words = names.sorted().compactMap { name in
      let bytes = name.utf8.map(ByteText.lower)
      return bytes.isEmpty ? nil : (name, bytes)
    }
    for (index, word) in words.enumerated() { byFirst[word.bytes[0], default: []].append(index) }
    for first in byFirst.keys {
      byFirst[first]?.sort { (words[$1].bytes.count, $0) < (words[$0].bytes.count, $1) }
    }
  }

  func find(in text: String) -> Finding {
    let bytes = text.utf8.prefix(Self.limitBytes).map(ByteText.lower)
    var found: Set<Int> = []
    var at = 0
    while at < bytes.count {
      if let word = match(bytes, at: at) {
        found.insert(word)
        at += words[word].bytes.count
      } else {
        at += 1
      }
    }
    guard let first = found.first else { return .nothing }
    return found.count == 1 ? .one(words[first].name) : .several(found.sorted().map { words[$0].name })
  }

  private func match(_ text: [UInt8], at start: Int) -> Int? {
    guard let candidates = byFirst[text[start]] else { return nil }
    if start > 0, Self.isInsideWord(text[start]), Self.isInsideWord(text[start - 1]) { return nil }
    return candidates.first { index in
      let word = words[index].bytes
      let end = start + word.count
      guard end <= text.count else { return false }
      for offset in 1..<max(1, word.count) where text[start + offset] != word[offset] { return false }
      return end == text.count || !Self.isInsideWord(word[word.count - 1]) || !Self.isInsideWord(text[end])
    }
  }

  /// Letters, digits, the marks that join the parts of a label, and anything beyond ASCII.
  ///
  /// Scripts written without spaces (lead bytes E3…ED hold Han, Kana and Hangul) have no such insides, which is told
  /// from the byte alone: their continuation bytes are not, so only a label's beginning there is free of an edge.
  private static func isInsideWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
    case UInt8(ascii: "_"), UInt8(ascii: "-"): true
    case 0xE3...0xED: false
    default: byte >= 0x80
    }
  }
}
