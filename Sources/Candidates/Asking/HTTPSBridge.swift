import Glibc
package import Posix
package import RouterCore
import Synchronization
package import Wire

/// The helper process of one model with an https endpoint: started with the first question, ended with the model's pool.
///
/// TLS and the API key are in the helper alone. A connection to it is one end of a socket pair; the other end is handed
/// over, so nothing in the file system leads to it.
package final class HTTPSBridge: Sendable {
  /// The program, beside this one or where ``programVariable`` says.
  package static let programName = "shadow-router-https"
  package static let programVariable = "SHADOW_ROUTER_HTTPS_BRIDGE"
  /// All that a helper sees of the environment, besides the variable that holds its key. The library path is for
  /// toolchains that are not installed where the build found them.
  private static let passedOn = [
    "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "LD_LIBRARY_PATH",
  ]
  /// Starts within `window` nanoseconds, beyond which a helper that keeps dying is left alone.
  private static let mostStarts = 3
  private static let window: UInt64 = 10_000_000_000

  private struct Running: ~Copyable {
    var child: ChildProcess
    let control: Descriptor

    func give(_ connection: borrowing Descriptor) throws(PosixError) {
      try UnixSocket.send(connection, over: control)
    }
  }

  private struct State: ~Copyable {
    var running: Running?
    /// One that takes no more connections and finishes what it has.
    var finishing: Running?
    var starts: [UInt64] = []
  }

  private let options: HTTPSBridgeOptions
  private let state = Mutex(State())

  package init(_ model: ModelPolicy, _ endpoint: HTTPURL) {
    var options = HTTPSBridgeOptions(endpoint: endpoint)
    options.keyHeader = model.provider == .anthropic ? .apiKey : .bearer
    options.keyEnvironment = model.apiKeyEnv
    options.keyFile = model.apiKeyFile
    // A probe may ask beside the pool's threads.
    options.connections = model.maxConcurrency + 1
    self.options = options
  }

  /// A new connection to the helper, which is started where it does not run.
  ///
  /// - Throws: ``AskFault/bridgeUnavailable``.
  package func connect() throws(AskFault) -> Descriptor {
    do throws(PosixError) {
      return try UnixSocket.pair(blocking: false).split { (own, theirs) throws(PosixError) in
        try hand(over: theirs)
        return own
      }
    } catch {
      throw .bridgeUnavailable
    }
  }

  /// Ends the helper and collects it. A later ``connect()`` starts another.
  package func end() {
    state.withLock { state in
      // TERM ends it at once; the deadline is for a machine that does not get round to it.
      _ = state.running?.child.stop(until: Clocks.deadline(afterMilliseconds: 500))
      state.running = nil
      _ = state.finishing?.child.stop(until: Clocks.deadline(afterMilliseconds: 500))
      state.finishing = nil
    }
  }

  private func hand(over connection: borrowing Descriptor) throws(PosixError) {
    try state.withLock { state throws(PosixError) in
      if state.running?.child.poll() != nil { state.running = nil }
      if state.finishing?.child.poll() != nil { state.finishing = nil }
      do throws(PosixError) {
        if try state.running?.give(connection) != nil { return }
      } catch {
        // It has answered its share, has died since, or takes nothing in. One that finishes for longer than the next one lives
        // is ended by this.
        state.finishing = state.running.take()
      }
      state.running = try start(&state.starts)
      try state.running?.give(connection)
    }
  }

  private func start(_ starts: inout [UInt64]) throws(PosixError) -> Running {
    let now = Clocks.monotonic()
    starts.removeAll { now - $0 > Self.window }
    guard starts.count < Self.mostStarts else { throw PosixError(code: EAGAIN, call: "start") }
    starts.append(now)
    let environment = (Self.passedOn + [options.keyEnvironment].compactMap { $0 }).compactMap { name in
      ProcessState.environment(name).map { "\(name)=\($0)" }
    }
    let program = try Self.program()
    return try UnixSocket.pair().split { (own, theirs) throws(PosixError) in
      let child = try ChildProcess(
        program, name: Self.programName, options.arguments, environment: environment, socket: theirs)
      return Running(child: child, control: own)
    }
  }

  private static func program() throws(PosixError) -> String {
    if let path = ProcessState.environment(programVariable), !path.isEmpty { return path }
    return Files.join(Files.folder(of: try ProcessState.executablePath()), programName)
  }

  /// A warning at each model that needs the helper, where it is not there to be started.
  package static func missing(for models: [ModelPolicy]) -> [PolicyProblem] {
    let needing = models.filter { $0.endpoint?.scheme == .https && $0.isCandidate }
    guard !needing.isEmpty, (try? Files.status(program())?.kind) != .file else { return [] }
    return needing.map { model in
      PolicyProblem(
        .warning, at: model.mark,
        "models.\(model.id).endpoint is https, and the program `\(programName)` that asks such servers is not beside this one"
      )
    }
  }
}
