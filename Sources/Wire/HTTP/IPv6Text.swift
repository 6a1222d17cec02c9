/// RFC 4291 text, without a zone: groups of hexadecimal digits, one `::`, perhaps an IPv4 address at the end.
enum IPv6Text {
  static func isValid(_ text: Substring) -> Bool {
    let halves = cut(text)
    guard halves.count <= 2 else { return false }
    guard let before = groups(halves[0], mayEndInIPv4: halves.count == 1) else { return false }
    guard halves.count == 2 else { return before == 8 }
    guard let after = groups(halves[1], mayEndInIPv4: true) else { return false }
    return before + after <= 7
  }

  /// The parts around each `::`.
  private static func cut(_ text: Substring) -> [Substring] {
    var parts: [Substring] = []
    var rest = text
    while let place = rest.indices.first(where: { rest[$0...].hasPrefix("::") }) {
      parts.append(rest[..<place])
      rest = rest[place...].dropFirst(2)
    }
    return parts + [rest]
  }

  /// How many groups of 16 bits a part holds.
  private static func groups(_ text: Substring, mayEndInIPv4: Bool) -> Int? {
    if text.isEmpty { return 0 }
    var parts = text.split(separator: ":", omittingEmptySubsequences: false)
    var count = 0
    if mayEndInIPv4, let last = parts.last, last.contains(".") {
      guard isIPv4(last) else { return nil }
      parts.removeLast()
      count = 2
    }
    let allFit = parts.allSatisfy {
      (1...4).contains($0.utf8.count) && $0.utf8.allSatisfy { $0.hexadecimalDigit != nil }
    }
    return allFit ? count + parts.count : nil
  }

  private static func isIPv4(_ text: Substring) -> Bool {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4
      && parts.allSatisfy { part in
        part.utf8.allSatisfy(\.isDigit) && UInt8(part) != nil && (part == "0" || part.first != "0")
      }
  }
}
