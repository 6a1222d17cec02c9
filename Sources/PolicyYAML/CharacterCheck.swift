import RouterCore

/// Checks that a text is UTF-8 without characters that a reviewer cannot see.
///
/// libyaml would refuse them too, but its reader does not know lines.
enum CharacterCheck {
  /// Whether the text starts with the UTF-8 byte order mark, which some editors write and nobody sees.
  static func startsWithMark(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0xEF, 0xBB, 0xBF]) }

  /// Whether the byte order mark at the start ends right before the byte.
  static func isMark(_ bytes: [UInt8], before offset: Int) -> Bool { offset == 3 && startsWithMark(bytes) }

  static func firstProblem(in bytes: [UInt8]) -> PolicyProblem? {
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      return PolicyProblem(at: .start, "the file is UTF-16; save it as UTF-8")
    }
    var index = startsWithMark(bytes) ? 3 : 0
    while index < bytes.count {
      let byte = bytes[index]
      if byte < 0x80 {
        if isAllowed(ascii: byte) {
          index += 1
          continue
        }
        return problem(bytes, at: index, describe(ascii: byte))
      }
      guard let (scalar, length) = decode(bytes, at: index) else {
        return problem(bytes, at: index, "this is not UTF-8; save the file as UTF-8")
      }
      if let remark = remark(about: scalar) { return problem(bytes, at: index, remark) }
      index += length
    }
    return nil
  }

  private static func isAllowed(ascii byte: UInt8) -> Bool {
    byte >= 0x20 ? byte != 0x7F : byte == 0x0A || byte == 0x0D || byte == 0x09
  }

  private static func describe(ascii byte: UInt8) -> String {
    byte == 0
      ? "a NUL byte; the file is damaged or not text"
      : "the control character \(name(UInt32(byte))); remove it, or write it as an escape in double quotes"
  }

  private static func remark(about scalar: UInt32) -> String? {
    switch scalar {
    case 0x80...0x9F where scalar != 0x85:
      "the control character \(name(scalar)); remove it"
    case 0x85, 0x2028, 0x2029:
      // YAML 1.1 ends the line here, YAML 1.2 and editors do not: two readers would see two policies.
      "the line separator \(name(scalar)); YAML readers disagree about it: use a plain line break"
    case 0xFEFF:
      "a byte order mark inside the file; remove it"
    case 0x202A...0x202E, 0x2066...0x2069:
      // What a reviewer sees is then not what is read ("Trojan source").
      "the direction control \(name(scalar)), which shows text in another order than it is read; remove it"
    case 0xFFFE, 0xFFFF:
      "the non-character \(name(scalar)); remove it"
    default:
      nil
    }
  }

  private static func name(_ scalar: UInt32) -> String {
    let hex = String(scalar, radix: 16, uppercase: true)
    return "U+" + String(repeating: "0", count: max(0, 4 - hex.count)) + hex
  }

  /// One well-formed sequence of two to four bytes (Unicode 15, table 3-7), or nil.
  private static func decode(_ bytes: [UInt8], at index: Int) -> (scalar: UInt32, length: Int)? {
    let lead = bytes[index]
    let length: Int
    var scalar: UInt32
    let least: UInt32
    switch lead {
    case 0xC2...0xDF: (length, scalar, least) = (2, UInt32(lead & 0x1F), 0x80)
    case 0xE0...0xEF: (length, scalar, least) = (3, UInt32(lead & 0x0F), 0x800)
    case 0xF0...0xF4: (length, scalar, least) = (4, UInt32(lead & 0x07), 0x1_0000)
    default: return nil
    }
    guard index + length <= bytes.count else { return nil }
    for offset in 1..<length {
      let next = bytes[index + offset]
      guard next & 0xC0 == 0x80 else { return nil }
      scalar = scalar << 6 | UInt32(next & 0x3F)
    }
    guard scalar >= least, scalar <= 0x10_FFFF, !(0xD800...0xDFFF).contains(scalar) else { return nil }
    return (scalar, length)
  }

  private static func problem(_ bytes: [UInt8], at index: Int, _ message: String) -> PolicyProblem {
    PolicyProblem(at: mark(bytes, at: index), message)
  }

  /// The place of a byte whose predecessors are all well-formed.
  static func mark(_ bytes: [UInt8], at index: Int) -> Mark {
    var line = 1
    var column = 1
    for position in (startsWithMark(bytes) ? 3 : 0)..<index {
      let byte = bytes[position]
      if byte == 0x0A || byte == 0x0D && bytes[position + 1] != 0x0A {
        line += 1
        column = 1
      } else if byte & 0xC0 != 0x80 {
        column += 1
      }
    }
    return Mark(line: line, column: column)
  }
}
