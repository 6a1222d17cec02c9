import Posix
import RouterCore
import Testing

@testable import PolicyFiles

@Suite("Keys")
struct KeyFolderTests {
  private func withState(_ body: (String) throws -> Void) throws {
    let path = "/tmp/shadow-router-keys-\(UInt64.random(in: 0 ... .max))"
    try Files.makeFolder(path)
    defer {
      for folder in [path + "/keys", path + "/credentials", path] {
        for name in (try? Files.list(folder)) ?? [] { try? Files.remove(Files.join(folder, name)) }
        try? Files.removeFolder(folder)
      }
    }
    try body(path)
  }

  private func hash(_ ring: Keyring, _ text: String) -> String {
    let seal = TextSeal(keyID: ring.current.id, key: ring.current.key, privacy: PrivacyPolicy())
    return seal.hash(Array(text.utf8).span)
  }

  @Test("are made once, private, and the same after a restart")
  func made() throws {
    try withState { state in
      let first = try Keyring.open(stateFolder: state)
      let again = try Keyring.open(stateFolder: state)
      #expect(first.current.id == again.current.id && hash(first, "x") == hash(again, "x"))
      let status = try Files.status(Files.join(state, "keys/\(first.current.id).key"))
      #expect(status?.mode == 0o600 && status?.size == 32)
      #expect(hash(first, "x").hasPrefix("hmac-sha256:\(first.current.id):"))
    }
  }

  @Test("that were rotated hash equal texts otherwise, also in a ring that is renewed")
  func rotated() throws {
    try withState { state in
      let old = try Keyring.open(stateFolder: state)
      let id = try KeyFolder(stateFolder: state).rotateKey()
      let new = try old.renewed()
      #expect(new.current.id == id && id != old.current.id)
      #expect(hash(new, "x") != hash(old, "x"))
      // What follows the key's id differs too: nobody can join by the digits.
      #expect(hash(new, "x").suffix(64) != hash(old, "x").suffix(64))
      let listed = try KeyFolder(stateFolder: state).list()
      #expect(Set(listed.map(\.id)) == [old.current.id, id] && listed.filter(\.isCurrent).map(\.id) == [id])
    }
  }

  @Test("are destroyed but for the one in use, and never by a path")
  func destroyed() throws {
    try withState { state in
      let folder = KeyFolder(stateFolder: state)
      let old = try Keyring.open(stateFolder: state).current.id
      let used = try folder.rotateKey()
      #expect(throws: KeyFolder.Refusal.inUse) { try folder.destroy(used, words: "w") }
      for name in [
        "", "../keys/\(old)", "\(old).key", "nosuch", "current", String(repeating: "a", count: 33),
      ] {
        #expect(throws: KeyFolder.Refusal.unknown) { try folder.destroy(name, words: "w") }
      }
      try folder.destroy(old, words: "today ann")
      #expect(throws: KeyFolder.Refusal.unknown) { try folder.destroy(old, words: "w") }
      #expect(!Files.exists(Files.join(state, "keys/\(old).key")))
      #expect(try folder.list().last == KeyFolder.Listed(id: old, isCurrent: false, destroyed: "today ann"))
      // Where the service manager's key is in use, the one that the folder names is an old one.
      try folder.destroy(used, words: "w", credential: "c1")
      #expect(try folder.current() == nil)
    }
  }

  @Test("of the service manager go before those of the folder, as bytes or as digits")
  func credentials() throws {
    try withState { state in
      let folder = Files.join(state, "credentials")
      try Files.makeFolder(folder)
      let own = try Keyring.open(stateFolder: state, credentials: folder)
      #expect(!own.isCredential)
      let key = Array(UInt8(0)..<32)
      let path = Files.join(folder, "hash-key")
      var hashes: Set<String> = []
      for content in [
        key, Array((key.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "\n").utf8),
      ] {
        try Files.replace(path, with: content)
        let ring = try own.renewed()
        #expect(ring.isCredential)
        hashes.insert(hash(ring, "x"))
      }
      #expect(hashes.count == 1)
      for content in ["", "short", String(repeating: "g", count: 64)] {
        try Files.replace(path, with: Array(content.utf8))
        #expect(throws: PosixError.self) { try own.renewed() }
      }
    }
  }
}
