/// Judges the name of a setting: does its value have to stay secret?
struct SecretName {
  /// A password or its like: whatever the value is, it goes.
  private(set) var isStrong = false
  /// A key, token or credential: the value goes unless it is plainly a word, a number or code.
  private(set) var isMedium = false
  /// Something that is often harmless (`key`, `auth`): the value goes if it looks like a secret.
  private(set) var isWeak = false

  init() {}

  init(_ text: Span<UInt8>, _ range: Range<Int>) {
    for start in range {
      let rest = range.upperBound - start
      switch lowered(text[start]) {
      case ascii("p"): password(text, start, rest)
      case ascii("s"): if SecretName.has("secret", text, start, rest) { isMedium = true }
      case ascii("t"): token(text, start, rest)
      case ascii("k"): key(text, start, rest, first: range.lowerBound)
      case ascii("c"): credential(text, start, rest, whole: range.count)
      case ascii("a"):
        if SecretName.has("auth", text, start, rest) { isWeak = true }
        if SecretName.has("apikey", text, start, rest) { isMedium = true }
        if SecretName.has("accessid", text, start, rest) || SecretName.has("access_id", text, start, rest) {
          isWeak = true
        }
        if SecretName.has("art-api", text, start, rest) { isWeak = true }
      case ascii("l"): if SecretName.has("login", text, start, rest), rest == 5 { isWeak = true }
      default: break
      }
    }
  }

  private mutating func password(_ text: Span<UInt8>, _ start: Int, _ rest: Int) {
    if SecretName.has("passw", text, start, rest) || SecretName.has("passphrase", text, start, rest)
      || SecretName.has("pwd", text, start, rest) && rest == 3
    {
      isStrong = true
    }
  }

  /// `token` ends a secret's name (`access_token`, `TOKEN_123`); `token_type` and `tokens` are none.
  private mutating func token(_ text: Span<UInt8>, _ start: Int, _ rest: Int) {
    guard SecretName.has("token", text, start, rest) else { return }
    if rest == 5
      || (rest <= 9 && !SecretName.has("tokens", text, start, rest)
        && SecretName.tailIsNumber(text, start + 5, rest - 5))
    {
      isMedium = true
    }
  }

  private mutating func key(_ text: Span<UInt8>, _ start: Int, _ rest: Int, first: Int) {
    guard rest == 3 || rest == 6, SecretName.has("key", text, start, rest) else { return }
    isWeak = true
    // `api_key`, `secret-key`, `privateKey` and their like.
    for name: StaticString in [
      "api_key", "api-key", "apikey", "access_key", "accesskey", "private_key", "privatekey",
    ] {
      let count = name.utf8CodeUnitCount
      if start + 3 - count >= first, SecretName.has(name, text, start + 3 - count, count) { isMedium = true }
    }
  }

  private mutating func credential(_ text: Span<UInt8>, _ start: Int, _ rest: Int, whole: Int) {
    if SecretName.has("credential", text, start, rest) || SecretName.has("creds", text, start, rest)
      || SecretName.has("clientid", text, start, rest)
    {
      isWeak = true
    }
    // Sidekiq's licences, as Bundler is told them.
    if SecretName.has("contribsys__com", text, start, rest) { isStrong = true }
    if rest == whole, rest == 3,
      SecretName.has("cvv", text, start, rest) || SecretName.has("cvc", text, start, rest)
    {
      isStrong = true
    }
  }

  private static func tailIsNumber(_ text: Span<UInt8>, _ start: Int, _ count: Int) -> Bool {
    for index in start..<start + count where text[index] != ascii("_") {
      if !(48...57).contains(text[index]) { return false }
    }
    return true
  }

  private static func has(_ word: StaticString, _ text: Span<UInt8>, _ start: Int, _ rest: Int) -> Bool {
    word.stands(in: text, at: start, end: start + rest)
  }

  /// Whether a word for a secret stands within 40 bytes before `position`, on the same line.
  static func isNear(_ text: Span<UInt8>, before position: Int) -> Bool {
    var start = position
    while start > 0, position - start < 40, text[start - 1] != 10 { start -= 1 }
    for index in start..<position {
      let rest = position - index
      let isWord: Bool =
        switch lowered(text[index]) {
        case ascii("k"): has("key", text, index, rest)
        case ascii("t"): has("token", text, index, rest)
        case ascii("s"): has("secret", text, index, rest)
        case ascii("p"): has("passw", text, index, rest)
        case ascii("c"): has("credential", text, index, rest)
        default: false
        }
      if isWord { return true }
    }
    return false
  }

  /// Whether a date that follows may be a day of birth.
  static func isBirthNear(_ text: Span<UInt8>, before position: Int) -> Bool {
    for index in max(0, position - 32)..<position {
      let rest = position - index
      if has("birth", text, index, rest) || has("born", text, index, rest) || has("dob", text, index, rest)
        || has("d.o.b", text, index, rest)
      {
        return true
      }
    }
    return false
  }
}
