package import Posix
import RouterCore

/// `keys/` in the state folder, as far as it holds keys of hashes: `KID.key`, 32 random bytes, mode 0600; `current` names the
/// one in use; `destroyed` has a line for each that is gone.
package struct KeyFolder: Sendable {
  package let path: String

  package init(stateFolder: String) { path = Files.join(stateFolder, "keys") }

  package struct Listed: Sendable, Equatable {
    package var id: String
    package var isCurrent: Bool
    /// Milliseconds since 1970; nil for a key that is gone.
    package var madeAt: Int64?
    /// When it was destroyed and by whom, as the line says.
    package var destroyed: String?

    package init(id: String, isCurrent: Bool, madeAt: Int64? = nil, destroyed: String? = nil) {
      self.id = id
      self.isCurrent = isCurrent
      self.madeAt = madeAt
      self.destroyed = destroyed
    }
  }

  private static let keyBytes = 32
  private var pointer: String { Files.join(path, "current") }
  private var graveyard: String { Files.join(path, "destroyed") }
  private func file(_ id: String) -> String { Files.join(path, "\(id).key") }

  /// nil where there is none yet.
  package func current() throws(PosixError) -> String? {
    guard Files.exists(pointer) else { return nil }
    return String(decoding: try Files.read(pointer, limit: 64), as: UTF8.self).filter { !$0.isWhitespace }
  }

  func entry(_ id: String) throws(PosixError) -> Keyring.Entry {
    let bytes = try Files.readRegular(file(id), limit: 64)
    guard bytes.count == Self.keyBytes, Self.isID(id) else {
      throw PosixError(
        code: 22, call: "read", detail: "\(file(id)) (a key has 32 bytes, this has \(bytes.count))")
    }
    // Restored from somewhere, it may have lost its rights.
    if let mode = try Files.status(file(id))?.mode, mode & 0o077 != 0 { try Files.setMode(file(id), 0o600) }
    return Keyring.Entry(id: id, key: HMACSHA256Key(bytes))
  }

  /// Makes a new key and puts it in use. The old one stays, so that hashes made with it can still be told.
  @discardableResult
  func rotate() throws(PosixError) -> Keyring.Entry {
    try Files.makeFolder(path, mode: 0o700)
    let bytes = Random.bytes(Self.keyBytes)
    let id = String(SHA256.hash(Random.bytes(16)).hex.prefix(8))
    // The key before the word that it is in use: a crash in between leaves a key that nobody uses.
    try Files.replace(file(id), with: bytes, mode: 0o600)
    try Files.replace(pointer, with: Array((id + "\n").utf8), mode: 0o600)
    return Keyring.Entry(id: id, key: HMACSHA256Key(bytes))
  }

  /// - Returns: The id of the key now in use.
  package func rotateKey() throws(PosixError) -> String { try rotate().id }

  /// Keys that are there, the oldest first, then those that were destroyed.
  package func list() throws(PosixError) -> [Listed] {
    guard Files.exists(path) else { return [] }
    let inUse = try current()
    var keys: [Listed] = []
    for name in try Files.list(path) where name.hasSuffix(".key") {
      let id = String(name.dropLast(4))
      guard Self.isID(id) else { continue }
      let made = try Files.status(file(id))?.modified
      keys.append(Listed(id: id, isCurrent: id == inUse, madeAt: made))
    }
    keys.sort { ($0.madeAt ?? 0, $0.id) < ($1.madeAt ?? 0, $1.id) }
    guard Files.exists(graveyard) else { return keys }
    let gone = String(decoding: try Files.readRegular(graveyard, limit: 1 << 20), as: UTF8.self)
    for line in gone.split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 1)
      guard words.count == 2 else { continue }
      keys.append(Listed(id: String(words[0]), isCurrent: false, destroyed: String(words[1])))
    }
    return keys
  }

  package enum Refusal: Error, Sendable, Equatable {
    case unknown
    case inUse
    case system(PosixError)
  }

  /// Overwrites a key's bytes, synchronises, and removes the file: what was hashed with it can be told by nobody then.
  ///
  /// A file system that copies on write, a snapshot or a backup may keep the old bytes; nothing here can reach those.
  ///
  /// - Parameters:
  ///   - words: When and by whom, for the list.
  ///   - credential: Id of the service manager's key where that is in use: then the one that `current` names is not.
  package func destroy(_ id: String, words: String, credential: String? = nil) throws(Refusal) {
    guard Self.isID(id) else { throw .unknown }
    let isThere: Bool
    let isInUse: Bool
    do throws(PosixError) {
      isThere = try Files.status(file(id), following: false)?.kind == .file
      let used = try current()
      isInUse = (credential ?? used) == id
    } catch { throw .system(error) }
    guard isThere else { throw .unknown }
    guard !isInUse else { throw .inUse }
    do throws(PosixError) { try overwrite(id, words) } catch { throw .system(error) }
  }

  private func overwrite(_ id: String, _ words: String) throws(PosixError) {
    let key = try Files.openToChange(file(id))
    let size = max(Int(clamping: try key.status().size), Self.keyBytes)
    try key.writeAll(Random.bytes(min(size, 4_096)), filePosition: 0)
    try key.synchronize()
    if try current() == id { try Files.remove(pointer) }
    try Files.remove(file(id))
    try Files.synchronizeFolder(path)
    let list = try Files.open(graveyard, for: .appending)
    try list.writeAll(Array("\(id) \(words)\n".utf8))
    try list.synchronize()
  }

  /// Letters and digits only: an id is part of a path, and of each hash.
  private static func isID(_ text: String) -> Bool {
    1...32 ~= text.utf8.count
      && text.utf8.allSatisfy { 48...57 ~= $0 || 97...122 ~= $0 || 65...90 ~= $0 }
  }

  /// The key that the service manager hands over: 32 bytes, or 64 hex digits.
  ///
  /// - Returns: nil where there is none.
  static func credential(_ folder: String) throws(PosixError) -> Keyring.Entry? {
    let path = Files.join(folder, "hash-key")
    guard Files.exists(path) else { return nil }
    var bytes = try Files.readRegular(path, limit: 256)
    if bytes.count != keyBytes {
      let digits = bytes.filter { $0 != 10 && $0 != 13 && $0 != 32 }
      bytes = SHA256Digest(hex: digits.span)?.bytes ?? []
    }
    guard bytes.count == keyBytes else {
      throw PosixError(
        code: 22, call: "read", detail: "\(path) (a key is 32 bytes, or 64 lower-case hex digits)")
    }
    // Named by what it is: the same key has the same id on every start and host.
    let id = "c" + SHA256.hash(Array("shadow-router kid\n".utf8) + bytes).hex.prefix(8)
    return Keyring.Entry(id: id, key: HMACSHA256Key(bytes))
  }
}
