package import Posix
package import RouterCore

/// The key that the log's hashes are made with: a file of this installation, or a credential of the service manager.
package struct Keyring: Sendable {
  package struct Entry: Sendable {
    package let id: String
    package let key: HMACSHA256Key
  }

  /// The key that new hashes are made with.
  package let current: Entry
  /// It comes with the service: the service manager keeps it, and no other is made here.
  package let isCredential: Bool
  private let stateFolder: String?
  private let credentials: String?

  /// A key that lives nowhere but here: for `check` and `explain`, which keep nothing.
  package static func temporary() -> Keyring {
    Keyring(
      current: Entry(id: "none", key: HMACSHA256Key(Random.bytes(32))), isCredential: false, stateFolder: nil,
      credentials: nil)
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

  /// Takes the credential `hash-key` where there is one, else the key in use of `keys/`, made where there is none.
  ///
  /// - Parameter credentials: The folder of the service's credentials (`$CREDENTIALS_DIRECTORY`).
  package static func open(stateFolder: String, credentials: String? = nil) throws(PosixError) -> Keyring {
    if let credentials, let entry = try KeyFolder.credential(credentials) {
      return Keyring(
        current: entry, isCredential: true, stateFolder: stateFolder, credentials: credentials)
    }
    let folder = KeyFolder(stateFolder: stateFolder)
    let entry: Entry
    if let id = try folder.current() { entry = try folder.entry(id) } else { entry = try folder.rotate() }
    return Keyring(current: entry, isCredential: false, stateFolder: stateFolder, credentials: credentials)
  }

  /// The same, as it lies on the disk now.
  package func renewed() throws(PosixError) -> Keyring {
    guard let stateFolder else { return self }
    return try Keyring.open(stateFolder: stateFolder, credentials: credentials)
  }
}
