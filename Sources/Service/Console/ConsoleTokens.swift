import Posix
import RouterCore

/// Who may write through the console: the tokens of `keys/console-token`.
///
/// A line is a token, or `NAME TOKEN` where several people review; `#` begins a remark. Read anew for each request that
/// needs it, so that adding or removing a line takes effect at once.
struct ConsoleTokens: Sendable {
  enum Verdict: Equatable, Sendable {
    /// The reviewer.
    case named(String)
    case wrong
    /// No token counts, and why.
    case unusable(String)
  }

  /// The name of a token that stands alone in its line.
  static let onlyName = "console"
  static let header = "X-Shadow-Router-Token"

  let file: String
  private static let limit = 64 << 10
  /// What fits no honest token is not even compared.
  private static let shortest = 20
  private static let longest = 512

  /// Makes the file with one token of 32 random bytes where there is none.
  static func prepare(stateFolder: String) throws(PosixError) -> ConsoleTokens {
    let folder = Files.join(stateFolder, "keys")
    try Files.makeFolder(folder, mode: 0o700)
    let file = Files.join(folder, "console-token")
    if !Files.exists(file) {
      try Files.replace(file, with: Array((Base64URL.text(Random.bytes(32)) + "\n").utf8), mode: 0o600)
    }
    return ConsoleTokens(file: file)
  }

  func verdict(on token: String?) -> Verdict {
    let text: String
    do throws(PosixError) {
      guard let status = try Files.status(file) else { return .unusable("\(file) is not there") }
      guard status.mode & 0o077 == 0 else {
        return .unusable("\(file) may be read by others: chmod 600 it and change its tokens")
      }
      text = String(decoding: try Files.readRegular(file, limit: Self.limit), as: UTF8.self)
    } catch {
      return .unusable("\(file) cannot be read: \(error.description)")
    }
    guard let token, (Self.shortest...Self.longest).contains(token.utf8.count) else { return .wrong }
    // Digests have one length and tell nothing about a token, so that time shows neither; and every line is compared.
    let given = SHA256.hash(Array(token.utf8)).hex
    var found: String?
    for (name, known) in Self.entries(text) {
      if Self.isSame(given, SHA256.hash(Array(known.utf8)).hex) { found = name }
    }
    return found.map { .named($0) } ?? .wrong
  }

  private static func entries(_ text: String) -> [(name: String, token: String)] {
    text.split(whereSeparator: \.isNewline).compactMap { line in
      let words = line.split(whereSeparator: \.isWhitespace)
      guard let last = words.last, words.count <= 2, !line.hasPrefix("#"),
        (shortest...longest).contains(last.utf8.count)
      else { return nil }
      let name = words.count == 2 ? String(words[0]) : onlyName
      return isName(name) ? (name, String(last)) : nil
    }
  }

  /// Without a colon: `uid:1000` is what a peer of the control socket is called.
  private static func isName(_ name: String) -> Bool {
    (1...64).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"),
          UInt8(ascii: "@"):
          true
        default: false
        }
      }
  }

  private static func isSame(_ left: String, _ right: String) -> Bool {
    var difference: UInt8 = 0
    for (a, b) in zip(left.utf8, right.utf8) { difference |= a ^ b }
    return difference == 0 && left.utf8.count == right.utf8.count
  }
}

/// RFC 4648, section 5, without padding.
enum Base64URL {
  static func text(_ bytes: [UInt8]) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    var text = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let part = bytes[start..<min(start + 3, bytes.count)]
      var group = part.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      group <<= UInt32(8 * (3 - part.count))
      for index in 0...part.count { text.append(digits[Int(group >> UInt32(18 - 6 * index) & 63)]) }
    }
    return text
  }
}
