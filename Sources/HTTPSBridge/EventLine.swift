import Posix
import Synchronization
import Wire

/// Lines on standard error, which is the sidecar's: its own form, hosts only, never anything of a call.
enum EventLine {
  static func write(_ level: String, _ event: String, _ fields: KeyValuePairs<String, String>) {
    let pairs = fields.map { "\($0.key)=\(JSONValue.string($0.value).jsonText)" }
    let line = (["level=\(level)", "event=\(event)"] + pairs).joined(separator: " ") + "\n"
    // Nobody listening is no reason to stop working.
    try? StandardStream.error.use { output throws(PosixError) in try output.writeAll(Array(line.utf8)) }
  }
}

/// Says once what is wrong with the server, and once that it is over.
final class FaultLog: Sendable {
  private let host: String
  private let current = Mutex<HTTPSBridgeFault?>(nil)

  init(host: String) { self.host = host }

  func failed(_ fault: HTTPSBridgeFault, _ detail: String) {
    guard change(to: fault) else { return }
    EventLine.write(
      "warning", "https_fault", ["host": host, "cause": fault.rawValue, "detail": detail])
  }

  func succeeded() {
    if change(to: nil) { EventLine.write("info", "https_recovered", ["host": host]) }
  }

  private func change(to fault: HTTPSBridgeFault?) -> Bool {
    current.withLock { current in
      defer { current = fault }
      return current != fault
    }
  }
}
