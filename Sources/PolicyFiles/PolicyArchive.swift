import Posix
package import RouterCore

/// The policies that a router has taken, a file each, named by the hex digits of its revision.
///
/// The log names policies by revision alone; what they said is needed to decide its calls again. Nothing else reads it.
package struct PolicyArchive: Sendable {
  package let folder: String

  package init(folder: String) { self.folder = folder }

  /// A policy that is written anew all the time must not fill the disk.
  private static let limit = 1_000

  /// Keeps a policy's text. Where that cannot be, the router goes on: deciding does not depend on it.
  func keep(_ bytes: [UInt8]) {
    let path = Files.join(folder, SHA256.hash(bytes).hex + ".yaml")
    guard !Files.exists(path) else { return }
    try? Files.makeFolder(folder, mode: 0o700)
    guard let kept = try? Files.list(folder), kept.count < Self.limit else { return }
    try? Files.replace(path, with: bytes)
  }

  /// Those that this version can still read, in no order that means anything.
  package func policies(now: Int64) -> [Policy] {
    let names = ((try? Files.list(folder)) ?? []).filter { $0.hasSuffix(".yaml") }.sorted()
    return names.compactMap { name in
      try? PolicyLoading(path: Files.join(folder, name), keys: .temporary()).policy(now: now)
    }
  }
}
