import Posix
package import Rollout
import RouterCore
import Wire

/// The flags as a start finds them: what the file says, as far as the log says that the router wrote it.
///
/// A file that serves a task counts only where the newest `flag` record names its digest: neither a file from elsewhere nor
/// an older one of its own can bring back what was ended.
package struct RestoredFlags: Sendable {
  package var document: FlagsDocument
  /// Of the file as it is.
  package var content: Rollouts.Content = nil
  package var problem: String?
  package var lastDemotion: Rollouts.Demotion?
  /// Whose change was recorded and not written: not served, whichever way it went.
  package var interrupted: String?
  /// Whose flag the newest record says is served, where the file has gone or has no flags.
  package var missing: Proof?

  /// What the newest `flag` record about a task says.
  package struct Proof: Sendable, Equatable {
    package var task: String
    /// Digests of the file, in hex; `before` is nil where there was none.
    package var before: String?
    package var after: String
    /// What the task is served as, in the record's words; `shadow`: it is not.
    package var now = Stage.shadow.rawValue

    package init(task: String, before: String?, after: String, now: String = Stage.shadow.rawValue) {
      self.task = task
      self.before = before
      self.after = after
      self.now = now
    }
  }

  package init() {
    document = FlagsDocument(salt: Self.newSalt)
  }

  /// - Parameter place: The state folder's own; nil: it is not asked for.
  package init(
    _ found: Rollouts.Found, proof: Proof?, lastDemotion: Rollouts.Demotion? = nil, place: String? = nil
  ) {
    self.init()
    self.lastDemotion = lastDemotion
    defer { if let place { document.place = place } }
    switch found {
    case .nothing: missing = Self.served(proof)
    case .unreadable(let why): problem = why
    case .bytes(let bytes): read(bytes, proof, place)
    }
  }

  private mutating func read(_ bytes: [UInt8], _ proof: Proof?, _ place: String?) {
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
    if written.isServing, let place, let noted = written.place, noted != place {
      problem =
        "flags.json is another state folder's: this one is a copy or was restored, and serves nothing before somebody promotes here"
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
