import Anchors
import Commands
import Journal
import LogRequests
import PolicyFiles
import Posix
import Retention
import RouterCore
import Wire

enum VerifyLogCommand {
  static let command = Command(
    name: "verify-log", summary: "checks hashes, chain and sequence of the log",
    help: """
      Examples:
        shadow-router verify-log
        shadow-router verify-log --checkpoint /mnt/elsewhere/checkpoint
        shadow-router verify-log --state-dir /var/lib/shadow-router --json

      Exit 1 and the place of the first damage where the log is not whole, or where it does not hold what a checkpoint
      covers. Where retention removed older segments, the log says so itself, and since when.

        --checkpoint FILE   a copy of the file `checkpoint` in the state folder, as it was once; C2SP tlog-checkpoint

      """,
    options: ["checkpoint": true]
  ) { (arguments) throws(Failure) in
    _ = try arguments.operands(0...0, "verify-log [--checkpoint FILE]")
    let checkpoint = try arguments.value("checkpoint").map { (file) throws(Failure) in try read(file) }
    let folder = try arguments.logFolder()
    do throws(JournalError) {
      guard let checkpoint else { return show(try JournalVerification.verify(folder), nil, arguments) }
      let proof = try CheckpointProof(
        checkpoint, logFolder: folder, historyPath: AnchorHistory.path(arguments.paths.state))
      return show(proof.outcome, (checkpoint, proof), arguments)
    } catch {
      throw .surroundings(error.description)
    }
  }

  private static func read(_ file: String) throws(Failure) -> Checkpoint {
    let bytes: [UInt8]
    do throws(PosixError) { bytes = try Files.read(file, limit: 1 << 20) } catch {
      throw .surroundings(error.description)
    }
    guard let checkpoint = Checkpoint(String(decoding: bytes, as: UTF8.self)) else {
      throw Failure(exit: .no, message: "\(file): not a checkpoint (origin, size and root, a line each)")
    }
    return checkpoint
  }

  private static func show(
    _ outcome: JournalVerification.Outcome, _ proof: (checkpoint: Checkpoint, proof: CheckpointProof)?,
    _ arguments: Arguments
  ) -> Exit {
    let holds = proof?.proof.holds ?? outcome.isWhole
    Terminal.out(arguments.wantsJSON ? json(outcome, proof).jsonText + "\n" : text(outcome, proof))
    return holds ? .yes : .no
  }

  private static func json(
    _ outcome: JournalVerification.Outcome, _ proof: (checkpoint: Checkpoint, proof: CheckpointProof)?
  ) -> JSONValue {
    func number(_ value: UInt64) -> JSONValue { .number(JSONNumber(Int(clamping: value))) }
    let removal = outcome.removal
    return [
      "whole": .bool(outcome.isWhole), "records": number(outcome.records), "missing": number(outcome.missing),
      "segments": .number(JSONNumber(outcome.segments)), "head": .string(outcome.head.hash.hex),
      "seq": number(outcome.head.seq), "erased": number(outcome.erased),
      "first_seq": number(removal?.firstSeq ?? 1), "removed": number(removal?.removed.end ?? 0),
      "removed_to": removal.map { .string(Timestamp.string($0.lastRemoved)) } ?? .null,
      "damage": outcome.damage.map { .string($0.description) } ?? .null,
      "checkpoint": proof.map { proof in
        [
          "size": number(proof.checkpoint.size), "contained": .bool(proof.proof.holds),
          "removed": number(proof.proof.removed), "problem": proof.proof.problem.map { .string($0) } ?? .null,
        ]
      } ?? .null,
    ]
  }

  private static func text(
    _ outcome: JournalVerification.Outcome, _ proof: (checkpoint: Checkpoint, proof: CheckpointProof)?
  ) -> String {
    if let damage = outcome.damage {
      return "damaged: \(damage.description)\n\(outcome.records) records before it are whole\n"
    }
    let gaps = outcome.missing > 0 ? ", \(outcome.missing) named as missing by gap records" : ""
    var text =
      "whole: \(outcome.records) records in \(outcome.segments) segments\(gaps), head \(outcome.head.hash.hex)\n"
    if let removal = outcome.removal {
      text += "begins with record \(removal.firstSeq): the \(removal.removed.end) before it, up to "
      text += "\(Timestamp.string(removal.lastRemoved)), were removed by retention\n"
    }
    if outcome.erased > 0 { text += "\(outcome.erased) records had their previews erased, as the log says\n" }
    guard let (checkpoint, proof) = proof else { return text }
    if let problem = proof.problem { return text + "checkpoint NOT contained: \(problem)\n" }
    let removed = proof.removed > 0 ? ", \(proof.removed) of them removed by retention since" : ""
    return text + "checkpoint contained: the first \(checkpoint.size) records are those it covers\(removed)\n"
  }
}

enum EraseCommand {
  static let command = Command(
    name: "erase", summary: "takes the previews of one call out of the log, and what was captured of it",
    help: """
      Examples:
        shadow-router erase 01J9ZK3Q --reason "the customer asked for it"

      Overwrites the redacted previews of the call's records where they stand, removes its captured text, and records
      who asked and why. Ids, hashes, decisions and figures stay, the chain stays whole, and a checkpoint from before
      still holds. Needs the running router. Exit 1 where the log has no such call.

        --reason TEXT   why; kept in the log

      """,
    options: ["reason": true]
  ) { (arguments) throws(Failure) in
    let callID = try arguments.operands(1...1, "erase CALL_ID --reason TEXT")[0]
    guard let reason = arguments.value("reason"), !reason.allSatisfy(\.isWhitespace) else {
      throw .usage("--reason must say why")
    }
    let (status, value) = try ControlClient.json(
      "POST", "/v1/erase", body: ["call_id": .string(callID), "reason": .string(reason)], at: arguments.paths,
      within: 600_000)
    guard status == 200 else {
      let message = value["error"]?.stringValue ?? "the router refused (\(status))"
      throw Failure(exit: status == 404 ? .no : status == 400 ? .usage : .surroundings, message: message)
    }
    if arguments.wantsJSON {
      Terminal.out(value.jsonText + "\n")
    } else {
      let previews = value["previews"]?.intValue ?? 0
      let records = value["records"]?.intValue ?? 0
      let captured = value["captured"]?.boolValue == true ? ", and the captured text" : ""
      Terminal.out("erased \(previews) previews in \(records) records\(captured)\n")
    }
    return .yes
  }
}

enum KeysCommand {
  static let command = Command(
    name: "keys", summary: "the keys of the log's hashes: list, rotate, destroy",
    help: """
      Examples:
        shadow-router keys list
        shadow-router keys rotate
        shadow-router keys destroy 3f2a91bc

      Hashes of texts are made under a key of this installation and name it (hmac-sha256:KID:…). A rotated key is used
      from the next call on, without a restart; equal texts have equal hashes under one key only. A destroyed key is
      overwritten and removed: nobody can test a guess against its hashes any more. The key in use cannot be
      destroyed (exit 4).

      """,
    options: [:]
  ) { (arguments) throws(Failure) in
    let words = try arguments.operands(1...2, "keys list|rotate|destroy KID")
    let folder = KeyFolder(stateFolder: arguments.paths.state)
    switch (words[0], words.count) {
    case ("list", 1): return try list(folder, arguments)
    case ("rotate", 1):
      return try change(["do": "rotate"], arguments) { (folder) throws(Failure) in try rotate(folder) }
    case ("destroy", 2):
      let id = words[1]
      return try change(["do": "destroy", "kid": .string(id)], arguments) { (folder) throws(Failure) in
        try destroy(id, folder)
      }
    default: throw .usage("usage: shadow-router keys list|rotate|destroy KID")
    }
  }

  private static func list(_ folder: KeyFolder, _ arguments: Arguments) throws(Failure) -> Exit {
    var keys: [KeyFolder.Listed]
    do throws(PosixError) { keys = try folder.list() } catch { throw .surroundings(error.description) }
    // A running router may use a key that is no file.
    let status = try? ControlClient.json("GET", "/v1/status", at: arguments.paths, within: 3_000).value
    if status?["key"]?["credential"]?.boolValue == true, let id = status?["key"]?["kid"]?.stringValue {
      for index in keys.indices { keys[index].isCurrent = false }
      keys.append(KeyFolder.Listed(id: id, isCurrent: true))
    }
    if arguments.wantsJSON {
      let values = keys.map { key -> JSONValue in
        [
          "kid": .string(key.id), "in_use": .bool(key.isCurrent),
          "made_at": key.madeAt.map { .string(Timestamp.string($0)) } ?? .null,
          "destroyed": key.destroyed.map { .string($0) } ?? .null,
        ]
      }
      Terminal.out((["keys": .array(values)] as JSONValue).jsonText + "\n")
    } else {
      for key in keys {
        let made = key.madeAt.map { "made \(Timestamp.string($0))" }
        let state =
          key.destroyed.map { "destroyed \($0)" }
          ?? "\(key.isCurrent ? "in use" : "old")  \(made ?? "a credential")"
        Terminal.out("\(key.id.padded(to: 12))\(state)\n")
      }
    }
    return .yes
  }

  /// Asks the running router; where none runs, does it in the folder.
  private static func change(
    _ body: JSONValue, _ arguments: Arguments, offline: (KeyFolder) throws(Failure) -> JSONValue
  ) throws(Failure) -> Exit {
    let paths = arguments.paths
    let value: JSONValue
    if try isRunning(paths) {
      let answer = try ControlClient.json("POST", "/v1/keys", body: body, at: paths)
      guard answer.status == 200 else {
        let message = answer.value["error"]?.stringValue ?? "the router refused (\(answer.status))"
        throw Failure(
          exit: answer.status == 409 ? .refused : answer.status == 404 ? .no : .surroundings, message: message
        )
      }
      value = answer.value
    } else {
      value = try offline(KeyFolder(stateFolder: paths.state))
    }
    let id = value["kid"]?.stringValue ?? ""
    let what =
      body["do"]?.stringValue == "rotate"
      ? "in use from now on: \(id); before it: \(value["previous"]?.stringValue ?? "none")"
      : "destroyed: \(id); its hashes can be compared with each other, and with no text any more"
    Terminal.out(arguments.wantsJSON ? value.jsonText + "\n" : what + "\n")
    return .yes
  }

  /// Whether a router writes the log of this state folder.
  private static func isRunning(_ paths: SidecarPaths) throws(Failure) -> Bool {
    guard Files.exists(paths.log) else { return false }
    do throws(PosixError) { return try FolderLock.take(paths.log) == nil } catch {
      throw .surroundings(error.description)
    }
  }

  private static func rotate(_ folder: KeyFolder) throws(Failure) -> JSONValue {
    do throws(PosixError) {
      let old = try folder.current()
      return ["kid": .string(try folder.rotateKey()), "previous": old.map { .string($0) } ?? .null]
    } catch { throw .surroundings(error.description) }
  }

  private static func destroy(_ id: String, _ folder: KeyFolder) throws(Failure) -> JSONValue {
    do throws(KeyFolder.Refusal) {
      try folder.destroy(id, words: "\(Timestamp.string(Clocks.realtime())) uid:\(ProcessState.user)")
      return ["kid": .string(id), "recorded": false]
    } catch {
      switch error {
      case .unknown: throw Failure(exit: .no, message: "there is no key \(id); `keys list` shows them")
      case .inUse: throw Failure(exit: .refused, message: "key \(id) is in use; `keys rotate` first")
      case .system(let error): throw .surroundings(error.description)
      }
    }
  }
}
