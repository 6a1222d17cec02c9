import TestData
import Wire

/// Random values and their texts.
struct RandomJSON {
  var random: SeededGenerator

  init(_ seed: UInt64) { random = SeededGenerator(seed: seed) }

  private static let scalars: [Unicode.Scalar] = [
    "a", "Z", "0", " ", "\"", "\\", "/", "\n", "\t", "\r", "\u{8}", "\u{C}", "\u{0}", "\u{1F}", "\u{7F}",
    "\u{80}", "é", "\u{301}", "\u{7FF}", "\u{800}", "中", "\u{D7FF}", "\u{E000}", "\u{FFFF}", "\u{FEFF}",
    "\u{10000}", "😀", "\u{10FFFF}",
  ]

  mutating func value(depth: Int = 4) -> JSONValue {
    switch Int.random(in: 0..<(depth > 0 ? 8 : 6), using: &random) {
    case 0: return .null
    case 1: return .bool(Bool.random(using: &random))
    case 2: return .number(JSONNumber(Int.random(in: Int.min...Int.max, using: &random)))
    case 3: return .number(JSONNumber(Double(bitPattern: random.next())) ?? JSONNumber(0))
    case 4, 5: return .string(string())
    case 6:
      var elements: [JSONValue] = []
      for _ in 0..<count() { elements.append(value(depth: depth - 1)) }
      return .array(elements)
    default: return .object(members(depth: depth - 1))
    }
  }

  mutating func object() -> JSONValue { .object(members(depth: 3)) }

  private mutating func members(depth: Int) -> [JSONMember] {
    var members: [JSONMember] = []
    // A number in front keeps the names apart.
    for place in 0..<count() { members.append(JSONMember("\(place)" + string(), value(depth: depth))) }
    return members
  }

  private mutating func count() -> Int { Int.random(in: 0...5, using: &random) }

  mutating func string() -> String {
    var text = String.UnicodeScalarView()
    let length = Bool.random(using: &random) ? 5 : 90
    let mostlyPlain = Bool.random(using: &random)
    for _ in 0..<Int.random(in: 0...length, using: &random) {
      let plain = mostlyPlain && Int.random(in: 0..<20, using: &random) > 0
      text.append(plain ? "x" : Self.scalars.randomElement(using: &random) ?? "a")
    }
    return String(text)
  }

  /// Changes, drops, doubles or inserts a few bytes.
  mutating func mutated(_ text: [UInt8]) -> [UInt8] {
    let bytes = [UInt8]("{}[]\",:\\0e-+.tfnu \n".utf8) + [0, 0x1F, 0x80, 0xC3, 0xED, 0xA0, 0xF4, 0xFF]
    var text = text
    for _ in 0..<Int.random(in: 1...3, using: &random) where !text.isEmpty {
      let place = Int.random(in: 0..<text.count, using: &random)
      let byte = bytes.randomElement(using: &random) ?? 0
      switch Int.random(in: 0..<5, using: &random) {
      case 0: text[place] = byte
      case 1: text.remove(at: place)
      case 2: text.insert(byte, at: place)
      case 3: text.insert(text[place], at: place)
      default: text.removeSubrange(place...)
      }
    }
    return text
  }
}
