/// Replaces secrets and personal data by `[kind]`.
package struct Redactor: Sendable {
  private let extra: [Pattern]

  package init(extra: [Pattern] = []) { self.extra = extra }

  package func preview(of text: Span<UInt8>, characters: Int = 240) -> [UInt8]? { nil }

  package func redact(_ text: Span<UInt8>) -> [UInt8]? { nil }
}
