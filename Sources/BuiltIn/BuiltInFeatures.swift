/// Cuts a text into hashed n-grams: words, pairs of neighbouring words, and short runs of characters inside a word.
///
/// A word is a run of ASCII letters, digits and bytes above 0x7F (so other scripts need no tables here); ASCII
/// letters are lower-cased. A run of characters never crosses white space, is padded with one space on either
/// side, and counts bytes. Training and answering share this one walk, so that they cannot drift apart.
struct BuiltInFeatures {
  /// What a key was made from; kept in the two lowest bits of the key.
  enum Kind: UInt32 {
    case word = 0
    case pair = 1
    case run = 2
  }

  /// Shortest and longest run of characters, in bytes with the padding.
  static let runLengths = 2...5

  static func kind(of key: UInt32) -> Kind { Kind(rawValue: key & 3) ?? .run }

  /// Calls `emit` once for every n-gram of `text`, in document order, repetitions included.
  @inline(__always)
  static func walk(_ text: Span<UInt8>, _ emit: (UInt32) -> Void) {
    var word: UInt64 = 0
    var previous: UInt64 = 0
    var window: UInt64 = 0
    var windowLength = 0
    for index in 0..<text.count {
      let byte = folded(text[index])
      if isWord(byte) {
        word = step(word, byte)
      } else if word != 0 {
        finish(&word, &previous, emit)
      }
      if byte == space {
        closeRun(&window, &windowLength, emit)
      } else {
        if windowLength == 0 { push(space, &window, &windowLength, emit) }
        push(byte, &window, &windowLength, emit)
      }
    }
    if word != 0 { finish(&word, &previous, emit) }
    closeRun(&window, &windowLength, emit)
  }

  private static let space: UInt8 = 0x20

  /// ASCII capitals become small, control bytes become spaces.
  @inline(__always)
  private static func folded(_ byte: UInt8) -> UInt8 {
    if byte &- 0x41 < 26 { return byte | 0x20 }
    return byte < space ? space : byte
  }

  @inline(__always)
  private static func isWord(_ byte: UInt8) -> Bool {
    byte &- 0x61 < 26 || byte &- 0x30 < 10 || byte >= 0x80
  }

  /// Zero means "no word yet", so the first step must not give zero: the constant sees to it in practice.
  @inline(__always)
  private static func step(_ hash: UInt64, _ byte: UInt8) -> UInt64 {
    ((hash ^ UInt64(byte)) &+ 0x9E37_79B9_7F4A_7C15) &* 0x0000_0100_0000_01B3
  }

  @inline(__always)
  private static func finish(_ word: inout UInt64, _ previous: inout UInt64, _ emit: (UInt32) -> Void) {
    emit(key(word, .word))
    if previous != 0 { emit(key(previous &* 0xD6E8_FEB8_6659_FD93 ^ word, .pair)) }
    previous = word
    word = 0
  }

  @inline(__always)
  private static func push(
    _ byte: UInt8, _ window: inout UInt64, _ length: inout Int, _ emit: (UInt32) -> Void
  ) {
    window = window << 8 | UInt64(byte)
    length &+= 1
    var bytes = 2
    while bytes <= 5 && bytes <= length {
      // The length stands above the bytes: "ab" and "\0ab" are different runs.
      let run = window & (1 &<< UInt64(8 &* bytes) &- 1) | UInt64(bytes) &<< 48
      emit(key(run, .run))
      bytes &+= 1
    }
  }

  @inline(__always)
  private static func closeRun(_ window: inout UInt64, _ length: inout Int, _ emit: (UInt32) -> Void) {
    if length > 0 { push(space, &window, &length, emit) }
    window = 0
    length = 0
  }

  @inline(__always)
  private static func key(_ value: UInt64, _ kind: Kind) -> UInt32 {
    var mixed = (value ^ value &>> 32) &* 0x9E37_79B9_7F4A_7C15
    mixed = (mixed ^ mixed &>> 29) &* 0xBF58_476D_1CE4_E5B9
    return UInt32(truncatingIfNeeded: mixed &>> 32) & ~3 | kind.rawValue
  }
}
