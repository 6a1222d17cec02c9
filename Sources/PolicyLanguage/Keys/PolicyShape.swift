import RouterCore

/// What a key's value may be: one description for the messages, the checks and the JSON Schema.
indirect enum PolicyShape: Sendable {
  case text(PolicyTextRule)
  case bool
  case int(ClosedRange<Int>)
  case number(PolicyRange)
  case choice([String])
  /// Entries are all different.
  case list(PolicyShape, least: Int)
  case mapping([Member])
  /// Keys of the user's own.
  case mapOf(PolicyShape, least: Int)
  case either([PolicyShape])
  /// `null` as well as the shape.
  case orNull(PolicyShape)
  /// Any JSON value but null; `mapping`: a JSON object.
  case json(mapping: Bool)

  struct Member: Sendable {
    let name: String
    let about: String
    let shape: PolicyShape
    let isRequired: Bool
  }

  /// What to write, where that can be said in a few words: `: true or false`.
  var hint: String {
    switch self {
    case .bool, .int, .number, .choice: ": \(words)"
    case .text(.day), .text(.hash), .text(.url): ": \(words)"
    default: ""
    }
  }

  /// The shape as the object of "must be …".
  var words: String {
    switch self {
    case .text(let rule): rule.words
    case .bool: "true or false"
    case .int(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
    case .number(let range): range.words
    case .choice(let names): "one of \(PolicyProblem.list(names, limit: 16))"
    case .list: "a list"
    case .mapping: "a mapping of keys to values"
    case .mapOf: "a mapping of names to values"
    case .either(let shapes): shapes.map(\.words).joined(separator: ", or ")
    case .orNull(let shape): shape.words + ", or null"
    case .json(let isMapping): isMapping ? "a mapping" : "a value"
    }
  }
}

/// An interval of numbers.
struct PolicyRange: Sendable {
  let least: Double
  /// Whether `least` itself is outside.
  let isAbove: Bool
  let most: Double

  static let share = PolicyRange(least: 0, isAbove: false, most: 1)
  /// A day's or month's money, a price: USD.
  static let money = PolicyRange(least: 0, isAbove: false, most: 1e9)

  static func above(_ least: Double, to most: Double) -> PolicyRange {
    PolicyRange(least: least, isAbove: true, most: most)
  }

  func contains(_ value: Double) -> Bool { (isAbove ? value > least : value >= least) && value <= most }

  var words: String {
    let most = Self.plain(most)
    return isAbove
      ? "a number above \(Self.plain(least)) and at most \(most)"
      : "a number from \(Self.plain(least)) to \(most)"
  }

  private static func plain(_ value: Double) -> String {
    Int(exactly: value).map(String.init) ?? "\(value)"
  }
}

/// What a text must look like.
enum PolicyTextRule: Sendable {
  /// One line, not blank, at most 1,024 characters.
  case line
  /// A name of the user's choice, at most 128 characters.
  case name
  /// Not blank, at most 65,536 characters, on any number of lines.
  case long
  /// Anything, the empty text included.
  case any
  case day
  case moment
  /// SHA-256 as 64 hexadecimal digits.
  case hash
  case environmentName
  case url
  case term
  case pattern
  /// RFC 6901 where it starts with a slash, else a regular expression.
  case pointerOrPattern

  var words: String {
    switch self {
    case .line, .long, .any, .name: "text"
    case .day: "a day, as YYYY-MM-DD"
    case .moment: "a day or moment, as YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ"
    case .hash: "a SHA-256, 64 hexadecimal digits"
    case .environmentName: "the name of an environment variable"
    case .url: "an address, as http://127.0.0.1:11434/api/generate"
    case .term: "a hard-stop term in quotes"
    case .pattern: "a regular expression in quotes"
    case .pointerOrPattern: "a JSON pointer that starts with / or a regular expression"
    }
  }

  /// Longest text in Unicode scalars.
  var limit: Int {
    switch self {
    case .name: 128
    case .line, .pattern, .pointerOrPattern, .url, .environmentName, .term: 1_024
    case .long: 65_536
    case .any: 1 << 20
    case .day, .moment, .hash: 64
    }
  }

  /// For JSON Schema: what the shape of the text can be told by, in ECMA-262 syntax.
  var schemaPattern: String? {
    switch self {
    case .any: nil
    case .day: "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
    case .moment: "^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ].*)?$"
    case .hash: "^[0-9A-Fa-f]{64}$"
    case .environmentName: "^[A-Za-z_][A-Za-z0-9_]*$"
    case .url: "^[Hh][Tt][Tt][Pp][Ss]?://"
    default: "\\S"
    }
  }
}
