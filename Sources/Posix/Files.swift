import CSystem
import Glibc

/// What the file system knows of a file.
package struct FileStatus: Equatable, Sendable {
  package enum Kind: Sendable { case file, folder, socket, link, other }

  package let kind: Kind
  /// Bytes.
  package let size: Int64
  /// Permission bits only.
  package let mode: UInt32
  package let owner: UInt32
  package let group: UInt32
  /// Milliseconds since 1970.
  package let modified: Int64
  /// When content, name or rights changed last, in nanoseconds since 1970. Nobody but the kernel sets it.
  package let changed: Int64
  /// With `device` the file's identity: two equal pairs are one file.
  package let inode: UInt64
  package let device: UInt64

  init(_ value: stat) {
    kind =
      switch value.st_mode & S_IFMT {
      case S_IFREG: .file
      case S_IFDIR: .folder
      case S_IFSOCK: .socket
      case S_IFLNK: .link
      default: .other
      }
    size = Int64(value.st_size)
    mode = value.st_mode & 0o7777
    owner = value.st_uid
    group = value.st_gid
    modified = Int64(value.st_mtim.tv_sec) * 1000 + Int64(value.st_mtim.tv_nsec) / 1_000_000
    changed = Int64(value.st_ctim.tv_sec) * 1_000_000_000 + Int64(value.st_ctim.tv_nsec)
    inode = UInt64(value.st_ino)
    device = UInt64(value.st_dev)
  }
}

/// Files and folders by path. Every call blocks.
package enum Files {
  package enum Opening: Sendable {
    case reading
    /// Created where absent; every write goes to the end, whoever else writes.
    case appending
    /// Must not exist yet.
    case creating
    /// Created where absent, emptied where present.
    case replacing
    /// An existing folder, to lock it or to synchronise its entries.
    case folder

    var flags: Int32 {
      switch self {
      case .reading: O_RDONLY
      case .appending: O_WRONLY | O_CREAT | O_APPEND
      case .creating: O_WRONLY | O_CREAT | O_EXCL
      case .replacing: O_WRONLY | O_CREAT | O_TRUNC
      case .folder: O_RDONLY | O_DIRECTORY
      }
    }
  }

  /// - Parameter mode: For a file that this creates; the process's umask is taken off.
  package static func open(_ path: String, for use: Opening, mode: UInt32 = 0o600) throws(PosixError)
    -> Descriptor
  {
    let flags = use.flags | O_CLOEXEC
    return Descriptor(owning: try retrying("open", path) { unsafe Glibc.open(path, flags, mode) })
  }

  /// - Parameter following: Whether a symbolic link stands for what it names.
  /// - Returns: nil where there is nothing.
  package static func status(_ path: String, following: Bool = true) throws(PosixError) -> FileStatus? {
    var value = stat()
    do throws(PosixError) {
      _ = try retrying("stat", path) { following ? unsafe stat(path, &value) : unsafe lstat(path, &value) }
    } catch {
      guard error.isMissing else { throw error }
      return nil
    }
    return FileStatus(value)
  }

  /// Whether anything is there, a dangling link too. Where the file system will not say, it is taken to be there:
  /// this is how the kill file is looked for, and doubt must stop.
  package static func exists(_ path: String) -> Bool {
    do throws(PosixError) { return try status(path, following: false) != nil } catch { return true }
  }

  /// Reads a whole file.
  ///
  /// - Throws: EFBIG where it holds more than `limit` bytes, however it grows meanwhile.
  package static func read(_ path: String, limit: Int) throws(PosixError) -> [UInt8] {
    let file = try open(path, for: .reading)
    let expected = Int(clamping: try file.status().size)
    guard expected <= limit else { throw PosixError(code: EFBIG, call: "read", detail: path) }
    // One byte more than expected, so that the end is seen without a second allocation.
    var bytes = [UInt8](repeating: 0, count: max(expected, 512) + 1)
    var filled = 0
    while true {
      if filled == bytes.count { bytes.append(contentsOf: repeatElement(0, count: bytes.count)) }
      switch try file.read(into: &bytes, at: filled) {
      case .bytes(let count): filled += count
      case .end, .wouldBlock:
        bytes.removeSubrange(filled...)
        return bytes
      }
      guard filled <= limit else { throw PosixError(code: EFBIG, call: "read", detail: path) }
    }
  }

  /// As ``read(_:limit:)``, but refuses what is no regular file: reading a pipe could wait for ever.
  package static func readRegular(_ path: String, limit: Int) throws(PosixError) -> [UInt8] {
    guard try status(path)?.kind == .file else {
      throw PosixError(code: EINVAL, call: "read", detail: "\(path) (not a regular file)")
    }
    return try read(path, limit: limit)
  }

  /// Puts a whole file in place: a reader sees the old bytes or the new, also after a power cut.
  ///
  /// Writes beside it, synchronises, renames, synchronises the folder. After an error the old file stands,
  /// except where synchronising the folder failed: then the new one does, but may not outlast a power cut.
  package static func replace(_ path: String, with bytes: [UInt8], mode: UInt32 = 0o600) throws(PosixError) {
    let temporary = "\(path).\(getpid()).tmp"
    do throws(PosixError) {
      let file = try open(temporary, for: .replacing, mode: mode)
      // The file may be an earlier run's leaving, and the umask may have taken bits off.
      try setMode(file, mode, path: temporary)
      try file.writeAll(bytes)
      try file.synchronize()
      try rename(temporary, to: path)
    } catch {
      try? remove(temporary)
      throw error
    }
    try synchronizeFolder(folder(of: path))
  }

  package static func rename(_ old: String, to new: String) throws(PosixError) {
    _ = try retrying("rename", "\(old) to \(new)") { unsafe Glibc.rename(old, new) }
  }

  /// Removes a file, link or socket. One that is not there is no error.
  package static func remove(_ path: String) throws(PosixError) {
    do throws(PosixError) {
      _ = try retrying("unlink", path) { unsafe unlink(path) }
    } catch {
      guard error.isMissing else { throw error }
    }
  }

  package static func removeFolder(_ path: String) throws(PosixError) {
    _ = try retrying("rmdir", path) { unsafe rmdir(path) }
  }

  /// Makes a folder and the ones above it that are missing, all with `mode`. One that stands is left as it is.
  package static func makeFolder(_ path: String, mode: UInt32 = 0o700) throws(PosixError) {
    if try status(path)?.kind == .folder { return }
    let parent = folder(of: path)
    if parent != path, try status(parent) == nil { try makeFolder(parent, mode: mode) }
    do throws(PosixError) {
      _ = try retrying("mkdir", path) { unsafe mkdir(path, mode) }
    } catch {
      // Another process may have made it in between.
      guard error.code == EEXIST, try status(path)?.kind == .folder else { throw error }
    }
  }

  package static func setMode(_ path: String, _ mode: UInt32) throws(PosixError) {
    _ = try retrying("chmod", path) { unsafe chmod(path, mode) }
  }

  private static func setMode(_ file: borrowing Descriptor, _ mode: UInt32, path: String) throws(PosixError) {
    let number = file.number
    _ = try retrying("fchmod", path) { fchmod(number, mode) }
  }

  /// - Parameters: nil leaves that side as it is.
  package static func setOwner(_ path: String, user: UInt32? = nil, group: UInt32? = nil) throws(PosixError) {
    _ = try retrying("chown", path) { unsafe chown(path, user ?? .max, group ?? .max) }
  }

  /// Makes created, renamed and removed names in a folder outlast a power cut.
  package static func synchronizeFolder(_ path: String) throws(PosixError) {
    try open(path, for: .folder).synchronize()
  }

  /// Names in a folder, without `.` and `..`, sorted by bytes.
  package static func list(_ path: String) throws(PosixError) -> [String] {
    guard let stream = unsafe opendir(path) else {
      throw PosixError(code: errno, call: "opendir", detail: path)
    }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = unsafe readdir(stream) else { break }
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    guard errno == 0 else { throw PosixError(code: errno, call: "readdir", detail: path) }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// Bytes of the file system that a process without privileges may still fill; nil where it does not say.
  package static func freeBytes(_ path: String) -> Int64? {
    var value = statvfs()
    guard unsafe statvfs(path, &value) == 0 else { return nil }
    return Int64(clamping: UInt64(value.f_bavail) * UInt64(value.f_frsize))
  }

  /// Where a symbolic link points.
  package static func linkTarget(_ path: String) throws(PosixError) -> String {
    var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = try retrying("readlink", path) {
      unsafe bytes.withUnsafeMutableBytes {
        guard let base = $0.baseAddress else { return 0 }
        return unsafe readlink(path, base.assumingMemoryBound(to: CChar.self), $0.count)
      }
    }
    return String(decoding: bytes[..<count], as: UTF8.self)
  }

  /// The folder part of a path; `.` for a bare name.
  package static func folder(of path: String) -> String {
    var bytes = Array(path.utf8)
    while bytes.count > 1, bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
    guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == 0 ? "/" : String(decoding: bytes[..<slash], as: UTF8.self)
  }

  package static func join(_ folder: String, _ name: String) -> String {
    folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
  }
}

/// One process a folder, for as long as this lives: kept by the kernel, so that nothing needs cleaning after kill -9.
package struct FolderLock: ~Copyable, Sendable {
  private let descriptor: Descriptor

  /// - Returns: nil where another holds it.
  package static func take(_ folder: String) throws(PosixError) -> FolderLock? {
    let descriptor = try Files.open(folder, for: .folder)
    guard try descriptor.tryLock() else { return nil }
    return FolderLock(descriptor: descriptor)
  }

  /// As ``Files/synchronizeFolder(_:)``, on the folder that is held.
  package func synchronize() throws(PosixError) { try descriptor.synchronize() }
}
