/// What a byte can mean to the redactor: bits of a 256-entry table, so that plain words are passed over at one look a byte.
enum ByteClass {
  static let digit: UInt8 = 1
  static let upper: UInt8 = 2
  static let lower: UInt8 = 4
  static let underscore: UInt8 = 8
  /// Letters, digits and the underscore.
  static let word: UInt8 = digit | upper | lower | underscore
  static let letter: UInt8 = upper | lower
  static let alphanumeric: UInt8 = digit | upper | lower
  /// After a word, may make it part of something longer.
  static let joiner: UInt8 = 16
  /// Must be looked at outside of words.
  static let trigger: UInt8 = 32
  /// Goes on a token besides word bytes: `-+/=~`.
  static let token: UInt8 = 64
  /// Ends an unquoted value: white space, quotes, closing brackets, `,;&<>` and control bytes.
  static let delimiter: UInt8 = 128

  static let table: [UInt8] = (0...255).map { classify(UInt8($0)) }

  private static func classify(_ byte: UInt8) -> UInt8 {
    switch byte {
    case 48...57: digit
    case 65...90: upper
    case 97...122: lower
    case ascii("_"): underscore
    case ascii("-"), ascii("+"): joiner | trigger | token
    case ascii("="): joiner | trigger | token
    case ascii("/"), ascii("~"): joiner | token
    case ascii(":"): joiner | trigger
    case ascii("."), ascii("@"), ascii("%"), ascii("|"): joiner
    case ascii("("): trigger
    case ascii(">"): trigger | delimiter
    case 0...32, 127, ascii("\""), ascii("'"), ascii("`"), ascii(")"), ascii("]"), ascii("}"),
      ascii(","), ascii(";"), ascii("&"), ascii("<"):
      delimiter
    case 0x80...0xFF: trigger
    default: 0
    }
  }
}

/// The byte of an ASCII scalar; 0 for any other.
@inline(__always)
func ascii(_ scalar: Unicode.Scalar) -> UInt8 { scalar.isASCII ? UInt8(truncatingIfNeeded: scalar.value) : 0 }

/// Lower case for ASCII letters; other bytes come out changed only where no comparison with a letter can succeed.
@inline(__always)
func lowered(_ byte: UInt8) -> UInt8 { (65...90).contains(byte) ? byte | 0x20 : byte }

extension StaticString {
  /// Whether this word (lower-case ASCII) stands at `position` and before `end`, ASCII case aside.
  func stands(in text: Span<UInt8>, at position: Int, end: Int) -> Bool {
    let count = utf8CodeUnitCount
    guard position + count <= end else { return false }
    // The literal's own bytes, which live as long as the program.
    let bytes = unsafe utf8Start
    for index in 0..<count where unsafe lowered(text[position + index]) != bytes[index] { return false }
    return true
  }
}
