/// What was found; its label stands in the text where it was.
enum RedactionKind: String, Sendable {
  case secret, jwt, email, card, iban, phone, ip, mac, ssn, id, number
  case privateKey = "private-key"
  case urlCredentials = "url-credentials"
  case dateOfBirth = "date-of-birth"
  /// Found by one of the policy's own patterns.
  case policy = "redacted"

  /// Bytes of `[kind]`.
  var labelCount: Int { rawValue.utf8.count + 2 }
}

/// A part of the text that must not be shown, in byte offsets.
struct RedactedRange: Equatable, Sendable {
  var start: Int
  var end: Int
  var kind: RedactionKind
}
