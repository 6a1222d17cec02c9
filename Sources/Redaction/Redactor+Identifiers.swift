import Text

/// Identifiers are no texts, and most look as random as a key does. What is plainly a person's or a secret does not belong
/// into one all the same.
extension Redactor {
  package enum IdentifierUse: Sendable {
    /// Names one call, run or task: numbers are ids there, not cards.
    case id
    /// Names a tenant, a group, an agent, a model, a person.
    case name
  }

  /// What of secrets and personal data an identifier holds, as its label's word; nil: it may be kept.
  package func mark(in identifier: Span<UInt8>, use: IdentifierUse) -> String? {
    if use == .name, extra.contains(where: { $0.contains(in: identifier) }) {
      return RedactionKind.policy.rawValue
    }
    guard Redactor.isWorthLooking(identifier) else { return nil }
    var scanner = RedactionScanner(limit: identifier.count, enough: nil, sparesRandom: true)
    // No UTF-8: nothing of it may be kept.
    guard scanner.scan(identifier) else { return RedactionKind.secret.rawValue }
    return scanner.found.first { Redactor.counts($0, identifier, use) }?.kind.rawValue
  }

  private static func counts(
    _ found: RedactedRange, _ identifier: Span<UInt8>, _ use: IdentifierUse
  ) -> Bool {
    switch found.kind {
    case .secret, .jwt, .privateKey, .urlCredentials, .email, .ssn, .policy: true
    case .iban: IBAN.hasCountrysLength(identifier, found.start..<found.end)
    case .phone: identifier[found.start] == ascii("+")
    case .card: use == .name || found.end - found.start > 16 && hasGap(identifier, found)
    case .ip, .mac, .id, .number, .dateOfBirth: false
    }
  }

  private static func hasGap(_ text: Span<UInt8>, _ range: RedactedRange) -> Bool {
    for index in range.start..<range.end where !(48...57).contains(text[index]) { return true }
    return false
  }

  /// Short ones of plain characters hold nothing: most identifiers end here.
  private static func isWorthLooking(_ text: Span<UInt8>) -> Bool {
    var digits = 0
    for index in text.indices {
      let byte = text[index]
      if byte == ascii("@") || byte == ascii("+") || byte == ascii("=") || byte == ascii("%") { return true }
      if (48...57).contains(byte) { digits += 1 }
    }
    return digits >= 9 || text.count >= 16
  }
}
