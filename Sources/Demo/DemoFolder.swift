import Commands
import LogRequests
import Posix
import RouterCore

/// Where a demonstration keeps its things: copies of policy and models, state, sockets.
struct DemoFolder {
  /// Holds the sockets, and where nothing is kept everything else too.
  private let temporary: String
  /// Holds policy, models and state.
  let root: String
  let isKept: Bool

  var policy: String { Files.join(root, "policies/demo.yaml") }
  var state: String { Files.join(root, "state") }
  var sidecarLog: String { Files.join(root, "sidecar.log") }
  var paths: SidecarPaths {
    SidecarPaths(state: state, runtime: Files.join(temporary, "run"), policy: policy)
  }

  /// Makes the folders and copies the sample's policy and models, all readable by this user alone.
  init(keep: String?, sample: String) throws(Failure) {
    if let keep { try Self.requireEmpty(keep) }
    do throws(PosixError) {
      temporary = try Self.makeTemporary()
      root = keep ?? temporary
      isKept = keep != nil
      try Files.makeFolder(root, mode: 0o700)
    } catch {
      throw .surroundings("\(error.description); set TMPDIR to a folder that can be written")
    }
    do throws(PosixError) {
      try copy(from: sample)
    } catch {
      remove()
      throw .surroundings("\(error.description); is there room in \(root)?")
    }
  }

  private func copy(from sample: String) throws(PosixError) {
    let models = "demo/models"
    try Files.makeFolder(Files.join(Files.folder(of: policy), models), mode: 0o700)
    var names = ["demo.yaml"]
    for name in try Files.list(Files.join(sample, models)) { names.append("\(models)/\(name)") }
    for name in names {
      let bytes = try Files.read(Files.join(sample, name), limit: 64 << 20)
      try Files.replace(Files.join(Files.folder(of: policy), name), with: bytes, mode: 0o600)
    }
  }

  /// Removes what is not to be kept.
  func remove() { Self.removeTree(temporary) }

  private static func requireEmpty(_ path: String) throws(Failure) {
    guard Files.exists(path) else { return }
    guard let names = try? Files.list(path) else {
      throw .surroundings("--keep \(path) is no folder that can be read; name a new one")
    }
    guard names.isEmpty else {
      throw Failure(exit: .refused, message: "--keep \(path) is not empty; name a new folder, or empty it")
    }
  }

  private static func makeTemporary() throws(PosixError) -> String {
    let random = Random.bytes(6).map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    let name = "shadow-router-demo-\(random)"
    var folder = ProcessState.environment("TMPDIR") ?? ""
    let longest = Files.join(folder, "\(name)/run/control.sock")
    // A socket's path has a short limit, which a deep TMPDIR would pass.
    if folder.isEmpty || longest.utf8.count > UnixSocket.longestPath { folder = "/tmp" }
    let path = Files.join(folder, name)
    try Files.makeFolder(path, mode: 0o700)
    return path
  }

  /// Only ever called with a folder made above; links are removed, not followed.
  private static func removeTree(_ path: String) {
    for name in (try? Files.list(path)) ?? [] {
      let inner = Files.join(path, name)
      if (try? Files.status(inner, following: false))??.kind == .folder {
        removeTree(inner)
      } else {
        try? Files.remove(inner)
      }
    }
    try? Files.removeFolder(path)
  }
}
