/// Numbers with letters: bank accounts, identity papers, tax numbers.
extension RedactionScanner {
  /// - Returns: The end of what was redacted.
  mutating func identity(_ text: Span<UInt8>, _ word: Word) -> Int? {
    guard word.flags & ByteClass.underscore == 0, word.count <= 34, isFree(text, word) else { return nil }
    if let end = iban(text, word.start) { return redact(word.start, end, .iban) }
    if let end = dashedPaper(text, word) { return redact(word.start, end, .id) }
    guard word.hasLetter, word.next != ascii("-") || word.count == 8 else { return nil }
    guard isPaper(text, word) else { return nil }
    var end = word.end
    // Spain writes the check letter after a dash.
    if word.next == ascii("-"), word.count == 8 {
      guard isAlphanumeric(byte(text, end + 1)), !isAlphanumeric(byte(text, end + 2)) else { return nil }
      end += 2
    }
    return redact(word.start, end, .id)
  }

  /// Not a part of a path, a name or a version.
  private func isFree(_ text: Span<UInt8>, _ word: Word) -> Bool {
    let before = byte(text, word.start - 1)
    if before == ascii("-") || before == ascii("/") || before == ascii(".") || before == ascii("\\") {
      return false
    }
    return word.next != ascii("/") && !(word.next == ascii(".") && isAlphanumeric(byte(text, word.end + 1)))
  }

  /// United States, Medicare: `1XX1-XX1-XX11`, where X is a letter and some are either.
  private func dashedPaper(_ text: Span<UInt8>, _ word: Word) -> Int? {
    guard word.count == 4, word.next == ascii("-"), byte(text, word.end + 4) == ascii("-") else { return nil }
    let end = word.end + 9
    guard isDigit(byte(text, word.start)), isLetter(byte(text, word.start + 1)),
      isDigit(byte(text, word.start + 3)),
      isLetter(byte(text, word.end + 1)), isDigit(byte(text, word.end + 3)),
      isLetter(byte(text, word.end + 5)),
      isLetter(byte(text, word.end + 6)), isDigit(byte(text, word.end + 7)), isDigit(byte(text, word.end + 8))
    else { return nil }
    return isAlphanumeric(byte(text, end)) || byte(text, end) == ascii("-") ? nil : end
  }

  private func isLetter(_ byte: UInt8) -> Bool { classes[Int(byte)] & ByteClass.letter != 0 }

  // MARK: IBAN

  /// ISO 13616: country, two check digits, 11 to 30 letters and digits, in one run or in groups of four; modulo 97.
  private func iban(_ text: Span<UInt8>, _ start: Int) -> Int? {
    let (a, b) = (byte(text, start) & 0xDF, byte(text, start + 1) & 0xDF)
    guard (65...90).contains(a), (65...90).contains(b), isDigit(byte(text, start + 2)),
      isDigit(byte(text, start + 3))
    else { return nil }
    var remainder = 0
    var length = 4
    var position = start + 4
    var best: Int?
    while position < limit, length < 34 {
      let byte = text[position]
      if byte == 32, length % 4 == 0, isAlphanumeric(self.byte(text, position + 1)) {
        position += 1
        continue
      }
      guard isAlphanumeric(byte) else { break }
      remainder = IBAN.append(byte, to: remainder)
      length += 1
      position += 1
      if length >= 15, !isAlphanumeric(self.byte(text, position)), IBAN.checks(remainder, text, start) {
        best = position
      }
    }
    return best
  }

  // MARK: Papers

  /// Identity papers by their form; capitals, but for those with a check letter.
  private func isPaper(_ text: Span<UInt8>, _ word: Word) -> Bool {
    let form = PaperForm(text, word.start..<word.end, classes)
    if form.isSpanish { return true }
    if word.count == 11, isFinnishInOne(text, word) { return true }
    guard word.flags & ByteClass.lower == 0 else { return false }
    return form.isNumbered || form.isPatterned
  }

  /// `020504B904H`: a letter for the century.
  private func isFinnishInOne(_ text: Span<UInt8>, _ word: Word) -> Bool {
    let century = lowered(text[word.start + 6])
    return (97...102).contains(century) || (117...121).contains(century) ? isFinnish(text, word.start) : false
  }
}

private enum IBAN {
  static func append(_ byte: UInt8, to remainder: Int) -> Int {
    byte < 58 ? (remainder * 10 + Int(byte - 48)) % 97 : (remainder * 100 + Int(byte & 0xDF) - 55) % 97
  }

  /// The first four characters count last.
  static func checks(_ remainder: Int, _ text: Span<UInt8>, _ start: Int) -> Bool {
    var result = remainder
    for index in start..<start + 4 { result = append(text[index], to: result) }
    return result == 1
  }
}

/// Check letters by remainder.
enum PaperChecks {
  static let finnish = Array("0123456789abcdefhjklmnprstuvwxy".utf8)
  static let spanish = Array("trwagmyfpdxbnjzsqvhlcke".utf8)
}

/// The sequence of letters and digits in a word of at most 24 bytes.
private struct PaperForm {
  /// One bit a byte from the left, set for a letter.
  private var letters: UInt32 = 0
  private let count: Int
  private var digits = 0
  private var number = 0
  private let first: UInt8
  private let last: UInt8

  init(_ text: Span<UInt8>, _ range: Range<Int>, _ classes: [UInt8]) {
    count = range.count
    first = lowered(text[range.lowerBound])
    last = lowered(text[range.upperBound - 1])
    guard count <= 24 else { return }
    for index in range {
      let isDigit = classes[Int(text[index])] & ByteClass.digit != 0
      letters = letters << 1 | (isDigit ? 0 : 1)
      if isDigit {
        digits += 1
        number = (number * 10 + Int(text[index] - 48)) % 1_000_000_000
      }
    }
  }

  private func matches(_ form: UInt32, _ length: Int) -> Bool { count == length && letters == form }

  /// Up to three letters and seven digits or more: passports, licences, insurance and tax numbers.
  var isNumbered: Bool { (8...14).contains(count) && digits >= 7 && count - digits <= 3 }

  /// Forms in which letters and digits have fixed places.
  var isPatterned: Bool {
    // India: permanent account, goods and services tax.
    matches(0b11111_0000_1, 10)
      || matches(0b00_11111_0000_1_0_1_0, 15) || matches(0b00_11111_0000_1_0_1_1, 15)
      // Italy: codice fiscale.
      || matches(0b111111_00_1_00_1_000_1, 16)
      // United Kingdom: driving licence, national insurance.
      || matches(0b11111_000000_11_0_11, 16) || matches(0b11_000000_1, 9)
      // United States: Medicare.
      || matches(0b0_1_1_0_1_1_0_1_1_0_0, 11) || matches(0b0_1_0_0_1_0_0_1_1_0_0, 11)
      || matches(0b0_1_1_0_1_0_0_1_1_0_0, 11) || matches(0b0_1_0_0_1_1_0_1_1_0_0, 11)
  }

  /// Spain: eight digits (or X, Y, Z and seven), and a letter that checks them.
  var isSpanish: Bool {
    let checks = PaperChecks.spanish
    switch (count, letters) {
    case (9, 1), (8, 1): return checks[number % 23] == last
    case (9, 0b1_0000000_1):
      guard (120...122).contains(first) else { return false }
      return checks[(number + Int(first - 120) * 10_000_000) % 23] == last
    default: return false
    }
  }
}
