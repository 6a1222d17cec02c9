/// Secrets known by their own form: issuers' marks, private keys, credentials in addresses, random characters.
extension RedactionScanner {
  /// A token with an issuer's mark, or a JSON Web Token.
  mutating func markedToken(_ text: Span<UInt8>, _ word: Word) -> Int? {
    let isMark = word.hasDigit || word.flags & ByteClass.underscore != 0 || word.count >= 12
    guard
      isMark || word.next == ascii("-") || word.next == ascii(".") || word.next == ascii("~")
        || word.count >= 16
    else { return nil }
    guard let end = prefixes.end(of: text, from: word.start, limit: limit, classes: classes) else {
      return nil
    }
    guard isTokenLike(text, word.start..<end) else { return nil }
    return redact(word.start, tokenEnd(text, end), .secret)
  }

  /// The mark of some is a common beginning (`key-`, `sk-`): small letters and dashes alone are a name.
  private func isTokenLike(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    var flags: UInt8 = 0
    for index in range { flags |= classes[Int(text[index])] }
    let letters = flags & ByteClass.letter
    let isJoined = flags & (ByteClass.joiner | ByteClass.underscore) != 0
    return flags & ByteClass.digit != 0 || letters == ByteClass.letter
      || letters == ByteClass.upper && !isJoined
  }

  /// `eyJ…` is base64 for `{"`, the beginning of a JSON Web Token and of many other secrets.
  private mutating func jsonToken(_ text: Span<UInt8>, _ word: Word) -> Int? {
    guard word.count >= 17, text[word.start] == ascii("e"), text[word.start + 1] == ascii("y") else {
      return nil
    }
    let capital = text[word.start + 2]
    guard capital == ascii("J") || word.next == ascii(".") else { return nil }
    let end = tokenEnd(text, word.end)
    let isThreePart = word.next == ascii(".")
    return redact(word.start, end, isThreePart ? .jwt : .secret)
  }

  /// The end of a token that goes on over `-+/=~`, and over dots between its parts.
  func tokenEnd(_ text: Span<UInt8>, _ start: Int) -> Int {
    var end = start
    while end < limit {
      let byte = text[end]
      let goesOn = classes[Int(byte)] & (ByteClass.word | ByteClass.token) != 0 || byte == ascii("\\")
      let isDot = byte == ascii(".") && isAlphanumeric(self.byte(text, end + 1))
      if !goesOn && !isDot { break }
      end += 1
    }
    return end
  }

  // MARK: Addresses with credentials

  /// `scheme://user:password@host`: what stands before the `@` goes.
  mutating func urlCredentials(_ text: Span<UInt8>, _ word: Word) -> Int? {
    guard byte(text, word.end + 1) == ascii("/"), byte(text, word.end + 2) == ascii("/") else { return nil }
    let start = word.end + 3
    var last: Int?
    var hasColon = false
    var position = start
    while position < limit, position - start < 512 {
      let byte = text[position]
      if byte <= 32 || byte == ascii("/") || byte == ascii("\"") || byte == ascii("?") { break }
      if byte == ascii("@") { last = position }
      if byte == ascii(":"), last == nil { hasColon = true }
      position += 1
    }
    guard let last, last > start else { return nil }
    // A name alone is a credential on the web (a token), not in ssh://git@host.
    guard hasColon || has("http", text, at: word.start) else { return nil }
    return redact(start, last, .urlCredentials)
  }

  // MARK: Dashes

  /// A private key's block, or a credential given as an option.
  mutating func dashes(_ text: Span<UInt8>, at position: Int) -> Int? {
    if byte(text, position + 1) == ascii("-") {
      if has("-----begin", text, at: position) { return privateKey(text, at: position) }
      return option(text, nameAt: position + 2)
    }
    guard byte(text, position - 1) <= 32 else { return nil }
    if byte(text, position + 1) == ascii("u"), byte(text, position + 2) <= 32 {
      return userOption(text, at: position + 3)
    }
    return nil
  }

  /// From BEGIN to the end of the END line, or of what may be read.
  private mutating func privateKey(_ text: Span<UInt8>, at start: Int) -> Int? {
    var position = start + 10
    let lineEnd = min(limit, start + 120)
    var isPrivate = false
    while position < lineEnd, text[position] != ascii("-"), text[position] != 10 {
      if has("private key", text, at: position) { isPrivate = true }
      position += 1
    }
    guard isPrivate else { return nil }
    while position < limit, !has("-----end", text, at: position) { position += 1 }
    if position >= limit { return redact(start, limit, .privateKey) }
    position += 8
    while position < limit, text[position] != ascii("-"), text[position] != 10 { position += 1 }
    while position < limit, text[position] == ascii("-") { position += 1 }
    return redact(start, position, .privateKey)
  }

  /// `--password VALUE`; with an equals sign it is an assignment.
  private mutating func option(_ text: Span<UInt8>, nameAt start: Int) -> Int? {
    var end = start
    while end < limit, end - start < 40, isAlphanumeric(text[end]) || text[end] == ascii("-") { end += 1 }
    guard end > start, byte(text, end) == 32 else { return nil }
    if end - start == 4, has("user", text, at: start) { return userOption(text, at: end) }
    guard SecretName(text, start..<end).isStrong, byte(text, end + 1) != ascii("-") else { return nil }
    return value(text, at: end + 1, .strong)
  }

  /// `curl -u name:password`.
  private mutating func userOption(_ text: Span<UInt8>, at start: Int) -> Int? {
    var position = start
    while position < limit, text[position] == 32 { position += 1 }
    let quote = byte(text, position)
    let isQuoted = quote == ascii("'") || quote == ascii("\"")
    let first = isQuoted ? position + 1 : position
    var end = first
    var hasColon = false
    while end < limit, isQuoted ? text[end] != quote : text[end] > 32 {
      if text[end] == ascii(":") { hasColon = true }
      end += 1
    }
    guard hasColon, end - first > 3, byte(text, first) != ascii("$") else { return nil }
    return redact(first, end, .secret)
  }

  // MARK: Random characters

  /// A token whose characters are mixed as no name is.
  mutating func randomToken(_ text: Span<UInt8>, _ word: Word) -> Int? {
    if let end = jsonToken(text, word) { return end }
    if let end = colonToken(text, word) { return end }
    if let end = webhook(text, word) { return end }
    if let end = regionToken(text, word) { return end }
    if sparesRandom { return nil }
    guard word.hasDigit || word.count >= 24 else { return nil }
    var start = word.start
    while start < word.end {
      var end = start
      while end < word.end, text[end] != ascii("_") { end += 1 }
      if Mixture(text, start..<end, classes).isRandom {
        return redact(leftOfToken(text, word.start), tokenEnd(text, word.end), .secret)
      }
      start = end + 1
    }
    return labelledToken(text, word)
  }

  /// Telegram's `digits:A…` and Facebook's `digits|…`.
  private mutating func colonToken(_ text: Span<UInt8>, _ word: Word) -> Int? {
    guard !word.hasLetter, word.count >= 5 else { return nil }
    let isTelegram = word.next == ascii(":") && byte(text, word.end + 1) == ascii("A")
    guard isTelegram || word.next == ascii("|") else { return nil }
    let end = tokenEnd(text, word.end + 1)
    guard end - word.end > 26 else { return nil }
    return redact(word.start, end, .secret)
  }

  /// Mailchimp's 32 hexadecimal digits, a dash and a data centre.
  private mutating func regionToken(_ text: Span<UInt8>, _ word: Word) -> Int? {
    guard word.count == 32, word.next == ascii("-"), has("us", text, at: word.end + 1) else { return nil }
    guard isDigit(byte(text, word.end + 3)) else { return nil }
    return redact(word.start, tokenEnd(text, word.end), .secret)
  }

  /// Addresses that are secrets themselves: whoever has one may post.
  private mutating func webhook(_ text: Span<UInt8>, _ word: Word) -> Int? {
    guard word.next == ascii("."), word.count <= 7 else { return nil }
    guard
      has("hooks.slack.com/", text, at: word.start) || has("discord.com/api/webhooks/", text, at: word.start)
    else { return nil }
    return redact(word.start, tokenEnd(text, word.end), .secret)
  }

  /// Hashes and UUIDs are kept unless a word such as "key" or "token" stands shortly before.
  private mutating func labelledToken(_ text: Span<UInt8>, _ word: Word) -> Int? {
    guard word.hasDigit, word.hasLetter else { return nil }
    let isLong = word.count >= 16
    // A UUID is asked for by its shape: to follow the token from every part of it would be quadratic.
    let isUUID = word.count == 8 && word.next == ascii("-") && byte(text, word.end + 5) == ascii("-")
    guard isLong || isUUID, SecretName.isNear(text, before: word.start) else { return nil }
    let end = isLong ? tokenEnd(text, word.end) : min(limit, word.start + 36)
    guard end - word.start >= 16 else { return nil }
    return redact(word.start, end, .secret)
  }
}

/// How mixed the characters of a token are.
struct Mixture {
  private(set) var isRandom = false

  /// Thresholds: of 20 random base-62 characters about nine change class; of 20 characters of a camel-case name three
  /// or four do, since a capital letter before a small one is not counted.
  init(_ text: Span<UInt8>, _ range: Range<Int>, _ classes: [UInt8]) {
    guard range.count >= 16 else { return }
    var (changes, digits, flags) = (0, 0, UInt8(0))
    var last: UInt8 = 0
    var isHex = true
    var (low, high): (UInt64, UInt64) = (0, 0)
    for index in range {
      let byte = text[index]
      let kind = classes[Int(byte)]
      flags |= kind
      if kind != last, last != 0, !(last == ByteClass.upper && kind == ByteClass.lower) { changes += 1 }
      if kind == ByteClass.digit { digits += 1 }
      if (103...122).contains(byte | 0x20) { isHex = false }
      if byte < 64 { low |= 1 << UInt64(byte) } else { high |= 1 << UInt64(byte & 63) }
      last = kind
    }
    let distinct = low.nonzeroBitCount + high.nonzeroBitCount
    let letters = flags & ByteClass.letter
    guard distinct >= 9, letters != 0 else { return }
    if letters == ByteClass.letter {
      // Both cases: 16 are enough, and hexadecimal digits are not written so.
      isRandom =
        digits >= 2 ? changes * 4 >= range.count : range.count >= 24 && changes * 10 >= range.count * 3
    } else if !isHex {
      isRandom = range.count >= 20 && digits >= 3 && changes * 4 >= range.count
    }
  }
}
