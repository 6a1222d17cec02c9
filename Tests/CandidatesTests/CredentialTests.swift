import Posix
import RouterCore
import Testing

@testable import Candidates

@Suite("API keys")
struct CredentialTests {
  private func model(env: String? = nil, file: String? = nil) throws -> ModelPolicy {
    try serverModel("http://127.0.0.1:1/api/generate") {
      $0.apiKeyEnv = env
      $0.apiKeyFile = file
    }
  }

  private func fault(_ model: ModelPolicy, in folder: String = "/") -> CredentialFault? {
    do throws(CredentialFault) {
      _ = try Credential.read(model, in: folder)
      return nil
    } catch {
      return error
    }
  }

  @Test("are taken without the line end after them")
  func trimmed() throws {
    #expect(try Credential(Array("key\r\n".utf8)) == Credential(Array("key".utf8)))
    #expect(try Credential(Array(" key\n".utf8)) != Credential(Array("other".utf8)))
  }

  @Test(
    "are refused where they could not be sent, by a fault that holds nothing of them",
    arguments: [
      ("", CredentialFault.empty), ("\n", .empty), ("two words", .invalidCharacter),
      ("line\r\nX-Evil: 1", .invalidCharacter), ("nul\u{0}", .invalidCharacter), ("clé", .invalidCharacter),
    ])
  func refused(text: String, fault: CredentialFault) {
    #expect(throws: fault) { try Credential(Array(text.utf8)) }
    #expect(text.isEmpty || !fault.description.contains(text))
  }

  @Test("come from where the policy says, or there is a fault that says what to do")
  func places() throws {
    #expect(try Credential.read(model(), in: "/") == nil)
    #expect(fault(try model(env: "SHADOW_ROUTER_NO_SUCH_KEY")) == .notSet("SHADOW_ROUTER_NO_SUCH_KEY"))
    #expect(fault(try model(env: "A", file: "b")) == .twoPlaces)
    // A variable that every test run has.
    #expect(try Credential.read(model(env: "PATH"), in: "/") != nil)
    #expect(fault(try model(file: "none"), in: "/tmp") == .missing("/tmp/none"))
    #expect(fault(try model(file: "/dev")) == .notAFile("/dev"))
  }

  @Test(
    "in files that others can read or write are refused",
    arguments: [
      (0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false), (0o644, false),
    ] as [(UInt32, Bool)])
  func modes(mode: UInt32, isTaken: Bool) throws {
    let folder = "/tmp/shadow-router-keys-\(ProcessState.id)-\(mode)"
    try Files.makeFolder(folder)
    let path = Files.join(folder, "key")
    defer {
      try? Files.remove(path)
      try? Files.removeFolder(folder)
    }
    try Files.replace(path, with: Array("k\n".utf8), mode: 0o600)
    try Files.setMode(path, mode)
    let fault = fault(try model(file: "key"), in: folder)
    #expect(fault == (isTaken ? nil : .open(path, mode: mode)))
  }
}
