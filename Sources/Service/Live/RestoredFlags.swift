import Posix
import Rollout
import RouterCore
import Wire

/// The flags as a start finds them: what the file says, as far as the log says that the router wrote it.
///
/// A file that serves a task counts only where the newest `flag` record names its digest: neither a file from elsewhere nor
/// an older one of its own can bring back what was ended.
struct RestoredFlags: Sendable {
  var document: FlagsDocument
  /// Of the file as it is.
  var content: Rollouts.Content = nil
  var problem: String?
  var lastDemotion: Rollouts.Demotion?
  /// Whose change was recorded and not written: not served, whichever way it went.
  var interrupted: String?
  /// Whose flag the newest record says is served, where the file has gone or has no flags.
  var missing: Proof?

  /// What the newest `flag` record about a task says.
  struct Proof: Sendable, Equatable {
    var task: String
    /// Digests of the file, in hex; `before` is nil where there was none.
    var before: String?
    var after: String
    /// What the task is served as, in the record's words; `shadow`: it is not.
    var now = Stage.shadow.rawValue
  }

  init() {
    document = FlagsDocument(salt: Self.newSalt)
  }

  init(_ found: Rollouts.Found, proof: Proof?, lastDemotion: Rollouts.Demotion? = nil) {
    self.init()
    self.lastDemotion = lastDemotion
    switch found {
    case .nothing: missing = Self.served(proof)
    case .unreadable(let why): problem = why
    case .bytes(let bytes): read(bytes, proof)
    }
  }

  private mutating func read(_ bytes: [UInt8], _ proof: Proof?) {
    let digest = SHA256.hash(bytes)
    content = digest
    guard let written = FlagsDocument(parsing: bytes) else {
      if Self.isEmpty(bytes) {
        missing = Self.served(proof)
      } else {
        problem = "flags.json is not what the router wrote"
      }
      return
    }
    guard written.isServing, proof?.after != digest.hex else {
      document = written
      return
    }
    guard let proof, proof.before == digest.hex else {
      problem = "flags.json is not the one that the log names last"
      return
    }
    document = written
    interrupted = proof.task
  }

  private static func served(_ proof: Proof?) -> Proof? {
    proof.flatMap { $0.now == Stage.shadow.rawValue ? nil : $0 }
  }

  /// A file without flags says that everything is in shadow, whoever wrote it.
  static func isEmpty(_ bytes: [UInt8]) -> Bool {
    guard let document = try? JSONValue(parsing: bytes), document.members != nil else { return false }
    return document["flags"].map { $0.members?.isEmpty == true } ?? true
  }

  /// 32 random bytes in hex.
  private static var newSalt: String { SHA256.hash(Random.bytes(32)).hex }
}
