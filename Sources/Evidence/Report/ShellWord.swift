/// Names from outside in commands that people paste.
package enum ShellWord {
  /// As one word of a shell: as it is where nothing in it could be more, else between single quotes.
  package static func of(_ text: String) -> String {
    let isPlain = text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"),
        UInt8(ascii: ":"), UInt8(ascii: "/"), UInt8(ascii: "@"):
        true
      default: false
      }
    }
    // A leading hyphen would make an option of it.
    guard !isPlain || text.isEmpty || text.hasPrefix("-") else { return text }
    return "'" + text.replacing("'", with: "'\\''") + "'"
  }
}
