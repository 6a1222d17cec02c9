/// Why a text is not the JSON that was asked for, and where.
///
/// Never holds or quotes any of the text: it may be shown in logs and to people who may not read the text.
package struct JSONError: Error, Equatable, CustomStringConvertible {
  package enum Kind: Equatable, Sendable {
    /// The text stops in the middle of a value, or holds none.
    case endOfText
    /// A byte that cannot stand here; also a literal other than `true`, `false` and `null`.
    case unexpectedByte
    case byteOrderMark
    case invalidUTF8
    /// A byte below 0x20 inside a string, where it has to be escaped.
    case controlCharacter
    case invalidEscape
    /// `\uD800`…`\uDFFF` that is not one half of a pair.
    case loneSurrogate
    case invalidNumber
    case tooDeep
    case duplicateName
    /// Something other than white space after the value.
    case trailingText
    case notAnObject
    case notAnArray
  }

  package let kind: Kind
  /// Counted in bytes from the beginning of the text that was given, from 0.
  package let offset: Int

  package init(_ kind: Kind, at offset: Int) {
    self.kind = kind
    self.offset = offset
  }

  package var description: String { "\(kind.sentence) (at byte \(offset))" }
}

extension JSONError.Kind {
  fileprivate var sentence: String {
    switch self {
    case .endOfText: "the JSON text ends too early"
    case .unexpectedByte: "a character that JSON does not allow here"
    case .byteOrderMark: "the JSON text begins with a byte order mark"
    case .invalidUTF8: "the JSON text is not valid UTF-8"
    case .controlCharacter: "a control character inside a string is not escaped"
    case .invalidEscape: "an escape that JSON does not know"
    case .loneSurrogate: "a \\u escape is half of a surrogate pair"
    case .invalidNumber: "a number is not written as JSON asks"
    case .tooDeep: "the JSON text is nested too deeply"
    case .duplicateName: "an object has two members of the same name"
    case .trailingText: "there is more text after the JSON value"
    case .notAnObject: "the JSON value is not an object"
    case .notAnArray: "the JSON value is not an array"
    }
  }
}
