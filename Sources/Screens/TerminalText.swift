/// Text as a terminal may show it: nothing in it moves the cursor, and its width is known.
package enum TerminalText {
  /// Control characters, and those that turn the writing direction, become a middle dot; tabs a space.
  ///
  /// Line feeds stay.
  package static func plain(_ text: String) -> String {
    var out = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0x0A: out.append(scalar)
      case 0x09: out.append(" ")
      case 0x0D: continue
      case ..<0x20, 0x7F...0x9F, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF: out.append("·")
      default: out.append(scalar)
      }
    }
    return String(out)
  }

  /// As ``plain(_:)``, its line feeds shown as signs.
  package static func oneLine(_ text: String) -> String {
    plain(text).split(whereSeparator: \.isNewline).joined(separator: " ⏎ ")
  }

  /// Whether a text is a line that shows what it says: no control characters, no turned writing direction.
  package static func isOneLine(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy { scalar in
      switch scalar.value {
      case ..<0x20, 0x7F...0x9F, 0x2028...0x202E, 0x2066...0x2069: false
      default: true
      }
    }
  }

  /// Columns, as terminals count them.
  package static func width(_ character: Character) -> Int {
    guard let first = character.unicodeScalars.first else { return 0 }
    switch first.value {
    case 0x0300...0x036F: return 0
    case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE4F, 0xFF00...0xFF60,
      0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
      return 2
    default: return 1
    }
  }

  package static func width(_ text: String) -> Int { text.reduce(0) { $0 + width($1) } }

  /// The text in lines of at most `columns`, broken at spaces where there are some.
  package static func wrapped(_ text: String, columns: Int) -> [String] {
    text.split(separator: "\n", omittingEmptySubsequences: false).flatMap {
      wrap($0, columns: max(2, columns))
    }
  }

  private static func wrap(_ line: Substring, columns: Int) -> [String] {
    var lines: [String] = []
    var current = ""
    var used = 0
    for word in line.split(separator: " ", omittingEmptySubsequences: false) {
      let needed = width(String(word))
      if used > 0, used + 1 + needed > columns {
        lines.append(current)
        (current, used) = ("", 0)
      } else if !current.isEmpty {
        current += " "
        used += 1
      }
      for character in word {
        if used + width(character) > columns {
          lines.append(current)
          (current, used) = ("", 0)
        }
        current.append(character)
        used += width(character)
      }
    }
    return lines + [current]
  }

  /// The text cut to a width, with an ellipsis where something went.
  package static func cut(_ text: String, columns: Int) -> String {
    guard width(text) > columns else { return text }
    var out = ""
    var used = 0
    for character in text {
      guard used + width(character) < columns else { break }
      out.append(character)
      used += width(character)
    }
    return out + "…"
  }
}
