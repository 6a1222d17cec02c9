import Glibc
import Posix
import Wire

/// The helper that speaks TLS for the sidecar: one for each model with an https endpoint, started by the sidecar.
///
/// Connections come in over the socket that is descriptor 3; there is no path by which another process could use the key.
@main
enum Main {
  static func main() {
    Signals.ignoreBrokenPipe()
    // The sidecar decides when this ends; TERM ends it at once.
    for number in [SIGHUP, SIGINT] { _ = signal(number, SIG_IGN) }
    CrashHandling.printNothing()
    guard let options = HTTPSBridgeOptions(parsing: Array(CommandLine.arguments.dropFirst())),
      options.endpoint.scheme == .https
    else {
      EventLine.write("error", "https_usage", ["detail": "shadow-router starts this program by itself"])
      exit(2)
    }
    do throws(PosixError) {
      // It holds prompts, and the key.
      try ProcessState.keepMemoryPrivate()
      try serve(options)
    } catch {
      EventLine.write(
        "error", "https_failed", ["host": options.endpoint.authority, "detail": error.description])
      exit(3)
    }
    exit(0)
  }

  /// Until the sidecar closes its end of the socket, which the kernel does for it when it dies, or until enough has been
  /// answered.
  private static func serve(_ options: HTTPSBridgeOptions) throws(PosixError) {
    let server = Server(options, control: Descriptor(owning: ChildProcess.socketNumber))
    while let connection = try UnixSocket.receiveDescriptor(over: server.control) {
      let number = connection.release()
      let thread = try? Thread.spawn(name: "connection") {
        Connection.serve(Descriptor(owning: number), server)
      }
      // Without a thread the connection is closed, which the sidecar takes for lost.
      if thread == nil { _ = Descriptor(owning: number) }
    }
    server.finish()
  }
}
