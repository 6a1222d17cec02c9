import Deciding
import LogRequests
import Posix

extension RestoredFlags {
  /// What tells a state folder from a copy of it: the numbers that the file system gave two folders in it, which stay when it is
  /// renamed or mounted elsewhere. nil where they cannot be had.
  static func place(_ paths: SidecarPaths) -> String? {
    let folders = [paths.log, Files.join(paths.state, "keys")]
    let numbers = folders.compactMap { folder in (try? Files.status(folder))??.inode }
    return numbers.count == folders.count ? numbers.map(String.init).joined(separator: "-") : nil
  }
}
