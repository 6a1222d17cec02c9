internal import RouterCore
internal import Wire

/// Compares two texts by the words they share: F1 over normalised words, each counted as often as it stands.
///
/// It cannot see that a "not" or a digit turns the meaning round in a long text; it says that two texts are about the
/// same words, no more. Short answers, where one word is the answer, have to be the same.
enum TextAgreement {
  /// Answers of at most so many words have to be equal.
  static let shortWords = 3
  /// Words read of either text.
  static let limitWords = 20_000

  static func compare(
    _ candidate: CandidateAnswer, _ frontier: FrontierAnswer, minScore: Double
  ) -> AgreementResult {
    let theirs = words(of: frontier.value?.stringValue ?? frontier.text)
    guard !theirs.isEmpty else { return .unknown(.frontierEmpty) }
    let ours = words(of: candidate.answer.stringValue ?? candidate.answer.jsonText)
    // The frontier found something to say: an answer without a word in it is not the same.
    guard !ours.isEmpty else { return AgreementResult(.disagree, score: 0, detail: .candidateEmpty) }
    let score = min(ours.count, theirs.count) <= shortWords ? (ours == theirs ? 1 : 0) : f1(ours, theirs)
    let isSimilar = score >= minScore
    return AgreementResult(
      isSimilar ? .agree : .disagree, score: score, detail: isSimilar ? .textSimilar : .textDiffers)
  }

  private static func f1(_ left: [UInt64], _ right: [UInt64]) -> Double {
    var counts: [UInt64: Int] = [:]
    counts.reserveCapacity(left.count)
    for word in left { counts[word, default: 0] += 1 }
    var shared = 0
    for word in right {
      guard let count = counts[word], count > 0 else { continue }
      counts[word] = count - 1
      shared += 1
    }
    return 2 * Double(shared) / Double(left.count + right.count)
  }

  /// The words of a text as hashes: lower case, without punctuation.
  ///
  /// A sign before a number, a point inside one, and every character of a script without spaces are words or parts
  /// of them: `-5` is not `5`.
  static func words(of text: String) -> [UInt64] {
    var reader = WordReader()
    for scalar in text.unicodeScalars {
      if reader.words.count >= limitWords { break }
      reader.read(scalar)
    }
    reader.end()
    return reader.words
  }
}

/// Cuts scalars into words and hashes them (FNV-1a) on the way, so that no word is ever a string.
private struct WordReader {
  private(set) var words: [UInt64] = []
  private var hash = offsetBasis
  private var isInWord = false
  private var lastWasDigit = false
  /// A mark that belongs to the word only if a digit follows.
  private var held: UInt32?

  private static let offsetBasis: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func read(_ scalar: Unicode.Scalar) {
    let value = scalar.value
    switch value {
    case 0x30...0x39:
      if let mark = held { mix(mark) }
      held = nil
      mix(value)
      lastWasDigit = true
    case 0x61...0x7A: letter(value)
    case 0x41...0x5A: letter(value | 0x20)
    case 0x27, 0x2019:
      // "don't" and "dont" are one word.
      break
    case 0x2C where lastWasDigit && isInWord:
      // 1,000 is 1000; "3, 4" ends at the space that follows.
      break
    case 0x2E where lastWasDigit && isInWord: held = value
    case 0x2D, 0x2212, 0x2B:
      end()
      held = value == 0x2B ? 0x2B : 0x2D
    case 0..<0x80: end()
    default: beyondASCII(scalar)
    }
  }

  mutating func end() {
    if isInWord { words.append(hash) }
    hash = Self.offsetBasis
    isInWord = false
    lastWasDigit = false
    held = nil
  }

  private mutating func letter(_ value: UInt32) {
    if held != nil { end() }
    mix(value)
    lastWasDigit = false
  }

  private mutating func beyondASCII(_ scalar: Unicode.Scalar) {
    let properties = scalar.properties
    guard properties.isAlphabetic || properties.numericType != nil else { return end() }
    if properties.isIdeographic || (0x3040...0x30FF).contains(scalar.value) {
      end()
      mix(scalar.value)
      return end()
    }
    for lower in properties.lowercaseMapping.unicodeScalars { letter(lower.value) }
  }

  private mutating func mix(_ value: UInt32) {
    hash = (hash ^ UInt64(value)) &* 0x100_0000_01b3
    isInWord = true
  }
}
