/// `name = value` in the shapes of code, JSON, YAML, environment files, headers and XML.
extension RedactionScanner {
  enum Strictness {
    /// Any value goes.
    case strong
    /// Not words, numbers and code.
    case medium
    /// Only what looks like a secret.
    case weak
  }

  /// At `:`, `=` or `>`: looks back for the name, ahead for the value.
  mutating func assignment(_ text: Span<UInt8>, at position: Int) -> Int? {
    guard let name = nameRange(text, before: position) else { return nil }
    let isElement = text[position] == ascii(">")
    if isElement, byte(text, name.lowerBound - 1) != ascii("<") { return nil }
    if name.count >= 6, isHeader(text, name) { return header(text, at: position + 1) }
    let judged = SecretName(text, name)
    let start = valueStart(text, after: position + 1)
    if judged.isStrong { return value(text, at: start, .strong) }
    if judged.isMedium { return value(text, at: start, .medium) }
    if judged.isWeak { return value(text, at: start, .weak) }
    if name.count == 5, has("value", text, at: name.lowerBound), namesPassword(text, before: name.lowerBound)
    {
      return value(text, at: start, .strong)
    }
    return nil
  }

  /// The identifier right before `position`, quotes, brackets and spaces between them passed over.
  private func nameRange(_ text: Span<UInt8>, before position: Int) -> Range<Int>? {
    var end = position
    var skipped = 0
    while end > 0, skipped < 12, isBetween(text[end - 1]) {
      end -= 1
      skipped += 1
    }
    var start = end
    while start > 0, end - start < 48, isNameByte(text[start - 1]) { start -= 1 }
    return end - start >= 3 ? start..<end : nil
  }

  private func isBetween(_ byte: UInt8) -> Bool {
    switch byte {
    case 32, 9, ascii("\""), ascii("'"), ascii("\\"), ascii("]"), ascii("?"), ascii(":"), ascii("`"): true
    default: false
    }
  }

  private func isNameByte(_ byte: UInt8) -> Bool {
    classes[Int(byte)] & ByteClass.word != 0 || byte == ascii("-") || byte == ascii(".")
  }

  /// `key="ClearTextPassword" value="…"`.
  private func namesPassword(_ text: Span<UInt8>, before position: Int) -> Bool {
    for index in max(0, position - 32)..<position where has("password", text, at: index) { return true }
    return false
  }

  private func valueStart(_ text: Span<UInt8>, after position: Int) -> Int {
    var start = position
    // The rest of `:=`, `==`, `=>` and the like.
    while start < limit, start - position < 3, text[start] == ascii("=") || text[start] == ascii(">") {
      start += 1
    }
    while start < limit, text[start] == 32 || text[start] == 9 { start += 1 }
    return start
  }

  // MARK: Values

  /// Bytes of a value that say what it is. Without a bound, names and values in one endless token would each read all of it.
  private static let mostLooked = 512

  /// - Returns: The end of the redacted value, nil where there is none to redact.
  mutating func value(_ text: Span<UInt8>, at start: Int, _ strictness: Strictness) -> Int? {
    var first = start
    if byte(text, first) == ascii("\\") { first += 1 }
    let quote = byte(text, first)
    let isQuoted = quote == ascii("\"") || quote == ascii("'") || quote == ascii("`")
    if isQuoted { first += 1 }
    let end = isQuoted ? quotedEnd(text, first, quote) : bareEnd(text, first)
    guard end > first, isSecret(text, first..<end, isQuoted, strictness) else { return nil }
    return redact(first, end, .secret)
  }

  private func quotedEnd(_ text: Span<UInt8>, _ start: Int, _ quote: UInt8) -> Int {
    var end = start
    while end < limit, text[end] != quote, text[end] != 10 {
      // An escaped quote belongs to the value, unless the whole text is itself quoted.
      if text[end] == ascii("\\"), byte(text, end + 1) == quote { return end }
      end += 1
    }
    return end
  }

  private mutating func bareEnd(_ text: Span<UInt8>, _ start: Int) -> Int {
    // Where one token holds many names, each of them has the same end.
    if bareToken.contains(start) { return bareToken.upperBound }
    var end = start
    while end < limit, !isDelimiter(text[end]) { end += 1 }
    bareToken = start..<end
    return end
  }

  private func isSecret(
    _ text: Span<UInt8>, _ range: Range<Int>, _ isQuoted: Bool, _ strictness: Strictness
  ) -> Bool {
    if isPlaceholder(text, range) { return false }
    let looked = range.prefix(Self.mostLooked)
    var flags: UInt8 = 0
    for index in looked { flags |= classes[Int(text[index])] }
    let hasDigit = flags & ByteClass.digit != 0
    let hasLetter = flags & ByteClass.letter != 0
    // Coordinates of packages (`com.example.auth:auth-lib:1.2`) look like names with values.
    let isCoordinate = !isQuoted && flags & ByteClass.trigger != 0 && hasColon(text, looked)
    let isCall = !isQuoted && isCode(text, range) || isCoordinate && strictness != .strong
    switch strictness {
    case .strong: return !isCall
    case .medium:
      return !isCall && hasLetter && (hasDigit || isQuoted && range.count >= 6 && !isProse(text, range))
    case .weak: return !isCall && hasDigit && hasLetter && range.count >= 10 || isBase64(text, range)
    }
  }

  /// References and empty values: `$NAME`, `{{…}}`, `<…>`, `null`.
  private func isPlaceholder(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    switch text[range.lowerBound] {
    case ascii("$"), ascii("{"), ascii("<"), ascii("["), ascii("("), ascii("*"): return true
    default: break
    }
    for word: StaticString in ["null", "nil", "none", "true", "false", "undefined"]
    where range.count == word.utf8CodeUnitCount && has(word, text, at: range.lowerBound) { return true }
    return false
  }

  /// An unquoted name that is called, indexed or a member of something.
  private func isCode(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    for index in range {
      let byte = text[index]
      if byte == ascii("(") || byte == ascii("[") { return index > range.lowerBound }
      if classes[Int(byte)] & ByteClass.word == 0, byte != ascii(".") { return false }
    }
    return false
  }

  private func hasColon(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    for index in range where text[index] == ascii(":") { return true }
    return false
  }

  private func isProse(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    for index in range where text[index] == 32 { return true }
    return false
  }

  private func isBase64(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    guard range.count >= 8, text[range.upperBound - 1] == ascii("=") else { return false }
    for index in range.prefix(Self.mostLooked)
    where classes[Int(text[index])] & (ByteClass.word | ByteClass.token) == 0 { return false }
    return true
  }

  // MARK: Headers

  /// Authorization, Proxy-Authorization, Cookie and Set-Cookie.
  private func isHeader(_ text: Span<UInt8>, _ name: Range<Int>) -> Bool {
    has("authorization", text, at: name.upperBound - 13) && name.count >= 13
      || has("cookie", text, at: name.upperBound - 6) && (name.count == 6 || name.count == 10)
  }

  /// The value up to the quote or the line's end; the word for the scheme stays.
  private mutating func header(_ text: Span<UInt8>, at position: Int) -> Int? {
    var start = valueStart(text, after: position)
    if isBetween(byte(text, start)) { start += 1 }
    // Asked first: the same line may hold many.
    guard start < limit, !isPlaceholder(text, start..<start + 1) else { return nil }
    var end = start
    while end < limit, text[end] != 10, text[end] != ascii("\""), text[end] != ascii("'"),
      text[end] != ascii("\\")
    {
      end += 1
    }
    var word = start
    while word < end, isNameByte(text[word]) { word += 1 }
    if word < end, text[word] == 32, end - word > 1, word - start <= 16 { start = word + 1 }
    guard end - start >= 3, !isPlaceholder(text, start..<end) else { return nil }
    return redact(start, end, .secret)
  }

  /// `Bearer …` and `Basic …` wherever they stand.
  ///
  /// - Returns: The end of the redacted credential.
  mutating func scheme(_ text: Span<UInt8>, _ word: Range<Int>) -> Int? {
    guard
      has("bearer", text, at: word.lowerBound) || has("basic", text, at: word.lowerBound) && word.count == 5
    else { return nil }
    let start = word.upperBound + 1
    let end = tokenEnd(text, start)
    guard end - start >= 8 else { return nil }
    var flags: UInt8 = 0
    for index in start + 1..<end { flags |= classes[Int(text[index])] }
    // Prose goes on in small letters: "bearer authentication", "Visual Basic Application".
    guard flags & (ByteClass.digit | ByteClass.upper) != 0 || text[end - 1] == ascii("=") else { return nil }
    return redact(start, end, .secret)
  }
}
