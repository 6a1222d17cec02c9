/// Whether a folder is safe to keep things in: nobody but its owner and root decides what stands there under which name.
package enum FolderTrust {
  /// Why it is not.
  package enum Fault: Error, Equatable, CustomStringConvertible {
    case link(path: String, target: String)
    case notAFolder(path: String)
    case owner(path: String, user: UInt32)
    case worldWritable(path: String, mode: UInt32)

    package var description: String {
      switch self {
      case .link(let path, let target):
        "\(path) is a symbolic link, which somebody may point elsewhere; name the folder itself: \(target)"
      case .notAFolder(let path): "\(path) is not a folder"
      case .owner(let path, let user):
        "\(path) belongs to user \(user), who can change what stands in it; it has to belong to the router's own user or root"
      case .worldWritable(let path, let mode):
        "everybody may write to \(path) (mode \(String(mode, radix: 8))); take that away: chmod o-w \(path)"
      }
    }
  }

  /// A folder above one that is checked may be open to everybody where it is sticky, as /tmp is: nobody can put another
  /// folder in the place of this one there.
  ///
  /// - Parameter user: Who owns it beside root.
  /// - Throws: Also where the system does not say: as ``PosixError``.
  package static func check(_ path: String, ownedBy user: UInt32) throws {
    // A slash at the end would have a link followed.
    var name = path
    while name.count > 1, name.hasSuffix("/") { name.removeLast() }
    guard let status = try Files.status(name, following: false) else { throw Fault.notAFolder(path: name) }
    if status.kind == .link { throw Fault.link(path: name, target: try Files.linkTarget(name)) }
    guard status.kind == .folder else { throw Fault.notAFolder(path: name) }
    guard status.owner == user || status.owner == 0 else {
      throw Fault.owner(path: name, user: status.owner)
    }
    guard status.mode & 0o002 == 0 else { throw Fault.worldWritable(path: name, mode: status.mode) }
  }

  /// The nearest folder above one that everybody may write to and that is not sticky; nil where there is none.
  package static func openAncestor(of path: String) -> String? {
    var folder = Files.folder(of: path)
    while true {
      if let status = try? Files.status(folder), status.mode & 0o1002 == 0o002 { return folder }
      let above = Files.folder(of: folder)
      if above == folder { return nil }
      folder = above
    }
  }
}
