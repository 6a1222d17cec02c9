package import RouterCore

/// What a log was at a moment: the text of a C2SP tlog-checkpoint (origin, size and root, a line each).
///
/// The leaves are the log's records in their order, each in the form of ``KeptForm``. The text carries no signature;
/// whoever ships it may add an empty line and signatures, which are not looked at here.
package struct Checkpoint: Sendable, Equatable {
  package var origin: String
  /// Records that it covers.
  package var size: UInt64
  package var root: SHA256Digest

  package init(log: String, size: UInt64, root: SHA256Digest) {
    origin = Self.origin(ofLog: log)
    self.size = size
    self.root = root
  }

  /// - Parameter log: The `log` of the records.
  package static func origin(ofLog log: String) -> String { "shadow-router/\(log)" }

  package var text: String { "\(origin)\n\(size)\n\(root.base64)\n" }

  /// Reads the text of a checkpoint, with signatures or without, extension lines passed over.
  package init?(_ text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    // The text ends in a line feed; behind an empty line stand signatures.
    guard let end = lines.firstIndex(where: \.isEmpty), end >= 3, !lines[0].isEmpty,
      let size = UInt64(lines[1]), "\(size)" == lines[1], let root = SHA256Digest(base64: lines[2])
    else { return nil }
    origin = String(lines[0])
    self.size = size
    self.root = root
  }
}
