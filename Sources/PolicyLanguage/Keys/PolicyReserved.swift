/// Names that nothing else may use (contract, section 8).
enum PolicyReserved {
  static let names: Set<String> = [
    "memory", "async", "approval", "nightly", "specialists", "large_context",
  ]
}
