internal import CUnicode

/// What the character tables say of one Unicode scalar.
struct ScalarTraits: Equatable {
  /// The classes between which a token may begin or end.
  enum Kind: UInt32 {
    case other, asciiLetter, letter, digit
  }

  static let lower = ScalarTraits(bits: 1 << 2)
  static let upper = ScalarTraits(bits: 1 << 3)
  static let whiteSpace = ScalarTraits(bits: 1 << 4)
  static let unspacedScript = ScalarTraits(bits: 1 << 5)
  /// Normalisation never looks across the place before such a scalar, and leaves the scalar itself alone.
  static let boundary = ScalarTraits(bits: 1 << 6)
  static let removed = ScalarTraits(bits: 1 << 7)
  /// Simple case folding changes it.
  static let cased = ScalarTraits(bits: 1 << 8)

  /// Normalisation never looks across the place before such a scalar, whatever becomes of the scalar itself.
  static let afresh = ScalarTraits(bits: 1 << 9)

  private let bits: UInt32

  private init(bits: UInt32) { self.bits = bits }

  /// - Parameter scalar: Below 0x110000.
  @inline(__always)
  init(of scalar: UInt32) { bits = cunicode_properties(scalar) }

  /// Simple case folding (CaseFolding.txt, statuses C and S).
  static func simpleFolding(of scalar: UInt32) -> UInt32 { cunicode_fold_case(scalar) }

  var kind: Kind { Kind(rawValue: bits & 3) ?? .other }

  /// Canonical combining class; 0 for a starter.
  var combiningClass: UInt8 { UInt8(truncatingIfNeeded: bits >> 16) }

  @inline(__always)
  func has(_ trait: ScalarTraits) -> Bool { bits & trait.bits != 0 }

  /// Folding keeps it as it is whatever stands around it, but for a mark that follows it.
  @inline(__always)
  var isInert: Bool { bits & (Self.boundary.bits | Self.removed.bits) == Self.boundary.bits }

  /// Inert, and text made of such scalars can be searched as it stands: no white space but ASCII's, and no
  /// letter that has another case if `caseless` is asked for.
  @inline(__always)
  func isPlain(caseless: Bool) -> Bool {
    let unwanted = Self.removed.bits | Self.whiteSpace.bits | (caseless ? Self.cased.bits : 0)
    return bits & (Self.boundary.bits | unwanted) == Self.boundary.bits
  }
}

/// UTF-8, one scalar at a time, never trusting the bytes.
enum ScalarCoding {
  /// What ``decode(_:at:)`` gives for ill-formed bytes: no scalar, so that a caller can tell it from U+FFFD.
  static let malformed: UInt32 = 0x110000
  static let replacement: UInt32 = 0xFFFD

  /// The scalar at a place.
  ///
  /// - Parameter place: Inside the text; moved behind the scalar, or behind the longest start of a well-formed
  ///   sequence (at least one byte), which is how `String(decoding:as:)` counts replacement characters.
  static func decode(_ text: Span<UInt8>, at place: inout Int) -> UInt32 {
    let lead = text[place]
    place += 1
    if lead < 0x80 { return UInt32(lead) }
    // The first continuation byte has a narrower range after some leads: no overlong forms, no surrogates,
    // nothing past U+10FFFF.
    let shape: (more: Int, low: UInt8, high: UInt8)
    switch lead {
    case 0xC2...0xDF: shape = (1, 0x80, 0xBF)
    case 0xE0: shape = (2, 0xA0, 0xBF)
    case 0xED: shape = (2, 0x80, 0x9F)
    case 0xE1...0xEF: shape = (2, 0x80, 0xBF)
    case 0xF0: shape = (3, 0x90, 0xBF)
    case 0xF1...0xF3: shape = (3, 0x80, 0xBF)
    case 0xF4: shape = (3, 0x80, 0x8F)
    default: return malformed
    }
    guard place < text.count, text[place] >= shape.low, text[place] <= shape.high else { return malformed }
    var scalar = (UInt32(lead) & 0x3F >> UInt32(shape.more)) << 6 | UInt32(text[place]) & 0x3F
    place += 1
    for _ in 1..<shape.more {
      guard place < text.count, text[place] & 0xC0 == 0x80 else { return malformed }
      scalar = scalar << 6 | UInt32(text[place]) & 0x3F
      place += 1
    }
    return scalar
  }

  /// Where the scalar that ends at `end` begins. The text before `end` is well-formed and not empty.
  static func start(before end: Int, in text: Span<UInt8>) -> Int {
    var start = end - 1
    while start > 0, text[start] & 0xC0 == 0x80 { start -= 1 }
    return start
  }

  /// Writes a scalar beyond ASCII over another; false, and nothing is written, if it is not of the same length.
  static func replace(_ range: Range<Int>, of out: inout [UInt8], with scalar: UInt32) -> Bool {
    let length = scalar < 0x80 ? 1 : scalar < 0x800 ? 2 : scalar < 0x10000 ? 3 : 4
    guard length == range.count, length > 1 else { return false }
    var rest = scalar
    for place in range.dropFirst().reversed() {
      out[place] = UInt8(0x80 | rest & 0x3F)
      rest >>= 6
    }
    out[range.lowerBound] = UInt8(truncatingIfNeeded: 0xF00 >> UInt32(length)) | UInt8(rest)
    return true
  }

  static func append(_ scalar: UInt32, to out: inout [UInt8]) {
    func tail(_ shift: UInt32) -> UInt8 { UInt8(0x80 | scalar >> shift & 0x3F) }
    switch scalar {
    case ..<0x80:
      out.append(UInt8(scalar))
    case ..<0x800:
      out.append(UInt8(0xC0 | scalar >> 6))
      out.append(tail(0))
    case ..<0x10000:
      out.append(UInt8(0xE0 | scalar >> 12))
      out.append(tail(6))
      out.append(tail(0))
    default:
      out.append(UInt8(0xF0 | scalar >> 18 & 7))
      out.append(tail(12))
      out.append(tail(6))
      out.append(tail(0))
    }
  }
}
