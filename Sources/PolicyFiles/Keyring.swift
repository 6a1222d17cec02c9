package import Posix
package import RouterCore

/// The keys of the log's hashes: files of this installation, created at the first start, never logged.
package struct Keyring: Sendable {
  package struct Entry: Sendable {
    package let id: String
    package let key: HMACSHA256Key
  }

  /// The key that new hashes are made with.
  package let current: Entry

  /// A key that lives nowhere but here: for `check` and `explain`, which keep nothing.
  package static func temporary() -> Keyring {
    Keyring(current: Entry(id: "none", key: HMACSHA256Key(Random.bytes(32))))
  }

  /// An id as this installation's log holds it; nil where it has no key. Makes none.
  package static func identifier(_ id: String, stateFolder: String) -> String? {
    guard Files.exists(Files.join(stateFolder, "keys/current")),
      let keys = try? open(stateFolder: stateFolder)
    else { return nil }
    return keys.seal.identifier(id)
  }

  /// Redacts and hashes as a policy does that says nothing about privacy.
  package var seal: TextSeal { TextSeal(keyID: current.id, key: current.key, privacy: PrivacyPolicy()) }

  private init(current: Entry) { self.current = current }

  /// Opens `keys/` in the state folder, making the first key where there is none.
  ///
  /// A key is a file `KID.key` of 32 random bytes, mode 0600; `current` names the one in use.
  package static func open(stateFolder: String) throws(PosixError) -> Keyring {
    let folder = Files.join(stateFolder, "keys")
    try Files.makeFolder(folder, mode: 0o700)
    let pointer = Files.join(folder, "current")
    if Files.exists(pointer) {
      let id = String(decoding: try Files.read(pointer, limit: 64), as: UTF8.self).filter { !$0.isWhitespace }
      let bytes = try Files.read(Files.join(folder, "\(id).key"), limit: 64)
      guard bytes.count == 32 else {
        throw PosixError(
          code: 22, call: "read", detail: "\(folder)/\(id).key (a key has 32 bytes, this has \(bytes.count))")
      }
      return Keyring(current: Entry(id: id, key: HMACSHA256Key(bytes)))
    }
    let bytes = Random.bytes(32)
    let id = String(SHA256.hash(Random.bytes(16)).hex.prefix(8))
    try Files.replace(Files.join(folder, "\(id).key"), with: bytes, mode: 0o600)
    try Files.replace(pointer, with: Array((id + "\n").utf8), mode: 0o600)
    return Keyring(current: Entry(id: id, key: HMACSHA256Key(bytes)))
  }
}
