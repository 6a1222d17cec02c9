/// What a policy may say already though this version does not act on it.
enum PolicyLater {
  /// Paths of keys; with a value behind a colon, only that value. Shorten the list as features arrive.
  static let paths: Set<String> = [
    "privacy.retention_days"
  ]

  /// Names that nothing else may use (contract, section 8).
  static let reserved: Set<String> = [
    "memory", "async", "approval", "nightly", "specialists", "large_context",
  ]
}
