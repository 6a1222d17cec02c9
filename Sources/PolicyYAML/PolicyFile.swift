package import PolicyLanguage

/// From the bytes of a policy file to the policy, or to all that is wrong with it.
package enum PolicyFile {
  /// Start-up, `check` and every reload go this way; the tests inside the policy are the engine's work.
  package static func read(
    _ bytes: [UInt8], options: PolicyReadingOptions = PolicyReadingOptions()
  ) -> PolicyReading {
    let tree = PolicyText.tree(bytes)
    guard let root = tree.root else { return PolicyReading(tree.problems) }
    let reading = PolicyReader.read(root, bytes: bytes, options: options)
    guard !tree.problems.isEmpty else { return reading }
    return PolicyReading(reading.policy, and: tree.problems + reading.problems)
  }
}
