/// What a scalar without quotes means: the core schema of YAML 1.2, cut down to what JSON can say.
///
/// The spellings on which YAML 1.1 and 1.2 disagree (`0x10`, `1_000`, `007`) are never taken for either.
enum PolicyScalar: Equatable {
  case null
  case bool(Bool)
  case int(Int)
  /// Finite; written with a fraction or an exponent.
  case number(Double)
  /// A number for some readers of YAML and a text for others; the remedy.
  case doubtful(String)
  case text

  init(plain text: String) {
    guard let first = text.utf8.first else {
      self = .null
      return
    }
    switch first {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."):
      self = Self.numeric(text)
    case UInt8(ascii: "~"), UInt8(ascii: "n"), UInt8(ascii: "N"), UInt8(ascii: "t"), UInt8(ascii: "T"),
      UInt8(ascii: "f"), UInt8(ascii: "F"):
      self = Self.word(text)
    default:
      self = .text
    }
  }

  private static func word(_ text: String) -> PolicyScalar {
    switch text {
    case "~", "null", "Null", "NULL": .null
    case "true", "True", "TRUE": .bool(true)
    case "false", "False", "FALSE": .bool(false)
    case "nan", "NaN", "NAN": .doubtful("only finite numbers can be compared")
    default: .text
    }
  }

  private static func numeric(_ text: String) -> PolicyScalar {
    if text.utf8.count > 64 { return isDigits(text) ? .doubtful("the number is too long") : .text }
    switch NumberForm(text) {
    case .whole: return Int(text).map { .int($0) } ?? .doubtful("the number is too large")
    case .fraction:
      guard let value = Double(text), value.isFinite else { return .doubtful("the number is too large") }
      return .number(value)
    case .other: return unusual(text)
    }
  }

  private static func isDigits(_ text: String) -> Bool {
    text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "_") }
  }

  private static func unusual(_ text: String) -> PolicyScalar {
    let lower = text.lowercased()
    let bare = lower.first == "-" || lower.first == "+" ? lower.dropFirst() : lower[...]
    if bare == ".inf" || bare == ".nan" { return .doubtful("only finite numbers can be compared") }
    if bare.hasPrefix("0x") || bare.hasPrefix("0o") || bare.hasPrefix("0b"),
      bare.dropFirst(2).allSatisfy(\.isHexDigit)
    {
      return .doubtful("write numbers in decimal")
    }
    if bare.contains("_"), isDigits(String(bare)) { return .doubtful("write the number without `_`") }
    if lower.first == "+", NumberForm(String(bare)) != .other {
      return .doubtful("write the number without `+`")
    }
    let isCut = bare.first == "." || bare.last == "."
    if isCut, NumberForm("0" + bare) == .fraction || NumberForm(bare + "0") == .fraction {
      return .doubtful("write a digit on both sides of the point")
    }
    let stripped = String(bare.drop { $0 == "0" })
    if bare.count > 1, bare.first == "0", stripped.isEmpty || isDigits(stripped) {
      return .doubtful("write the number without leading zeros")
    }
    return .text
  }
}

/// How a number is written, by the grammar of JSON.
private enum NumberForm {
  case whole, fraction, other

  init(_ text: some StringProtocol) {
    var rest = text.utf8[...]
    if rest.first == UInt8(ascii: "-") { rest.removeFirst() }
    let whole = Self.digits(&rest)
    guard whole.count > 0, whole.count == 1 || whole.first != UInt8(ascii: "0") else {
      self = .other
      return
    }
    if rest.isEmpty {
      self = .whole
      return
    }
    if rest.first == UInt8(ascii: ".") {
      rest.removeFirst()
      guard Self.digits(&rest).count > 0 else {
        self = .other
        return
      }
    }
    if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
      rest.removeFirst()
      if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
      guard Self.digits(&rest).count > 0 else {
        self = .other
        return
      }
    }
    self = rest.isEmpty ? .fraction : .other
  }

  private static func digits<Bytes: Collection<UInt8>>(_ rest: inout Bytes) -> (count: Int, first: UInt8?)
  where Bytes.SubSequence == Bytes {
    let first = rest.first
    var count = 0
    while let byte = rest.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
      rest = rest.dropFirst()
      count += 1
    }
    return (count, first)
  }
}
