import Commands
import Deciding
import Journal
import LogRequests
import Overload
import Posix
import RouterCore
import Service

enum RunCommand {
  static let command = Command(
    name: "run", summary: "the sidecar, in the foreground",
    help: """
      Examples:
        shadow-router run --policy policies/router-policy.yaml
        shadow-router run --tap /run/agent/tap.sock --allow-uid 1001
        shadow-router run --console 127.0.0.1:8710

      Watches the agent's calls on the tap socket, decides each by the policy, asks the candidate in parallel and
      keeps the log. Prints one line starting with `ready` on stderr once every socket listens. Nothing here is in
      the agent's way: whatever happens to this process, the agent goes on.

      SIGHUP reloads the policy, SIGTERM and SIGINT stop after flushing, SIGUSR1 turns the kill switch on.

        --tap PATH              the tap socket (default: tap.sock in the runtime folder)
        --console HOST:PORT     the console's page, on this machine only (127.0.0.1:8710, [::1]:8710, localhost:8710);
                                what writes there needs a token of keys/console-token in the state folder
        --allow-uid UID         admit this user to the tap as well; may be given again
        --allow-gid GID         admit this group's members to the tap as well; may be given again
        --memory-mb N           what waits in memory, and the program, stay within this (default 256, from 96): a quarter
                                each for records and candidates, for answers, for connections. At 80 % of the first no
                                candidate is asked, at 95 % calls are dropped and counted; all is as before below 70 %
        --max-connections N     connections to the tap (by default as the memory allows, 512 at 256 MiB)
        --peer-connections N    connections of one user (default three quarters of all)
        --peer-frames-per-second N  frames of one user; more are dropped and counted (default no limit)
        --max-frame-bytes N     longest frame, line feed included (default 1048576)
        --sync-interval-ms N    longest time a record waits for the disk (default 200)
        --sync-records N        most records that wait for the disk (default 256)
        --segment-mb N          size of a log segment (default 64)
        --reservation-seconds N how long a review item stays with a reviewer who says nothing (default 600)
        --capture-grace-seconds N  how long captured text stays after its label (default 3600)
        --checkpoint-seconds N  time between two checkpoints of the log (default 3600)
        --breaker-patience-seconds N  how long the breaker of a model that serves may stay open before its task is sent
                                back to shadow (default 60)

      A service manager's credential named hash-key ($CREDENTIALS_DIRECTORY) is the key of the hashes, where there is one.

      """,
    options: [
      "tap": true, "allow-uid": true, "allow-gid": true, "max-frame-bytes": true, "sync-interval-ms": true,
      "sync-records": true, "segment-mb": true, "reservation-seconds": true, "capture-grace-seconds": true,
      "memory-mb": true, "max-connections": true, "peer-connections": true, "peer-frames-per-second": true,
      "console": true, "checkpoint-seconds": true, "breaker-patience-seconds": true,
    ],
    run: run)

  private static func run(_ arguments: Arguments) throws(Failure) -> Exit {
    _ = try arguments.operands(0...0, "run [options]")
    let options = try options(arguments)
    // Before any thread exists: all of them inherit the mask.
    let signals = try mended { () throws(PosixError) in
      try SignalReader([.hangUp, .interrupt, .user1, .terminate])
    }
    CrashHandling.printNothing()
    // A core dump would hold prompts.
    try mended { () throws(PosixError) in try ProcessState.keepMemoryPrivate() }
    let log = EventLog { line in Terminal.message(line) }
    do throws(SidecarFault) {
      let sidecar = try Sidecar(options, signals: signals, log: log)
      for remark in sidecar.remarks where remark.severity == .warning {
        Terminal.message(remark.line(in: options.paths.policy) + "\n")
      }
      Terminal.message(sidecar.readyLine + "\n")
      return try sidecar.run() ? .yes : .surroundings
    } catch {
      switch error {
      case .policy(let lines):
        Terminal.message(lines.map { $0 + "\n" }.joined())
        throw Failure(exit: .no, message: "the policy is refused; `shadow-router check` says the same")
      case .surroundings(let text): throw .surroundings(text)
      }
    }
  }

  /// Does something to the system, so that a failure speaks the command line's language.
  private static func mended<Value: ~Copyable>(_ body: () throws(PosixError) -> Value) throws(Failure)
    -> Value
  {
    do throws(PosixError) { return try body() } catch { throw .surroundings(error.description) }
  }

  private static func options(_ arguments: Arguments) throws(Failure) -> SidecarOptions {
    var options = SidecarOptions(paths: arguments.paths)
    options.notifyAddress = ProcessState.environment("NOTIFY_SOCKET")
    if let text = arguments.value("console") {
      do throws(ConsoleAddress.Fault) {
        options.console = try ConsoleAddress(text)
      } catch {
        throw .usage(error.message)
      }
    }
    guard options.paths.tap != options.paths.control else {
      throw .usage("--tap has to be another path than the control socket's, \(options.paths.control)")
    }
    try bound(&options, arguments)
    options.allowedUsers = try ids(arguments.all("allow-uid"), "allow-uid")
    options.allowedGroups = try ids(arguments.all("allow-gid"), "allow-gid")
    if let bytes = try arguments.wholeNumber("max-frame-bytes", in: 1_024...(64 << 20)) {
      options.frameLimit = bytes
    }
    if let interval = try arguments.wholeNumber("sync-interval-ms", in: 1...60_000) {
      options.journal.syncIntervalMilliseconds = Int64(interval)
    }
    if let records = try arguments.wholeNumber("sync-records", in: 1...1_000_000) {
      options.journal.syncRecords = records
    }
    if let megabytes = try arguments.wholeNumber("segment-mb", in: 1...4_096) {
      options.journal.segmentBytes = megabytes << 20
    }
    if let seconds = try arguments.wholeNumber("reservation-seconds", in: 1...86_400) {
      options.reservationMs = Int64(seconds) * 1_000
    }
    if let seconds = try arguments.wholeNumber("capture-grace-seconds", in: 0...86_400) {
      options.captureGraceMs = Int64(seconds) * 1_000
    }
    if let seconds = try arguments.wholeNumber("checkpoint-seconds", in: 1...86_400) {
      options.checkpointMs = Int64(seconds) * 1_000
    }
    options.credentials = ProcessState.environment("CREDENTIALS_DIRECTORY")
    if let seconds = try arguments.wholeNumber("breaker-patience-seconds", in: 1...3_600) {
      options.breakerPatienceSeconds = seconds
    }
    return options
  }

  private static func bound(_ options: inout SidecarOptions, _ arguments: Arguments) throws(Failure) {
    if let megabytes = try arguments.wholeNumber("memory-mb", in: MemoryPlan.megabytes) {
      options.memory = MemoryPlan(megabytes: megabytes)
    }
    options.mostConnections = try arguments.wholeNumber("max-connections", in: 1...1_000_000)
    if let most = options.mostConnections, most > options.fittingConnections {
      throw .usage(
        "--max-connections: \(options.fittingConnections) fit into this --memory-mb, each taking 64 KiB while it sends"
      )
    }
    options.mostConnectionsPerUser = try arguments.wholeNumber("peer-connections", in: 1...1_000_000)
    options.framesPerSecond = try arguments.wholeNumber("peer-frames-per-second", in: 1...10_000_000)
  }

  private static func ids(_ texts: [String], _ name: String) throws(Failure) -> [UInt32] {
    var ids: [UInt32] = []
    for text in texts {
      guard let id = UInt32(text) else { throw .usage("--\(name) takes a number, not \(text)") }
      ids.append(id)
    }
    return ids
  }
}
