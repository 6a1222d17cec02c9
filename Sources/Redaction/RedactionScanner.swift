import Text

/// One pass over a text from left to right, in which every word decides by looking ahead whether it begins
/// something that must not be shown.
///
/// Because nothing is decided behind the position, the pass can stop as soon as enough text is kept.
struct RedactionScanner {
  let classes = ByteClass.table
  let prefixes = TokenPrefixes.shared
  /// Bytes that may be read.
  let limit: Int
  /// Scalars to keep; nil for all.
  private let enough: Int
  /// In order, not overlapping.
  private(set) var found: [RedactedRange] = []
  /// Where the pass stopped.
  private(set) var end = 0

  /// Up to here no e-mail address can begin: the run of bytes that could be its first part ends without an `@`.
  var noMailBefore = 0

  /// The rest of the token in which a value was looked for last.
  var bareToken = 0..<0

  /// Bytes that count for no scalar of the output: continuation bytes, and what was redacted.
  private var uncounted = 0

  /// Random characters alone are kept: most identifiers are such.
  let sparesRandom: Bool

  init(limit: Int, enough: Int?, sparesRandom: Bool = false) {
    self.limit = limit
    self.sparesRandom = sparesRandom
    self.enough = enough ?? .max
  }

  /// - Returns: Whether what was read is UTF-8.
  mutating func scan(_ text: Span<UInt8>) -> Bool {
    var position = 0
    while position < limit {
      let byte = text[position]
      let kind = classes[Int(byte)]
      if kind & ByteClass.word != 0 {
        position = word(text, at: position)
      } else if kind & ByteClass.trigger == 0 {
        // No token reaches back over a delimiter, so what lies before is final.
        if kind & ByteClass.delimiter != 0, position - uncounted >= enough { break }
        position += 1
      } else if byte >= 0x80 {
        let (scalar, length) = UTF8Scalar.decode(text, at: position)
        if length == 1 || scalar == nil { return false }
        // Text without spaces must be able to end the pass as well; but not within a word, which may be an address.
        if position - uncounted >= enough, !joins(self.byte(text, position - 1)) { break }
        uncounted += length - 1
        position += length
      } else {
        position = mark(byte, text, at: position)
      }
    }
    end = min(position, limit)
    return true
  }

  /// The first byte after the last redaction: what lies before must not be reached back into.
  var floor: Int { found.last?.end ?? 0 }

  mutating func redact(_ start: Int, _ end: Int, _ kind: RedactionKind) -> Int {
    let first = max(start, floor)
    found.append(RedactedRange(start: first, end: end, kind: kind))
    uncounted += end - first - kind.labelCount
    return end
  }

  // MARK: Words

  /// - Returns: Where to go on.
  private mutating func word(_ text: Span<UInt8>, at start: Int) -> Int {
    var flags: UInt8 = 0
    var end = start
    while end < limit {
      let kind = classes[Int(text[end])]
      if kind & ByteClass.word == 0 { break }
      flags |= kind
      end += 1
    }
    let next = end < limit ? text[end] : 32
    let isJoined = classes[Int(next)] & ByteClass.joiner != 0 && goesOn(text, after: end)
    // Secrets of capitals or of both cases begin at 13; ordinary words that long are rare enough.
    let most = flags & ByteClass.upper == 0 ? 20 : 13
    if flags & (ByteClass.digit | ByteClass.underscore) == 0, !isJoined, end - start < most {
      if next == 32, end - start == 2, flags == ByteClass.upper,
        let value = insurance(text, start) ?? germanTax(text, start)
      {
        return value
      }
      if next == 32, end - start <= 6, let value = scheme(text, start..<end) { return value }
      return end
    }
    return suspicious(text, Word(start: start, end: end, flags: flags, next: next))
  }

  /// Whether the joiner at `position` is followed by more than the end of a sentence.
  private func goesOn(_ text: Span<UInt8>, after position: Int) -> Bool {
    position + 1 < limit && text[position + 1] > 32
  }

  struct Word {
    let start: Int
    let end: Int
    /// All of its bytes' classes.
    let flags: UInt8
    /// The byte after it, a space at the end.
    let next: UInt8

    var count: Int { end - start }
    var hasDigit: Bool { flags & ByteClass.digit != 0 }
    var hasLetter: Bool { flags & ByteClass.letter != 0 }
  }

  /// A word that holds digits or underscores, is long, or is joined to more.
  private mutating func suspicious(_ text: Span<UInt8>, _ word: Word) -> Int {
    if prefixes.mayStart(text[word.start]), let end = markedToken(text, word) { return end }
    if word.next == ascii(":"), let end = urlCredentials(text, word) { return end }
    if isLocalPart(word), word.start >= noMailBefore, let end = email(text, word.start) {
      return redact(leftOfToken(text, word.start), end, .email)
    }
    if let end = address(text, word) { return end }
    if word.hasDigit {
      if !word.hasLetter, let end = number(text, at: word.start) { return end }
      if let end = identity(text, word) { return end }
    }
    if let end = randomToken(text, word) { return end }
    return word.end
  }

  private func isLocalPart(_ word: Word) -> Bool {
    switch word.next {
    case ascii("@"), ascii("."), ascii("-"), ascii("+"), ascii("%"): true
    default: false
    }
  }

  // MARK: Marks

  /// At a byte that is a trigger outside of words.
  private mutating func mark(_ byte: UInt8, _ text: Span<UInt8>, at position: Int) -> Int {
    switch byte {
    case ascii(":"):
      if let end = doubleColonAddress(text, at: position) { return end }
      return assignment(text, at: position) ?? position + 1
    case ascii("="), ascii(">"): return assignment(text, at: position) ?? position + 1
    case ascii("-"): return dashes(text, at: position) ?? position + 1
    default: return number(text, at: position) ?? position + 1
    }
  }

  // MARK: Reading

  func byte(_ text: Span<UInt8>, _ position: Int) -> UInt8 {
    position >= 0 && position < limit ? text[position] : 32
  }

  func isAlphanumeric(_ byte: UInt8) -> Bool { classes[Int(byte)] & ByteClass.alphanumeric != 0 }

  func isDigit(_ byte: UInt8) -> Bool { classes[Int(byte)] & ByteClass.digit != 0 }

  func isDelimiter(_ byte: UInt8) -> Bool { classes[Int(byte)] & ByteClass.delimiter != 0 }

  /// Whether `word` (lower case) stands at `position`, ASCII case aside.
  func has(_ word: StaticString, _ text: Span<UInt8>, at position: Int) -> Bool {
    position >= 0 && word.stands(in: text, at: position, end: limit)
  }

  /// Where the token that holds `position` begins: over bytes that join, but not over a path, a key or another redaction.
  func leftOfToken(_ text: Span<UInt8>, _ position: Int) -> Int {
    var start = position
    while start > floor {
      let before = text[start - 1]
      if before < 0x80, !joins(before) { break }
      start -= 1
    }
    return start
  }

  /// Whether an ASCII byte goes on with a token.
  private func joins(_ byte: UInt8) -> Bool {
    isAlphanumeric(byte) || byte == ascii("_") || byte == ascii("-") || byte == ascii("+")
      || byte == ascii(".") || byte == ascii("~") || byte == ascii("%")
  }
}
