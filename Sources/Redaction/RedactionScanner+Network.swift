/// E-mail addresses and the addresses of machines.
extension RedactionScanner {
  // MARK: E-mail

  /// - Returns: The end of the address that begins at `start`.
  mutating func email(_ text: Span<UInt8>, _ start: Int) -> Int? {
    var at = start
    // 64 bytes is the longest local part of RFC 5321.
    while at < limit, at - start <= 64, isLocalByte(text[at]) {
      // As addresses and forms write it.
      if text[at] == ascii("%"), has("%40", text, at: at), at > start, let end = domainEnd(text, at + 3) {
        return end
      }
      at += 1
    }
    guard byte(text, at) == ascii("@"), at > start else {
      if at - start <= 64 { noMailBefore = at }
      return nil
    }
    return domainEnd(text, at + 1)
  }

  private func isLocalByte(_ byte: UInt8) -> Bool {
    classes[Int(byte)] & ByteClass.word != 0 || byte == ascii(".") || byte == ascii("-") || byte == ascii("+")
      || byte == ascii("%")
  }

  /// The end of a domain with a dot and a top level of letters.
  private func domainEnd(_ text: Span<UInt8>, _ start: Int) -> Int? {
    var end = start
    var label = start
    var hasDot = false
    while end < limit, end - start < 254 {
      let byte = text[end]
      if byte == ascii(".") {
        guard end > label, isDomainByte(self.byte(text, end + 1)) else { break }
        hasDot = true
        label = end + 1
      } else if !isDomainByte(byte) {
        break
      }
      end += 1
    }
    while end > label, text[end - 1] == ascii("-") { end -= 1 }
    // `anna@example.com-17`: a name goes on behind the address. A release (`pack@1.2.beta-3`) is none.
    if !has("xn--", text, at: label), !isDigit(byte(text, start)) {
      var dash = label
      while dash < end, text[dash] != ascii("-") { dash += 1 }
      if dash - label >= 2 { end = dash }
    }
    guard hasDot, end - label >= 2, isTopLevel(text, label..<end) else { return nil }
    // `icon@2x.png`
    if isDigit(byte(text, start)), byte(text, start + 1) == ascii("x"), byte(text, start + 2) == ascii(".") {
      return nil
    }
    return end
  }

  private func isDomainByte(_ byte: UInt8) -> Bool {
    isAlphanumeric(byte) || byte == ascii("-") || byte >= 0x80
  }

  private func isTopLevel(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    if has("xn--", text, at: range.lowerBound) { return true }
    for index in range where isDigit(text[index]) || text[index] == ascii("-") { return false }
    return true
  }

  // MARK: IP and MAC

  /// An address of a machine that begins with this word.
  mutating func address(_ text: Span<UInt8>, _ word: Word) -> Int? {
    switch word.next {
    case ascii("."):
      guard word.hasDigit, word.count <= 4 else { return nil }
      if word.count == 4 { return dottedHardwareAddress(text, word) }
      return dottedAddress(text, word)
    case ascii(":"), ascii("-"):
      guard word.count <= 4 else { return nil }
      if word.count == 2, let end = hardwareAddress(text, word) { return end }
      guard word.next == ascii(":"), let end = longAddress(text, word.start) else { return nil }
      return redact(word.start, end, .ip)
    default: return nil
    }
  }

  private mutating func dottedAddress(_ text: Span<UInt8>, _ word: Word) -> Int? {
    guard let end = fourOctets(text, word.start), !followsVersion(text, word.start) else { return nil }
    let before = byte(text, word.start - 1)
    let after = byte(text, end)
    // `Chrome/108.0.0.0`
    if before == ascii("/"), isAlphanumeric(byte(text, word.start - 2)), has(".0.0.0", text, at: end - 6) {
      return nil
    }
    if before == ascii(".") || before == ascii("-") || isAlphanumeric(after) || after == ascii("_") {
      return nil
    }
    // Longer dotted numbers are object identifiers, names of files and of releases.
    if after == ascii("."), isAlphanumeric(byte(text, end + 1)) { return nil }
    if after == ascii("-"), isAlphanumeric(byte(text, end + 1)) { return nil }
    return redact(word.start, end, .ip)
  }

  /// `1.2.3.4` with octets up to 255, none with a leading zero.
  private func fourOctets(_ text: Span<UInt8>, _ start: Int) -> Int? {
    var position = start
    for octet in 0..<4 {
      if octet > 0 {
        guard byte(text, position) == ascii(".") else { return nil }
        position += 1
      }
      let first = position
      var value = 0
      while position - first < 3, isDigit(byte(text, position)) {
        value = value * 10 + Int(text[position] - 48)
        position += 1
      }
      guard position > first, value <= 255 else { return nil }
      if position - first > 1, text[first] == 48 { return nil }
    }
    return position
  }

  /// `version 1.2.3.4`, `release: 1.2.3.4`.
  private func followsVersion(_ text: Span<UInt8>, _ start: Int) -> Bool {
    for index in max(0, start - 12)..<start
    where has("version", text, at: index) || has("release", text, at: index) || has("build ", text, at: index)
    { return true }
    return false
  }

  /// `0012.3456.789a`.
  private mutating func dottedHardwareAddress(_ text: Span<UInt8>, _ word: Word) -> Int? {
    guard byte(text, word.start - 1) != ascii(".") else { return nil }
    for index in 0..<14 {
      let byte = byte(text, word.start + index)
      guard index == 4 || index == 9 ? byte == ascii(".") : isHex(byte) else { return nil }
    }
    let after = byte(text, word.start + 14)
    guard !isAlphanumeric(after), after != ascii(".") || byte(text, word.start + 15) <= 32 else { return nil }
    // Decimal digits alone are a number.
    var hasLetter = false
    for index in word.start..<word.start + 14 where !isDigit(text[index]) && text[index] != ascii(".") {
      hasLetter = true
    }
    return hasLetter ? redact(word.start, word.start + 14, .mac) : nil
  }

  /// `00:1A:2B:3C:4D:5E`, or with dashes.
  private mutating func hardwareAddress(_ text: Span<UInt8>, _ word: Word) -> Int? {
    guard byte(text, word.start - 1) != word.next else { return nil }
    for index in 0..<17 {
      let byte = byte(text, word.start + index)
      guard index % 3 == 2 ? byte == word.next : isHex(byte) else { return nil }
    }
    let after = byte(text, word.start + 17)
    guard !isAlphanumeric(after), after != word.next else { return nil }
    return redact(word.start, word.start + 17, .mac)
  }

  /// At a colon that no word precedes: `::1`, `::/128`.
  mutating func doubleColonAddress(_ text: Span<UInt8>, at position: Int) -> Int? {
    guard byte(text, position + 1) == ascii(":") else { return nil }
    let before = byte(text, position - 1)
    guard !isAlphanumeric(before), before != ascii("_"), before != ascii(":"), before != ascii(">") else {
      return nil
    }
    if byte(text, position + 2) == ascii("/"), isDigit(byte(text, position + 3)) {
      return redact(position, position + 2, .ip)
    }
    guard isHex(byte(text, position + 2)) else { return nil }
    guard let end = longAddress(text, position) else { return nil }
    return redact(position, end, .ip)
  }

  /// The end of an IPv6 address: eight groups, or fewer around one double colon; the last two may be dotted.
  ///
  /// Short ones must hold a digit: `abc::def` is a name in C++.
  private func longAddress(_ text: Span<UInt8>, _ start: Int) -> Int? {
    let before = byte(text, start - 1)
    guard before != ascii(":"), before != ascii(".") else { return nil }
    var position = start
    var groups = 0
    var hasGap = false
    var hasDigit = false
    while groups < 8 {
      if let end = fourOctets(text, position), groups > 0 || hasGap {
        position = end
        groups += 2
        break
      }
      let first = position
      while position - first < 5, isHex(byte(text, position)) {
        if isDigit(text[position]) { hasDigit = true }
        position += 1
      }
      guard position - first <= 4 else { return nil }
      if position > first { groups += 1 }
      guard byte(text, position) == ascii(":") else { break }
      if byte(text, position + 1) == ascii(":") {
        if hasGap { return nil }
        hasGap = true
        position += 2
        if !isHex(byte(text, position)) { break }
      } else {
        guard position > first, isHex(byte(text, position + 1)) else { break }
        position += 1
      }
    }
    let after = byte(text, position)
    guard !isAlphanumeric(after), after != ascii("_") else { return nil }
    guard hasGap ? groups >= 1 && hasDigit : groups == 8 else { return nil }
    return position
  }

  func isHex(_ byte: UInt8) -> Bool {
    isDigit(byte) || (97...102).contains(byte | 0x20) && byte >= 65
  }
}
