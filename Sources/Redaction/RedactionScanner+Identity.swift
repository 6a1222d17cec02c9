/// Numbers with letters: bank accounts, identity papers, tax numbers.
extension RedactionScanner {
  /// - Returns: The end of what was redacted.
  mutating func identity(_ text: Span<UInt8>, _ word: Word) -> Int? {
    guard word.flags & ByteClass.underscore == 0, word.count <= 34, isFree(text, word) else { return nil }
    if let end = iban(text, word.start) { return redact(word.start, end, .iban) }
    if let end = dashedPaper(text, word) ?? britishPlace(text, word) { return redact(word.start, end, .id) }
    if isNamedPaper(text, word) { return redact(word.start, word.end, .id) }
    let isDashed = word.next == ascii("-")
    // Spain writes the check letter after a dash.
    if isDashed, !word.hasLetter { return dashedNumber(text, word) }
    guard word.hasLetter, !isDashed || word.count == 8, isPaper(text, word) else { return nil }
    var end = word.end
    if isDashed {
      guard isAlphanumeric(byte(text, end + 1)), !isAlphanumeric(byte(text, end + 2)) else { return nil }
      end += 2
    }
    return redact(word.start, end, .id)
  }

  /// Spain: seven or eight digits, a dash and the letter that checks them.
  private mutating func dashedNumber(_ text: Span<UInt8>, _ word: Word) -> Int? {
    guard word.count == 7 || word.count == 8, !isAlphanumeric(byte(text, word.end + 2)) else { return nil }
    var number = 0
    for index in word.start..<word.end { number = number * 10 + Int(text[index] - 48) }
    guard PaperChecks.spanish[number % 23] == lowered(byte(text, word.end + 1)) else { return nil }
    return redact(word.start, word.end + 2, .id)
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

  // MARK: United Kingdom

  /// National insurance as it is printed: `QQ 12 34 56 C`, `QQ 123456C`. Prefixes that are never given out are none.
  ///
  /// - Parameter start: Two capitals and a space.
  mutating func insurance(_ text: Span<UInt8>, _ start: Int) -> Int? {
    let (a, b) = (text[start], text[start + 1])
    guard isDigit(byte(text, start + 3)), !isAlphanumeric(byte(text, start - 1)),
      !PaperChecks.never.contains(a), !PaperChecks.never.contains(b), b != ascii("O"),
      !PaperChecks.unissued.contains([a, b])
    else { return nil }
    var position = start + 2
    for count in 0..<6 {
      if count % 2 == 0, byte(text, position) == 32 { position += 1 }
      guard isDigit(byte(text, position)) else { return nil }
      position += 1
    }
    if byte(text, position) == 32 { position += 1 }
    let suffix = byte(text, position) & 0xDF
    guard (65...68).contains(suffix), !isAlphanumeric(byte(text, position + 1)) else { return nil }
    return redact(start, position + 1, .id)
  }

  /// Germany, for value added tax: `DE` and three groups of three digits, the last of which checks the others
  /// (ISO 7064, modulo 11, 10).
  ///
  /// - Parameter start: Two capitals and a space.
  mutating func germanTax(_ text: Span<UInt8>, _ start: Int) -> Int? {
    guard has("de ", text, at: start), !isAlphanumeric(byte(text, start - 1)) else { return nil }
    let end = start + 14
    guard byte(text, start + 6) == 32, byte(text, start + 10) == 32, !isAlphanumeric(byte(text, end)) else {
      return nil
    }
    var product = 10
    for index in start + 3..<end where index != start + 6 && index != start + 10 {
      guard isDigit(byte(text, index)) else { return nil }
      let digit = Int(text[index] - 48)
      if index == end - 1 { return (product + digit) % 10 == 1 ? redact(start, end, .id) : nil }
      let sum = (product + digit) % 10
      product = (sum == 0 ? 10 : sum) * 2 % 11
    }
    return nil
  }

  /// A postcode (`SW1A 1AA`) or the plate of a vehicle (`AB51 ABC`, `AB51ABC`), in capitals.
  private func britishPlace(_ text: Span<UInt8>, _ word: Word) -> Int? {
    guard word.flags == ByteClass.upper | ByteClass.digit, word.count <= 7 else { return nil }
    let form = PaperForm(text, word.start..<word.end, classes)
    if form.isPlate, isPlateYear(text, word.start) {
      if word.count == 7 { return word.end }
      guard word.next == 32 || word.next == ascii("-") else { return nil }
      let end = word.end + 4
      for index in word.end + 1..<end where classes[Int(byte(text, index))] & ByteClass.upper == 0 {
        return nil
      }
      if !isAlphanumeric(byte(text, end)) { return end }
    }
    guard form.isPostalArea, word.next == 32, isDigit(byte(text, word.end + 1)) else { return nil }
    let (first, last, end) = (byte(text, word.end + 2), byte(text, word.end + 3), word.end + 4)
    let (area, second) = (text[word.start], text[word.start + 1])
    // `M1 8GB` is a computer.
    guard PaperChecks.inward.contains(first), PaperChecks.inward.contains(last),
      !isAlphanumeric(byte(text, end)),
      last != ascii("B") || first != ascii("G") && first != ascii("T"),
      area != ascii("Q"), area != ascii("V"), area != ascii("X"), second != ascii("I"), second != ascii("J"),
      second != ascii("Z")
    else { return nil }
    return end
  }

  /// Years since 2001 count from 01, and from 51 for the second half.
  private func isPlateYear(_ text: Span<UInt8>, _ start: Int) -> Bool {
    let year = Int(text[start + 2]) * 10 + Int(text[start + 3]) - 11 * 48
    guard (2...29).contains(year) || (51...79).contains(year) else { return false }
    for index in start..<start + 2 where PaperChecks.noMemoryTag.contains(text[index]) { return false }
    return true
  }

  // MARK: Names of papers

  /// Whatever holds four digits or more, shortly after the name of a paper: `passport no. AAA123456`, `PLZ 80331`.
  private func isNamedPaper(_ text: Span<UInt8>, _ word: Word) -> Bool {
    guard (5...16).contains(word.count) else { return false }
    var digits = 0
    for index in word.start..<word.end where isDigit(text[index]) { digits += 1 }
    guard digits >= 4 else { return false }
    var start = word.start
    while start > 0, word.start - start < 32, text[start - 1] != 10 { start -= 1 }
    for index in start..<word.start
    where classes[Int(text[index])] & ByteClass.letter != 0 && !isAlphanumeric(byte(text, index - 1)) {
      for name in PaperChecks.names where has(name, text, at: index) { return true }
    }
    return false
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
    if form.isPeculiar { return true }
    guard word.flags & ByteClass.lower == 0 else { return false }
    return form.isNumbered || form.isPatterned || word.count == 9 && isGermanCard(text, word.start)
  }

  /// Germany: nine letters and digits, the last a check digit (ICAO 9303: weights 7, 3, 1, letters from 10 on).
  private func isGermanCard(_ text: Span<UInt8>, _ start: Int) -> Bool {
    guard PaperChecks.german.contains(text[start]), isDigit(text[start + 8]) else { return false }
    var (sum, digits) = (0, 1)
    for index in 0..<8 {
      let byte = text[start + index]
      guard isDigit(byte) || PaperChecks.german.contains(byte) else { return false }
      if isDigit(byte) { digits += 1 }
      sum += [7, 3, 1][index % 3] * (isDigit(byte) ? Int(byte) - 48 : Int(byte) - 55)
    }
    return digits >= 4 && sum % 10 == Int(text[start + 8]) - 48
  }

  /// `020504B904H`: a letter for the century.
  private func isFinnishInOne(_ text: Span<UInt8>, _ word: Word) -> Bool {
    let century = lowered(text[word.start + 6])
    return (97...102).contains(century) || (117...121).contains(century) ? isFinnish(text, word.start) : false
  }
}

/// ISO 13616.
enum IBAN {
  /// The registry's countries (release 99) and how long a number is in each, without spaces.
  private static let lengths: [UInt16: Int] = {
    let registry = """
      AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 \
      FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 \
      LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 \
      SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30
      """
    var lengths: [UInt16: Int] = [:]
    for entry in registry.split(separator: " ") {
      let bytes = Array(entry.utf8)
      lengths[UInt16(bytes[0]) << 8 | UInt16(bytes[1])] = Int(bytes[2] - 48) * 10 + Int(bytes[3] - 48)
    }
    return lengths
  }()

  /// Whether the number is as long as its country's are. A long random id passes the modulo once in a hundred times.
  static func hasCountrysLength(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    var length = 0
    for index in range where text[index] != ascii(" ") { length += 1 }
    let country = UInt16(text[range.lowerBound] & 0xDF) << 8 | UInt16(text[range.lowerBound + 1] & 0xDF)
    return lengths[country] == length
  }

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
  /// National insurance: letters that begin none, and pairs that are not given out.
  static let never = Array("DFIQUV".utf8)
  static let unissued = ["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"].map { Array($0.utf8) }
  /// Letters of the second half of a postcode.
  static let inward = Array("ABDEFGHJLNPQRSTUWXYZ".utf8)
  static let noMemoryTag = Array("IQZ".utf8)
  /// Letters of German identity cards.
  static let german = Array("CFGHJKLMNPRTVWXYZ".utf8)
  static let names: [StaticString] = [
    "passport", "pasaporte", "reisepass", "personalausweis", "ausweisnummer", "kennzeichen", "plz",
    "postleitzahl",
    "zip code", "driving licence", "driver license", "driver\'s license", "drivers license",
    "national id", "identity card", "id card", "license plate", "licence plate",
  ]
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
      // Italy: identity card; the first licences have a form of their own.
      || matches(0b11_00000_11, 9)
      || count == 10 && first == ascii("u") && letters & 0b11_0000_0001 == 0b10_0000_0001 && digits >= 3
      // United Kingdom: national insurance. India: vehicles.
      || matches(0b11_000000_1, 9) || matches(0b11_00_11_0000, 10) || matches(0b11_0_111_0000, 10)
      // United States: Medicare.
      || matches(0b0_1_1_0_1_1_0_1_1_0_0, 11) || matches(0b0_1_0_0_1_0_0_1_1_0_0, 11)
      || matches(0b0_1_1_0_1_0_0_1_1_0_0, 11) || matches(0b0_1_0_0_1_1_0_1_1_0_0, 11)
  }

  /// Forms that nothing else has, in small letters too: driving licences of the United Kingdom, passports of Korea, and a
  /// letter with eight or nine digits.
  var isPeculiar: Bool {
    matches(0b11111_000000_11_0_11, 16)
      || matches(0b1_000_1_0000, 9) && PaperForm.korean.contains(first)
      || matches(0b1_0000_0000, 9) && PaperForm.korean.contains(first)
  }

  private static let korean = Array("msrod".utf8)

  var isPlate: Bool { matches(0b11_00, 4) || matches(0b11_00_111, 7) }

  /// The first half of a postcode.
  var isPostalArea: Bool {
    matches(0b1_0, 2) || matches(0b1_00, 3) || matches(0b11_0, 3) || matches(0b11_00, 4)
      || matches(0b1_0_1, 3)
      || matches(0b11_0_1, 4)
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
