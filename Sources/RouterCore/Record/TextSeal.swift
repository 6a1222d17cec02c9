import Redaction
package import Wire

/// What the log may keep of a text: a keyed hash and a redacted beginning. The text itself never passes.
package struct TextSeal: Sendable {
  /// Which key the hashes are made with.
  package let keyID: String
  private let key: HMACSHA256Key
  /// What every hash begins with.
  private let mark: [UInt8]
  private let redactor: Redactor
  /// Unicode scalars; 0 turns previews off.
  private var previewChars: Int

  /// Names that the policy writes itself: they are kept as they are.
  private let known: Set<String>

  package init(keyID: String, key: HMACSHA256Key, privacy: PrivacyPolicy, known: Set<String> = []) {
    self.known = known
    self.keyID = keyID
    self.key = key
    mark = Array("hmac-sha256:\(keyID):".utf8)
    redactor = Redactor(extra: privacy.redact)
    previewChars = min(privacy.previewChars, 240)
  }

  /// The same, but that it keeps no previews.
  package var withoutPreviews: TextSeal {
    var seal = self
    seal.previewChars = 0
    return seal
  }

  package var keepsPreviews: Bool { previewChars > 0 }

  /// `hmac-sha256:KID:HEX`.
  package func hash(_ text: Span<UInt8>) -> String {
    "hmac-sha256:\(keyID):\(key.authenticate(text).hex)"
  }

  /// Writes ``hash(_:)`` as a string.
  package func writeHash(_ text: Span<UInt8>, into writer: inout JSONWriter) {
    let digest = key.authenticate(text)
    writer.quoted { bytes in
      bytes.append(contentsOf: mark)
      digest.appendHex(to: &bytes)
    }
  }

  /// nil where previews are off, or where redaction could not handle the text.
  package func preview(_ text: Span<UInt8>) -> [UInt8]? {
    previewChars > 0 ? redactor.preview(of: text, characters: previewChars) : nil
  }

  /// The id of a call, run or task as it may be kept: as it is, or `[kind:HEX]` where it holds a secret or an address of a
  /// person. HEX (48 bits) is keyed: one id has one, so records still join.
  package func identifier(_ id: String) -> String { sealed(id, .id) }

  /// A name from outside (tenant, group, agent, model, person) as it may be kept, in the same way.
  package func name(_ name: String?) -> String? {
    name.map { known.contains($0) ? $0 : sealed($0, .name) }
  }

  private func sealed(_ text: String, _ use: Redactor.IdentifierUse) -> String {
    var text = text
    return text.withUTF8 { bytes in
      let span = unsafe bytes.span
      guard let kind = redactor.mark(in: span, use: use) else {
        return unsafe String(decoding: bytes, as: UTF8.self)
      }
      return "[\(kind):\(key.authenticate(span).hex.prefix(12))]"
    }
  }

  /// A short text from outside as it may be kept: as it is where the policy writes it itself, else redacted; at most `limit`
  /// characters.
  package func label(_ text: String, limit: Int = 64) -> String? {
    guard !known.contains(text) else {
      return String(String.UnicodeScalarView(text.unicodeScalars.prefix(limit)))
    }
    return redactor.preview(of: Array(text.utf8).span, characters: limit).map {
      String(decoding: $0, as: UTF8.self)
    }
  }
}
