package import Journal
import Posix
import RouterCore
import Wire

/// Where in the state folder what has an age lies, beside the log.
package struct StateFolders: Sendable {
  package let state: String
  package let log: String

  package init(state: String, log: String) {
    self.state = state
    self.log = log
  }

  /// The captured text of a call, where there is some.
  func captured(_ callID: String) -> String {
    Files.join(Files.join(state, "vault"), SHA256.hash(Array(callID.utf8)).hex)
  }

  /// An erasure that is under way.
  var erasing: String { Files.join(state, "erasing") }

  var unfinishedErasure: PreviewErasure? {
    guard Files.exists(erasing), let bytes = try? Files.readRegular(erasing, limit: 64 << 20) else {
      return nil
    }
    return (try? JSONValue(parsing: bytes)).flatMap(PreviewErasure.init)
  }

  /// Writes over again what a crash may have left half erased. Before the log is opened: half a preview could look like
  /// damage.
  package func mendErasure() throws(JournalError) {
    try unfinishedErasure?.erase(in: log)
  }

  /// What reports keep of the log; they make it anew.
  func forgetSummaries() {
    let folder = Files.join(state, "summaries")
    for name in (try? Files.list(folder)) ?? [] { try? Files.remove(Files.join(folder, name)) }
  }

  /// Removes, beside the log, what is as old as what the log has lost.
  ///
  /// - Parameter oldest: Time of the log's first record, in milliseconds since 1970; nil: there is none.
  func sweep(_ rules: LogKeeper.Rules, oldest: Int64?, now: Int64) {
    let limit = now - rules.maxAgeMs
    removeFiles(Files.join(state, "vault"), before: limit) { _ in true }
    guard let oldest else { return }
    sweepPolicies(rules, before: min(limit, oldest), now: now)
    let keys = Files.join(state, "keys")
    for name in (try? Files.list(keys)) ?? [] where name.hasPrefix("week-") {
      // Its key stands in the log since the week after.
      guard let week = ISOWeek(name: String(name.dropFirst(5))),
        week.end + 7 * LogKeeper.dayMs < min(limit, oldest)
      else { continue }
      try? Files.remove(Files.join(keys, name))
    }
  }

  /// The file's own time says when its policy was last in force: the one that is, is kept young.
  private func sweepPolicies(_ rules: LogKeeper.Rules, before limit: Int64, now: Int64) {
    let folder = Files.join(state, "policies")
    let own = rules.policyRevision.dropFirst("sha256:".count) + ".yaml"
    let path = Files.join(folder, String(own))
    if let status = try? Files.status(path), status.modified < now - LogKeeper.dayMs,
      let bytes = try? Files.readRegular(path, limit: 4 << 20)
    {
      try? Files.replace(path, with: bytes)
    }
    removeFiles(folder, before: limit) { $0.hasSuffix(".yaml") && $0 != own }
  }

  private func removeFiles(_ folder: String, before limit: Int64, where isMeant: (String) -> Bool) {
    for name in (try? Files.list(folder)) ?? [] where isMeant(name) {
      let path = Files.join(folder, name)
      guard let status = try? Files.status(path, following: false), status.kind == .file,
        status.modified < limit
      else { continue }
      try? Files.remove(path)
    }
  }
}

extension LogRetention {
  /// Time of the log's first record, in milliseconds since 1970.
  package func oldest() throws(JournalError) -> Int64? {
    var first: Int64?
    var reader = try JournalReader(folder: folder)
    try reader.visit { line, _ in
      first = RecordLine(line)?.at
      return first == nil
    }
    return first
  }
}
